"""Any ROS4HRI body detector (REP 155) on the project's films, by one ruler, on a real ROS 2.

    source <workspace>/install/setup.bash
    python3 benchmarks/ros4hri.py one_person -- COMMAND

    COMMAND: ros2 launch bodypose3d_ros bodypose3d.launch.py outputs:=humans
             ros2 launch hri_body_detect hri_body_detect.launch.py

COMMAND is started first and stopped last; the processor is counted of all that it starts. The film
plays on ``image`` and ``camera_info``, its depth images on ``depth`` and ``depth_camera_info``.
What is read is what ROS4HRI's users read: ``/humans/bodies/tracked``, each body's ``skeleton2d``,
and TF, where a detector that gives angles needs its robot_state_publisher.

First the film plays once, no faster than its rate and than it is answered, after its first image
until that is answered: accuracy, as ``benchmarks.accuracy`` has it. Then it is dark; then the film
goes on and on at ``--rate``: processor and latency. At last the camera dies in the middle of it.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle, islice, repeat
from typing import Any

import numpy as np
import psutil
import rclpy
from geometry_msgs.msg import Transform
from hri_msgs.msg import IdsList, Skeleton2D
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time
from rosidl_runtime_py.utilities import get_message
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from bodypose3d_ros.apps.accuracy import Accuracy, measure
from bodypose3d_ros.body.people import SCALE_NONE, STATE_TRACKED, Bodies
from bodypose3d_ros.body.skeleton import INDEX, JOINT_COUNT, LIMB_JOINTS, known
from bodypose3d_ros.hosts.ros2.host import message_class
from bodypose3d_ros.media import film
from bodypose3d_ros.wire.messages import Messages

Array = NDArray[np.float64]
Shot = tuple[Any, ...]

SIDES = {"left": "l", "right": "r"}
LINKS = {
    INDEX[f"{side}_{name}"]: f"{letter}_{name}"
    for side, letter in SIDES.items()
    for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
} | {INDEX["pelvis"]: "body"}
"""Our joints, by REP 155's links."""
POINTS = {
    INDEX[name]: getattr(Skeleton2D, name.upper())
    for name in ("nose", "neck")
    + tuple(
        f"{side}_{name}"
        for side in SIDES
        for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "eye", "ear")
    )
}
START_S, ANSWER_S, EMPTY_S, DEAD_S, REST_S, LATE_S = 120.0, 2.0, 4.0, 6.0, 1.0, 0.005
WARM = 30
"""Answered images before the film begins."""


@dataclass
class Told:
    """What was said of one image."""

    ids: list[str] | None = None
    skeletons: dict[str, Array] = field(default_factory=dict)
    """(18, 3) x, y, confidence of each body."""
    frames: dict[str, tuple[str, Array]] = field(default_factory=dict)
    """Each TF frame's parent, and (4, 4) its place there."""
    after: dict[str, float] = field(default_factory=dict)
    """Milliseconds from the image's stamp until a kind of message was here, the last of it."""


class Listener(Node):
    """The camera, and who reads what is told of its people."""

    def __init__(self, shown: film.Film) -> None:
        super().__init__("listener")
        self.told: dict[int, Told] = {}
        self.ids: list[str] = []
        """As they were told last."""
        self.messages = 0
        self._fixed: dict[str, tuple[str, Array]] = {}
        self._bodies: set[str] = set()
        self._messages = Messages(message_class)
        self._shown = shown
        names = ("image", "camera_info", "depth", "depth_camera_info")
        kinds = ("Image", "CameraInfo", "Image", "CameraInfo")
        self._publishers = [
            self.create_publisher(get_message(f"sensor_msgs/msg/{kind}"), name, 5)
            for name, kind in zip(names, kinds, strict=True)
        ]
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(IdsList, "/humans/bodies/tracked", self._tracked, 10)
        self.create_subscription(TFMessage, "/tf", self._transforms, 100)
        self.create_subscription(TFMessage, "/tf_static", self._static, latched)

    def shots(self) -> list[Shot]:
        """The film's messages."""
        shown, header = self._shown, self._messages.header(0, self._shown.frame_id)
        info = self._messages.camera_info(shown.camera, header)
        depth_info = self._messages.camera_info(shown.depth_camera, header)
        return [
            (
                self._messages.image(frame.image, header),
                info,
                self._messages.depth_image(depth, header),
                depth_info,
            )
            for frame, depth in zip(shown.frames(), shown.depth(), strict=True)
        ]

    def shoot(self, shot: Shot, stamp: int) -> None:
        """Publish an image and what belongs to it; ``stamp`` in nanoseconds."""
        for publisher, message in zip(self._publishers, shot, strict=True):
            message.header.stamp = Time(nanoseconds=stamp).to_msg()
            publisher.publish(message)

    def joints(self, stamp: int, body: str) -> Array:
        """(34, 3) metres in the camera's optical frame, from TF; NaN where it has none."""
        joints = np.full((JOINT_COUNT, 3), np.nan)
        for joint, link in LINKS.items():
            place = self._place(stamp, f"{link}_{body}")
            if place is not None:
                joints[joint] = place[:3, 3]
        return joints

    def answered(self, stamp: int) -> bool:
        """Whether everything of an image's people is here, or that nobody is."""
        told = self.told.get(stamp)
        if told is None or told.ids is None:
            return False
        return all(
            body in told.skeletons and self._place(stamp, f"l_wrist_{body}") is not None
            for body in told.ids
        )

    def _place(self, stamp: int, child: str) -> Array | None:
        place = np.eye(4)
        while child != self._shown.frame_id:
            step = self.told[stamp].frames.get(child) or self._fixed.get(child)
            if step is None:
                return None
            child, place = step[0], step[1] @ place
        return place

    def _tracked(self, ids: IdsList) -> None:
        self.ids = list(ids.ids)
        self._note(ids.header, "ids").ids = self.ids
        for body in set(ids.ids) - self._bodies:
            self._bodies.add(body)

            def skeleton(message: Skeleton2D, body: str = body) -> None:
                points = np.array([(p.x, p.y, p.c) for p in message.skeleton])
                self._note(message.header, "skeleton2d").skeletons[body] = points

            self.create_subscription(Skeleton2D, f"/humans/bodies/{body}/skeleton2d", skeleton, 10)

    def _transforms(self, message: TFMessage) -> None:
        for each in message.transforms:
            link = each.child_frame_id.split("_")
            kind = "body in TF" if link[0] == "body" else "limbs in TF"
            told = self._note(each.header, kind)
            told.frames[each.child_frame_id] = each.header.frame_id, matrix(each.transform)

    def _static(self, message: TFMessage) -> None:
        for each in message.transforms:
            self._fixed[each.child_frame_id] = each.header.frame_id, matrix(each.transform)

    def _note(self, header: Header, kind: str) -> Told:
        self.messages += 1
        stamp = header.stamp.sec * 10**9 + header.stamp.nanosec
        told = self.told.setdefault(stamp, Told())
        told.after[kind] = (time.time_ns() - stamp) / 1e6
        return told


def matrix(transform: Transform) -> Array:
    """(4, 4), from the child frame to its parent."""
    t, q = transform.translation, transform.rotation
    place = np.eye(4)
    place[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    place[:3, 3] = t.x, t.y, t.z
    return place


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("film", choices=film.names())
    parser.add_argument("--rate", type=float, default=30.0, help="Hz, where time is measured")
    parser.add_argument("--seconds", type=float, default=20.0, help="for which it is measured")
    parser.add_argument("command", nargs="+", help="the detector, after --")
    options = parser.parse_args()
    rclpy.init()
    shown = film.load(options.film)
    listener, executor = Listener(shown), SingleThreadedExecutor()
    executor.add_node(listener)
    shots = listener.shots()

    def play(shots: Iterable[Shot], rate: float, waiting: bool = False) -> dict[int, int]:
        """Images of these, one after the other: each one's stamp, and which it is.

        ``waiting``: none before the last is answered, so that a slow machine sees each of them, and
        they are stamped by the film's time.
        """
        stamps: dict[int, int] = {}
        due, first = time.monotonic(), time.time_ns()
        for number, shot in enumerate(shots):
            rest(executor, due)
            stamp = first + round(1e9 * number / rate) if waiting else time.time_ns()
            listener.shoot(shot, stamp)
            stamps[stamp] = number
            due = max(due, time.monotonic() - LATE_S) + 1 / rate
            end = time.monotonic() + ANSWER_S
            while waiting and not listener.answered(stamp) and time.monotonic() < end:
                rest(executor, time.monotonic() + LATE_S)
        rest(executor, due + REST_S)
        return stamps

    with running(options.command) as detector:
        begin(executor, listener, shots[0], shown.rate)
        of_film = play(shots, shown.rate, waiting=True)
        report_accuracy(shown, listener, of_film)
        play(islice(repeat(nothing(shots[0])), int(EMPTY_S * shown.rate)), shown.rate)
        print(f"of images of nothing for {EMPTY_S:.0f} s: {len(listener.ids)} people")
        taken = processor(detector)
        timed = play(islice(cycle(shots), int(options.seconds * options.rate)), options.rate)
        taken = processor(detector) - taken
        report_time(listener, timed, options.rate, taken)
        play(islice(cycle(shots), 3 * len(shots) // 2), shown.rate)
        alive = listener.messages
        rest(executor, time.monotonic() + DEAD_S)
        print(
            f"{DEAD_S + REST_S:.0f} s after the camera has died: {len(listener.ids)} people told "
            f"last, {listener.messages - alive} messages of them in the last {DEAD_S:.0f} s"
        )


def begin(executor: SingleThreadedExecutor, listener: Listener, shot: Shot, rate: float) -> None:
    """Show one image until it is answered again and again."""
    end = time.monotonic() + START_S
    while sum(told.ids is not None for told in listener.told.values()) < WARM:
        if time.monotonic() > end:
            raise TimeoutError("nobody answers on /humans/bodies/tracked")
        listener.shoot(shot, time.time_ns())
        rest(executor, time.monotonic() + 1 / rate)


def nothing(shot: Shot) -> Shot:
    """The same camera, in the dark."""
    image = type(shot[0])(
        header=shot[0].header,
        height=shot[0].height,
        width=shot[0].width,
        encoding=shot[0].encoding,
        step=shot[0].step,
        data=bytes(len(shot[0].data)),
    )
    return (image, *shot[1:])


def report_accuracy(shown: film.Film, listener: Listener, stamps: dict[int, int]) -> None:
    numbers: dict[str, int] = {}
    estimates = {}
    for stamp, frame in stamps.items():
        told = listener.told.get(stamp, Told())
        estimates[frame] = bodies(shown, listener, stamp, told, numbers)
    accuracy = measure(shown, estimates)
    answered = sum(stamp in listener.told for stamp in stamps)
    print(f"-- {shown.name} at {shown.rate:g} Hz, {answered} of {len(stamps)} images answered")
    print_accuracy(accuracy)


def bodies(
    shown: film.Film, listener: Listener, stamp: int, told: Told, numbers: dict[str, int]
) -> Bodies:
    """Everybody of whom something in the image was told."""
    ids = [body for body, points in told.skeletons.items() if points[:, 2].any()]
    none = Bodies.none()
    if not ids:
        return none
    pixels = np.full((len(ids), JOINT_COUNT, 2), np.nan)
    confidence = np.zeros((len(ids), JOINT_COUNT))
    size = np.array([shown.camera.width, shown.camera.height])
    for n, body in enumerate(ids):
        for joint, point in POINTS.items():
            x, y, confidence[n, joint] = told.skeletons[body][point]
            if confidence[n, joint]:
                pixels[n, joint] = np.array([x, y]) * size
    return Bodies(
        joints=np.array([listener.joints(stamp, body) for body in ids]),
        pixels=pixels,
        confidence=confidence,
        score=np.ones(len(ids)),
        scale_source=np.full(len(ids), SCALE_NONE, np.uint8),
        track_id=np.array([numbers.setdefault(body, len(numbers) + 1) for body in ids], np.uint32),
        state=np.full(len(ids), STATE_TRACKED, np.uint8),
    )


def print_accuracy(accuracy: Accuracy) -> None:
    limbs = accuracy.to_json()["limb_joints"]
    roots = accuracy.roots[:, 1] - accuracy.roots[:, 0]
    across = np.linalg.norm(roots[:, [0, 2]], axis=1)
    times = np.median(accuracy.roots[:, 1, 2] / accuracy.roots[:, 0, 2])
    absolute = np.linalg.norm(accuracy.absolute[:, LIMB_JOINTS], axis=2)
    with_limbs = int(known(accuracy.absolute[:, LIMB_JOINTS]).any(axis=1).sum())
    print(
        f"found {accuracy.found} of {accuracy.expected}, invented {accuracy.invented}, ids changed "
        f"{accuracy.switches}; in the image {limbs['pixels']} px\n"
        f"pelvis, absolute: {millimetres(np.linalg.norm(roots, axis=1))}, x and z alone "
        f"{millimetres(across)}, depth {times:.2f} of the true one; of {len(roots)}\n"
        f"limb joints: absolute {millimetres(absolute)}, pelvis on pelvis "
        f"{limbs['root_aligned_mm']} mm, Procrustes {limbs['procrustes_mm']} mm; of {with_limbs}"
    )


def millimetres(distances: Array) -> str:
    finite = distances[np.isfinite(distances)]
    if not len(finite):
        return "unknown"
    return f"{1000 * finite.mean():.0f} mm (95 %: {1000 * np.percentile(finite, 95):.0f})"


def report_time(
    listener: Listener, stamps: dict[int, int], rate: float, processor_s: float
) -> None:
    answered = sum(stamp in listener.told for stamp in stamps)
    print(f"-- at {rate:g} Hz, {answered} of {len(stamps)} images answered")
    print(
        f"processor: {1000 * processor_s / max(answered, 1):.1f} ms an image answered, "
        f"{100 * processor_s * rate / len(stamps):.0f} % of one core"
    )
    print_latency(listener, stamps)
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def print_latency(listener: Listener, stamps: dict[int, int]) -> None:
    for kind in ("ids", "skeleton2d", "body in TF", "limbs in TF"):
        after = [
            listener.told[stamp].after[kind]
            for stamp in stamps
            if stamp in listener.told and kind in listener.told[stamp].after
        ]
        if after:
            middle, high = np.percentile(after, [50, 95])
            print(f"  stamp to {kind:12} {middle:6.1f} ms (95 %: {high:.1f}), {len(after)} images")


def processor(process: subprocess.Popen[bytes]) -> float:
    """Seconds that a program and all that it has started have taken."""
    top = psutil.Process(process.pid)
    seconds = 0.0
    for each in (top, *top.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            seconds += times.user + times.system
    return seconds


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program until the end of the block, and whatever it has started."""
    process = subprocess.Popen(command, start_new_session=True)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(10)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def rest(executor: SingleThreadedExecutor, until: float) -> None:
    """Take messages until then, on the monotonic clock."""
    while (left := until - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left)


if __name__ == "__main__":
    main()

"""The node over DDS before cameras that fail at random: does it go on, and is what it says right?

    python -m benchmarks.soak [--seconds 300] [--seed 0]

A film plays as the camera; faults come one after the other, each once and then by the seed:

- the camera is killed and started again, sleeps, floods the node at ten times its rate, or is
  replaced by one with another lens;
- another publisher sends images that are none, calibrations that are none, one of another lens, or
  good images stamped an hour ahead, ten seconds ago and in 1970;
- the node sleeps, the machine is busy with something else, or who listens to it is killed.

After each fault poses must come again within twenty seconds. All the time the node's diagnostics
must come, every joint must be a place a person before that camera can be, no stamp may be told
twice, and memory and threads must stay. Prints a line for each fault and a verdict; exits with 1
where a promise was broken.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import psutil

from bodypose3d_ros.hosts.dds.names import Names
from bodypose3d_ros.hosts.dds.network import LOOPBACK, Network
from bodypose3d_ros.hosts.dds.node import Node
from bodypose3d_ros.media import film
from bodypose3d_ros.node import interface
from bodypose3d_ros.node.qos import DEFAULT, SENSOR_DATA
from bodypose3d_ros.wire.messages import Message, Messages
from bodypose3d_ros.wire.pose_cdr import read

from .dds_latency import spin_for, start

DOMAIN = 98
FILM = "one_person"
RECOVERY_S = 20.0
"""Half of it is the start of a camera's process on a machine that is busy."""
SILENCE_S = 5.0
"""Of the diagnostics, which come each second, on a machine that is busy."""
DEPTHS = (0.3, 15.0)
"""Metres from the camera within which the film's person is, however wrong the size and the lens."""
MEMORY_MB = 60.0
"""By which the node may grow once every fault has come: buffers of the largest images."""
_FAULT_S = 4.0
_HOUR = 3600 * 10**9

# Beside another benchmark's programs, theirs would answer for these.
started = partial(start, domain=DOMAIN, stderr=subprocess.DEVNULL)


@dataclass
class Watch:
    """What the node says, and what of it is wrong."""

    poses: int = 0
    people: int = 0
    wrong: list[str] = field(default_factory=list)
    last_told: float = field(default_factory=time.monotonic)
    longest_silence: float = 0.0
    levels: dict[int, int] = field(default_factory=dict)
    stamps: set[int] = field(default_factory=set)

    def take_poses(self, cdr: bytes) -> None:
        """A ``Pose3DArray`` has come."""
        poses = read(cdr)
        if poses.stamp in self.stamps:
            self.wrong.append(f"poses of {poses.stamp} twice")
        self.stamps.add(poses.stamp)
        bodies = poses.bodies
        self.poses += 1
        self.people += len(bodies)
        depth = bodies.joints[..., 2]
        low, high = DEPTHS
        if (np.isfinite(depth) & ((depth < low) | (depth > high))).any():
            self.wrong.append(f"a joint {np.nanmin(depth):.1f} to {np.nanmax(depth):.1f} m away")

    def take_diagnostics(self, message: Message) -> None:
        """A ``DiagnosticArray`` has come."""
        now = time.monotonic()
        self.longest_silence = max(self.longest_silence, now - self.last_told)
        self.last_told = now
        level = message.status[0].level
        number = level[0] if isinstance(level, (bytes, bytearray)) else int(level)
        self.levels[number] = self.levels.get(number, 0) + 1


class Camera:
    """``bodypose3d play`` as a process of its own."""

    def __init__(self) -> None:
        self.process = self._started("1")

    def kill(self, graph: Node) -> None:
        """It is gone at once, and comes back."""
        self._end(signal.SIGKILL)
        spin_for(graph, _FAULT_S)
        self.process = self._started("1")

    def sleep(self, graph: Node) -> None:
        """It stops without a word, and wakes up."""
        self.process.send_signal(signal.SIGSTOP)
        spin_for(graph, _FAULT_S)
        self.process.send_signal(signal.SIGCONT)

    def flood(self, graph: Node) -> None:
        """Ten times as many images."""
        self._end(signal.SIGTERM)
        self.process = self._started("10")
        spin_for(graph, _FAULT_S)
        self._end(signal.SIGTERM)
        self.process = self._started("1")

    def replace(self, graph: Node) -> None:
        """Another camera on the same topics for a while, whose lens distorts."""
        for shown in ("one_person_distorted", FILM):
            self._end(signal.SIGTERM)
            self.process = self._started("1", shown)
            spin_for(graph, _FAULT_S)

    def close(self) -> None:
        """End it."""
        self._end(signal.SIGTERM)

    def _started(self, speed: str, shown: str = FILM) -> subprocess.Popen[bytes]:
        return started("play", shown, "--loop", "--speed", speed, "--wait", "1")

    def _end(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        self.process.wait(20)


class Vandal:
    """Another camera on the same topics, which lies about what it sees, how, and when."""

    def __init__(self, graph: Node, dice: random.Random) -> None:
        self._graph, self._dice = graph, dice
        self._messages = Messages(graph.types.__getitem__)
        self._images = graph.create_publisher(interface.IMAGE.type, "/image", SENSOR_DATA)
        info = interface.CAMERA_INFO
        self._infos = graph.create_publisher(info.type, "/camera_info", info.qos)
        self._good = next(film.load(FILM).frames())

    def images(self) -> None:
        """Images that are none, and good ones of nobody's frame."""
        self._rage(lambda: self._images.publish(self._no_image()))

    def calibrations(self) -> None:
        """Calibrations that no camera can have, between the true ones."""
        self._rage(lambda: self._infos.publish(self._no_calibration()))

    def zoom(self) -> None:
        """A calibration of a lens with half the field of view, between the true ones."""
        matrix = self._good.camera.matrix * [[2, 1, 1], [1, 2, 1], [1, 1, 1]]
        info = self._messages.camera_info(
            replace(self._good.camera, matrix=matrix), self._header(time.time_ns())
        )
        self._rage(lambda: self._infos.publish(info))

    def clock(self) -> None:
        """Good images whose times are of other clocks."""

        def send() -> None:
            now = time.time_ns()
            stamp = self._dice.choice([now + _HOUR, now - 10 * 10**9, now % 10**9])
            self._images.publish(self._messages.image(self._good.image, self._header(stamp)))

        self._rage(send)

    def _rage(self, send: Callable[[], None]) -> None:
        end = time.monotonic() + _FAULT_S
        while time.monotonic() < end:
            send()
            spin_for(self._graph, 0.05)

    def _header(self, stamp: int) -> Message:
        return self._messages.header(stamp, film.FRAME_ID)

    def _no_calibration(self) -> Message:
        info = self._messages.camera_info(self._good.camera, self._header(time.time_ns()))
        index = self._dice.randrange(9)
        k = np.array(info.k)
        k[index] = self._dice.choice([np.nan, np.inf, -1.0, 0.0, 1e300, 1e-300])
        info.k = k if self._dice.random() < 0.8 else np.zeros(9)
        info.width = self._dice.choice([info.width, 0, 7, 2**32 - 1])
        info.distortion_model = self._dice.choice(["plumb_bob", "", "nonsense"])
        return info

    def _no_image(self) -> Message:
        choice, now = self._dice.choice, time.time_ns()
        stamp = choice([0, 1, now - 10**13, now + _HOUR, now])
        header = self._messages.header(stamp, choice(["", "nowhere", "camera_optical_frame"]))
        size = choice([1, 7, 48, 2000]), choice([1, 64])
        message = self._messages.image(np.zeros((*size, 3), np.uint8), header)
        message.encoding = choice(["bgr8", "32FC3", "", "nv12", "16UC1"])
        message.width = choice([size[1], 0, 2**32 - 1])
        message.step = choice([3 * size[1], 0, 3, 2**32 - 1])
        return message


def asleep(graph: Node, node: subprocess.Popen[bytes]) -> None:
    """The node stops without a word, as on a machine that swaps, and wakes up."""
    node.send_signal(signal.SIGSTOP)
    spin_for(graph, _FAULT_S / 2)
    node.send_signal(signal.SIGCONT)


def busy(graph: Node) -> None:
    """Something else takes every core."""
    command = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    spin_for(graph, _FAULT_S)
    for other in others:
        other.kill()
        other.wait()


def deserted(graph: Node) -> None:
    """Who listens is killed, and does not say goodbye."""
    listeners = [started("echo"), started("echo")]
    spin_for(graph, _FAULT_S)
    for listener in listeners:
        listener.kill()
        listener.wait()


def soak(seconds: float, seed: int, log: Path) -> int:
    """Run it; how many promises were broken."""
    dice = random.Random(seed)  # noqa: S311 - faults, not secrets
    watch = Watch()
    with (
        log.open("wb") as said,
        Node(Names("soak"), Network.from_environment(DOMAIN, LOOPBACK, {})) as graph,
        ended(started("node", "--host", "dds", stderr=said)) as node,
    ):
        poses, told = interface.POSES.type, interface.DIAGNOSTICS.type
        graph.create_subscription(poses, "/bodypose3d/poses", watch.take_poses, DEFAULT, raw=True)
        graph.create_subscription(told, "/diagnostics", watch.take_diagnostics, DEFAULT)
        vandal, camera = Vandal(graph, dice), Camera()
        faults: dict[str, Callable[[], None]] = {
            "killed": lambda: camera.kill(graph),
            "asleep": lambda: camera.sleep(graph),
            "flood": lambda: camera.flood(graph),
            "replaced": lambda: camera.replace(graph),
            "no images": vandal.images,
            "no lens": vandal.calibrations,
            "zoom": vandal.zoom,
            "clock": vandal.clock,
            "node asleep": lambda: asleep(graph, node),
            "busy": lambda: busy(graph),
            "deserted": lambda: deserted(graph),
        }
        try:
            if not came(graph, watch, 60.0):
                watch.wrong.append("no poses within a minute of the start")
            watch.last_told, watch.longest_silence = time.monotonic(), 0.0
            slowest, held, count = 0.0, None, 0
            end = time.monotonic() + seconds
            while time.monotonic() < end and node.poll() is None:
                name = list(faults)[count] if count < len(faults) else dice.choice(list(faults))
                faults[name]()
                began = time.monotonic()
                if not came(graph, watch, RECOVERY_S):
                    watch.wrong.append(f"no poses within {RECOVERY_S:.0f} s of {name}")
                again = time.monotonic() - began
                slowest, count = max(slowest, again), count + 1
                spin_for(graph, dice.uniform(0.5, 3.0))
                now = holds(node)
                print(f"{name:12} poses again after {again:4.1f} s, {now[0]:.0f} MB, "
                      f"{now[1]} threads, {now[2]} handles", flush=True)  # fmt: skip
                held = now if count == len(faults) else held
        finally:
            camera.close()
        if node.poll() is not None:
            watch.wrong.append(f"the node ended with {node.returncode}")
        else:
            watch.wrong += kept(held, holds(node))
    if watch.longest_silence > SILENCE_S:
        watch.wrong.append(f"diagnostics were silent for {watch.longest_silence:.1f} s")
    if "Traceback" in log.read_text(errors="replace"):
        watch.wrong.append("the node met a defect: see above")
        print(log.read_text(errors="replace")[-3000:])
    for text in dict.fromkeys(watch.wrong):
        print(f"broken: {text}")
    verdict = "kept" if not watch.wrong else "BROKEN"
    print(f"verdict: {verdict}, seed {seed}, {count} faults, {watch.poses} poses, {watch.people} "
          f"people, slowest recovery {slowest:.1f} s, diagnostics by level {watch.levels}, "
          f"{len(watch.wrong)} broken promises")  # fmt: skip
    return len(watch.wrong)


def kept(first: tuple[float, int, int] | None, last: tuple[float, int, int]) -> list[str]:
    """What the node holds at the end and did not hold once every fault had come."""
    if first is None:
        return []
    wrong = []
    if last[0] - first[0] > MEMORY_MB:
        wrong.append(f"memory went from {first[0]:.0f} to {last[0]:.0f} MB")
    for name, then, now in (("threads", first[1], last[1]), ("handles", first[2], last[2])):
        if now > then + 8:
            wrong.append(f"{name} went from {then} to {now}")
    return wrong


def holds(process: subprocess.Popen[bytes]) -> tuple[float, int, int]:
    """Megabytes, threads and file handles."""
    if process.poll() is not None:
        return 0.0, 0, 0
    held = psutil.Process(process.pid)
    return held.memory_info().rss / 1e6, held.num_threads(), held.num_fds()


def came(graph: Node, watch: Watch, seconds: float) -> bool:
    """Whether poses with somebody in them come within a time."""
    before, end = watch.people, time.monotonic() + seconds
    while watch.people == before and time.monotonic() < end:
        graph.spin_once(0.1)
    return watch.people > before


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is over when the block is."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def main() -> None:
    """Soak, and fail where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        broken = soak(options.seconds, options.seed, Path(folder) / "node.log")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()

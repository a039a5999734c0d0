"""What fusing adds to the poses of a cell's cameras, live, and what the death of one does.

    python -m benchmarks.fusion_latency [SECONDS] [--cameras N] [--model NAME]
    python -m benchmarks.fusion_latency [SECONDS] [--cameras N] [--model NAME] --ros2 [--rate HZ]

Two processes a camera and one that fuses, on the loopback interface: a camera that plays a film of
the cell, 640x480 at 15 Hz (the fourth at 10), all of them the same moment; a node without tracking,
with one thread; the fusion node; and this one listens. Latency is from an image's stamp until its
poses arrive here; fused poses bear the stamp of the newest image in them. Then the second camera is
killed, and started again.

``--ros2``: all of them are on rclpy, where a ROS 2 with this package is sourced. ``--rate``: images
that the films leave out, where so many cameras are more than the machine has cores for.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.hosts.dds.names import Names
from bodypose3d_ros.hosts.dds.network import LOOPBACK, Network
from bodypose3d_ros.hosts.dds.node import Node
from bodypose3d_ros.media import film
from bodypose3d_ros.node import interface
from bodypose3d_ros.node.qos import DEFAULT
from bodypose3d_ros.wire.messages import Message
from bodypose3d_ros.wire.stamps import stamp_of

from .dds_latency import DOMAIN, spin_for, start

WARM_UP_S = 10.0
DEAD_S = 10.0
PATIENCE_S = 120.0
FUSED = "fused"
Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Heard:
    """One message of poses."""

    at: float
    """Seconds, of the monotonic clock."""
    latency: float
    """Milliseconds since its stamp."""
    people: frozenset[int]
    sigma: float
    """Metres: of the pelvises, the mean; the root of the covariance's trace."""


class Listener:
    """Whose poses came when, and what the fusion's diagnostics said."""

    def __init__(self) -> None:
        self.heard: dict[str, list[Heard]] = {}
        """By camera."""
        self.told: dict[str, dict[str, str]] = {}

    def poses(self, name: str, message: Message) -> None:
        """A ``Pose3DArray`` has come."""
        pelvises = [pose.joints[INDEX["pelvis"]].position_covariance for pose in message.poses]
        spread = [np.sqrt(sum(each[::4])) for each in pelvises if each[0] >= 0]  # -1 is unknown
        self.heard.setdefault(name, []).append(
            Heard(
                at=time.monotonic(),
                latency=(time.time_ns() - stamp_of(message)) / 1e6,
                people=frozenset(pose.track_id for pose in message.poses),
                sigma=float(np.mean(spread)) if spread else np.nan,
            )
        )

    def diagnostics(self, message: Message) -> None:
        """A ``DiagnosticArray`` has come."""
        for status in message.status:
            node, _, what = status.name.partition(": ")
            if node == "bodypose3d_fusion":
                self.told[what] = {pair.key: pair.value for pair in status.values}
                self.told[what]["message"] = status.message


@dataclass(frozen=True)
class Programs:
    """How the processes of a cell are started."""

    camera: Callable[[str], Process]
    node: Callable[[str], Process]
    fusion: Callable[[tuple[str, ...]], Process]


def over_dds(model: str) -> Programs:
    """On our own DDS runtime."""
    own = _params("tracking:=false", "threads:=1", f"model:={model}")
    return Programs(
        camera=lambda name: start("play", name, "--loop", "--wait", "1", "--namespace", f"/{name}"),
        node=lambda name: start("node", "--host", "dds", "--namespace", f"/{name}", *own),
        fusion=lambda names: start("fusion", "--host", "dds", *_params(_cameras(names))),
    )


def on_ros2(model: str, rate: float) -> Programs:
    """On rclpy."""

    def program(module: str, namespace: str, *params: str) -> Process:
        command = [sys.executable, "-m", f"bodypose3d_ros.hosts.ros2.{module}", "--ros-args"]
        for param in params:
            command += ["-p", param]
        command += ["-r", f"__ns:=/{namespace}"]
        settings = {"ROS_DOMAIN_ID": str(DOMAIN), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        return subprocess.Popen(command, env=os.environ | settings, stderr=subprocess.DEVNULL)

    own = ("tracking:=false", "threads:=1", f"model:={model}")
    return Programs(
        camera=lambda name: program("film_camera", name, f"film:={name}", f"rate:={rate}"),
        node=lambda name: program("node", name, *own),
        fusion=lambda names: program("fusion", "", _cameras(names)),
    )


def measure(seconds: float, cameras: tuple[str, ...], programs: Programs) -> None:
    """Run everything, and tell."""
    listener = Listener()
    topics = {camera: f"/{camera}/bodypose3d/poses" for camera in cameras}
    topics[FUSED] = "/bodypose3d_fusion/poses"
    others = [programs.fusion(cameras), *map(programs.node, cameras)]
    shooting = {name: programs.camera(name) for name in cameras}
    try:
        with Node(Names("listener"), Network.from_environment(DOMAIN, LOOPBACK, {})) as graph:
            for name, topic in topics.items():
                take = partial(listener.poses, name)
                graph.create_subscription(interface.POSES.type, topic, take, DEFAULT)
            graph.create_subscription(
                interface.DIAGNOSTICS.type, "/diagnostics", listener.diagnostics, DEFAULT
            )
            wait(graph, lambda: listener.heard.keys() >= topics.keys())
            spin_for(graph, WARM_UP_S)
            listener.heard.clear()
            spin_for(graph, seconds)
            report(listener, seconds)
            kill_and_revive(graph, listener, shooting, cameras[1], programs)
    finally:
        _end([*shooting.values(), *others])


def report(listener: Listener, seconds: float) -> None:
    """Print rates and latencies, and by how much the fusion is later than the slowest node."""
    medians = {}
    for name, heard in sorted(listener.heard.items()):
        latencies = [each.latency for each in heard]
        medians[name] = np.median(latencies)
        print(
            f"{name}: {len(heard) / seconds:.1f} Hz, stamp to poses here: median "
            f"{medians[name]:.1f} ms, 95th percentile {np.percentile(latencies, 95):.1f} ms"
        )
    slowest = max(value for name, value in medians.items() if name != FUSED)
    print(f"above the slowest node: {medians[FUSED] - slowest:.1f} ms")
    for what, told in listener.told.items():
        print(f"{what}: " + ", ".join(f"{key} {value}" for key, value in told.items()))
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def kill_and_revive(
    graph: Node, listener: Listener, shooting: dict[str, Process], name: str, programs: Programs
) -> None:
    """Print what becomes of people without a camera, and how soon it counts again."""
    before = listener.heard[FUSED]
    shooting[name].kill()
    shooting[name].wait()
    spin_for(graph, 1.0)  # what it saw last is used up
    listener.heard[FUSED] = []
    spin_for(graph, DEAD_S)
    without = listener.heard[FUSED]
    known = _sigma(before), _sigma(without)
    ids = [set().union(*(each.people for each in heard)) for heard in (before, without)]
    print(
        f"without {name}: {len(without) / DEAD_S:.1f} Hz, "
        f"{np.diff([each.at for each in without]).max():.2f} s at most between poses, "
        f"{np.mean([len(each.people) for each in without]):.2f} people "
        f"({np.mean([len(each.people) for each in before]):.2f} before), "
        f"{len(ids[1] - ids[0])} new ids; pelvis {1e3 * known[0]:.0f} -> {1e3 * known[1]:.0f} mm"
    )
    listener.heard[name], listener.heard[FUSED] = [], []
    shooting[name] = programs.camera(name)
    middle = sum(known) / 2
    back = partial(_joined, listener, name, middle)
    wait(graph, lambda: back() is not None)
    print(f"{name} is back: {back():.2f} s after its first poses, pelvises are known as before")


def _joined(listener: Listener, name: str, sigma: float) -> float | None:
    """Seconds from a camera's first poses until fused ones are surer than so many metres."""
    if not listener.heard[name]:
        return None
    first = listener.heard[name][0].at
    surer = (each.at for each in listener.heard[FUSED] if each.at > first and each.sigma < sigma)
    at = next(surer, None)
    return None if at is None else at - first


def _sigma(heard: list[Heard]) -> float:
    return float(np.nanmedian([each.sigma for each in heard]))


def wait(graph: Node, condition: Callable[[], bool]) -> None:
    """Listen until it is true."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"nothing more was heard for {PATIENCE_S:g} s: is everything installed?")
        graph.spin_once(0.05)


def _cameras(names: tuple[str, ...]) -> str:
    return f"cameras:=[{', '.join(names)}]"


def _params(*values: str) -> list[str]:
    return [word for value in values for word in ("--param", value)]


def _end(processes: list[Process]) -> None:
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process in processes:
        process.wait(20)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("seconds", type=float, nargs="?", default=60.0)
    parser.add_argument("--cameras", type=int, default=4, help="how many of the cell's")
    parser.add_argument("--model", default="blazepose", help="the nodes' network")
    parser.add_argument("--ros2", action="store_true", help="everything on rclpy")
    parser.add_argument("--rate", type=float, default=0.0, help="Hz at most, on rclpy")
    chosen = parser.parse_args()
    os.environ.pop("CYCLONEDDS_URI", None)  # all of them meet on the loopback interface
    if chosen.rate and not chosen.ros2:
        parser.error("--rate: with --ros2 alone")
    means = on_ros2(chosen.model, chosen.rate) if chosen.ros2 else over_dds(chosen.model)
    measure(chosen.seconds, film.RIGS["cell"][: chosen.cameras], means)

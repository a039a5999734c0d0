"""What fusing adds to the poses of a cell's cameras, live, on this machine.

    python -m benchmarks.fusion_latency [SECONDS] [--cameras N] [--ros2]

Two processes a camera and one that fuses, on the loopback interface: ``bodypose3d play`` sends a
film of the cell, 640x480 at 15 Hz (the fourth at 10), all of them the same moment;
``bodypose3d node`` without tracking estimates, with one thread, ``bodypose3d fusion`` fuses, and
this one listens. Latency is from an image's stamp until its poses arrive here; fused poses bear the
stamp of the newest image in them. ``--ros2``: the fusion node is that on rclpy.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import time
from collections import defaultdict
from functools import partial

import numpy as np

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
FUSED = "fused"


class Listener:
    """When whose poses came, and what the fusion's diagnostics said."""

    def __init__(self) -> None:
        self.latencies: dict[str, list[float]] = defaultdict(list)
        """Milliseconds by camera."""
        self.told: dict[str, dict[str, str]] = {}

    def poses(self, name: str, message: Message) -> None:
        """A ``Pose3DArray`` has come."""
        self.latencies[name].append((time.time_ns() - stamp_of(message)) / 1e6)

    def diagnostics(self, message: Message) -> None:
        """A ``DiagnosticArray`` has come."""
        for status in message.status:
            node, _, what = status.name.partition(": ")
            if node == "bodypose3d_fusion":
                self.told[what] = {pair.key: pair.value for pair in status.values}
                self.told[what]["message"] = status.message


def measure(seconds: float, cameras: tuple[str, ...], host: str) -> None:
    """Run everything, and tell."""
    processes = [
        start(
            "fusion", "--host", host, "--param", f"cameras:=[{', '.join(cameras)}]",
        )
    ]  # fmt: skip
    for camera in cameras:
        namespace = ("--namespace", f"/{camera}")
        processes += [
            start("node", "--host", "dds", *namespace, *_params("tracking:=false", "threads:=1")),
            start("play", camera, "--loop", "--wait", "1", *namespace),
        ]
    listener = Listener()
    topics = {camera: f"/{camera}/bodypose3d/poses" for camera in cameras}
    topics[FUSED] = "/bodypose3d_fusion/poses"
    try:
        with Node(Names("listener"), Network.from_environment(DOMAIN, LOOPBACK, {})) as graph:
            for name, topic in topics.items():
                take = partial(listener.poses, name)
                graph.create_subscription(interface.POSES.type, topic, take, DEFAULT)
            graph.create_subscription(
                interface.DIAGNOSTICS.type, "/diagnostics", listener.diagnostics, DEFAULT
            )
            while set(listener.latencies) < set(topics):
                graph.spin_once()
            spin_for(graph, WARM_UP_S)
            listener.latencies.clear()
            spin_for(graph, seconds)
    finally:
        _end(processes)
    report(listener, seconds)


def report(listener: Listener, seconds: float) -> None:
    """Print rates and latencies, and by how much the fusion is later than the slowest node."""
    medians = {}
    for name, latencies in sorted(listener.latencies.items()):
        medians[name] = np.median(latencies)
        print(
            f"{name}: {len(latencies) / seconds:.1f} Hz, stamp to poses here: median "
            f"{medians[name]:.1f} ms, 95th percentile {np.percentile(latencies, 95):.1f} ms"
        )
    slowest = max(value for name, value in medians.items() if name != FUSED)
    print(f"above the slowest node: {medians[FUSED] - slowest:.1f} ms")
    for what, told in listener.told.items():
        print(f"{what}: " + ", ".join(f"{key} {value}" for key, value in told.items()))
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def _params(*values: str) -> list[str]:
    return [word for value in values for word in ("--param", value)]


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process in processes:
        process.wait(20)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=60.0)
    parser.add_argument("--cameras", type=int, default=4, help="how many of the cell's")
    parser.add_argument("--ros2", action="store_true", help="fuse on rclpy")
    chosen = parser.parse_args()
    measure(chosen.seconds, film.RIGS["cell"][: chosen.cameras], "ros2" if chosen.ros2 else "dds")

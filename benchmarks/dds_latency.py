"""One way from a camera to its poses over DDS, on this machine: latency, losses, CPU, memory.

    python -m benchmarks.dds_latency [SECONDS]

Three processes on the loopback interface: ``bodypose3d play`` sends the film one_person, 640x480,
at 30 Hz, ``bodypose3d node`` estimates, this one listens. An image's stamp is the moment it is
sent; it is decoded and its message made before. What the networks take, and what is left for
everything else, the image's way included, the node measures for each image; printed is the median
of what its diagnostics say each second.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import IO

import numpy as np
import psutil

from bodypose3d_ros.hosts.dds.names import Names
from bodypose3d_ros.hosts.dds.network import LOOPBACK, Network
from bodypose3d_ros.hosts.dds.node import Node
from bodypose3d_ros.node import interface
from bodypose3d_ros.node.qos import DEFAULT
from bodypose3d_ros.wire.messages import Message
from bodypose3d_ros.wire.stamps import stamp_of

DOMAIN = 99
RATE = 30
WARM_UP_S = 5.0
_COMMAND = (sys.executable, "-c", "from bodypose3d_ros.apps.cli import main; main()")


class Listener:
    """What the node has said."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.latencies: list[float] = []
        self.stamps: list[int] = []
        self.told: list[dict[str, str]] = []

    def poses(self, message: Message) -> None:
        """A ``Pose3DArray`` has come."""
        self.latencies.append((time.time_ns() - stamp_of(message)) / 1e6)
        self.stamps.append(stamp_of(message))

    def diagnostics(self, message: Message) -> None:
        """A ``DiagnosticArray`` has come."""
        self.told.append({pair.key: pair.value for pair in message.status[0].values})

    def median(self, key: str) -> float:
        """Of a number in the diagnostics."""
        return float(np.median([float(values[key]) for values in self.told]))


def measure(seconds: float) -> None:
    play = start("play", "one_person", "--loop", "--speed", "2", "--wait", "1")
    node = start("node", "--host", "dds")
    listener = Listener()
    network = Network.from_environment(DOMAIN, LOOPBACK, {})
    try:
        with Node(Names("listener"), network) as graph:
            graph.create_subscription(
                interface.POSES.type, "/bodypose3d/poses", listener.poses, DEFAULT
            )
            graph.create_subscription(
                interface.DIAGNOSTICS.type, "/diagnostics", listener.diagnostics, DEFAULT
            )
            while not listener.latencies:
                graph.spin_once()
            spin_for(graph, WARM_UP_S)
            listener.clear()
            usage = {name: psutil.Process(p.pid) for name, p in (("play", play), ("node", node))}
            before = {name: process.cpu_times() for name, process in usage.items()}
            memory = usage["node"].memory_info().rss
            spin_for(graph, seconds)
            report(listener, seconds)
            for name, process in usage.items():
                after = process.cpu_times()
                used = after.user + after.system - before[name].user - before[name].system
                print(f"CPU of {name}: {100 * used / seconds:.0f} % of a core")
            grown = (usage["node"].memory_info().rss - memory) / 1e6
            print(f"memory of node: {memory / 1e6:.0f} MB, grown by {grown:.1f} MB")
    finally:
        for started in (node, play):
            started.send_signal(signal.SIGINT)
            started.wait(10)


def report(listener: Listener, seconds: float) -> None:
    # A gap of two periods between stamps is one image without poses.
    gaps = np.diff(listener.stamps) * RATE / 1e9
    lost = int(np.maximum(np.rint(gaps) - 1, 0).sum())
    print(f"{len(listener.latencies)} images in {seconds:g} s, {lost} without poses")
    middle, high = np.percentile(listener.latencies, [50, 95])
    print(f"stamp to poses here: median {middle:.1f} ms, 95th percentile {high:.1f} ms")
    middle = listener.median("latency less network, median (ms)")
    high = listener.median("latency less network, 95th percentile (ms)")
    print(f"less the networks' time: median {middle:.1f} ms, 95th percentile {high:.1f} ms")
    for key in ("image age on arrival", "network", "detect", "pose", "lift", "track"):
        print(f"  {key}: {listener.median(f'{key}, median (ms)'):.1f} ms")
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def spin_for(graph: Node, seconds: float) -> None:
    """Listen for a while."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        graph.spin_once(left)


def start(
    command: str, *arguments: str, domain: int = DOMAIN, stderr: int | IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """A command of ours on the loopback interface."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CYCLONEDDS")}
    return subprocess.Popen(
        [*_COMMAND, command, *arguments, "--domain", str(domain), "--interface", LOOPBACK],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    )


if __name__ == "__main__":
    measure(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)

"""What the bridge takes beside the node: processor time and memory, on a real ROS 2.

    source <workspace>/install/setup.bash
    python3 benchmarks/bridge.py --minutes 10

A film plays as a camera; node and bridge run in processes of their own, and all that the bridge
says is read, but for the images that people are cut out of: who reads those has the bridge take
every image. A line a minute, and one of all of them: the bridge's share of one core, the node's,
the one in the other, the bridge's memory, and how many bodies of ``humans`` came, whose topics
are what memory grows by.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import rclpy
from ament_index_python.packages import get_package_prefix
from rclpy.node import Node, NodeNameNonExistentError
from rclpy.subscription import Subscription
from rosidl_runtime_py.utilities import get_message

PROGRAMS = Path(get_package_prefix("bodypose3d_ros")) / "lib" / "bodypose3d_ros"
ALL = "people,points,cloud,collision_objects,detections,humans"
BRIDGE = "bodypose3d_bridge"
SETTLED_S = 15.0
LINE_S = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--film", default="two_people")
    parser.add_argument("--rate", type=float, default=30.0, help="Hz")
    parser.add_argument("--outputs", default=ALL)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--unread", action="store_true", help="nobody reads what the bridge says")
    options = parser.parse_args()
    film = ("-p", f"film:={options.film}", "-p", f"rate:={options.rate}")
    outputs = ("-p", f"outputs:=[{options.outputs}]", "-r", "poses:=/bodypose3d/poses")
    with (
        running("film_camera", *film),
        running("bodypose3d_node") as node,
        running(BRIDGE, *outputs) as bridge,
    ):
        rclpy.init()
        readers = Readers(nothing=options.unread)
        readers.read(SETTLED_S)
        begin = Taken.by(bridge, node, readers.bodies)
        end = begin.at + 60 * options.minutes
        before = begin
        while (left := end - time.monotonic()) > 0:
            readers.read(min(left, LINE_S))
            now = Taken.by(bridge, node, readers.bodies)
            report(before, now)
            before = now
        print("in all: ", end="")
        report(begin, before)
        print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


class Readers(Node):
    """Subscribes to what the bridge says, and leaves it with the middleware: that costs nobody."""

    def __init__(self, nothing: bool) -> None:
        super().__init__("readers")
        self.bodies = 0
        """How many have come."""
        self._nothing = nothing
        self._read: dict[str, Subscription] = {}

    def read(self, seconds: float) -> None:
        """For so long, also what appears meanwhile: the topics of people come with them."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not self._nothing:
                self._look()
            time.sleep(min(left, 1.0))

    def _look(self) -> None:
        try:
            topics = self.get_publisher_names_and_types_by_node(BRIDGE, "/")
        except NodeNameNonExistentError:
            return  # it is about to start
        kinds = {name: kind for name, (kind, *_) in topics if not name.endswith("/cropped")}
        for name in self._read.keys() - kinds.keys():
            self.destroy_subscription(self._read.pop(name))  # with the person
        for name in kinds.keys() - self._read.keys():
            self.bodies += name.endswith("/velocity")
            kind = get_message(kinds[name])
            self._read[name] = self.create_subscription(kind, name, lambda _: None, 10, raw=True)


@dataclass(frozen=True)
class Taken:
    """What both programs have taken up to a moment."""

    at: float
    """Seconds of the monotonic clock."""
    bridge: float
    """Seconds of processor time."""
    node: float
    memory: int
    """Bytes that the bridge holds."""
    bodies: int
    """That have come, while somebody reads."""

    @classmethod
    def by(cls, bridge: psutil.Process, node: psutil.Process, bodies: int) -> Taken:
        """Up to now."""
        memory = bridge.memory_info().rss
        return cls(time.monotonic(), taken(bridge), taken(node), memory, bodies)


def report(before: Taken, now: Taken) -> None:
    """Say what was taken between two moments."""
    passed = now.at - before.at
    own, its = now.bridge - before.bridge, now.node - before.node
    print(
        f"bridge {own / passed:.1%} of a core, node {its / passed:.1%}: {own / its:.1%} of it; "
        f"{before.memory / 2**20:.1f} to {now.memory / 2**20:.1f} MiB, "
        f"{now.bodies - before.bodies} bodies came",
        flush=True,
    )


def taken(process: psutil.Process) -> float:
    """Seconds of processor time."""
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def running(program: str, *arguments: str) -> Iterator[psutil.Process]:
    """A program of the package, ended with the block."""
    command = [sys.executable, str(PROGRAMS / program), "--ros-args", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    main()

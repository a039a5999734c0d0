"""What the bridge takes beside the node: processor time and memory, on a real ROS 2.

    source <workspace>/install/setup.bash
    python3 benchmarks/bridge.py --minutes 10

A film plays as a camera; node and bridge run in processes of their own. A line a minute, and one
of all of them: the bridge's share of one core, the node's, the one in the other, and the bridge's
memory.
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
from ament_index_python.packages import get_package_prefix

PROGRAMS = Path(get_package_prefix("bodypose3d_ros")) / "lib" / "bodypose3d_ros"
ALL = "people,points,cloud,collision_objects,detections,humans"
SETTLED_S = 15.0
LINE_S = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--film", default="two_people")
    parser.add_argument("--rate", type=float, default=30.0, help="Hz")
    parser.add_argument("--outputs", default=ALL)
    parser.add_argument("--minutes", type=float, default=1.0)
    options = parser.parse_args()
    film = ("-p", f"film:={options.film}", "-p", f"rate:={options.rate}")
    outputs = ("-p", f"outputs:=[{options.outputs}]", "-r", "poses:=/bodypose3d/poses")
    with (
        running("film_camera", *film),
        running("bodypose3d_node") as node,
        running("bodypose3d_bridge", *outputs) as bridge,
    ):
        time.sleep(SETTLED_S)
        begin = Taken.by(bridge, node)
        end = begin.at + 60 * options.minutes
        before = begin
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, LINE_S))
            now = Taken.by(bridge, node)
            report(before, now)
            before = now
        print("in all: ", end="")
        report(begin, before)
        print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


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

    @classmethod
    def by(cls, bridge: psutil.Process, node: psutil.Process) -> Taken:
        """Up to now."""
        return cls(time.monotonic(), taken(bridge), taken(node), bridge.memory_info().rss)


def report(before: Taken, now: Taken) -> None:
    """Say what was taken between two moments."""
    passed = now.at - before.at
    own, its = now.bridge - before.bridge, now.node - before.node
    print(
        f"bridge {own / passed:.1%} of a core, node {its / passed:.1%}: {own / its:.1%} of it; "
        f"{before.memory / 2**20:.1f} to {now.memory / 2**20:.1f} MiB",
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

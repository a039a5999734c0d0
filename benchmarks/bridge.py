"""What the bridge takes beside the node: processor time and memory, on a real ROS 2.

    source <workspace>/install/setup.bash
    python3 benchmarks/bridge.py --outputs people,cloud --seconds 600

A film plays as a camera; node and bridge run in processes of their own. A line a minute: the
bridge's share of one core, the node's, the one in the other, and the bridge's memory.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    film = ("-p", f"film:={options.film}", "-p", f"rate:={options.rate}")
    outputs = ("-p", f"outputs:=[{options.outputs}]", "-r", "poses:=/bodypose3d/poses")
    with (
        running("film_camera", *film),
        running("bodypose3d_node") as node,
        running("bodypose3d_bridge", *outputs) as bridge,
    ):
        time.sleep(SETTLED_S)
        end = time.monotonic() + options.seconds
        while (left := end - time.monotonic()) > 0:
            report(node, bridge, min(left, LINE_S))


def report(node: psutil.Process, bridge: psutil.Process, seconds: float) -> None:
    """Measure for so long and say what was taken."""
    begin, before = time.monotonic(), (taken(bridge), taken(node))
    time.sleep(seconds)
    passed = time.monotonic() - begin
    own, its = taken(bridge) - before[0], taken(node) - before[1]
    print(
        f"bridge {own / passed:.1%} of a core, node {its / passed:.1%}: {own / its:.1%} of it; "
        f"{bridge.memory_info().rss / 2**20:.0f} MiB",
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

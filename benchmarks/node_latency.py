"""What the ROS 2 node adds to the networks' own time, measured through the graph.

    source <workspace>/install/setup.bash
    python3 benchmarks/node_latency.py
    python3 benchmarks/node_latency.py --rate 30 60 120 300 --seconds 10 --rounds 3

A film plays as a 640x480 camera; the real node runs in a process of its own. Printed: the time
from an image's stamp until its poses are published (the node's own clock) and until a subscriber
has them, how much of that passes before the image is here at all, the networks' time, and what is
left for everything else. With several rates or rounds, which take turns, a table at the end: the
median of the rounds for each rate, and their lowest and highest, because single runs differ.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import rclpy
from ament_index_python.packages import get_package_prefix
from bodypose3d_ros.msg import Pose3DArray
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.serialization import deserialize_message

PROGRAMS = Path(get_package_prefix("bodypose3d_ros")) / "lib" / "bodypose3d_ros"


class Listener(Node):
    """Takes poses and the node's own figures."""

    def __init__(self) -> None:
        super().__init__("latency")
        self.arrived: list[float] = []
        """Milliseconds from the image's stamp until its poses are here."""
        self.people: list[int] = []
        self.told: list[dict[str, float]] = []
        self._counts = 0, 0
        self.create_subscription(Pose3DArray, "bodypose3d/poses", self._poses, 10, raw=True)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._diagnostics, 10)

    def counts(self) -> tuple[int, int]:
        """How many images the node has received and dropped, as it has said last."""
        return self._counts

    def _poses(self, cdr: bytes) -> None:
        now = time.time_ns()
        poses = deserialize_message(cdr, Pose3DArray)
        stamp = poses.header.stamp
        self.arrived.append((now - stamp.sec * 10**9 - stamp.nanosec) / 1e6)
        self.people.append(len(poses.poses))

    def _diagnostics(self, array: DiagnosticArray) -> None:
        values = {v.key: v.value for status in array.status for v in status.values}
        if "network, median (ms)" in values:
            milliseconds = {k: float(v) for k, v in values.items() if k.endswith("(ms)")}
            self.told.append(milliseconds)
            self._counts = (
                int(values["images received"]),
                int(values["images dropped for newer ones"]),
            )


@dataclass(frozen=True)
class Run:
    """What one run at one rate gave."""

    poses_per_second: float
    median_ms: float
    """From image stamp to poses received, as the next two."""
    high_ms: float
    """95th percentile."""
    longest_ms: float
    processor_ms: float
    """Of the node, an image worked on."""
    received: int
    dropped: int
    """Of those received or told of by their CameraInfos, for newer ones."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--film", default="one_person")
    parser.add_argument("--rate", type=float, nargs="+", default=[15.0], help="Hz")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each run")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    rclpy.init()
    runs: dict[float, list[Run]] = {rate: [] for rate in options.rate}
    for _ in range(options.rounds):
        for rate in runs:
            print(f"-- {rate:g} Hz", flush=True)
            runs[rate].append(measure(options.film, rate, options.seconds))
    if len(runs) * options.rounds > 1:
        print(table(runs))


def measure(film: str, rate: float, seconds: float) -> Run:
    """Play the film to a node of its own, and print what that took."""
    listener, executor = Listener(), SingleThreadedExecutor()
    executor.add_node(listener)
    camera = ["-p", f"film:={film}", "-p", f"rate:={rate}"]
    with running("film_camera", *camera), running("bodypose3d_node") as node:
        wait_until(executor, lambda: len(listener.told) >= 5)
        for warm_up in (listener.arrived, listener.told, listener.people):
            warm_up.clear()
        before, taken = listener.counts(), processor_time(node)
        end = time.monotonic() + seconds
        wait_until(executor, lambda: time.monotonic() > end)
        taken = processor_time(node) - taken
        received, dropped = np.subtract(listener.counts(), before).tolist()
    report(listener, seconds)
    median, high, longest = np.percentile(listener.arrived, [50, 95, 100]).tolist()
    run = Run(
        poses_per_second=len(listener.arrived) / seconds,
        median_ms=median,
        high_ms=high,
        longest_ms=longest,
        processor_ms=1e3 * taken / len(listener.arrived),
        received=received,
        dropped=dropped,
    )
    print(f"processor time of the node an image: {run.processor_ms:.1f} ms")
    print(f"the node says: {run.received} images received, {run.dropped} dropped for newer ones")
    executor.remove_node(listener)
    listener.destroy_node()
    return run


def table(runs: dict[float, list[Run]]) -> str:
    """The median of each rate's runs, and their lowest and highest, as Markdown."""
    columns = {
        "poses a second": "poses_per_second",
        "image to poses, median (ms)": "median_ms",
        "95 % (ms)": "high_ms",
        "longest (ms)": "longest_ms",
        "processor an image (ms)": "processor_ms",
    }
    lines = ["| camera (Hz) | " + " | ".join(columns) + " |", "| --- " * (len(columns) + 1) + "|"]
    for rate, of_rate in runs.items():
        cells = []
        for field in columns.values():
            values = [getattr(run, field) for run in of_rate]
            middle = statistics.median(values)
            cells.append(f"{middle:.1f} ({min(values):.1f} to {max(values):.1f})")
        lines.append(f"| {rate:g} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def report(listener: Listener, seconds: float) -> None:
    def told(key: str) -> float:
        return statistics.median(values[f"{key}, median (ms)"] for values in listener.told)

    people = statistics.mean(listener.people)
    print(f"{len(listener.arrived)} images in {seconds:.0f} s, {people:.1f} people on average")
    print("median, ms:")
    print(f"  image stamp to poses received    {statistics.median(listener.arrived):6.1f}")
    print(f"  image stamp to poses published   {told('latency'):6.1f}")
    print(f"  image stamp to the node          {told('image age on arrival'):6.1f}")
    print(f"  networks                         {told('network'):6.1f}")
    added = told("latency less network")
    print(f"  latency less networks            {added:6.1f}")
    print(f"  and less the image's own way     {added - told('image age on arrival'):6.1f}")
    for stage in ("detect", "pose", "lift", "track"):
        print(f"    of which {stage:24}{told(stage):6.1f}")
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def processor_time(process: subprocess.Popen[bytes]) -> float:
    """Seconds that a program has taken."""
    times = psutil.Process(process.pid).cpu_times()
    return float(times.user + times.system)


@contextmanager
def running(name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program of the package, until the end of the block."""
    command = [sys.executable, str(PROGRAMS / name), "--ros-args", *arguments]
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


def wait_until(
    executor: SingleThreadedExecutor, done: Callable[[], bool], seconds: float = 600.0
) -> None:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise TimeoutError("the node has gone silent")
        executor.spin_once(timeout_sec=0.1)


if __name__ == "__main__":
    main()

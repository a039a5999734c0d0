"""Fleets of recordings on this machine: what workers bring, what Ray costs, and what kills change.

python -m benchmarks.batch [--films 8] [--pictures 40] [--turns 3] [--kills 20]

Films are the first frames of the project's own. Times are without Ray's start, which is told by
itself. Other programs on the machine make them longer, so the one-minute load is told, and two
figures that bear it: the part of the time for which workers had a film in work, and the processor
seconds that a film takes.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

from bodypose3d_ros.apps import fleet, work
from bodypose3d_ros.media import film
from bodypose3d_ros.media.sources import CameraChoice
from bodypose3d_ros.media.video import VideoWriter
from bodypose3d_ros.perception.networks import Options

FILMS = ("one_person", "two_people", "walk_through", "three_people")
WANTED = work.Wanted(CameraChoice(hfov=60))
# Kills come at random, and some sources are hit again and again: none is to be given up.
ATTEMPTS = 100


def films(folder: Path, count: int, frames: int) -> list[Path]:
    paths = []
    for number, name in enumerate(islice(cycle(FILMS), count)):
        shown = film.load(name)
        paths.append(folder / f"{number:03}_{name}.mp4")
        with VideoWriter(paths[-1], shown.rate) as writer:
            for frame in islice(shown.frames(), frames):
                writer.write(frame.image)
    return paths


def pictures(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number:03}.png" for number in range(count)]
    for path in paths:
        cv2.imwrite(str(path), np.full((48, 64, 3), 128, np.uint8))
    return paths


@contextmanager
def working(count: int) -> Iterator[list[Any]]:
    """Workers that have loaded their networks, each on a picture of its own."""
    machines = fleet.Machines(workers=count, attempts=ATTEMPTS)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        warm = work.plan(pictures(Path(folder), count), Path(folder) / "out", WANTED)
        with fleet.workers(machines, WANTED, warm) as hands:
            list(fleet.estimated(hands, warm, WANTED))
            print(f"{count} workers were ready after {time.perf_counter() - start:.1f} s")
            yield hands


@dataclass(frozen=True)
class Measured:
    seconds: float
    busy: float
    """Part of the workers' time for which they had a source in work."""
    processor_seconds: float


def measured(hands: list[Any], sources: Sequence[Path], out: Path) -> Measured:
    tasks = work.plan(sources, out, WANTED)
    start, processor = time.perf_counter(), processor_seconds()
    busy = 0.0
    for task, figures in fleet.estimated(hands, tasks, WANTED):
        if figures["failures"]:
            raise SystemExit(f"{task.source}: {figures['failures']}")
        busy += figures["seconds"]
    took = time.perf_counter() - start
    return Measured(took, busy / (took * len(hands)), processor_seconds() - processor)


def processor_seconds() -> float:
    """Of all workers that are there."""
    times = [process.cpu_times() for process in workers_there()]
    return float(sum(each.user + each.system for each in times))


def workers_there() -> list[psutil.Process]:
    return [each for each in psutil.Process().children(recursive=True) if _is_worker(each)]


def alone(sources: Sequence[Path], out: Path) -> float:
    """The same work in this process, without Ray."""
    worker = fleet.Worker(replace(WANTED, networks=Options(threads=1)))
    first, *tasks = work.plan(sources, out, WANTED)
    worker.do(work.Job(first))
    start = time.perf_counter()
    for task in tasks:
        worker.do(work.Job(task))
    return (time.perf_counter() - start) / len(tasks)


def kill_at_random(times: int, pause: float, over: threading.Event, dice: random.Random) -> int:
    """Kill a random worker of this process so many times, unless it is over before."""
    kills = 0
    while kills < times and not over.wait(dice.uniform(0.2, 1.8) * pause):
        if chosen := workers_there():
            dice.choice(chosen).kill()
            kills += 1
    return kills


def _is_worker(process: psutil.Process) -> bool:
    try:
        return bool(process.cmdline()[0].startswith("ray::Worker"))
    except (psutil.Error, IndexError):
        return False


def disturbed(
    hands: list[Any], sources: Sequence[Path], out: Path, kills: int, pause: float
) -> int:
    """The same work, with kills; how many there were."""
    over, made = threading.Event(), []
    dice = random.Random(f"{out.name}")  # noqa: S311
    killer = threading.Thread(target=lambda: made.append(kill_at_random(kills, pause, over, dice)))
    killer.start()
    try:
        measured(hands, sources, out)
    finally:
        over.set()
        killer.join()
    return made[0]


def same(one: Path, other: Path) -> bool:
    """Whether two folders of results hold the same poses, and nothing that is not whole."""
    found = [sorted(folder.glob("*/poses.jsonl")) for folder in (one, other)]
    pairs = list(zip(*found, strict=True))
    return not list(other.rglob("*.part")) and all(
        a.parent.name == b.parent.name and a.read_bytes() == b.read_bytes() for a, b in pairs
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=8)
    parser.add_argument("--frames", type=int, default=45)
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        measure(root, films(root, options.films, options.frames), options)


def measure(root: Path, sources: list[Path], options: argparse.Namespace) -> None:
    small = root / "small"
    small.mkdir()
    tiny = pictures(small, options.pictures)
    own = alone(tiny, root / "alone")
    found: dict[int, list[Measured]] = {1: [], 2: []}
    with working(2) as hands:
        for turn in range(options.turns):  # in turns, since the machine's load comes and goes
            for count, rounds in found.items():
                out = root / f"out{count}_{turn}"
                rounds.append(measured(hands[:count], sources, out))
                _tell(count, len(sources), rounds[-1])
        each = measured(hands[:1], tiny, root / "tiny").seconds / len(tiny)
        print(
            f"a tiny picture: {own * 1000:.0f} ms in one process, {each * 1000:.0f} ms through Ray"
        )
        one, two = (np.median([m.seconds for m in found[count]]) for count in (1, 2))
        print(f"2 workers do {one / two:.2f} times what 1 does (medians of {options.turns} turns)")
        kills, runs, whole = 0, 0, True
        while kills < options.kills and whole:
            out = root / f"killed{runs}"
            pause = 2 * two / len(sources)  # a worker's time for one film
            kills += disturbed(hands, sources, out, options.kills - kills, pause)
            whole = same(root / "out1_0", out)
            runs += 1
        print(f"{kills} kills in {runs} runs: {'the same poses' if whole else 'OTHER POSES'}")
        if not whole:
            raise SystemExit(1)


def _tell(count: int, sources: int, found: Measured) -> None:
    print(
        f"{count} workers: {sources / found.seconds * 3600:.0f} films an hour, busy "
        f"{found.busy:.0%}, {found.processor_seconds / sources:.2f} processor seconds a film, "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()

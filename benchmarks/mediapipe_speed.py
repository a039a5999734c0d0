"""Our BlazePose beside mediapipe.solutions.pose, following one person: time, processor, accuracy.

    python -m benchmarks.mediapipe_speed [--film NAME] [--model NAME ...] [--rounds N] [--threads N]
        [--json FILE]

Both follow the person from frame to frame, as they do before a camera, and take turns frame by
frame in one process, now one first and now the other, so that what else the machine does meets both
alike. Ours is the whole pipeline: networks, metres, tracking and, measured beside it, the search
for newcomers, which mediapipe does not do. mediapipe runs BlazePose full, with its filter over time
on, as it is by default. Needs mediapipe: ``make peer``.

Each round through the film has a cost of its own, the median of its frames (of the search, which is
not in every frame, the mean), and a ratio. The medians of the rounds are told, and within what nine
of ten ratios lie. A busy machine changes the time on the clock, the processor's hardly: compare its
ratio, and on one kind of processor, for the faster the networks are, the more counts all else.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from bodypose3d_ros.apps.measuring import machine
from bodypose3d_ros.body.people import Frame
from bodypose3d_ros.body.skeleton import BLAZEPOSE_WEIGHTS, INDEX, LIMB_JOINTS, known
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.networks import Networks, Options, load_networks
from bodypose3d_ros.perception.search import Budget
from bodypose3d_ros.perception.tracking.tracker import Tracker

Array = NDArray[np.float64]

_PELVIS = INDEX["pelvis"]
_WARM_UP = 5  # frames
_RATE = 30.0  # images a second of the camera that the search is paced for


KINDS = ("wall_ms", "cpu_ms")
Figures = dict[str, Any]


@dataclass
class Costs:
    """Of one way."""

    rounds: list[list[tuple[float, float]]] = field(default_factory=list)
    """Milliseconds of each frame, on the clock and of the processor."""
    pixels: list[Array] = field(default_factory=list)
    """Errors (12,) of the limb joints in the image."""
    metres: list[Array] = field(default_factory=list)
    """Errors (12,) pelvis on pelvis."""

    def add(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """A frame from then to then."""
        self.rounds[-1].append((end[0] - start[0], end[1] - start[1]))

    def compare(self, pixels: Array, joints: Array, truth: Truth) -> None:
        """With the truth."""
        apart = np.linalg.norm(pixels - truth.pixels, axis=1)
        self.pixels.append(apart[LIMB_JOINTS])
        relative = joints - joints[_PELVIS], truth.joints - truth.joints[_PELVIS]
        self.metres.append(np.linalg.norm(relative[0] - relative[1], axis=1)[LIMB_JOINTS])

    def by_round(self, average: Callable[..., Array]) -> Array:
        """(R, 2) of each round an average frame, in the order of ``KINDS``."""
        return np.array([average(frames, axis=0) for frames in self.rounds])

    def to_json(self) -> Figures:
        """Means of the errors."""
        return {
            "pixels": round(float(np.nanmean(self.pixels)), 2),
            "pelvis_on_pelvis_mm": round(float(np.nanmean(self.metres)) * 1000, 1),
        }


def now() -> tuple[float, float]:
    """Milliseconds, of the clock and of this process's time."""
    return time.perf_counter() * 1000, time.process_time() * 1000


def beside(costs: Array, peer: Array) -> Figures:
    """Medians over the rounds (R, 2), of the ratios also where nine of ten of them lie."""
    told: Figures = {}
    for kind, own, other in zip(KINDS, costs.T, peer.T, strict=True):
        low, middle, high = np.percentile(own / other, (5, 50, 95))
        told[kind] = round(float(np.median(own)), 2)
        told[kind.replace("ms", "ratio")] = round(float(middle), 3)
        told[kind.replace("ms", "ratios")] = [round(float(low), 3), round(float(high), 3)]
    return told


@dataclass(frozen=True)
class Truth:
    """Of one frame's person."""

    pixels: Array
    """(34, 2)"""
    joints: Array
    """(34, 3) metres"""


class Way(Protocol):
    """Who follows the film's person."""

    def start(self) -> None:
        """The film begins anew."""

    def follow(self, frame: Frame, truth: Truth, counts: bool) -> None:
        """Find the person in the next frame; ``counts``: what that takes is told."""


class Mediapipe:
    """``mediapipe.solutions.pose``."""

    def __init__(self, pose: Any) -> None:  # noqa: ANN401 - mediapipe has no types
        self._pose = pose
        self.costs = Costs()

    def start(self) -> None:
        """The film begins anew."""
        self._pose.reset()
        self.costs.rounds.append([])

    def follow(self, frame: Frame, truth: Truth, counts: bool) -> None:
        """Find the person in the next frame."""
        start = now()
        found = self._pose.process(cv2.cvtColor(frame.image, cv2.COLOR_BGR2RGB))
        end = now()
        if not counts:
            return
        self.costs.add(start, end)
        if found.pose_landmarks is not None:
            size = frame.image.shape[1], frame.image.shape[0]
            image = np.array([(p.x, p.y) for p in found.pose_landmarks.landmark]) * size
            world = np.array([(p.x, p.y, p.z) for p in found.pose_world_landmarks.landmark])
            self.costs.compare(BLAZEPOSE_WEIGHTS @ image, BLAZEPOSE_WEIGHTS @ world, truth)

    def figures(self) -> Figures:
        """Its own."""
        costs = self.costs.by_round(np.median)
        return {"mediapipe": {**beside(costs, costs), **self.costs.to_json()}}


class Ours:
    """One of our networks, and the search as a camera's pace allows it."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self.following, self.searching = Costs(), Costs()

    def start(self) -> None:
        """The film begins anew."""
        self._pipeline = self._networks.pipeline(Tracker())
        self.following.rounds.append([])
        self.searching.rounds.append([])

    def follow(self, frame: Frame, truth: Truth, counts: bool) -> None:
        """Find the people in the next frame, then look for newcomers."""
        start = now()
        bodies = self._pipeline.estimate(frame)
        found = now()
        self._pipeline.search(frame, Budget())
        if not counts:
            return
        self.following.add(start, found)
        self.searching.add(found, now())
        if len(bodies) and known(bodies.joints[0, _PELVIS]):
            self.following.compare(bodies.pixels[0], bodies.joints[0], truth)

    def figures(self, name: str, peer: Costs) -> Figures:
        """Without and with the search."""
        theirs, errors = peer.by_round(np.median), self.following.to_json()
        following = self.following.by_round(np.median)
        # Not in every frame: the median is nothing.
        searching = following + self.searching.by_round(np.mean)
        return {
            name: {**beside(following, theirs), **errors},
            f"{name}, searching": {**beside(searching, theirs), **errors},
        }


def measured(shown: film.Film, options: argparse.Namespace) -> Figures:
    """Figures of mediapipe, and of each of our networks, without and with the search."""
    import mediapipe

    frames = list(shown.frames())
    with ExitStack() as stack:
        ours = {
            name: Ours(stack.enter_context(load_networks(Options(name, threads=options.threads))))
            for name in options.model
        }
        pose = stack.enter_context(mediapipe.solutions.pose.Pose(model_complexity=1))
        theirs = Mediapipe(pose)
        ways: list[Way] = [theirs, *ours.values()]
        for _ in range(options.rounds):
            for way in ways:
                way.start()
            for number, frame in enumerate(frames):
                shot = replace(frame, stamp=round(number / _RATE * 1e9))
                truth = Truth(shown.pixels[number, 0], shown.joints[number, 0])
                for way in ways if number % 2 else reversed(ways):
                    way.follow(shot, truth, number >= _WARM_UP)
    rows = theirs.figures()
    for name, each in ours.items():
        rows |= each.figures(name, theirs.costs)
    return rows


def table(figures: Figures) -> str:
    """The figures as a table in Markdown."""
    lines = [
        "| one person followed | time a frame | processor a frame | in the image "
        "| pelvis on pelvis | time / mediapipe's | processor / mediapipe's |",
        "| --- " * 7 + "|",
    ]
    for name, row in figures.items():
        ratios = " | ".join(
            "{:.2f} ({:.2f} to {:.2f})".format(row[f"{kind}_ratio"], *row[f"{kind}_ratios"])
            for kind in ("wall", "cpu")
        )
        lines.append(
            f"| {name} | {row['wall_ms']:.1f} ms | {row['cpu_ms']:.1f} ms | {row['pixels']:.1f} px "
            f"| {row['pelvis_on_pelvis_mm']:.0f} mm | {ratios} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--film", default="one_person")
    parser.add_argument("--model", nargs="+", default=["blazepose"])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measured(film.load(options.film), options)
    told = machine()
    print(f"{told['cpu']}, {told['cores']} cores, load {told['load']}\n")
    print(table(figures))
    if options.json:
        told = {"machine": told, "film": options.film, "figures": figures}
        options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Our BlazePose beside mediapipe.solutions.pose, following one person: time, processor, accuracy.

    python -m benchmarks.mediapipe_speed [--film NAME] [--model NAME ...] [--rounds N] [--threads N]
        [--json FILE]

Both follow the person from frame to frame, as they do before a camera, and take turns frame by
frame in one process, so that what else the machine does meets both alike. Ours is the whole
pipeline: networks, metres, tracking and, measured beside it, the search for newcomers, which
mediapipe does not do. mediapipe runs BlazePose full, with its filter over time on, as it is by
default. Needs mediapipe: ``make peer``.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bodypose3d_ros.apps.accuracy import LIMB_JOINTS
from bodypose3d_ros.apps.measuring import machine
from bodypose3d_ros.body.people import Bodies, Frame
from bodypose3d_ros.body.skeleton import BLAZEPOSE_WEIGHTS, INDEX, known
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.networks import Networks, Options, load_networks
from bodypose3d_ros.perception.search import Budget
from bodypose3d_ros.perception.tracking.tracker import Tracker

Array = NDArray[np.float64]

_PELVIS = INDEX["pelvis"]
_WARM_UP = 5  # frames
_RATE = 30.0  # images a second of the camera that the search is paced for


@dataclass
class Costs:
    """Of one way, frame by frame."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    pixels: list[Array] = field(default_factory=list)
    """Errors (12,) of the limb joints in the image."""
    metres: list[Array] = field(default_factory=list)
    """Errors (12,) pelvis on pelvis."""

    def add(self, start: tuple[float, float]) -> None:
        """A frame that began then is done."""
        self.wall.append((time.perf_counter() - start[0]) * 1000)
        self.cpu.append((time.process_time() - start[1]) * 1000)

    def compare(self, pixels: Array, joints: Array, truth: tuple[Array, Array]) -> None:
        """With the truth in the image (34, 2) and in metres (34, 3)."""
        apart = np.linalg.norm(pixels - truth[0], axis=1)
        self.pixels.append(apart[LIMB_JOINTS])
        relative = joints - joints[_PELVIS], truth[1] - truth[1][_PELVIS]
        self.metres.append(np.linalg.norm(relative[0] - relative[1], axis=1)[LIMB_JOINTS])

    def to_json(self) -> dict[str, float]:
        """Medians of the costs, means of the errors."""
        return {
            "wall_ms": round(float(np.median(self.wall)), 2),
            "cpu_ms": round(float(np.median(self.cpu)), 2),
            "pixels": round(float(np.nanmean(self.pixels)), 2),
            "pelvis_on_pelvis_mm": round(float(np.nanmean(self.metres)) * 1000, 1),
        }


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


@dataclass
class Ours:
    """One of our networks, following the film's person."""

    networks: Networks
    following: Costs = field(default_factory=Costs)
    searching: Costs = field(default_factory=Costs)

    def start(self) -> None:
        """The film begins anew."""
        self.pipeline = self.networks.pipeline(Tracker())

    def follow(self, frame: Frame, counts: bool) -> Bodies:
        """The people in the next frame."""
        start = now()
        bodies = self.pipeline.estimate(frame)
        if counts:
            self.following.add(start)
        return bodies

    def search(self, frame: Frame, counts: bool) -> None:
        """Look for newcomers as a camera's pace allows."""
        start = now()
        self.pipeline.search(frame, Budget())
        if counts:
            self.searching.add(start)

    def to_json(self, name: str) -> dict[str, dict[str, float]]:
        """Figures without and with the search."""
        following = self.following.to_json()
        # Not in every frame: the median is nothing.
        wall, cpu = np.mean(self.searching.wall), np.mean(self.searching.cpu)
        searching = {
            **following,
            "wall_ms": round(following["wall_ms"] + float(wall), 2),
            "cpu_ms": round(following["cpu_ms"] + float(cpu), 2),
        }
        return {name: following, f"{name}, searching": searching}


def measured(shown: film.Film, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Figures of mediapipe, and of each of our networks, without and with the search."""
    import mediapipe

    frames = list(shown.frames())
    size = np.array([shown.camera.width, shown.camera.height])
    theirs = Costs()
    with ExitStack() as stack:
        ours = {
            name: Ours(stack.enter_context(load_networks(Options(name, threads=options.threads))))
            for name in options.model
        }
        pose = stack.enter_context(mediapipe.solutions.pose.Pose(model_complexity=1))
        for _ in range(options.rounds):
            pose.reset()
            for each in ours.values():
                each.start()
            for number, frame in enumerate(frames):
                counts = number >= _WARM_UP
                truth = shown.pixels[number, 0], shown.joints[number, 0]
                start = now()
                found = pose.process(cv2.cvtColor(frame.image, cv2.COLOR_BGR2RGB))
                if counts:
                    theirs.add(start)
                if counts and found.pose_landmarks is not None:
                    image = np.array([(p.x, p.y) for p in found.pose_landmarks.landmark]) * size
                    world = np.array([(p.x, p.y, p.z) for p in found.pose_world_landmarks.landmark])
                    theirs.compare(BLAZEPOSE_WEIGHTS @ image, BLAZEPOSE_WEIGHTS @ world, truth)
                for each in ours.values():
                    bodies = each.follow(frame, counts)
                    each.search(replace(frame, stamp=round(number / _RATE * 1e9)), counts)
                    if counts and len(bodies) and known(bodies.joints[0, _PELVIS]):
                        each.following.compare(bodies.pixels[0], bodies.joints[0], truth)
    rows = {"mediapipe": theirs.to_json()}
    for name, each in ours.items():
        rows |= each.to_json(name)
    return rows


def main() -> None:
    """Measure, print the table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--film", default="one_person")
    parser.add_argument("--model", nargs="+", default=["blazepose"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measured(film.load(options.film), options)
    told = machine()
    print(f"{told['cpu']}, {told['cores']} cores, load {told['load']}\n")
    print("| one person followed | time a frame | processor a frame | in the image | "
          "pelvis on pelvis | time / mediapipe's | processor / mediapipe's |")  # fmt: skip
    print("| --- " * 7 + "|")
    peer = figures["mediapipe"]
    for name, row in figures.items():
        row["wall_ratio"], row["cpu_ratio"] = (
            round(row[kind] / peer[kind], 2) for kind in ("wall_ms", "cpu_ms")
        )
        print(f"| {name} | {row['wall_ms']:.1f} ms | {row['cpu_ms']:.1f} ms | "
              f"{row['pixels']:.1f} px | {row['pelvis_on_pelvis_mm']:.0f} mm | "
              f"{row['wall_ratio']:.2f} | {row['cpu_ratio']:.2f} |")  # fmt: skip
    if options.json:
        told = {"machine": told, "film": options.film, "figures": figures}
        options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What a network's pixels allow in the project's cell, whoever fuses them.

python -m benchmarks.pixels [--model NAME]

Everything else is given: who is who, where the cameras are, and when. Each joint's true place, seen
at its pixel plus what the network is off there, is triangulated: reprojection least squares
(Hartley and Zisserman 2004, section 12.3) with Huber's loss, begun at the truth. Cameras that shoot
at other times lend their nearest image's errors.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from bodypose3d_ros.apps.accuracy import match_people
from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.skeleton import LIMB_JOINTS
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.networks import Networks, Options, load_networks

Array = NDArray[np.float64]

_LOST = 0.3
"""A joint of less confidence is not seen."""
_AGREE = 8.0
"""Pixels from which Huber's loss is linear: about twice what the network is mostly off."""


@dataclass(frozen=True)
class View:
    """One camera of the cell."""

    shown: film.Film
    off: Array
    """(F, P, 34, 2) pixels: what the network has less what is true, hips raised; NaN unseen."""

    def at(self, stamp: int) -> Array:
        """(P, 34, 2) what it is off in the image nearest to a time."""
        return np.asarray(self.off[round(np.clip(self.frame(stamp), 0, len(self.off) - 1))])

    def frame(self, stamp: int) -> float:
        """The number of the image of a time."""
        return (stamp - self.shown.stamp(0)) / (self.shown.stamp(1) - self.shown.stamp(0))

    def pixels(self, points: Array) -> Array:
        """(..., 2) where world points (..., 3) are in the image."""
        shown = self.shown
        return project(shown.camera, points @ shown.rotation.T + shown.translation)


def project(camera: Camera, points: Array) -> Array:
    """(..., 2) pixels of points (..., 3) in the optical frame."""
    return camera.project(points.reshape(1, -1, 3)).reshape(*points.shape[:-1], 2)


def seen_by(networks: Networks, name: str) -> View:
    """A camera of the cell, and how far the network is off in each of its images."""
    shown = film.load(name)
    pipeline = networks.pipeline(None)
    off = np.full((*shown.joints.shape[:-1], 2), np.nan)
    for number, frame in enumerate(shown.frames()):
        bodies = pipeline(frame)
        for person, body in match_people(shown, number, bodies):
            sure = shown.inside[number, person] & (bodies.confidence[body] > _LOST)
            found = project(shown.camera, bodies.joints[body])
            true = project(shown.camera, shown.joints[number, person])
            off[number, person, sure] = (found - true)[sure]
    return View(shown, off)


def errors(views: Sequence[View]) -> Array:
    """(M,) metres: every limb joint that two views see at once, when the first one shoots."""
    first = views[0].shown
    found = []
    for number, people in enumerate(first.joints_world):
        off = np.array([view.at(first.stamp(number)) for view in views])
        for person, joint in itertools.product(range(len(people)), LIMB_JOINTS):
            there = [n for n in range(len(views)) if np.isfinite(off[n, person, joint]).all()]
            if len(there) > 1 and np.isfinite(people[person, joint]).all():
                seen = [(views[n], off[n, person, joint]) for n in there]
                found.append(_error(seen, people[person, joint]))
    return np.array(found)


def _error(seen: Sequence[tuple[View, Array]], truth: Array) -> float:
    pixels = [view.pixels(truth) + off for view, off in seen]

    def residuals(point: Array) -> Array:
        pairs = zip(seen, pixels, strict=True)
        return np.concatenate([view.pixels(point) - at for (view, _), at in pairs])

    solved = least_squares(residuals, truth, loss="huber", f_scale=_AGREE)
    return float(np.linalg.norm(solved.x - truth))


def main() -> None:
    """Print a row for all cameras and for each pair."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=Options().model)
    options = Options().changed({"model": parser.parse_args().model})
    with load_networks(options) as networks:
        views = {name: seen_by(networks, name) for name in film.RIGS["cell"]}
    for name, view in views.items():
        pixels = np.linalg.norm(view.off[:, :, LIMB_JOINTS], axis=-1)
        print(f"{name}: {np.nanmean(pixels):.1f} px, median {np.nanmedian(pixels):.1f}")
    print("| cameras | joints: mean, median, 95 % mm |")
    print("| --- | --- |")
    for size in (len(views), 2):
        for chosen in itertools.combinations(views, size):
            off = 1000 * errors([views[name] for name in chosen])
            print(f"| {', '.join(chosen)} | {off.mean():.0f}, {np.median(off):.0f}, "
                  f"{np.percentile(off, 95):.0f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

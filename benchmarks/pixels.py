"""What a network's pixels allow in the project's cell, whoever fuses them.

python -m benchmarks.pixels [--model NAME]
python -m benchmarks.pixels --bodies [--model NAME]    how otherwise whole bodies are drawn

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
from scipy.spatial.transform import Rotation

from bodypose3d_ros.apps.accuracy import match_people
from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.orientation import orientations
from bodypose3d_ros.body.skeleton import INDEX, JOINT_COUNT, LIMB_JOINTS
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.calibration.observations import KEYPOINT, POINTS
from bodypose3d_ros.perception.networks import Networks, Options, load_networks

Array = NDArray[np.float64]

_LOST = 0.3
"""A joint of less confidence is not seen."""
_AGREE = 8.0
"""Pixels from which Huber's loss is linear: about twice what the network is mostly off."""
_ASTRAY = 5.0
"""Standard deviations from which a keypoint tells nothing of how a body is drawn."""
_FEWEST = 6
"""Images that tell how somebody is drawn from one side."""


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


def drawn(views: Sequence[View]) -> Array:
    """(G, 6) how far whole bodies are drawn aside, wider and taller, in x and in y.

    Each of one person in one view from one of eight sides, in a keypoint's standard deviations, as
    ``calibrate-rig`` allows for. What a network calls a joint, a place in the body that is the same
    from all sides, is taken off.
    """
    columns = zip(*(_in_bodies(view, number) for number, view in enumerate(views)), strict=True)
    off, axes, where, group = map(np.concatenate, columns)
    off[np.linalg.norm(off, axis=2) > _ASTRAY] = np.nan
    for joint in np.flatnonzero(POINTS):
        seen = np.isfinite(off[:, joint]).all(axis=1)
        matrix, values = axes[seen, joint].reshape(-1, 3), off[seen, joint].ravel()
        off[seen, joint] -= (matrix @ np.linalg.lstsq(matrix, values)[0]).reshape(-1, 2)
    found = []
    for own in (group == each for each in np.unique(group)):
        seen = np.isfinite(off[own]).all(axis=2) & POINTS
        if own.sum() >= _FEWEST:
            ways = np.column_stack([np.ones(seen.sum()), where[own][seen]])
            found.append(np.linalg.lstsq(ways, off[own][seen])[0].T.ravel())
    return np.array(found)


def _in_bodies(view: View, number: int) -> tuple[Array, Array, Array, NDArray[np.intp]]:
    """Of every person in every image (N,): in a keypoint's standard deviations and in the body.

    Returns:
        (N, 34, 2) how far keypoints are off, (N, 34, 2, 3) by how much a metre along each axis of
        the pelvis would put them, (N, 34, 2) where in the body they are in units of the spread, and
        (N,) a number for the view, the person and the side.
    """
    shown = view.shown
    person = np.tile(np.arange(shown.joints.shape[1]), len(shown))
    true = shown.joints.reshape(-1, JOINT_COUNT, 3)
    pixels = project(shown.camera, true)
    sigma = KEYPOINT * np.nanmax(np.ptp(pixels, axis=1), axis=1)[:, None, None]
    depth = true[..., 2, None]
    by_point = np.zeros((*true.shape[:2], 2, 3))
    by_point[..., :2] = np.eye(2) / depth[..., None]
    by_point[..., 2] = -true[..., :2] / depth**2
    by_point = shown.camera.matrix[:2, :2] @ by_point
    pelvis = Rotation.from_quat(orientations(true)[:, INDEX["pelvis"]]).as_matrix()
    where = (pixels - pixels[:, POINTS].mean(axis=1, keepdims=True)) / sigma
    across = true[:, INDEX["left_shoulder"]] - true[:, INDEX["right_shoulder"]]
    side = np.floor(np.arctan2(across[:, 2], across[:, 0]) / (2 * np.pi) % 1 * 8).astype(int)
    return (
        view.off.reshape(-1, JOINT_COUNT, 2) / sigma,
        by_point @ pelvis[:, None] / sigma[..., None],
        where / where[:, POINTS].std(axis=(0, 1)),
        (number * 10 + person) * 10 + side,
    )


def main() -> None:
    """Print a row for all cameras and for each pair."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=Options().model)
    parser.add_argument("--bodies", action="store_true", help="how whole bodies are drawn")
    options = parser.parse_args()
    with load_networks(Options().changed({"model": options.model})) as networks:
        views = {name: seen_by(networks, name) for name in film.RIGS["cell"]}
    if options.bodies:
        ways = drawn(list(views.values()))
        told = [f"{each:.2f}" for each in np.sqrt((ways**2).mean(axis=0))]
        print(f"{np.sqrt((ways**2).mean()):.2f} of a keypoint's standard deviation")
        print(f"in x: aside {told[0]}, wide {told[1]}, tall {told[2]}; in y: {', '.join(told[3:])}")
        return
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

"""Bundle adjustment: places of cameras and joints of people that explain every keypoint best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.sparse import csr_matrix, lil_matrix
from scipy.spatial.transform import Rotation

from ...body.skeleton import JOINT_COUNT, JOINTS, MIRRORED, known
from .relative import FITS
from .tracks import Track

Array = NDArray[np.float64]

KEYPOINT = 0.015
"""Standard deviation of a keypoint, in units of the person's size in the image: what pose networks
reach on people who are seen whole."""
MOST_MOMENTS = 120
"""Person-moments that are adjusted: more say little new and cost time."""
_THROWN_OUT = 5.0
"""Standard deviations from which a keypoint takes no part in the second round."""
_LEAST_CONFIDENCE = 0.3
_POINTS = np.array(
    [name not in ("pelvis", "torso", "neck") and "hip" not in name for name in JOINTS]
)
"""(34,) joints that are one point from all sides: what lies between others adds nothing, and hips
are taken for places that depend on the side one looks from."""


_Row = tuple[Array, NDArray[Any], Array, Array, Array]  # view, point, ray, sigma, moment


@dataclass(frozen=True)
class Observations:
    """M keypoints of P joints (each of one person at one moment) in V views."""

    view: NDArray[np.intp]
    """(M,)"""
    point: NDArray[np.intp]
    """(M,)"""
    ray: Array
    """(M, 2) x/z, y/z."""
    sigma: Array
    """(M,) standard deviation of both."""
    moment: NDArray[np.intp]
    """(M,) when, as an index of moments."""
    start: Array
    """(P, 3) metres in the first view's optical frame: where the joints are, roughly."""
    joint: NDArray[np.intp]
    """(P,) which of the 34 each point is."""
    body: NDArray[np.intp]
    """(P,) of whom at what moment: points with the same number are one body."""

    def select(self, keep: NDArray[np.bool_]) -> Observations:
        """Some of them: joints that fewer than two views see are left out."""
        count = np.zeros(len(self.start), np.intp)
        np.add.at(count, self.point[keep], 1)
        keep = keep & (count >= 2)[self.point]
        used, point = np.unique(self.point[keep], return_inverse=True)
        return Observations(
            self.view[keep],
            np.asarray(point, np.intp),
            self.ray[keep],
            self.sigma[keep],
            self.moment[keep],
            self.start[used],
            self.joint[used],
            self.body[used],
        )


@dataclass(frozen=True)
class Adjusted:
    """What bundle adjustment found."""

    places: Array
    """(V, 4, 4) from each optical frame to the first's."""
    points: Array
    """(P, 3) joints in the first's optical frame."""
    observations: Observations
    """What took part."""
    residuals: Array
    """(M, 2) found less seen, x/z and y/z."""


def observed(
    tracks: Sequence[Track], people: Sequence[Sequence[int]], places: Array
) -> Observations | None:
    """Keypoints of people whom several views see at once; None where there are none.

    Args:
        tracks: Of all views.
        people: Indices of the tracks that are one person, for each person.
        places: (V, 4, 4) roughly, from each optical frame to the first's.
    """
    rows: list[_Row] = []
    points: list[Array] = []
    moments = [
        (person, int(moment))
        for person, own in enumerate(people)
        for moment in np.flatnonzero(np.sum([tracks[n].seen for n in own], axis=0) >= 2)
    ]
    step = max(len(moments) / MOST_MOMENTS, 1.0)
    chosen = [moments[int(n * step)] for n in range(int(len(moments) / step))]
    for person, moment in chosen:
        _observe([tracks[n] for n in people[person]], moment, places, rows, points)
    if not rows:
        return None
    view, point, sigma, at = (
        np.concatenate([row[column] for row in rows]) for column in (0, 1, 3, 4)
    )
    every = Observations(
        view.astype(np.intp),
        point.astype(np.intp),
        np.concatenate([row[2] for row in rows]),
        sigma,
        at.astype(np.intp),
        np.concatenate(points),
        np.tile(np.arange(JOINT_COUNT), len(points)),
        np.repeat(np.arange(len(points)), JOINT_COUNT),
    )
    return every.select(np.ones(len(view), bool))


def adjust(observations: Observations, places: Array) -> Adjusted:
    """Places and joints that explain the keypoints best, in two rounds with outliers thrown out."""
    first = _solve(observations, places)
    far = np.linalg.norm(first.residuals, axis=1) / observations.sigma
    return _solve(replace(observations, start=first.points).select(far < _THROWN_OUT), first.places)


def _observe(
    tracks: Sequence[Track],
    moment: int,
    places: Array,
    rows: list[_Row],
    points: list[Array],
) -> None:
    """Add one person's keypoints at one moment, of the views that agree on who it is."""
    tracks = [track for track in tracks if track.seen[moment]]
    world = np.array(
        [
            track.joints[moment] @ places[track.view, :3, :3].T + places[track.view, :3, 3]
            for track in tracks
        ]
    )
    middle = _median(world)
    start = sum(len(part) for part in points)
    agreed = 0
    new: list[_Row] = []
    for track, joints in zip(tracks, world, strict=True):
        straight, crossed = (
            float(np.nanmean(np.linalg.norm(order - middle, axis=1)))
            for order in (joints, joints[MIRRORED])
        )
        if min(straight, crossed) > FITS:
            continue
        order = np.arange(JOINT_COUNT) if straight <= crossed else MIRRORED
        ray, confidence = track.rays[moment][order], track.confidence[moment][order]
        usable = _POINTS & known(ray) & (confidence >= _LEAST_CONFIDENCE) & known(middle)
        joint = np.flatnonzero(usable)
        sigma = KEYPOINT * track.reach[moment] / confidence[joint]
        filled = np.ones(len(joint))
        new.append((track.view * filled, start + joint, ray[joint], sigma, moment * filled))
        agreed += 1
    if agreed >= 2:
        rows += new
        points.append(np.nan_to_num(middle))


def _median(world: Array) -> Array:
    """(34, 3) of views (V, 34, 3), NaN where none knows a joint."""
    seen = known(world).any(axis=0)
    middle = np.full(world.shape[1:], np.nan)
    middle[seen] = np.nanmedian(world[:, seen], axis=0)
    return middle


def _solve(observations: Observations, places: Array) -> Adjusted:
    views = len(places)
    inverse = np.linalg.inv(places)
    cameras = np.concatenate(
        [Rotation.from_matrix(inverse[1:, :3, :3]).as_rotvec(), inverse[1:, :3, 3]], axis=1
    )
    parameters = np.concatenate([cameras.ravel(), observations.start.ravel()])

    def residuals(values: Array) -> Array:
        return (_off(values, observations, views) / observations.sigma[:, None]).ravel()

    solved = least_squares(
        residuals,
        parameters,
        jac_sparsity=_sparsity(observations, views),
        loss="soft_l1",
        x_scale="jac",
        max_nfev=60,
        ftol=1e-6,
    ).x
    rotations, translations, points = _parts(solved, views)
    found = np.tile(np.eye(4), (views, 1, 1))
    found[:, :3, :3], found[:, :3, 3] = rotations, translations
    return Adjusted(
        np.asarray(np.linalg.inv(found)), points, observations, _off(solved, observations, views)
    )


def _parts(values: Array, views: int) -> tuple[Array, Array, Array]:
    """Rotations and translations to each view from the first one's frame, and points in it."""
    cameras = values[: 6 * (views - 1)].reshape(-1, 6)
    rotations = np.concatenate([np.eye(3)[None], Rotation.from_rotvec(cameras[:, :3]).as_matrix()])
    translations = np.concatenate([np.zeros((1, 3)), cameras[:, 3:]])
    return rotations, translations, values[6 * (views - 1) :].reshape(-1, 3)


def _off(values: Array, observations: Observations, views: int) -> Array:
    rotations, translations, points = _parts(values, views)
    view = observations.view
    seen = (rotations[view] @ points[observations.point][..., None])[..., 0] + translations[view]
    depth = np.maximum(seen[:, 2:], 0.05)  # a point must not come behind a camera on the way
    return np.asarray(seen[:, :2] / depth - observations.ray)


def _sparsity(observations: Observations, views: int) -> csr_matrix:
    """Which residual knows of which parameter: its camera's six and its joint's three."""
    count, cameras = len(observations.view), 6 * (views - 1)
    pattern = lil_matrix((2 * count, cameras + 3 * len(observations.start)), dtype=np.int8)
    row = np.arange(count)
    moving = observations.view > 0
    for axis in range(2):
        for n in range(6):
            column = 6 * (observations.view[moving] - 1) + n
            pattern[2 * row[moving] + axis, column] = 1
        for n in range(3):
            pattern[2 * row + axis, cameras + 3 * observations.point + n] = 1
    return pattern.tocsr()

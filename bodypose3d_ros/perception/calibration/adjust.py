"""Bundle adjustment: places of cameras and joints of people that explain every keypoint best.

Levenberg and Marquardt's method, where each joint knows of its own keypoints alone and is put in
terms of the cameras first (Schur's complement; Triggs et al. 2000, "Bundle adjustment - a modern
synthesis", chapter 6): what is left to solve is six numbers a camera. That also tells what were
found without some of the joints, for next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
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
_NEAREST = 0.05
"""Depth in metres: a point must not come behind a camera on the way."""
_STEPS, _ENOUGH = 60, 1e-6
"""Steps at most, and the part of the cost that the last one saves."""
_DAMPING, _MOST_DAMPING = 1e-3, 1e6
_FREE = 1e-8
"""Of the largest eigenvalue: what is less does not depend on any keypoint."""
_SINGULAR = 1e-12
"""Of the largest eigenvalue: what is less, the scale above all, nobody has said anything of."""
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

    @property
    def redundant(self) -> int:
        """How many coordinates of keypoints there are beyond the three that each joint takes."""
        return 2 * len(self.observations.view) - 3 * len(self.observations.start)

    @property
    def explained(self) -> float:
        """How many of these speak for it: all less their cost.

        One that is 1.7 sigma off speaks neither for it nor against it.
        """
        return self.redundant - _cost(self.residuals, self.observations.sigma)


def observed(
    tracks: Sequence[Track], people: Sequence[Sequence[int]], places: Array, within: float = FITS
) -> Observations | None:
    """Keypoints of people whom several views see at once; None where there are none.

    Args:
        tracks: Of all views.
        people: Indices of the tracks that are one person, for each person.
        places: (V, 4, 4) roughly, from each optical frame to the first's.
        within: Metres: mean distance from the others up to which a view sees the same person.
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
        _observe([tracks[n] for n in people[person]], moment, places, within, rows, points)
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


def without(adjusted: Adjusted, label: NDArray[np.intp]) -> Array:
    """Places (L, V, 4, 4) as they were without the points of each label, to first order.

    Args:
        adjusted: What was found with all.
        label: (P,) of each point.
    """
    observations = adjusted.observations
    state = _State.at(adjusted.places, adjusted.points)
    parts = []
    for each in np.unique(label):
        own = observations.select((label == each)[observations.point])
        parts.append(
            _Normal.of(replace(state, points=adjusted.points[label == each]), own).reduced()
        )
    whole = np.sum([matrix for matrix, _ in parts], axis=0)
    slope = np.sum([slope for _, slope in parts], axis=0)
    places = []
    for matrix, own_slope in parts:
        step = np.zeros(len(slope))
        left, off = (whole - matrix)[6:, 6:], (slope - own_slope)[6:]
        step[6:] = -np.linalg.lstsq(left, off, rcond=_SINGULAR)[0]
        places.append(state.moved(step.reshape(-1, 6), np.zeros_like(state.points)).places)
    return np.array(places)


def loose(adjusted: Adjusted) -> int | None:
    """The view that can be nearer or farther as it likes, for all that people tell; else None.

    One scale is free, that of everything. Another is where two views share people whom no third
    one sees.
    """
    state = _State.at(adjusted.places, adjusted.points)
    matrix, _ = _Normal.of(state, adjusted.observations).reduced()
    matrix = matrix[6:, 6:]
    unit = np.sqrt(np.maximum(np.diag(matrix), 1e-12))
    values, vectors = np.linalg.eigh(matrix / np.outer(unit, unit))
    free = vectors[:, values < _FREE * values[-1]] / unit[:, None]
    if free.shape[1] < 2:
        return None
    whole = np.concatenate([np.zeros_like(state.translations), state.translations], axis=1)[1:]
    free = free / np.linalg.norm(free, axis=0)
    whole = whole.ravel() / np.linalg.norm(whole)
    rest = free - np.outer(whole, whole @ free)
    return 1 + int(np.linalg.norm(rest.reshape(len(state.rotations) - 1, -1), axis=1).argmax())


def _observe(
    tracks: Sequence[Track],
    moment: int,
    places: Array,
    within: float,
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
    orders = np.where(_crossed(world)[:, None], MIRRORED, np.arange(JOINT_COUNT))
    world = np.take_along_axis(world, orders[..., None], axis=1)
    middle = _median(world)
    start = sum(len(part) for part in points)
    agreed = 0
    new: list[_Row] = []
    for track, joints, order in zip(tracks, world, orders, strict=True):
        if float(np.nanmean(np.linalg.norm(joints - middle, axis=1))) > within:
            continue
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


def _crossed(world: Array) -> NDArray[np.bool_]:
    """(V,) whether left and right are exchanged in a view, beside the one that most others fit.

    A mean of views would not tell: one that has them exchanged is as far from it either way.
    """
    straight, crossed = (
        np.nanmean(np.linalg.norm(world[:, None] - order[None], axis=3), axis=2)
        for order in (world, world[:, MIRRORED])
    )
    middle = np.fmin(straight, crossed).sum(axis=1).argmin()
    return np.asarray(crossed[middle] < straight[middle])


def _median(world: Array) -> Array:
    """(34, 3) of views (V, 34, 3), NaN where none knows a joint."""
    seen = known(world).any(axis=0)
    middle = np.full(world.shape[1:], np.nan)
    middle[seen] = np.nanmedian(world[:, seen], axis=0)
    return middle


@dataclass(frozen=True)
class _State:
    """Rotations (V, 3, 3) and translations (V, 3) to each view, and points (P, 3)."""

    rotations: Array
    translations: Array
    points: Array

    @classmethod
    def at(cls, places: Array, points: Array) -> _State:
        """With the views at these places (V, 4, 4)."""
        inverse = np.asarray(np.linalg.inv(places), np.float64)
        return cls(inverse[:, :3, :3], inverse[:, :3, 3], points)

    @property
    def places(self) -> Array:
        """(V, 4, 4) from each view to the first one's frame."""
        found = np.tile(np.eye(4), (len(self.rotations), 1, 1))
        found[:, :3, :3], found[:, :3, 3] = self.rotations, self.translations
        return np.asarray(np.linalg.inv(found))

    def seen(self, observations: Observations) -> Array:
        """(M, 3) the points in the views' frames."""
        turned = self.rotations[observations.view] @ self.points[observations.point][..., None]
        return np.asarray(turned[..., 0] + self.translations[observations.view])

    def off(self, observations: Observations) -> Array:
        """(M, 2) found less seen."""
        seen = self.seen(observations)
        depth = np.maximum(seen[:, 2:], _NEAREST)
        return np.asarray(seen[:, :2] / depth - observations.ray)

    def moved(self, cameras: Array, points: Array) -> _State:
        """With the cameras turned and moved by (V, 6), and the points by (P, 3)."""
        turned = Rotation.from_rotvec(cameras[:, :3]).as_matrix() @ self.rotations
        return _State(turned, self.translations + cameras[:, 3:], self.points + points)


@dataclass(frozen=True)
class _Normal:
    """The normal equations: of cameras (C = 6 V numbers), of points, and between them."""

    cameras: Array
    """(C, C)"""
    points: Array
    """(P, 3, 3)"""
    between: Array
    """(P, 3, C)"""
    camera_slope: Array
    """(C,)"""
    point_slope: Array
    """(P, 3)"""

    @classmethod
    def of(cls, state: _State, observations: Observations) -> _Normal:
        """Where the state is, with keypoints that are far off counting less (soft L1)."""
        views, view, point = len(state.rotations), observations.view, observations.point
        off = state.off(observations)
        seen = state.seen(observations)
        depth = np.maximum(seen[:, 2], _NEAREST)
        by_seen = np.zeros((len(off), 2, 3))
        by_seen[:, 0, 0] = by_seen[:, 1, 1] = 1 / depth
        by_seen[:, :, 2] = -seen[:, :2] / depth[:, None] ** 2
        turning = -by_seen @ _cross(seen - state.translations[view])
        by_camera = np.concatenate([turning, by_seen], axis=2)
        by_point = by_seen @ state.rotations[view]
        sigma = observations.sigma[:, None]
        weight = 1 / (sigma**2 * np.sqrt(1 + (off / sigma) ** 2))
        weighted = by_point * weight[..., None]
        own = np.zeros((views, 6, 6))
        np.add.at(own, view, by_camera.swapaxes(1, 2) @ (by_camera * weight[..., None]))
        camera_slope = np.zeros((views, 6))
        np.add.at(camera_slope, view, np.einsum("mai,ma->mi", by_camera, weight * off))
        points = np.zeros((len(state.points), 3, 3))
        np.add.at(points, point, weighted.swapaxes(1, 2) @ by_point)
        point_slope = np.zeros((len(state.points), 3))
        np.add.at(point_slope, point, np.einsum("mai,ma->mi", weighted, off))
        between = np.zeros((len(state.points), views, 3, 6))
        np.add.at(between, (point, view), weighted.swapaxes(1, 2) @ by_camera)
        cameras = np.zeros((views, 6, views, 6))
        cameras[np.arange(views), :, np.arange(views)] = own
        return cls(
            cameras.reshape(6 * views, 6 * views),
            points,
            between.swapaxes(1, 2).reshape(len(points), 3, 6 * views),
            camera_slope.ravel(),
            point_slope,
        )

    def step(self, damping: float) -> tuple[Array, Array]:
        """How cameras (V, 6) and points (P, 3) have to move; the first camera stays."""
        inverse = self._inverse(damping)
        matrix, slope = self._reduced(inverse)
        matrix = matrix + damping * np.diag(np.diag(self.cameras))
        cameras = np.zeros(len(slope))
        cameras[6:] = -np.linalg.lstsq(matrix[6:, 6:], slope[6:], rcond=_SINGULAR)[0]
        points = -inverse @ (self.point_slope + self.between @ cameras)[..., None]
        return cameras.reshape(-1, 6), points[..., 0]

    def reduced(self) -> tuple[Array, Array]:
        """(C, C), (C,) the equations of the cameras alone."""
        return self._reduced(self._inverse(0.0))

    def _inverse(self, damping: float) -> Array:
        """(P, 3, 3) of the points' matrices; where rays are parallel nobody knows the depth."""
        sure = np.trace(self.points, axis1=1, axis2=2)[:, None, None]
        return np.linalg.inv(self.points * (1 + damping * np.eye(3)) + _SINGULAR * sure * np.eye(3))

    def _reduced(self, inverse: Array) -> tuple[Array, Array]:
        solved = inverse @ self.between
        columns = self.between.shape[2]
        matrix = self.cameras - self.between.reshape(-1, columns).T @ solved.reshape(-1, columns)
        slope = self.camera_slope - np.einsum("pic,pi->c", solved, self.point_slope)
        return matrix, slope


def _solve(observations: Observations, places: Array) -> Adjusted:
    state, damping = _State.at(places, observations.start), _DAMPING
    cost = _cost(state.off(observations), observations.sigma)
    for _ in range(_STEPS):
        normal = _Normal.of(state, observations)
        while damping < _MOST_DAMPING:
            moved = state.moved(*normal.step(damping))
            less = _cost(moved.off(observations), observations.sigma)
            if less < cost:
                break
            damping *= 10
        else:
            break
        done = cost - less < _ENOUGH * cost
        state, cost, damping = moved, less, damping / 10
        if done:
            break
    return Adjusted(state.places, state.points, observations, state.off(observations))


def _cost(off: Array, sigma: Array) -> float:
    squared = (off / sigma[:, None]) ** 2
    return float((np.sqrt(1 + squared) - 1).sum())


def _cross(vectors: Array) -> Array:
    """(M, 3, 3) matrices that multiply as the cross product with vectors (M, 3) does."""
    x, y, z = vectors.T
    none = np.zeros(len(vectors))
    rows = (none, -z, y), (z, none, -x), (-y, x, none)
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1)

"""Bundle adjustment: places of cameras and joints of people that explain every keypoint best.

Levenberg and Marquardt's method, where each joint knows of its own keypoints alone and is put in
terms of the cameras first (Schur's complement; Triggs et al. 2000, "Bundle adjustment - a modern
synthesis", chapter 6): what is left to solve is six numbers a camera. That also tells what were
found without some of the joints, for next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial.transform import Rotation

from ...body.skeleton import JOINT_COUNT
from .observations import Observations

Array = NDArray[np.float64]

_THROWN_OUT = 5.0
"""Standard deviations from which a keypoint takes no part in the second round."""
_NEAREST = 0.05
"""Depth in metres: a point must not come behind a camera on the way."""
_STEPS, _ENOUGH = 60, 1e-6
"""Steps at most, and the part of the cost that the last one saves."""
_DAMPING, _MOST_DAMPING = 1e-3, 1e6
SINGULAR = 1e-12
"""Of the largest eigenvalue: what is less, the scale above all, nobody has said anything of."""


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
    def bodies(self) -> Array:
        """(B, 34, 3) the joints by body, NaN where they took no part."""
        rows, row = np.unique(self.observations.body, return_inverse=True)
        bodies = np.full((len(rows), JOINT_COUNT, 3), np.nan)
        bodies[row, self.observations.joint] = self.points
        return bodies

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


def adjust(observations: Observations, places: Array) -> Adjusted:
    """Places and joints that explain the keypoints best, in two rounds with outliers thrown out."""
    first = _solve(observations, places)
    far = np.linalg.norm(first.residuals, axis=1) / observations.sigma
    return _solve(replace(observations, start=first.points).select(far < _THROWN_OUT), first.places)


def _solve(observations: Observations, places: Array) -> Adjusted:
    """Levenberg and Marquardt's steps until they gain nothing."""
    state, damping = Parameters.at(places, observations.start), _DAMPING
    cost = _cost(state.off(observations), observations.sigma)
    for _ in range(_STEPS):
        linear = Linearised.at(state, observations)
        while damping < _MOST_DAMPING:
            moved = state.moved(*linear.step(damping))
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


@dataclass(frozen=True)
class Parameters:
    """Rotations (V, 3, 3) and translations (V, 3) to each view, and points (P, 3)."""

    rotations: Array
    translations: Array
    points: Array

    @classmethod
    def at(cls, places: Array, points: Array) -> Parameters:
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

    def moved(self, cameras: Array, points: Array) -> Parameters:
        """With the cameras turned and moved by (V, 6), and the points by (P, 3)."""
        turned = Rotation.from_rotvec(cameras[:, :3]).as_matrix() @ self.rotations
        return Parameters(turned, self.translations + cameras[:, 3:], self.points + points)


@dataclass(frozen=True)
class Linearised:
    """Residuals of keypoints about where cameras and joints are, in standard deviations."""

    off: Array
    """(M, 2) where far off ones count less: the square of each is its part of the cost."""
    trust: Array
    """(M, 2) by how much less than in standard deviations: 1 where nothing is off (soft L1)."""
    by_camera: Array
    """(M, 2, C) their Jacobian by cameras: C = 6 V numbers, a turn and a move of each."""
    by_point: Array
    """(M, 2, 3) their Jacobian by the joint that each is of."""
    point: NDArray[np.intp]
    """(M,) which joint that is."""

    @classmethod
    def at(cls, state: Parameters, observations: Observations) -> Linearised:
        """About a state."""
        views, view, count = len(state.rotations), observations.view, len(observations.view)
        seen, off = state.seen(observations), state.off(observations)
        depth = np.maximum(seen[:, 2], _NEAREST)
        by_seen = np.zeros((count, 2, 3))
        by_seen[:, 0, 0] = by_seen[:, 1, 1] = 1 / depth
        by_seen[:, :, 2] = -seen[:, :2] / depth[:, None] ** 2
        turning = -by_seen @ np.cross(np.eye(3), (seen - state.translations[view])[:, None])
        by_camera = np.zeros((count, 2, views, 6))
        by_camera[np.arange(count), :, view] = np.concatenate([turning, by_seen], axis=2)
        sigma = observations.sigma[:, None]
        trust = (1 + (off / sigma) ** 2) ** -0.25
        weight = (trust / sigma)[..., None]
        return cls(
            off * weight[..., 0],
            trust,
            by_camera.reshape(count, 2, 6 * views) * weight,
            by_seen @ state.rotations[view] * weight,
            observations.point,
        )

    def step(self, damping: float) -> tuple[Array, Array]:
        """How cameras (V, 6) and joints (P, 3) have to move; the first camera stays."""
        alone = self.alone(damping)
        matrix = flat(alone).T @ flat(self.by_camera)
        matrix += damping * np.diag((self.by_camera**2).sum(axis=(0, 1)))
        slope = flat(alone).T @ self.off.ravel()
        cameras = np.zeros(len(slope))
        cameras[6:] = -np.linalg.lstsq(matrix[6:, 6:], slope[6:], rcond=SINGULAR)[0]
        pull = self._point_slope + self._between @ cameras
        return cameras.reshape(-1, 6), -(self._inverse(damping) @ pull[..., None])[..., 0]

    def alone(self, damping: float = 0.0) -> Array:
        """(M, 2, C) the Jacobian by cameras where joints follow them (Schur's complement)."""
        following = self._inverse(damping) @ self._between
        return np.asarray(self.by_camera - self.by_point @ following[self.point])

    def _inverse(self, damping: float) -> Array:
        """(P, 3, 3) of the joints' matrices; where rays are parallel nobody knows the depth."""
        matrix = self._summed(self.by_point.swapaxes(1, 2) @ self.by_point)
        sure = np.trace(matrix, axis1=1, axis2=2)[:, None, None]
        return np.linalg.inv(matrix * (1 + damping * np.eye(3)) + SINGULAR * sure * np.eye(3))

    @cached_property
    def _between(self) -> Array:
        """(P, 3, C) the normal equations of joints and cameras."""
        return self._summed(self.by_point.swapaxes(1, 2) @ self.by_camera)

    @cached_property
    def _point_slope(self) -> Array:
        """(P, 3) the slope of the cost by joints."""
        return self._summed(np.einsum("mai,ma->mi", self.by_point, self.off))

    def _summed(self, values: Array) -> Array:
        """(P, ...) of each joint's keypoints, of values (M, ...)."""
        count = len(self.point)
        of_point = csr_array((np.ones(count), (self.point, np.arange(count))))
        return np.asarray(of_point @ values.reshape(count, -1)).reshape(-1, *values.shape[1:])


def flat(jacobian: Array) -> Array:
    """(2 M, C) of (M, 2, C)."""
    return jacobian.reshape(-1, jacobian.shape[2])


def _cost(off: Array, sigma: Array) -> float:
    squared = (off / sigma[:, None]) ** 2
    return float((np.sqrt(1 + squared) - 1).sum())

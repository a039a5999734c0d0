"""Where joints are that several views see: ellipsoids that cross, and those thrown out that do not.

A view's joint is an ellipsoid, thin across its ray and long along it; two of them that cross are a
triangulation. A view may be wrong altogether (the other leg, a limb behind the body), so what most
views agree on is found first, from every pair of them, as in RANSAC with all samples drawn
(Fischler & Bolles 1981) and MSAC's truncated cost (Torr & Zisserman 2000). From there it is
refined with weights that fall with the residual (Geman-McClure; Black & Rangarajan 1996).
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from ...body.skeleton import known

Array = NDArray[np.float64]

CUTOFF = 9.0
"""Squared Mahalanobis distance at which a view counts a quarter: three standard deviations."""
_ITERATIONS = 4
_TINY = 1e-9  # a joint that no view sees has no information: keeps its equations solvable


def triangulate(joints: Array, covariance: Array) -> tuple[Array, Array]:
    """Fuse what V views say of N people, each joint on its own.

    Args:
        joints: (V, N, 34, 3) metres in the fixed frame, NaN where a view does not see a joint.
        covariance: (V, N, 34, 3, 3) of each, everything in it.

    Returns:
        Joints (N, 34, 3) and their covariance (N, 34, 3, 3), NaN where no view sees them.
    """
    seen = known(joints)
    if not seen.any():
        return np.full(joints.shape[1:], np.nan), np.full(covariance.shape[1:], np.nan)
    points = np.where(seen[..., None], joints, 0)
    information = np.zeros(covariance.shape)
    information[seen] = np.linalg.inv(covariance[seen])
    position = _agreed(points, information, seen)
    for _ in range(_ITERATIONS):
        distance = distances(position, points, information)
        weights = (CUTOFF / (CUTOFF + distance)) ** 2
        position, total = _weighted(points, information * weights[..., None, None])
    unseen = ~seen.any(axis=0)
    position[unseen] = np.nan
    fused = np.linalg.inv(total) * _disagreement(distance, weights, seen)[..., None, None]
    fused[unseen] = np.nan
    return position, fused


def distances(position: Array, points: Array, information: Array) -> Array:
    """(...) squared Mahalanobis distances of points (..., 3) from a position (..., 3)."""
    off = points - position
    return np.asarray((off[..., None, :] @ information @ off[..., None])[..., 0, 0])


def _agreed(points: Array, information: Array, seen: NDArray[np.bool_]) -> Array:
    """(N, 34, 3) the point of all views' and pairs' that the views together are nearest to."""
    views = len(points)
    subsets = [
        list(chosen) for size in (1, 2) for chosen in itertools.combinations(range(views), size)
    ]
    candidates, costs = [], []
    for chosen in subsets:
        candidate, _ = _weighted(points[chosen], information[chosen])
        cost = (np.minimum(distances(candidate, points, information), CUTOFF) * seen).sum(axis=0)
        candidates.append(candidate)
        costs.append(np.where(seen[chosen].any(axis=0), cost, np.inf))
    best = np.argmin(costs, axis=0)
    return np.asarray(np.take_along_axis(np.array(candidates), best[None, ..., None], axis=0)[0])


def _weighted(points: Array, information: Array) -> tuple[Array, Array]:
    """The mean (N, 34, 3) of points (V, N, 34, 3) by information, and the information it has."""
    total = information.sum(axis=0) + _TINY * np.eye(3)
    pull = (information @ points[..., None]).sum(axis=0)
    return np.asarray(np.linalg.solve(total, pull)[..., 0]), np.asarray(total)


def _disagreement(distance: Array, weights: Array, seen: NDArray[np.bool_]) -> Array:
    """(N, 34) how much more than their covariances say the views differ: at least 1.

    The reduced chi-square: each view brings three numbers, of which the position takes three.
    """
    kept = np.where(seen, weights, 0)
    spare = np.maximum(3 * (kept.sum(axis=0) - 1), 1)
    return np.asarray(np.maximum((kept * distance).sum(axis=0) / spare, 1))

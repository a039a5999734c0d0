"""Where joints are that several views see: ellipsoids that cross, and those thrown out that do not.

A view's joint is an ellipsoid, thin across its ray and long along it; two of them that cross are a
triangulation. A view may be wrong altogether (the other leg, a limb behind the body), so what most
views agree on is found first, from every pair of them, as in RANSAC with all samples drawn
(Fischler & Bolles 1981) and MSAC's truncated cost (Torr & Zisserman 2000). Where people should be
by how they moved is asked like a view, but moves nobody. From there it is refined with weights that
fall with the residual (Geman-McClure; Black & Rangarajan 1996).

What all joints of a view's body share (its size, its slant) is as unknown as they are: where some
joints' rays cross, the view's other joints learn how deep they lie. The joints are eliminated from
the normal equations, as in bundle adjustment (Triggs et al. 2000, section 6).
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from ...body.people import Bodies
from ...body.skeleton import known
from ..tracking.symmetric import inverse
from .shapes import Shapes

Array = NDArray[np.float64]

CUTOFF = 9.0
"""Squared Mahalanobis distance at which a view counts a quarter: three standard deviations."""
_ITERATIONS = 4
_TINY = 1e-9  # a joint that no view sees has no information: keeps its equations solvable


def triangulate(shapes: Shapes, expected: Bodies) -> tuple[Array, Array]:
    """Fuse what V views say of N people.

    Args:
        shapes: The people as the views have them.
        expected: Where the first of them should be now; nobody says so of the others.

    Returns:
        Joints (N, 34, 3) in metres and their covariance (N, 34, 3, 3), NaN where no view sees them.
    """
    seen = known(shapes.joints)
    people = seen.shape[1:]
    if not seen.any():
        return np.full((*people, 3), np.nan), np.full((*people, 3, 3), np.nan)
    points = np.where(seen[..., None], shapes.joints, 0)
    shared = shapes.shared
    whole = shapes.covariance + shared @ shared.swapaxes(-1, -2)
    each, together = _information(shapes.covariance, seen), _information(whole, seen)
    position = _agreed(points, together, seen, expected)
    distance = distances(position, points, together)
    for _ in range(_ITERATIONS):
        weights = (CUTOFF / (CUTOFF + distance)) ** 2
        position, spread, moved = _solved(points, each * weights[..., None, None], shared)
        distance = distances(position, moved, each)
    unseen = ~seen.any(axis=0)
    position[unseen] = np.nan
    fused = spread * _disagreement(distance, weights, seen)[..., None, None]
    fused[unseen] = np.nan
    return position, fused


def distances(position: Array, points: Array, information: Array) -> Array:
    """(...) squared Mahalanobis distances of points (..., 3) from a position (..., 3)."""
    off = points - position
    return np.asarray((off[..., None, :] @ information @ off[..., None])[..., 0, 0])


def _information(covariance: Array, seen: NDArray[np.bool_]) -> Array:
    """The inverse of covariances (..., 3, 3), 0 where nothing is seen (...)."""
    there = seen[..., None, None]
    return np.where(there, inverse(np.where(there, covariance, np.eye(3))), 0)


def _agreed(points: Array, information: Array, seen: NDArray[np.bool_], expected: Bodies) -> Array:
    """(N, 34, 3) the point of all views' and pairs' that the views together are nearest to."""
    views, first = len(points), len(expected)
    subsets = [
        list(chosen) for size in (1, 2) for chosen in itertools.combinations(range(views), size)
    ]
    place = np.nan_to_num(expected.joints)
    sure = _information(expected.covariance, known(expected.joints))
    candidates, costs = [], []
    for chosen in subsets:
        candidate, _ = _weighted(points[chosen], information[chosen])
        cost = (np.minimum(distances(candidate, points, information), CUTOFF) * seen).sum(axis=0)
        cost[:first] += np.minimum(distances(candidate[:first], place, sure), CUTOFF)
        candidates.append(candidate)
        costs.append(np.where(seen[chosen].any(axis=0), cost, np.inf))
    best = np.argmin(costs, axis=0)
    return np.asarray(np.take_along_axis(np.array(candidates), best[None, ..., None], axis=0)[0])


def _weighted(points: Array, information: Array) -> tuple[Array, Array]:
    """The mean (N, 34, 3) of points (V, N, 34, 3) by information, and the mean's covariance."""
    spread = inverse(information.sum(axis=0) + _TINY * np.eye(3))
    pull = (information @ points[..., None]).sum(axis=0)
    return np.asarray((spread @ pull)[..., 0]), spread


def _solved(points: Array, information: Array, shared: Array) -> tuple[Array, Array, Array]:
    """Least squares for joints and what views share, each K of which is 1 beforehand.

    Returns:
        Joints (N, 34, 3), their covariance, and the views' points (V, N, 34, 3) without what is
        shared.
    """
    views, people, joints, _, kinds = shared.shape
    unknowns = views * kinds
    mean, alone = _weighted(points, information)
    pulled = information @ shared
    flat = (people, joints * 3, unknowns)
    mixed = pulled.transpose(1, 2, 3, 0, 4).reshape(people, joints, 3, unknowns)
    toward = alone @ mixed  # how joints move with what is shared
    normal = np.tile(np.eye(unknowns), (people, 1, 1))
    normal -= mixed.reshape(flat).swapaxes(1, 2) @ toward.reshape(flat)
    each = (views, people, joints * 3, kinds)
    own = shared.reshape(each).swapaxes(2, 3) @ pulled.reshape(each)
    for view in range(views):
        rows = slice(view * kinds, (view + 1) * kinds)
        normal[:, rows, rows] += own[view]
    off = (mean - points).reshape(views, people, joints * 3, 1)
    pull = (pulled.reshape(each).swapaxes(2, 3) @ off)[..., 0].transpose(1, 0, 2)
    doubt = np.linalg.inv(normal)
    error = (doubt @ pull.reshape(people, unknowns, 1))[:, None]
    position = mean + (toward @ error)[..., 0]
    own_error = error.reshape(people, 1, views, kinds, 1).transpose(2, 0, 1, 3, 4)
    return (
        position,
        alone + toward @ doubt[:, None] @ toward.swapaxes(2, 3),
        points + (shared @ own_error)[..., 0],
    )


def _disagreement(distance: Array, weights: Array, seen: NDArray[np.bool_]) -> Array:
    """(N, 34) how much more than their covariances say the views differ: at least 1.

    The reduced chi-square: each view brings three numbers, of which the position takes three.
    """
    kept = np.where(seen, weights, 0)
    spare = np.maximum(3 * (kept.sum(axis=0) - 1), 1)
    return np.asarray(np.maximum((kept * distance).sum(axis=0) / spare, 1))

"""Who stands behind somebody else, and how much less is known of them.

Where people overlap in the image a network takes joints of the one for the other's: its skeleton is
too large or too small, and stands between the two. Its confidence does not tell.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...body.people import Bodies

Array = NDArray[np.float64]

DOUBT = 7.0
"""By how many times itself the variance of somebody's joints grows who is wholly behind somebody.
``python -m benchmarks.fit_noise --overlap two_people three_people cell_front cell_left cell_back
cell_right``: squared errors are 0.7 of their expectation where nobody overlaps, 1.3 where 0.1 to
0.3 of a body is covered, 2.4 up to 0.6, and 5.2 beyond: a growth of 5.5 to 7 times the share."""
IN_FRONT = 0.2
"""The share of that for who stands before somebody: there they are 0.9, 1.4 and 1.2."""


def among_each_other(bodies: Bodies) -> Bodies:
    """People of one image, in the optical frame, less sure where they overlap."""
    if len(bodies) < 2:
        return bodies
    part = np.where(_behind(bodies, np.zeros(3)), 1.0, IN_FRONT)
    np.fill_diagonal(part, 0.0)
    return _less_sure(bodies, part * overlap(bodies.pixels, bodies.pixels))


def hidden(bodies: Bodies, center: Array) -> Array:
    """(N,) how much of each is behind somebody else, as a camera at a centre (3,) sees them."""
    if len(bodies) < 2:
        return np.zeros(len(bodies))
    common = overlap(bodies.pixels, bodies.pixels)
    np.fill_diagonal(common, 0)
    if not common.any():
        return np.zeros(len(bodies))
    return np.asarray((common * _behind(bodies, center)).max(axis=1))


def before_others(bodies: Bodies, others: Array) -> Bodies:
    """People less sure where others are whom the network does not see: the one may hide the other.

    Args:
        bodies: N people.
        others: (M, 34, 2) the others' joints in the image.
    """
    if not len(others) or not len(bodies):
        return bodies
    return _less_sure(bodies, overlap(bodies.pixels, others))


def overlap(pixels: Array, others: Array) -> Array:
    """(N, M) what the boxes around two people have in common, of the smaller one; 0 for nobody.

    Args:
        pixels: (N, 34, 2) joints, NaN where unknown.
        others: (M, 34, 2) the same of others.
    """
    low, high = corners(pixels)
    other_low, other_high = corners(others)
    sides = np.minimum(high[:, None], other_high) - np.maximum(low[:, None], other_low)
    common = np.fmax(sides, 0).prod(axis=2)
    area, other_area = (high - low).prod(axis=1), (other_high - other_low).prod(axis=1)
    return np.asarray(common / np.fmax(np.minimum(area[:, None], other_area), 1))


def _behind(bodies: Bodies, center: Array) -> NDArray[np.bool_]:
    """(N, N) whether the one is farther from the camera than the other."""
    far = np.linalg.norm(bodies.joints - center, axis=2)
    there = np.isfinite(far)
    distance = np.where(there, far, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return np.asarray(distance[None] < distance[:, None])


def corners(pixels: Array) -> tuple[Array, Array]:
    """(N, 2) the least and (N, 2) the greatest pixel of people (N, 34, 2), NaN for nobody."""
    return np.fmin.reduce(pixels, axis=1), np.fmax.reduce(pixels, axis=1)


def _less_sure(bodies: Bodies, hidden: Array) -> Bodies:
    growth = 1 + DOUBT * hidden.max(axis=1)
    return replace(bodies, covariance=bodies.covariance * growth[:, None, None, None])

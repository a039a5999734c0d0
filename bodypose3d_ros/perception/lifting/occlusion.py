"""What hides what: who stands behind somebody else, and what is behind one's own arms.

Where people overlap in the image a network takes joints of the one for the other's: its skeleton is
too large or too small, and stands between the two. Its confidence does not tell, nor that an arm is
before the trunk.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...body.people import Bodies
from ...body.skeleton import INDEX

Array = NDArray[np.float64]

DOUBT = 7.0
"""By how many times itself the variance of somebody's joints grows who is wholly behind somebody.
``python -m benchmarks.fit_noise --overlap two_people three_people cell_front cell_left cell_back
cell_right``: squared errors are 0.7 of their expectation where nobody overlaps, 1.3 where 0.1 to
0.3 of a body is covered, 2.4 up to 0.6, and 5.2 beyond: a growth of 5.5 to 7 times the share."""
IN_FRONT = 0.2
"""The share of that for who stands before somebody: there they are 0.9, 1.4 and 1.2."""
_TINY = 1e-12
"""Least squared length of a bone in the image."""
_ARMS = np.array(
    [
        [INDEX[f"{side}_{joint}"] for joint in bone]
        for side in ("left", "right")
        for bone in (("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "index_knuckle"))
    ]
).T
"""(2, 6) the ends of the bones of arms and hands."""
_ARM = 0.07
"""Metres from such a bone within which, as the camera sees it, the arm hides what is behind it: of
an arm's breadth, and what keypoints err. ``depth`` says how often it does."""


def among_each_other(bodies: Bodies) -> Bodies:
    """People of one image, in the optical frame, less sure where they overlap."""
    if len(bodies) < 2:
        return bodies
    common = among(bodies.pixels)
    if not common.any():
        return bodies
    part = np.where(_behind(bodies, np.zeros(3)), 1.0, IN_FRONT)
    return _less_sure(bodies, part * common)


def hidden(bodies: Bodies, center: Array) -> Array:
    """(N,) how much of each is behind somebody else, as a camera at a centre (3,) sees them."""
    if len(bodies) < 2:
        return np.zeros(len(bodies))
    common = among(bodies.pixels)
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
    return _in_common(corners(pixels), corners(others))


def among(pixels: Array) -> Array:
    """(N, N) the same of people (N, 34, 2) and those about them; 0 of somebody and himself."""
    boxes = corners(pixels)
    common = _in_common(boxes, boxes)
    np.fill_diagonal(common, 0)
    return common


def _in_common(boxes: tuple[Array, Array], others: tuple[Array, Array]) -> Array:
    (low, high), (other_low, other_high) = boxes, others
    sides = np.minimum(high[:, None], other_high) - np.maximum(low[:, None], other_low)
    common = np.fmax(sides, 0).prod(axis=2)
    area, other_area = (high - low).prod(axis=1), (other_high - other_low).prod(axis=1)
    return np.asarray(common / np.fmax(np.minimum(area[:, None], other_area), 1))


def under_arms(joints: Array, which: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(N, J) before which joints, as the camera sees them, people are drawn with an arm or a hand.

    Args:
        joints: (N, 34, 3) metres in the optical frame, NaN where unknown.
        which: J joints; an arm does not hide the shoulder that it hangs from, its first end.
    """
    z = np.where(joints[..., 2] > 0, joints[..., 2], np.nan)
    image = (joints[..., :2] / z[..., None]).view(np.complex128)[..., 0]  # x + iy
    first, last = _ARMS
    start = image.take(first, axis=1)[:, None]
    bone = image.take(last, axis=1)[:, None] - start
    to = image.take(which, axis=1)[..., None] - start
    along = (to * bone.conj()).real / np.maximum(np.abs(bone) ** 2, _TINY)
    along = along.clip(0, 1)
    own = z.take(which, axis=1)[..., None]
    away = np.abs(to - along * bone) * own
    near = z.take(first, axis=1)[:, None]
    depth = near + along * (z.take(last, axis=1)[:, None] - near)
    return np.asarray(((away < _ARM) & (depth < own)).any(axis=2))


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

"""Depth images as a measure: one scale for the body, then each joint's own depth where it fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...body.depth import DepthImage
from ...body.people import SCALE_DEPTH, Bodies
from ...body.skeleton import JOINT_COUNT, JOINTS
from .median import median
from .size import LARGEST, SMALLEST, VALUE

Array = NDArray[np.float64]

_SURFACE = {
    "pelvis": 0.145, "torso": 0.145, "hip": 0.130, "neck": 0.105, "shoulder": 0.075,
    "knee": 0.060, "elbow": 0.060, "ankle": 0.055, "wrist": 0.026,
}  # fmt: skip
"""Metres from the skin, which a camera sees, to the joint: the project's films."""


def _inside(name: str) -> float:
    return _SURFACE.get(name.removeprefix("left_").removeprefix("right_"), 0.010)


DEEP: Array = np.array([_inside(name) for name in JOINTS])
"""(34,) metres by which a joint lies behind what is seen of it."""
_CORE = [JOINTS.index(n) for n in ("pelvis", "torso", "neck")] + [
    JOINTS.index(f"{side}_{n}")
    for side in ("left", "right")
    for n in ("hip", "shoulder", "knee", "ankle")
]
"""The eleven joints whose median is the body's scale."""
_ABOUT = 0.02
"""Metres: the breadth of a wrist, over which depths are averaged by their median."""
_GRID = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), -1).reshape(-1, 2)
_MAD = 1.4826
"""From a median absolute deviation to a standard deviation."""
_LEAST = 4
"""Core joints that must have a depth."""
_OWN_SIGMA = 0.035
"""Metres, besides the size: of a joint on its own depth, since bodies are not all as thick."""
_SCALE_BIAS = 0.025
"""Metres, likewise, of the body as a whole."""


def depth_evidence(joints: Array, depth: DepthImage) -> Array:
    """What a depth image says of people's sizes.

    Args:
        joints: (N, 34, 3) metres in the optical frame, of the network's size.
        depth: Registered to the image.

    Returns:
        (N, 3) logarithm of the size, its noise and its bias; NaN where too few joints are seen.
    """
    found = median(depths_at(joints, depth))[:, _CORE] + DEEP[_CORE]
    expected = joints[:, _CORE, 2]
    ratio = np.log(found / np.where(expected > 0, expected, np.nan))
    count = np.isfinite(ratio).sum(axis=1)
    middle = median(ratio)
    spread = _MAD * median(np.abs(ratio - middle[:, None]))
    noise = spread * np.sqrt(np.pi / 2 / np.maximum(count, 1))
    evidence = np.stack([middle, noise, _SCALE_BIAS / median(found)], axis=1)
    # Of no person's size is what stands before somebody, or behind.
    possible = (middle > np.log(SMALLEST)) & (middle < np.log(LARGEST))
    evidence[~(possible & (count >= _LEAST))] = np.nan
    return evidence


def onto_depths(bodies: Bodies, depth: DepthImage, reach: float) -> Bodies:
    """Joints whose own depth fits the body are drawn to it, as sure as either is.

    Args:
        bodies: Who is seen, in the optical frame.
        depth: Registered to the image.
        reach: Metres from where the body's shape has a joint within which a depth is the joint's
            own; farther, it is something before it or behind it.
    """
    known = np.isfinite(bodies.evidence[:, SCALE_DEPTH, VALUE])
    z = bodies.joints[..., 2]
    around = depths_at(bodies.joints, depth) + DEEP[:, None]
    around[~(np.abs(around - z[..., None]) < reach)] = np.nan
    own = median(around)
    fits = known[:, None] & np.isfinite(own)
    distance = np.linalg.norm(bodies.joints, axis=2)
    ray = bodies.joints / np.where(distance > 0, distance, 1)[..., None]
    outer = ray[..., :, None] * ray[..., None, :]
    # The size is in every joint's covariance: what is drawn together is the rest.
    size = (bodies.size_sigma[:, None] * distance) ** 2
    shape = (outer * bodies.covariance).sum(axis=(2, 3)) - size
    spread = _MAD * median(np.abs(around - own[..., None]))
    count = np.maximum(np.isfinite(around).sum(axis=2), 1)
    measured = _OWN_SIGMA**2 + np.pi / 2 * spread**2 / count
    share = np.where(fits, shape / (shape + measured), 0)
    factor = 1 + share * (np.where(fits, own, z) / z - 1)
    along = -share * shape
    return replace(
        bodies,
        joints=bodies.joints * factor[..., None],
        covariance=bodies.covariance + np.where(fits, along, 0)[..., None, None] * outer,
    )


def depths_at(joints: Array, depth: DepthImage) -> Array:
    """What a depth image shows at joints and about them.

    Args:
        joints: (N, 34, 3) metres in the optical frame.
        depth: Registered to the image.

    Returns:
        (N, 34, 9) metres along z, at a joint and at eight places ``_ABOUT`` metres from it, at
        least a pixel; NaN where unknown.
    """
    pixels = depth.camera.project(joints)
    focal = depth.camera.matrix[0, 0]
    reach = np.maximum(1, _ABOUT * focal / np.maximum(joints[..., 2], 1e-3))
    places = pixels[..., None, :] + reach[..., None, None] * _GRID
    column, row = np.rint(np.nan_to_num(places, nan=-1)).astype(np.int64).reshape(-1, 2).T
    height, width = depth.values.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    found = np.full(len(column), np.nan)
    found[inside] = depth.values[row[inside], column[inside]]
    return found.reshape(-1, JOINT_COUNT, len(_GRID))

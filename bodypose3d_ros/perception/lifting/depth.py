"""Depth images as a measure: one scale for the body, then each joint's own depth where it fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...body.depth import DepthImage
from ...body.people import SCALE_DEPTH, Bodies
from ...body.skeleton import JOINT_COUNT, JOINTS
from .size import VALUE

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
FITS = 0.15
"""Metres: as far from where the body's shape has it, a depth is the joint's own; farther, it is
something before it or behind it."""
_LEAST = 4
"""Core joints that must have a depth."""
_OWN_SIGMA = 0.035
"""Metres: of a joint put onto its own depth: how deep it lies in the body differs."""
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
    found = (depths_at(joints, depth) + DEEP)[:, _CORE]
    expected = joints[:, _CORE, 2]
    ratio = np.where(expected > 0, found / np.where(expected > 0, expected, 1), np.nan)
    ordered = np.sort(ratio, axis=1)
    count = np.isfinite(ratio).sum(axis=1)
    middle = np.take_along_axis(ordered, np.maximum(count - 1, 0)[:, None] // 2, axis=1)
    apart = np.sort(np.abs(np.log(ratio) - np.log(middle)), axis=1)
    spread = 1.48 * np.take_along_axis(apart, np.maximum(count - 1, 0)[:, None] // 2, axis=1)
    noise = spread[:, 0] * np.sqrt(np.pi / 2 / np.maximum(count, 1))
    distance = np.where(count > 0, np.nanmean(np.where(count[:, None] > 0, found, 1), axis=1), 1)
    evidence = np.stack([np.log(middle[:, 0]), noise, _SCALE_BIAS / distance], axis=1)
    evidence[count < _LEAST] = np.nan
    return evidence


def onto_depths(bodies: Bodies, depth: DepthImage) -> Bodies:
    """Joints whose own depth fits the body go onto it, and are as sure as that depth is."""
    known = np.isfinite(bodies.evidence[:, SCALE_DEPTH, VALUE])
    own = depths_at(bodies.joints, depth) + DEEP
    z = bodies.joints[..., 2]
    fits = known[:, None] & (np.abs(own - z) < FITS)
    factor = np.where(fits, own / np.where(fits, z, 1), 1)[..., None]
    joints = bodies.joints * factor
    distance = np.linalg.norm(joints, axis=2, keepdims=True)
    ray = joints / np.where(distance > 0, distance, 1)
    outer = ray[..., :, None] * ray[..., None, :]
    along = (outer * bodies.covariance).sum(axis=(2, 3))[..., None, None]
    sure = bodies.covariance + (_OWN_SIGMA**2 - along) * outer
    return replace(
        bodies,
        joints=joints,
        covariance=np.where(fits[..., None, None], sure, bodies.covariance),
    )


def depths_at(joints: Array, depth: DepthImage) -> Array:
    """(N, 34) metres along z that the image has where joints (N, 34, 3) are; NaN where unknown."""
    pixels = depth.camera.project(joints)
    column, row = np.rint(np.nan_to_num(pixels, nan=-1)).astype(np.int64).reshape(-1, 2).T
    height, width = depth.values.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    found = np.full(len(column), np.nan)
    found[inside] = depth.values[row[inside], column[inside]]
    return found.reshape(-1, JOINT_COUNT)

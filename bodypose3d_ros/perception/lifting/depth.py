"""Depth images as a measure: one scale for the body, then each joint's own depth if it is that.

What a depth image shows at a joint is the joint's skin, or what hides the joint (an arm before the
trunk, the near shoulder before the far one, a table), or what lies beside a thin limb. Which of
them is asked of every joint, from the trunk outwards, where its parent has turned out to be: a
limb goes with what carries it, and what is hidden lies behind what is seen.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...body.depth import DepthImage
from ...body.people import SCALE_DEPTH, Bodies
from ...body.skeleton import INDEX, JOINT_COUNT, JOINTS, PARENTS
from .median import median, quantiles
from .occlusion import under_arms
from .size import BIAS, COLUMNS, LARGEST, NOISE, SMALLEST, VALUE

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
_TRUNK = np.array(
    [INDEX[n] for n in ("pelvis", "torso", "neck")]
    + [INDEX[f"{side}_{n}"] for side in ("left", "right") for n in ("hip", "shoulder")]
)
"""The joints that no other carries."""
_CORE = np.array(
    [*_TRUNK, *(INDEX[f"{side}_{n}"] for side in ("left", "right") for n in ("knee", "ankle"))]
)
"""The eleven joints that tell the body's scale."""
_ABOUT = 0.02
"""Metres: the breadth of a wrist, over which depths are looked at."""
_GRID = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), -1).reshape(-1, 2)
_MAD = 1.4826
"""From a median absolute deviation to a standard deviation."""
_LEAST = 4
"""Core joints that must have a depth."""
_UNHIDDEN = 0.7
"""The quantile of what the core joints say that is the body's scale: more than the median, for what
hides a joint is nearer than it, and of who is seen from the side half of the joints are hidden."""
_SCALE_BIAS = 0.025
"""Metres of the body as a whole, since bodies are not all as thick."""
_OWN_SIGMA = 0.035
"""Metres, likewise, of a joint behind its own skin."""
_SEEN = (0.10, 0.98)
"""How likely a joint's own skin is seen that the network is not sure of at all, and one it is sure
of: on the project's films its confidence is about the share of such joints that are visible."""
_BEHIND, _ROOM = 0.05, 0.5
"""Metres by which a hidden joint is at least behind what is seen, and within which it may be."""
_UNDER, _ROOM_UNDER = 0.8, 0.3
"""How likely an arm hides the trunk's joint before which it is drawn, and within how many metres
behind the arm that is: an arm hangs beside the hip, a hand is before the belly. In the project's
cell 80 % of such joints are hidden and 21 % of the others; the network is as sure of both."""
_BESIDE, _BACKGROUND, _MISSED = 0.1, 2.0, 0.05
"""Metres by which what is seen beside a limb is at least behind it, and within which it may be; how
often that is seen."""
_BEND = 0.06
"""Metres: least standard deviation of a joint's depth from its parent's."""
_UNEXPLAINED = 1e-5
"""Likelihood of what none of this explains."""
_AMONG = (0.15, 0.5, 0.85)
"""The quantiles of the depths about a joint that count, each as much: of a thin limb's some are the
background's."""
_OFFSETS = np.arange(-15, 16) * 0.04
"""Metres along z from where the shape has a joint at which it is looked for."""
_COARSE = 0.04**2 / 12
"""Square metres by which a joint may lie between two of them."""
_MOMENTS = np.stack([np.ones_like(_OFFSETS), _OFFSETS, _OFFSETS**2], axis=1)


_NARROW = np.float32(-0.5 / _OWN_SIGMA**2)
_HEIGHT = np.float32((1 - _MISSED) / (_OWN_SIGMA * np.sqrt(2 * np.pi)))


def _outwards() -> list[NDArray[np.intp]]:
    """Joints in the order in which they carry each other, those of the trunk left out."""
    steps, carried = [], set(_TRUNK)
    while len(carried) < JOINT_COUNT:
        step = [j for j in range(JOINT_COUNT) if j not in carried and PARENTS[j] in carried]
        steps.append(np.array(step))
        carried.update(step)
    return steps


_STEPS = _outwards()


def depth_evidence(joints: Array, seen: Array) -> Array:
    """What a depth image says of people's sizes.

    Args:
        joints: (N, 34, 3) metres in the optical frame, of the network's size.
        seen: (N, 34, 3) what ``depths_at`` saw there.

    Returns:
        (N, 3) logarithm of the size, its noise and its bias; NaN where too few joints are seen.
    """
    found = seen[:, _CORE, 1] + DEEP[_CORE]
    expected = joints[:, _CORE, 2]
    ratio = np.log(found / np.where(expected > 0, expected, np.nan))
    count = np.isfinite(ratio).sum(axis=1)
    size = quantiles(ratio, [_UNHIDDEN])[:, 0]
    spread = _MAD * median(np.abs(ratio - size[:, None]))
    noise = spread * np.sqrt(np.pi / 2 / np.maximum(count, 1))
    evidence = np.zeros((len(joints), COLUMNS))
    evidence[:, VALUE], evidence[:, NOISE] = size, noise
    evidence[:, BIAS] = _SCALE_BIAS / median(found)
    # Of no person's size is what stands before somebody, or behind.
    possible = (size > np.log(SMALLEST)) & (size < np.log(LARGEST))
    evidence[~(possible & (count >= _LEAST))] = np.nan
    return evidence


def onto_depths(bodies: Bodies, seen: Array) -> Bodies:
    """Joints at the depths at which they are seen, or behind what hides them.

    A joint is expected where its parent's shift puts it, as far off as its shape is; the mean and
    variance of where it is, that and what is seen considered, are what it gets.

    Args:
        bodies: Who is seen, in the optical frame; nobody is moved of whose size the depth image
            has said nothing.
        seen: (N, 34, 3) what ``depths_at`` saw at their joints.
    """
    measured = np.isfinite(bodies.evidence[:, SCALE_DEPTH, VALUE])
    z = bodies.joints[..., 2]
    distance = np.linalg.norm(bodies.joints, axis=2)
    slant = distance / np.where(z > 0, z, np.nan)
    ray = bodies.joints / np.where(distance > 0, distance, 1)[..., None]
    outer = ray[..., :, None] * ray[..., None, :]
    # The size is in every joint's covariance: what is told here is the rest.
    size = (bodies.size_sigma[:, None] * distance) ** 2
    shape = np.einsum("njxy,njxy->nj", outer, bodies.covariance) - size
    under = np.zeros_like(z)
    under[:, _TRUNK] = np.where(under_arms(bodies.joints, _TRUNK), _UNDER, 0)
    likelihood = _likelihood(z, seen, bodies.confidence, under)
    shift, variance = _shifts(shape / slant**2, likelihood)
    moved = measured[:, None] & np.isfinite(shift)
    along = np.where(moved, variance * slant**2 - shape, 0)
    return replace(
        bodies,
        joints=bodies.joints * (1 + np.where(moved, shift / z, 0))[..., None],
        covariance=bodies.covariance + along[..., None, None] * outer,
    )


def _shifts(shape: Array, likelihood: Array) -> tuple[Array, Array]:
    """(N, 34) metres along z by which joints are not where the shape has them, and the variance.

    Args:
        shape: (N, 34) square metres along z by which the shape errs.
        likelihood: (N, 34, O) of what is seen if a joint is at each of ``_OFFSETS``.
    """
    shift, variance = np.zeros_like(shape), shape.copy()
    shift[:, _TRUNK], variance[:, _TRUNK] = _mean(0.0, shape[:, _TRUNK], likelihood[:, _TRUNK])
    for step in _STEPS:
        carrier = PARENTS[step]
        bend = np.maximum(shape[:, step] - shape[:, carrier], _BEND**2)
        shift[:, step], variance[:, step] = _mean(
            shift[:, carrier], bend + variance[:, carrier], likelihood[:, step]
        )
    return shift, variance


def _mean(expected: Array | float, variance: Array, likelihood: Array) -> tuple[Array, Array]:
    """Mean and variance (N, J) of offsets that were expected so, given what is seen."""
    off = _OFFSETS - np.asarray(expected)[..., None]
    weight = np.exp(-0.5 * off**2 / variance[..., None]) * likelihood
    total, first, second = np.moveaxis(weight @ _MOMENTS, -1, 0)
    total = np.maximum(total, 1e-300)
    mean = first / total
    return mean, second / total - mean**2 + _COARSE


def _likelihood(z: Array, seen: Array, confidence: Array, under: Array) -> Array:
    """(N, 34, O) of what is seen if joints at depths z (N, 34) are off by ``_OFFSETS``.

    A mixture: a joint's own skin, something before it, an arm with probability ``under`` (N, 34),
    or something beside it and behind it.
    """
    skin = np.moveaxis(z[..., None] - (seen + DEEP[:, None]), -1, 0)
    # In this order in memory, too: adding up over the quantiles takes a third of the time then.
    behind = (np.ascontiguousarray(skin)[..., None] + _OFFSETS).astype(np.float32)  # (3, N, 34, O)
    visible = (_SEEN[0] + (_SEEN[1] - _SEEN[0]) * confidence)[..., None].astype(np.float32)
    arm = under[..., None].astype(np.float32)
    # What weighs each part is the joint's alone: the quantiles are added up before.
    mixture = (1 - arm) * visible * _HEIGHT * np.exp(behind * behind * _NARROW).sum(axis=0)
    mixture += (1 - arm) * (1 - visible) / np.float32(_ROOM) * _count(behind > _BEHIND)
    under_arm = (behind > 0) & (behind < _ROOM_UNDER)
    mixture += arm / np.float32(_ROOM_UNDER) * _count(under_arm)
    mixture += np.float32(_MISSED / _BACKGROUND) * _count(behind < -_BESIDE)
    unknown = np.isnan(seen[..., :1])
    return np.asarray(np.where(unknown, 1, mixture + _UNEXPLAINED), np.float64)


def _count(quantiles: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(N, 34, O) how many of the quantiles (3, N, 34, O) are such."""
    return np.asarray(quantiles.sum(axis=0, dtype=np.float32))


def depths_at(joints: Array, depth: DepthImage) -> Array:
    """What a depth image shows at joints and about them.

    Args:
        joints: (N, 34, 3) metres in the optical frame.
        depth: Registered to the image.

    Returns:
        (N, 34, 3) metres along z, the quantiles ``_AMONG`` of what is seen at a joint and at eight
        places ``_ABOUT`` metres from it, at least a pixel; NaN where that is unknown.
    """
    pixels = depth.camera.project(joints)
    focal = depth.camera.matrix[0, 0]
    reach = np.maximum(1, _ABOUT * focal / np.maximum(joints[..., 2], 1e-3))
    places = pixels[..., None, :] + reach[..., None, None] * _GRID
    places = np.where(np.isnan(places), -1, places)
    column, row = np.rint(places).astype(np.intp).reshape(-1, 2).T
    height, width = depth.values.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    found = np.full(len(column), np.nan)
    found[inside] = depth.values[row[inside], column[inside]]
    return quantiles(found.reshape(-1, JOINT_COUNT, len(_GRID)), _AMONG)

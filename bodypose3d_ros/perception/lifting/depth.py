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
_GRID = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1])).reshape(2, 1, 1, 9)
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
_OFFSETS = (np.arange(-15, 16) * 0.04)[:, None, None]
"""(O, 1, 1) metres along z from where the shape has a joint at which it is looked for."""
_COARSE = 0.04**2 / 12
"""Square metres by which a joint may lie between two of them."""
_MOMENTS = _OFFSETS[:, 0] ** np.arange(3)
_NARROW = np.float32(-0.5 / _OWN_SIGMA**2)
_HEIGHT = np.float32((1 - _MISSED) / (_OWN_SIGMA * np.sqrt(2 * np.pi)))


def _outwards() -> list[NDArray[np.intp]]:
    """Joints in the order in which they carry each other, those of the trunk first."""
    steps, carried = [_TRUNK], set(_TRUNK)
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
        seen: (3, N, 34) what ``depths_at`` saw there.

    Returns:
        (N, 3) logarithm of the size, its noise and its bias; NaN where too few joints are seen.
    """
    found = (seen[1] + DEEP).take(_CORE, axis=1)
    expected = joints[..., 2].take(_CORE, axis=1)
    ratio = np.log(found / np.where(expected > 0, expected, np.nan))
    count = np.isfinite(ratio).sum(axis=1)
    (size, _), (_, middle) = quantiles(np.stack([ratio, found]), [_UNHIDDEN, 0.5])
    spread = _MAD * median(np.abs(ratio - size[:, None]))
    noise = spread * np.sqrt(np.pi / 2 / np.maximum(count, 1))
    evidence = np.zeros((len(joints), COLUMNS))
    evidence[:, VALUE], evidence[:, NOISE] = size, noise
    evidence[:, BIAS] = _SCALE_BIAS / middle
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
        seen: (3, N, 34) what ``depths_at`` saw at their joints.
    """
    measured = np.isfinite(bodies.evidence[:, SCALE_DEPTH, VALUE])
    z = np.where(bodies.joints[..., 2] > 0, bodies.joints[..., 2], np.nan)
    ray = bodies.joints / z[..., None]
    outer = ray[..., :, None] * ray[..., None, :]
    # Of a covariance C along the ray r, which is 1 along z, z's variance is r . C r / |r|^4.
    along = np.einsum("njxy,njxy->nj", outer, bodies.covariance)
    along /= np.einsum("njxx->nj", outer) ** 2
    # The size is in every joint's covariance: what is told here is the rest.
    shape = along - (bodies.size_sigma[:, None] * z) ** 2
    under = np.zeros(z.shape)
    under[:, _TRUNK] = _UNDER * under_arms(bodies.joints, _TRUNK)
    likelihood = _likelihood(z, seen, bodies.confidence, under)
    shift, variance = _shifts(shape, likelihood)
    moved = measured[:, None] & np.isfinite(shift)
    joints = bodies.joints + shift[..., None] * ray
    covariance = bodies.covariance + (variance - shape)[..., None, None] * outer
    return replace(
        bodies,
        joints=np.where(moved[..., None], joints, bodies.joints),
        covariance=np.where(moved[..., None, None], covariance, bodies.covariance),
    )


def _shifts(shape: Array, likelihood: Array) -> tuple[Array, Array]:
    """(N, 34) metres along z by which joints are not where the shape has them, and the variance.

    Args:
        shape: (N, 34) square metres along z by which the shape errs.
        likelihood: (O, N, 34) of what is seen if a joint is at each of ``_OFFSETS``.
    """
    bend = np.maximum(shape - shape.take(PARENTS, axis=1), _BEND**2)
    bend[:, _TRUNK] = shape.take(_TRUNK, axis=1)
    shift, variance = np.zeros((2, *shape.shape))
    for step in _STEPS:
        carrier = PARENTS[step]  # of the trunk none, yet: nothing is known of where they are
        shift[:, step], variance[:, step] = _mean(
            shift.take(carrier, axis=1),
            variance.take(carrier, axis=1) + bend.take(step, axis=1),
            likelihood.take(step, axis=2),
        )
    return shift, variance


def _mean(expected: Array, variance: Array, likelihood: Array) -> tuple[Array, Array]:
    """Mean and variance (N, J) of offsets that were expected so, given what is seen."""
    off = _OFFSETS - expected
    weight = np.exp(off * off * (-0.5 / variance)) * likelihood
    moments = np.einsum("om,onj->mnj", _MOMENTS, weight)
    mean, square = moments[1:] / moments[0]
    return mean, square - mean**2 + _COARSE


def _likelihood(z: Array, seen: Array, confidence: Array, under: Array) -> Array:
    """(O, N, 34) of what is seen if joints at depths z (N, 34) are off by ``_OFFSETS``.

    A mixture: a joint's own skin, something before it, an arm with probability ``under`` (N, 34),
    or something beside it and behind it.
    """
    # Where nothing is seen, infinitely far behind the joint: as likely wherever that is.
    skin = z - (np.where(np.isnan(seen), np.inf, seen) + DEEP)
    behind = (skin[:, None] + _OFFSETS).astype(np.float32)  # (3, O, N, 34)
    visible = (_SEEN[0] + (_SEEN[1] - _SEEN[0]) * confidence).astype(np.float32)
    arm = under.astype(np.float32)
    own = 1 - arm
    # What weighs each part is the joint's alone: the quantiles are added up before.
    mixture = own * visible * _HEIGHT * np.exp(behind * behind * _NARROW).sum(axis=0)
    mixture += own * (1 - visible) / np.float32(_ROOM) * _count(behind > _BEHIND)
    under_arm = (behind > 0) & (behind < _ROOM_UNDER)
    mixture += arm / np.float32(_ROOM_UNDER) * _count(under_arm)
    mixture += np.float32(_MISSED / _BACKGROUND) * _count(behind < -_BESIDE)
    return np.asarray(mixture + np.float32(_UNEXPLAINED), np.float64)


def _count(quantiles: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(O, N, 34) how many of the quantiles (3, O, N, 34) are such."""
    return np.asarray(quantiles.sum(axis=0, dtype=np.uint8))


def depths_at(joints: Array, depth: DepthImage) -> Array:
    """What a depth image shows at joints and about them.

    Args:
        joints: (N, 34, 3) metres in the optical frame.
        depth: Registered to the image.

    Returns:
        (3, N, 34) metres along z, the quantiles ``_AMONG`` of what is seen at a joint and at eight
        places ``_ABOUT`` metres from it, at least a pixel; NaN where that is unknown.
    """
    pixels = depth.camera.project(joints).transpose(2, 0, 1)
    focal = depth.camera.matrix[0, 0]
    reach = np.maximum(1, _ABOUT * focal / np.maximum(joints[..., 2], 1e-3))
    column, row = np.rint(pixels[..., None] + reach[..., None] * _GRID)
    height, width = depth.values.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    place = np.where(inside, row * width + column, 0).astype(np.intp)
    return quantiles(np.where(inside, depth.values.take(place), np.nan), _AMONG)

"""The floor as a measure: feet stand on it, so a body's size follows from where they are."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...body.floor import Floor
from ...body.skeleton import INDEX
from .shape_model import ShapeModel
from .size import BIAS, COLUMNS, LARGEST, NOISE, POSE, SMALLEST, TILT, VALUE

Array = NDArray[np.float64]

_SOLES: tuple[tuple[str, float], ...] = (("ankle", 0.10), ("heel", 0.04), ("big_toe", 0.02))
"""How high over the floor the joints of a standing foot are, metres: the project's films."""
_FEET = np.array([[INDEX[f"{side}_{n}"] for n, _ in _SOLES] for side in ("left", "right")])
_HEIGHTS = np.array([height for _, height in _SOLES])
_MEAN_HEIGHT = float(_HEIGHTS.mean())
_SOLE_SIGMA = 0.025
"""Metres: shoes, how high ankles, heels and toes of different people are, and how far the foot that
is taken for standing is lifted: 2 cm on average of who goes about in the project's films."""
_BALANCE = 0.12
"""Metres: standard deviation of how far before or behind the pelvis, seen from anywhere, a foot is
that carries it. Feet stand 0.1 m beside it; who walks has them up to half a step of 0.7 m away,
0.14 m over all moments and directions. Half or twice as much moves the films' pelvis by 5 mm."""
_LEAST_DROP = 0.35
"""Of the camera's height: a foot seen less far below it says nothing, for it is at the horizon."""


def floor_evidence(
    joints: Array, confidence: Array, floor: Floor, shape: ShapeModel, least: int = 2
) -> Array:
    """What the floor says of people's sizes.

    A joint p of a foot whose true size is s times as large lies at s p, at the height
    ``floor.height + s up . p``. For it to be the height h that the joint has in a standing foot,
    s = (height - h) / -(up . p). Of the two feet the one that asks for the smaller s stands; the
    other is lifted. How far away it stands the image tells; how far from it the rest of the body
    is, the shape and its balance.

    Args:
        joints: (N, 34, 3) metres in the optical frame, of the network's size.
        confidence: (N, 34).
        floor: The floor, in the same frame.
        shape: How wrong the network's feet are.
        least: How many of a foot's three joints must be seen for it to count.

    Returns:
        (N, 3) logarithm of the size, its noise and its bias (the tilt and height of the camera,
        shoes, the shape's slant); NaN for who does not show a foot that stands on the floor.
    """
    feet = joints.take(_FEET, axis=1)  # (N, 2, 3, 3)
    drop = -(feet @ floor.up)
    usable = (confidence.take(_FEET, axis=1) > 0.3) & (drop > _LEAST_DROP * floor.height)
    seen = usable.sum(axis=2)
    count = np.maximum(seen, 1)
    scale = (floor.height - _HEIGHTS) / np.where(usable, drop, np.inf)
    foot = np.where(usable[..., None], feet, 0).sum(axis=2) / count[..., None]
    pelvis = joints[:, None, INDEX["pelvis"]]
    across, along = shape.of_feet
    nearer, slant = _balance(foot, pelvis, floor.up, along)
    by_foot = scale.sum(axis=2) / count / (1 - nearer)
    by_foot[seen < least] = np.inf
    standing = np.arange(len(feet)), by_foot.argmin(axis=1)
    size = by_foot[standing]
    size = np.where((size > SMALLEST) & (size < LARGEST), size, np.nan)
    # d log s = d height / drop, and a turn w of "up" lifts what is at p: d up . p = w . (up x p).
    fall = max(floor.height - _MEAN_HEIGHT, 1e-3)
    noise = across / np.sqrt(count[standing]) / fall
    x, y, z = floor.up
    turned = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])  # up x p
    tilt = floor.tilt_sigma / fall * size[:, None] * (foot[standing] @ turned.T)
    evidence = np.empty((len(feet), COLUMNS))
    evidence[:, VALUE], evidence[:, NOISE] = np.log(size), noise
    evidence[:, POSE] = slant[standing]
    evidence[:, BIAS] = math.hypot(floor.height_sigma, _SOLE_SIGMA) / fall
    evidence[:, TILT] = tilt
    evidence[np.isnan(size)] = np.nan
    return evidence


def _balance(foot: Array, pelvis: Array, up: Array, along: float) -> tuple[Array, Array]:
    """By which share of their distance feet are nearer than drawn, and its standard deviation.

    A shape errs in its slant: it stands too upright seen from above, and its feet are too near. But
    who stands has the pelvis over the foot, give or take ``_BALANCE``. How far behind the pelvis a
    foot is drawn and where balance has it are fused by information; the farther away it is drawn,
    the less balance counts, as of who sits.

    Args:
        foot: (N, 2, 3) metres.
        pelvis: (N, 1, 3) metres, NaN where unknown.
        up: (3,) unit vector.
        along: Metres: standard deviation of how far away the shape has feet.
    """
    distance = np.sqrt(np.maximum((foot**2).sum(axis=2), 1e-6))
    level = pelvis - (pelvis @ up)[..., None] * up
    reach = np.sqrt(np.maximum((level**2).sum(axis=2), 1e-6))
    ahead = (foot * level).sum(axis=2) / reach
    behind = ahead - reach
    # What is drawn wrong along a steep ray is mostly height, of which balance knows nothing.
    drawn = (along * ahead / distance) ** 2
    balanced = _BALANCE**2 + behind**2
    trust = np.where(np.isfinite(behind), balanced / (balanced + drawn), 1)
    nearer = np.where(ahead > _BALANCE, (1 - trust) * behind / np.maximum(ahead, _BALANCE), 0)
    return nearer, np.sqrt(trust) * along / distance

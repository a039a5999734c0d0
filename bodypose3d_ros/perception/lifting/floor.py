"""The floor as a measure: feet stand on it, so a body's size follows from where they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...body.floor import Floor
from ...body.skeleton import INDEX
from .size import LARGEST, SMALLEST

Array = NDArray[np.float64]

_SOLES: tuple[tuple[str, float], ...] = (("ankle", 0.10), ("heel", 0.04), ("big_toe", 0.02))
"""How high over the floor the joints of a standing foot are, metres: the project's films."""
_FEET = np.array([[INDEX[f"{side}_{n}"] for n, _ in _SOLES] for side in ("left", "right")])
_HEIGHTS = np.array([height for _, height in _SOLES])
_FOOT_NOISE = 0.04
"""Metres: standard deviation of how high a foot is seen, as a height over the floor."""
_SOLE_SIGMA = 0.035
"""Metres: shoes, how high ankles, heels and toes of different people are, and how far a body leans
in its shape that stands upright: seen from above, 5 cm at the feet in the project's cell."""
_LEAST_DROP = 0.35
"""Of the camera's height: a foot seen less far below it says nothing, for it is at the horizon."""


def floor_evidence(joints: Array, confidence: Array, floor: Floor, least: int = 2) -> Array:
    """What the floor says of people's sizes.

    A joint p of a foot whose true size is s times as large lies at s p, at the height
    ``floor.height + s up . p``. For it to be the height h that the joint has in a standing foot,
    s = (height - h) / -(up . p). Of the two feet the one that asks for the smaller s stands; the
    other is lifted.

    Args:
        joints: (N, 34, 3) metres in the optical frame, of the network's size.
        confidence: (N, 34).
        floor: The floor, in the same frame.
        least: How many of a foot's three joints must be seen for it to count.

    Returns:
        (N, 3) logarithm of the size, its noise and its bias (the tilt and height of the camera);
        NaN for who does not show a foot that stands on the floor.
    """
    feet = joints[:, _FEET]  # (N, 2, 3, 3)
    drop = -(feet @ floor.up)
    weight = np.where(np.isfinite(drop), confidence[:, _FEET], 0)
    usable = (weight > 0.3) & (drop > _LEAST_DROP * floor.height)
    scale = np.where(usable, (floor.height - _HEIGHTS) / np.where(usable, drop, 1), 0)
    count = usable.sum(axis=2)
    by_foot = np.where(count >= least, scale.sum(axis=2) / np.maximum(count, 1), np.inf)
    size = by_foot.min(axis=1)
    stands = (size > SMALLEST) & (size < LARGEST)
    size = np.where(stands, size, np.nan)
    foot = feet[np.arange(len(feet)), by_foot.argmin(axis=1)]  # (N, 3, 3)
    distance = size * np.linalg.norm(np.nan_to_num(foot).mean(axis=1), axis=1)
    # d log s = d height / drop, and a tilt lifts what is at a distance: d up . p = distance tilt.
    fall = np.maximum(floor.height - _HEIGHTS.mean(), 1e-3)
    noise = _FOOT_NOISE / fall
    bias = (
        np.sqrt(floor.height_sigma**2 + _SOLE_SIGMA**2 + (distance * floor.tilt_sigma) ** 2) / fall
    )
    return np.stack([np.log(size), np.where(stands, noise, np.nan), bias], axis=1)

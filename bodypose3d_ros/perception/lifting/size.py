"""How large a person is: evidence of several kinds about one logarithm, fused by information.

A row of evidence is a logarithm of the person's size over the size of the network's mean person,
with what varies from frame to frame and what stays: averaging makes the first smaller, never the
second.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...body.people import SCALE_GROUND
from .median import median

Array = NDArray[np.float64]

KINDS = 3
"""Rows of evidence, by their SCALE_* code: what the network or a stated height says, the floor, a
depth image."""
VALUE, NOISE, POSE, BIAS = range(4)
"""Columns of evidence: the logarithm, and standard deviations of what is new in every frame, of
what comes and goes with the pose, and of what stays as long as somebody is followed."""
TILT = slice(4, 7)
"""And how the logarithm changes with ``Floor.up`` turned by one ``tilt_sigma`` about each axis."""
COLUMNS = 7
MEMORY = 9
"""Frames over which a track's evidence of a kind is averaged, by their median: a foot that was
lifted, or a depth that was a table's, does not count. Not more: what a network believes changes
with the pose (on the films, 31 frames put the pelvis 10 to 20 mm farther off than 9)."""
SMALLEST, LARGEST = 0.75, 1.35
"""Of the network's mean person: children of twelve to giants. What says somebody is of another size
has seen something else: a foot that does not stand on the floor, a depth of a table."""
BY_POSE = 0.6
"""The part of what networks err in sizes that comes and goes with the pose; the rest stays as long
as somebody is followed."""
ODD_LARGER, ODD_SMALLER = 3.0, 6.0
"""Squared Mahalanobis distances, from the size believed beforehand, at which what the floor says
counts half: hardly anybody is much larger than people are on average, and children are smaller."""
_MEDIAN = np.pi / 2
"""A median's variance over a mean's."""


def prior(people: int, log_size: float, sigma: float | Array) -> Array:
    """(N, KINDS, 3) evidence that holds nothing but what is believed before anything is seen."""
    evidence = np.full((people, KINDS, COLUMNS), np.nan)
    evidence[:, 0] = 0.0
    evidence[:, 0, VALUE] = log_size
    evidence[:, 0, POSE] = BY_POSE * sigma
    evidence[:, 0, BIAS] = np.sqrt(1 - BY_POSE**2) * sigma
    return evidence


def fuse(
    evidence: Array, counts: NDArray[np.integer] | None = None
) -> tuple[Array, Array, NDArray[np.uint8]]:
    """What all of the evidence says together.

    Args:
        evidence: (N, KINDS, COLUMNS), NaN where there is none.
        counts: (N, KINDS) over how many frames each value is a median; None: one.

    Returns:
        (N,) logarithm of the size, (N,) its standard deviation, (N,) which kind weighs most.
    """
    white = evidence[..., NOISE] ** 2 * (1 if counts is None else shrunk(counts))
    variance = white + (evidence[..., POSE:] ** 2).sum(axis=2)
    floor = evidence[:, SCALE_GROUND, VALUE] - evidence[:, 0, VALUE]
    variance[:, SCALE_GROUND] *= doubt(floor, variance[:, SCALE_GROUND] + variance[:, 0])
    there = np.isfinite(variance) & np.isfinite(evidence[..., VALUE])
    information = np.where(there, 1 / np.maximum(np.where(there, variance, 1), 1e-8), 0)
    total = np.maximum(information.sum(axis=1), 1e-12)
    mean = (information * np.where(there, evidence[..., VALUE], 0)).sum(axis=1) / total
    return mean, 1 / np.sqrt(total), information.argmax(axis=1).astype(np.uint8)


def doubt(off: Array, variance: Array) -> Array:
    """How many times its variance counts what the floor says.

    Where that is a size that hardly anybody has, the floor was rather told wrongly, or the feet
    stand higher: its errors have heavy tails.

    Args:
        off: (N,) from the logarithm of the size that is believed beforehand.
        variance: (N,) that is expected of it.
    """
    told = variance > 0
    odd = np.where(told, off**2, 0) / np.where(told, variance, 1)
    return np.asarray(1 + (odd / np.where(off > 0, ODD_LARGER, ODD_SMALLER)) ** 2)


def shrunk(frames: NDArray[np.integer]) -> Array:
    """The variance of the median of so many frames, over that of one."""
    return np.asarray(np.where(frames > 2, _MEDIAN / np.maximum(frames, 1), 1.0))


def medians(history: Array) -> tuple[Array, NDArray[np.intp]]:
    """Evidence (N, MEMORY, KINDS, COLUMNS) as one row a kind, and (N, KINDS) of how many frames.

    The value is the median, all else is the newest.
    """
    values = history[..., VALUE]
    evidence = _newest(history)
    evidence[..., VALUE] = median(values.swapaxes(1, 2))
    return evidence, np.isfinite(values).sum(axis=1)


def _newest(history: Array) -> Array:
    """(N, KINDS, COLUMNS) the last evidence of each kind, NaN where there never was any."""
    first = np.isfinite(history[..., VALUE]).argmax(axis=1)
    return np.asarray(history[np.arange(len(history))[:, None], first, np.arange(KINDS)])

"""How sure it is where cameras stand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ...body.skeleton import JOINTS
from .alignment import aligned
from .bundle import SINGULAR, Adjusted, Linearised, Parameters, flat

Array = NDArray[np.float64]

_BLOCKS = 4
_FREE = 1e-8
"""Of the largest eigenvalue: what is less does not depend on any keypoint."""
_PART = np.array(
    [
        0
        if not name.startswith(("left", "right")) or name.endswith(("eye", "ear"))
        else 1
        + name.startswith("right")
        + 2 * name.endswith(("hip", "knee", "ankle", "toe", "heel"))
        for name in JOINTS
    ]
)
"""(34,) head and trunk, each arm, each leg."""


def deviations(adjusted: Adjusted) -> tuple[list[float], list[float]]:
    """Standard deviations of every camera's direction in degrees and of its position."""
    squared = _jackknife(adjusted, _blocks(adjusted)) + _jackknife(adjusted, _parts(adjusted))
    degrees, metres = np.sqrt(squared)
    return np.degrees(degrees).tolist(), metres.tolist()


def _jackknife(adjusted: Adjusted, label: NDArray[np.intp]) -> Array:
    """(2, V) variances of directions (rad^2) and positions, from leaving out a label at a time."""
    observations, views = adjusted.observations, len(adjusted.places)
    for each in np.unique(label):
        rest = observations.view[label[observations.point] != each]
        if len(np.unique(rest)) < views:
            return np.array([[np.pi**2] * views, [np.inf] * views])
    off = []
    for places in without(adjusted, label):
        again = aligned(places, adjusted.places)
        turn = adjusted.places[:, :3, :3].swapaxes(1, 2) @ again[:, :3, :3]
        moved = again[:, :3, 3] - adjusted.places[:, :3, 3]
        off.append([Rotation.from_matrix(turn).magnitude(), np.linalg.norm(moved, axis=1)])
    return np.asarray((len(off) - 1) / len(off) * (np.array(off) ** 2).sum(axis=0))


def _blocks(adjusted: Adjusted) -> NDArray[np.intp]:
    """(P,) in which part of the time each joint was seen."""
    observations = adjusted.observations
    when = np.zeros(len(adjusted.points), np.intp)
    when[observations.point] = observations.moment
    blocks = np.array_split(np.unique(when), _BLOCKS)
    return np.searchsorted([block[0] for block in blocks if len(block)], when, side="right") - 1


def _parts(adjusted: Adjusted) -> NDArray[np.intp]:
    """(P,) of which part of the body each joint is."""
    return _PART[adjusted.observations.joint]


def without(adjusted: Adjusted, label: NDArray[np.intp]) -> Array:
    """Places (L, V, 4, 4) as they were without the points of each label, to first order.

    Args:
        adjusted: What was found with all.
        label: (P,) of each point.
    """
    state = Parameters.at(adjusted.places, adjusted.points)
    linear = Linearised.at(state, adjusted.observations)
    alone, places = linear.alone(), []
    for each in np.unique(label):
        rest = (label != each)[linear.point]
        matrix = flat(alone[rest]).T @ flat(linear.by_camera[rest])
        slope = flat(alone[rest]).T @ linear.off[rest].ravel()
        step = np.zeros(len(slope))
        step[6:] = -np.linalg.lstsq(matrix[6:, 6:], slope[6:], rcond=SINGULAR)[0]
        places.append(state.moved(step.reshape(-1, 6), np.zeros_like(state.points)).places)
    return np.array(places)


def loose(adjusted: Adjusted) -> int | None:
    """The view that can be nearer or farther as it likes, for all that people tell; else None.

    One scale is free, that of everything. Another is where two views share people whom no third
    one sees.
    """
    state = Parameters.at(adjusted.places, adjusted.points)
    linear = Linearised.at(state, adjusted.observations)
    matrix = (flat(linear.alone()).T @ flat(linear.by_camera))[6:, 6:]
    unit = np.sqrt(np.maximum(np.diag(matrix), 1e-12))
    values, vectors = np.linalg.eigh(matrix / np.outer(unit, unit))
    free = vectors[:, values < _FREE * values[-1]] / unit[:, None]
    if free.shape[1] < 2:
        return None
    whole = np.concatenate([np.zeros_like(state.translations), state.translations], axis=1)[1:]
    free = free / np.linalg.norm(free, axis=0)
    whole = whole.ravel() / np.linalg.norm(whole)
    rest = free - np.outer(whole, whole @ free)
    return 1 + int(np.linalg.norm(rest.reshape(len(state.rotations) - 1, -1), axis=1).argmax())

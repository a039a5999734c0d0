"""How sure it is where cameras stand: what residuals show of it, and what they cannot.

Keypoints of neighbouring moments are wrong in the same way, and a network's idea of a shoulder is
wrong in the same way all the time, so what residuals say of their own precision is too good. What
changes without each quarter of the time and without each part of the body shows both (the
jackknife; Efron & Tibshirani 1993, chapter 11). What a network has wrong in all of a body, drawn
too wide or leaning from one side, cameras that stand otherwise explain, and no residual is left of
it: how large that is, is known from films whose truth is (type B of the GUM, JCGM 100:2008).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ...body.skeleton import INDEX, JOINTS
from .alignment import aligned
from .bundle import SINGULAR, Adjusted, Linearised, Parameters, flat
from .observations import Observations

Array = NDArray[np.float64]

BODY_BIAS = 0.17
"""Standard deviation, in those of a keypoint, of how a network draws whole bodies otherwise than
they are, each time that a view sees them from the same side: aside, too wide, too tall or leaning.
In the cell 0.17 with heavy, 0.20 with full, 0.21 with lite (``python -m benchmarks.pixels
--bodies``), a part of which is the chance of few images."""
_SIDES = 8
"""From how many sides bodies are drawn each in its own way."""
_BLOCKS = 4
_FREE = 1e-8
"""Of the largest eigenvalue: what is less does not depend on any keypoint."""
_SHOULDERS = [INDEX["left_shoulder"], INDEX["right_shoulder"]]
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
    part = _PART[adjusted.observations.joint]
    squared = _jackknife(adjusted, _blocks(adjusted)) + _jackknife(adjusted, part)
    degrees, metres = np.sqrt(squared + _changes(adjusted, biased(adjusted)).sum(axis=0))
    return np.degrees(degrees).tolist(), metres.tolist()


def _changes(adjusted: Adjusted, places: Array) -> Array:
    """(L, 2, V) squares of how far places (L, V, 4, 4) are turned (rad^2) and moved.

    Of places as a whole nothing is known, so they are laid onto what was found.
    """
    squared = []
    for each in places:
        again = aligned(each, adjusted.places)
        turn = adjusted.places[:, :3, :3].swapaxes(1, 2) @ again[:, :3, :3]
        moved = again[:, :3, 3] - adjusted.places[:, :3, 3]
        squared.append([Rotation.from_matrix(turn).magnitude() ** 2, (moved**2).sum(axis=1)])
    return np.array(squared)


def _jackknife(adjusted: Adjusted, label: NDArray[np.intp]) -> Array:
    """(2, V) variances of directions (rad^2) and positions, from leaving out a label at a time."""
    observations, views = adjusted.observations, len(adjusted.places)
    for each in np.unique(label):
        rest = observations.view[label[observations.point] != each]
        if len(np.unique(rest)) < views:
            return np.array([[np.pi**2] * views, [np.inf] * views])
    squared = _changes(adjusted, without(adjusted, label))
    return np.asarray((len(squared) - 1) * squared.mean(axis=0))


def _blocks(adjusted: Adjusted) -> NDArray[np.intp]:
    """(P,) in which part of the time each joint was seen."""
    observations = adjusted.observations
    when = np.zeros(len(adjusted.points), np.intp)
    when[observations.point] = observations.moment
    blocks = np.array_split(np.unique(when), _BLOCKS)
    return np.searchsorted([block[0] for block in blocks if len(block)], when, side="right") - 1


def without(adjusted: Adjusted, label: NDArray[np.intp]) -> Array:
    """Places (L, V, 4, 4) as they were without the points of each label, to first order.

    Args:
        adjusted: What was found with all.
        label: (P,) of each point.
    """
    linear = _linear(adjusted)
    alone, places = linear.alone(), []
    for each in np.unique(label):
        rest = (label != each)[linear.point]
        matrix = flat(alone[rest]).T @ flat(linear.by_camera[rest])
        places.append(_moved(adjusted, matrix, flat(alone[rest]).T @ linear.off[rest].ravel()))
    return np.array(places)


def biased(adjusted: Adjusted) -> Array:
    """Places (L, V, 4, 4) as they were if views drew bodies otherwise; their squares add up.

    Bodies that a view sees from one side lie aside in the image, are wider or taller, or lean, by a
    standard deviation each.
    """
    linear, observations = _linear(adjusted), adjusted.observations
    alone = linear.alone()
    _, group = np.unique(observations.view * 99 + _sides(adjusted), return_inverse=True)
    ways = BODY_BIAS * _in_body(observations, group)
    slopes = np.zeros((group.max() + 1, 3, *alone.shape[1:]))
    np.add.at(slopes, group, ways[:, :, None, None] * (alone * linear.trust[..., None])[:, None])
    matrix = flat(alone).T @ flat(linear.by_camera)
    # As many as cameras have ways to move in say as much: of the same sum of squares.
    few = np.asarray(np.linalg.qr(slopes.reshape(-1, alone.shape[2]), mode="r"))
    return np.array([_moved(adjusted, matrix, slope) for slope in few])


def _sides(adjusted: Adjusted) -> Array:
    """(M,) from which side each keypoint's body is seen, by the line through its shoulders."""
    observations = adjusted.observations
    _, body = np.unique(observations.body, return_inverse=True)
    left, right = adjusted.bodies[:, _SHOULDERS].swapaxes(0, 1)
    line = (left - right)[body[observations.point]]
    x, _, z = np.einsum("mji,mj->im", adjusted.places[observations.view, :3, :3], line)
    part = np.arctan2(z, x) / (2 * np.pi) % 1
    return np.asarray(np.floor(_SIDES * np.nan_to_num(part, nan=1.0)))


def _in_body(observations: Observations, group: NDArray[np.intp]) -> Array:
    """(M, 3) 1, and where each keypoint lies in its body: x and y in units of a group's spread."""
    _, body = np.unique(
        observations.body[observations.point] * 99 + observations.view, return_inverse=True
    )
    places = [np.ones(len(group))]
    for ray in observations.ray.T:
        middle = np.bincount(body, ray) / np.bincount(body)
        off = (ray - middle[body]) / observations.sigma
        places.append(off / np.sqrt(np.bincount(group, off**2) / np.bincount(group))[group])
    return np.stack(places, axis=1)


def _linear(adjusted: Adjusted) -> Linearised:
    state = Parameters.at(adjusted.places, adjusted.points)
    return Linearised.at(state, adjusted.observations)


def _moved(adjusted: Adjusted, matrix: Array, slope: Array) -> Array:
    """(V, 4, 4) places where one step leads that a slope asks for; the first camera stays."""
    step = np.zeros(len(slope))
    step[6:] = -np.linalg.lstsq(matrix[6:, 6:], slope[6:], rcond=SINGULAR)[0]
    state = Parameters.at(adjusted.places, adjusted.points)
    return state.moved(step.reshape(-1, 6), np.zeros_like(state.points)).places


def loose(adjusted: Adjusted) -> int | None:
    """The view that can be nearer or farther as it likes, for all that people tell; else None.

    One scale is free, that of everything. Another is where two views share people whom no third
    one sees.
    """
    linear = _linear(adjusted)
    matrix = (flat(linear.alone()).T @ flat(linear.by_camera))[6:, 6:]
    unit = np.sqrt(np.maximum(np.diag(matrix), 1e-12))
    values, vectors = np.linalg.eigh(matrix / np.outer(unit, unit))
    free = vectors[:, values < _FREE * values[-1]] / unit[:, None]
    if free.shape[1] < 2:
        return None
    translations = np.linalg.inv(adjusted.places)[:, :3, 3]
    whole = np.concatenate([np.zeros_like(translations), translations], axis=1)[1:]
    free = free / np.linalg.norm(free, axis=0)
    whole = whole.ravel() / np.linalg.norm(whole)
    rest = free - np.outer(whole, whole @ free)
    return 1 + int(np.linalg.norm(rest.reshape(len(translations) - 1, -1), axis=1).argmax())

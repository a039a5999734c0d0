"""Which way is up and where the floor is, from people who stand and walk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...body.skeleton import INDEX, known

Array = NDArray[np.float64]

SOLE = {"heel": 0.04, "big_toe": 0.02}
"""Metres of a foot's joints above the floor."""
_WIDE = 0.25
"""Metres: standard deviation of where feet stood, across the narrower way, that makes a plane."""
_FOOT_NOISE = 0.03
_LEAN = 5.0
"""Degrees by which people who are upright on the whole lean."""
_ITERATIONS = 8


@dataclass(frozen=True)
class Ground:
    """The floor, in the first camera's optical frame."""

    up: Array
    """(3,) unit vector."""
    height: float
    """Of the first camera above the floor, metres."""
    degrees: float
    """Standard deviation of ``up``."""
    source: str
    """What it rests on."""


def ground_of(bodies: Array) -> Ground | None:
    """The floor that people (B, 34, 3) stand on; None where their feet are not seen.

    The plane under their feet where they went about, else the mean of how they stand upright.
    """
    upright = _axes(bodies)
    if upright is None:
        return None
    up = upright / np.linalg.norm(upright)
    degrees, source = _LEAN, "how people stand upright"
    feet = _standing(bodies, up)
    if len(feet) < 3:
        return None
    for _ in range(_ITERATIONS):
        normal, spread, residual = _plane(feet, up)
        if spread < _WIDE:
            break
        up, source = normal, "the floor under people's feet"
        # Feet of neighbouring moments are the same step: about one in five tells something new.
        degrees = float(np.degrees(residual / (spread * np.sqrt(len(feet) / 5))))
        feet = _standing(bodies, up)
    return Ground(up, float(np.median(-(feet @ up))), degrees, source)


def frame_of(ground: Ground, place: Array) -> Array:
    """(4, 4) from the first camera's optical frame to a world on the floor below it.

    z is up, and x is where the camera looks.

    Args:
        ground: The floor.
        place: (4, 4) the first camera's, which gives the frame that ``ground`` is in.
    """
    z = ground.up
    ahead = place[:3, 2] - (place[:3, 2] @ z) * z
    if np.linalg.norm(ahead) < 1e-3:  # it looks straight down: the image's top is ahead
        ahead = -place[:3, 1] + (place[:3, 1] @ z) * z
    x = ahead / np.linalg.norm(ahead)
    world = np.eye(4)
    world[:3, :3] = np.stack([x, np.cross(z, x), z])
    world[:3, 3] = 0, 0, ground.height
    return world


def _axes(bodies: Array) -> Array | None:
    """(3,) from ankles to shoulders, the mean over people; None where these are not seen."""
    ends = [
        [INDEX[f"{side}_{name}"] for side in ("left", "right")] for name in ("ankle", "shoulder")
    ]
    low, high = (bodies[:, joints].mean(axis=1) for joints in ends)
    axis = high - low
    axis = axis[known(axis)]
    if len(axis) < 3:
        return None
    return np.asarray(np.median(axis / np.linalg.norm(axis, axis=1, keepdims=True), axis=0))


def _standing(bodies: Array, up: Array) -> Array:
    """(N, 3) points of the floor under the lower foot of each body."""
    soles = np.stack(
        [
            np.stack([bodies[:, INDEX[f"{side}_{name}"]] - h * up for name, h in SOLE.items()], 1)
            for side in ("left", "right")
        ],
        1,
    ).mean(axis=2)  # (B, 2, 3)
    height = np.where(known(soles), soles @ up, np.inf)
    lower = np.take_along_axis(soles, height.argmin(axis=1)[:, None, None], axis=1)[:, 0]
    return lower[known(lower)]


def _plane(points: Array, up: Array) -> tuple[Array, float, float]:
    """The plane through most points: its normal, their spread across the narrower way, residual."""
    weights = np.ones(len(points))
    normal = up
    for _ in range(_ITERATIONS):
        center = (weights[:, None] * points).sum(axis=0) / weights.sum()
        off = points - center
        _, vectors = np.linalg.eigh((weights[:, None] * off).T @ off / weights.sum())
        normal = vectors[:, 0] * np.sign(vectors[:, 0] @ up)
        residual = off @ normal
        weights = (_FOOT_NOISE**2 / (_FOOT_NOISE**2 + residual**2)) ** 2
    along = off @ vectors[:, 1]
    return (
        normal,
        float(np.std(along)),
        float(np.sqrt((weights * residual**2).sum() / weights.sum())),
    )

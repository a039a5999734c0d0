"""When and from where an image was taken, and what a person's wrong size does to what it shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...body.people import Bodies
from .symmetric import without

Array = NDArray[np.float64]

STEADY = 0.65
"""The part of the size's variance that stays as long as somebody is seen; the rest comes and goes
with the pose, and makes people seem to move along their rays."""


@dataclass(frozen=True)
class Now:
    """When an image was taken, and from where."""

    stamp: int
    """Nanoseconds."""
    center: Array
    """(3,) the camera in the fixed frame, metres."""
    drift: Array
    """(3,) metres a second by which it has moved since the image before."""


def scaled(joints: Array, center: Array, factor: Array) -> Array:
    """Joints (N, 34, 3) of people larger by a factor (N,), as a camera at the centre sees them."""
    return np.asarray(center + (joints - center) * factor[:, None, None])


def size_covariance(joints: Array, center: Array, variance: Array) -> Array:
    """(N, 34, 3, 3) what an error of size (N,) does to joints seen from a centre (3,).

    So it does to their velocities beside that of the centre.
    """
    part = by_size(joints, center, np.sqrt(variance))
    return np.asarray(part[..., :, None] * part[..., None, :])


def by_size(joints: Array, center: Array, sigma: Array) -> Array:
    """(N, 34, 3) metres by which joints move with one standard deviation (N,) of the size."""
    return np.asarray(sigma[:, None, None] * (joints - center))


def varying_covariance(bodies: Bodies, now: Now) -> Array:
    """(N, 34, 3, 3) without that part of the size's error which no image of this camera tells of.

    It is added when they are published.
    """
    steady = by_size(bodies.joints, now.center, np.sqrt(STEADY) * bodies.size_sigma)
    return without(bodies.covariance, steady)

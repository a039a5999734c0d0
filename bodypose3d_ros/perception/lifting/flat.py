"""Metric joints from keypoints alone: a flat, upright body with a mean person's limbs.

A network that gives pixels only does not say how far away anything is. Its people are stood on a
vertical plane through the pelvis that faces the camera, as far away as makes the limbs that are
seen at about their full length a mean person's. That is a guess, to be corrected by the floor, a
depth image or other cameras; where none of them speaks, ``without_guesses`` takes the metres away.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...body.camera import Camera
from ...body.floor import Floor
from ...body.people import SCALE_NONE, STATE_COASTING, Bodies, Keypoints, select
from ...body.skeleton import INDEX, LENGTH_LIMBS, MEAN_LENGTHS, known
from .median import quantiles

Array = NDArray[np.float64]

NO_DISTANCE = (
    "the network gives pixels alone, and nothing tells how far away people are: their metres are "
    "unknown. Tell of the floor (camera_height, floor_frame), give depth images, or fuse cameras"
)
"""What to say, once, of who is left without metres."""
_LONG = MEAN_LENGTHS > 0.2
"""Arms, legs, trunk: what is shorter is as long as the keypoints are wrong."""
_FULL_LENGTH = 0.75
"""The quantile of the limbs' lengths that is taken for unforeshortened."""
_LEAST = 3
"""Limbs that must be known."""
_STEEP = 0.3
"""Of a ray less is horizontal where a camera looks down on a head: the plane faces it then."""
_UP = np.array([0.0, -1.0, 0.0])
"""Of a camera that nobody says is tilted."""


def lift_flat(keypoints: Keypoints, camera: Camera, floor: Floor | None = None) -> Array:
    """Joints in metres of people of whom only keypoints are known.

    The plane n . p = d holds the joint on the ray r at p = d r / (n . r). Where every limb i of
    length L_i is found l_i long on the plane of d = 1, d is the quantile ``1 - _FULL_LENGTH`` of
    L_i / l_i: turned limbs look shorter, none looks longer.

    Args:
        keypoints: N people.
        camera: The camera that took the image; its lens is undone first.
        floor: Tells which way is up; the camera's own up where it is not known.

    Returns:
        (N, 34, 3) metres in the optical frame, NaN where unknown, and everywhere for a person
        of whom hardly a limb is known.
    """
    across = camera.rays(keypoints.pixels)
    rays = np.concatenate([across, np.ones_like(across[..., :1])], axis=2)
    rays[~(known(rays) & (keypoints.confidence > 0))] = np.nan
    facing = _facing(rays, _UP if floor is None else floor.up)
    toward = rays @ facing[..., None]
    flat = np.where(toward > 0, rays / np.where(toward > 0, toward, 1), np.nan)
    n, m = LENGTH_LIMBS[_LONG].T
    found = np.linalg.norm(flat[:, n] - flat[:, m], axis=2) / MEAN_LENGTHS[_LONG]
    return np.asarray(flat / _full_length(found)[:, None, None])


def without_guesses(bodies: Bodies) -> Bodies:
    """Who stands where only ``lift_flat`` has put him keeps pixels and confidences, no metres.

    One of them who is coasting, and so has no pixels, either, is left out.
    """
    guessed = bodies.scale_source == SCALE_NONE
    if not guessed.any():
        return bodies
    hidden = {
        name: np.where(
            guessed.reshape(-1, *[1] * (getattr(bodies, name).ndim - 1)),
            np.nan,
            getattr(bodies, name),
        )
        for name in ("joints", "velocity", "covariance", "velocity_covariance", "size_sigma")
    }
    return select(replace(bodies, **hidden), ~(guessed & (bodies.state == STATE_COASTING)))


def _facing(rays: Array, up: Array) -> Array:
    """(N, 3) horizontal unit vectors towards each pelvis, or the middle of who shows none."""
    there = known(rays)[..., None]
    middle = np.where(there, rays, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    pelvis = rays[:, INDEX["pelvis"]]
    center = np.where(known(pelvis)[:, None], pelvis, middle)
    center /= np.maximum(np.linalg.norm(center, axis=1, keepdims=True), 1e-9)
    level = center - (center @ up)[:, None] * up
    length = np.linalg.norm(level, axis=1, keepdims=True)
    return np.where(length > _STEEP, level / np.maximum(length, _STEEP), center)


def _full_length(found: Array) -> Array:
    """(N,) the quantile of each row's known values, NaN for a row of too few."""
    count = np.isfinite(found).sum(axis=1)
    (value,) = quantiles(found, [_FULL_LENGTH])
    return np.asarray(np.where((count >= _LEAST) & (value > 0), value, np.nan))

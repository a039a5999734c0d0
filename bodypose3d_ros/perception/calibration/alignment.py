"""Points laid onto others, and cameras onto others: the turn, move and scale that fit best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]


def rigid(points: Array, onto: Array) -> Array:
    """(4, 4) the rotation and translation that lay points (N, 3) best onto others (Kabsch 1976)."""
    center, other = points.mean(axis=0), onto.mean(axis=0)
    u, _, vt = np.linalg.svd((points - center).T @ (onto - other))
    flip = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    transform = np.eye(4)
    transform[:3, :3] = ((u * flip) @ vt).T
    transform[:3, 3] = other - transform[:3, :3] @ center
    return transform


def aligned(places: Array, onto: Array) -> Array:
    """Cameras (V, 4, 4) laid onto others as a whole: turned, moved and scaled (a similarity).

    Other than Umeyama's (1991), which knows points alone, it is turned by all their directions:
    two cameras' positions leave a turn about the line between them free.
    """
    rotation = Rotation.from_matrix(
        onto[:, :3, :3] @ places[:, :3, :3].swapaxes(1, 2)
    ).mean().as_matrix()  # fmt: skip
    centers, others = places[:, :3, 3] @ rotation.T, onto[:, :3, 3]
    middle, other_middle = centers.mean(axis=0), others.mean(axis=0)
    off, other_off = centers - middle, others - other_middle
    scale = (off * other_off).sum() / max((off**2).sum(), 1e-12)
    laid = places.copy()
    laid[:, :3, :3] = rotation @ places[:, :3, :3]
    laid[:, :3, 3] = other_middle + scale * off
    return laid


def between(one: Array, other: Array) -> Array:
    """(4, 4) from another camera's optical frame to one's, of their places."""
    return np.asarray(np.linalg.inv(one) @ other)


def degrees_apart(one: Array, other: Array) -> float:
    """By how many degrees two transforms turn otherwise."""
    turn = one[:3, :3].T @ other[:3, :3]
    return float(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))))

"""Metric joints from a network's own 3D shape: turned onto the viewing ray, put where it stands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...body.camera import Camera
from ...body.people import Keypoints
from ...body.skeleton import INDEX, known
from ...errors import ModelError

Array = NDArray[np.float64]

_ITERATIONS = 5
_TOLERANCE = 0.04
"""Metres of disagreement between shape and keypoint at which a keypoint counts half."""
_PULL = 1e-9
"""To nowhere: with hardly anything known the equations are singular, and it keeps them solvable."""


def lift_world(keypoints: Keypoints, camera: Camera) -> Array:
    """Joints in metres from ``keypoints.world``, a shape of the size the network believes in.

    A network that sees one crop describes the person as if the camera looked straight at it. The
    shape is turned by the angle between the optical axis and the ray to the pelvis; then the
    translation t is found for which the joints p + t project onto the undistorted keypoints
    (x, y): linear in t, since (p_x + t_x) - x (p_z + t_z) = 0 and likewise for y. Keypoints that
    disagree lose weight (Geman-McClure, iteratively reweighted; Black & Rangarajan 1996). Each
    joint then goes onto its own ray at the depth found: keypoints are surer across the view than
    the shape is.

    Args:
        keypoints: N people with ``world`` set.
        camera: The camera that took the image.

    Returns:
        (N, 34, 3) metres in the optical frame, NaN where unknown.
    """
    if keypoints.world is None:
        raise ModelError("the network gave no shape to lift")
    rays = camera.rays(keypoints.pixels)
    shape = _turn_onto_rays(keypoints.world, _viewing_rays(keypoints, rays, camera))
    is_known = known(rays) & known(shape)
    weights = np.where(is_known, keypoints.confidence, 0)
    p, xy = (np.where(is_known[..., None], points, 0) for points in (shape, rays))
    translation = _translations(p, xy, weights)
    depth = shape[..., 2:] + translation[:, None, 2:]
    joints = np.concatenate([rays, np.ones_like(depth)], axis=2) * depth
    joints[~(is_known & (depth[..., 0] > 0))] = np.nan
    return joints


def _viewing_rays(keypoints: Keypoints, rays: Array, camera: Camera) -> Array:
    """(N, 3) unit vectors from the camera to each pelvis, or to the region where it is unknown."""
    pelvis = rays[:, INDEX["pelvis"]].copy()
    unknown = ~known(pelvis)
    if unknown.any():
        pelvis[unknown] = camera.rays(keypoints.regions.center[unknown])
    vectors = np.concatenate([pelvis, np.ones((len(pelvis), 1))], axis=1)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _turn_onto_rays(shape: Array, rays: Array) -> Array:
    """Shapes (N, 34, 3) turned the shortest way from the optical axis z onto unit rays r (N, 3).

    p -> p - p·(z + r) / (1 + z·r) (z + r) + 2 (p·z) r
    """
    both = rays + (0, 0, 1)
    share = shape @ both[..., None] / (1 + rays[:, None, 2:])
    return np.asarray(shape - share * both[:, None] + 2 * shape[..., 2:] * rays[:, None])


def _translations(p: Array, xy: Array, weights: Array) -> Array:
    """Robust least squares for t (N, 3): a regression a person, batched.

    With the targets (u, v) = (x, y) p_z - (p_x, p_y) the equations are t_x - x t_z = u and
    t_y - y t_z = v: -t_z is the slope of the targets over the keypoints.
    """
    target = xy * p[..., 2:] - p[..., :2]
    squares, products = ((xy * by).sum(axis=2, keepdims=True) for by in (xy, target))
    terms = np.concatenate([np.ones_like(squares), xy, target, squares, products], axis=2)
    robust = np.ones_like(weights)
    for _ in range(_ITERATIONS):
        sums = (weights * robust)[:, None] @ terms
        total, sum_xy, sum_target = sums[..., :1] + _PULL, sums[..., 1:3], sums[..., 3:5]
        mean_xy, mean_target = sum_xy / total, sum_target / total
        variance = sums[..., 5:6] - sum_xy @ mean_xy.swapaxes(1, 2)
        covariance = sums[..., 6:7] - sum_target @ mean_xy.swapaxes(1, 2)
        z = -covariance / (variance + _PULL)
        across = mean_target + mean_xy * z
        off = across - xy * z - target
        squared = np.einsum("njx,njx->nj", off, off)
        robust = (_TOLERANCE**2 / (_TOLERANCE**2 + squared)) ** 2
    return np.concatenate([across, z], axis=2)[:, 0]

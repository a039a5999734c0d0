"""Metric joints from keypoints and relative depths: known limb lengths say how far away they are.

Root depth: Iqbal, Molchanov, Breuel, Gall and Kautz 2018, "Hand pose estimation via latent 2.5D
heatmap regression" (arXiv 1804.09534), section 3.3. Median over the limbs and metric scale:
NVIDIA's DeepStream reference application for BodyPose3DNet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...body.camera import Camera
from ...body.people import Keypoints
from ...body.skeleton import LENGTH_LIMBS, MEAN_LENGTHS, NORMALISED_LENGTHS, known
from ...errors import ModelError
from .median import median

Array = NDArray[np.float64]

_SHARE = 0.3
"""The size's error is least at 0.2 on the project's films, at 0.8 in its cell and at 1 on a real
film of four cameras; all three were looked at when it was chosen."""
_ODD = 0.1
"""More than that is no person's size: limbs are drawn shortened that point at the camera."""

_TINY = 1e-9
"""Least leading coefficient and discriminant of the quadratic: it has a solution always."""


def lift_limbs(keypoints: Keypoints, camera: Camera) -> Array:
    """Joints in metres from ``keypoints.depth``, 2.5D in units of the pelvis-neck distance.

    Each limb whose length is known puts the pelvis at some depth; the median over the limbs is
    taken. That is the person in units of the body; the limb lengths in metres give the scale. Both
    ends of a limb must be known for it to count, and of the scale it has the product of their
    confidences: with every joint known this is the reference's arithmetic.

    A person larger than ``limb_lengths`` by a factor is placed too near by that factor.

    Args:
        keypoints: N people with ``depth`` set.
        camera: The camera that took the image; its lens is undone first.

    Returns:
        (N, 34, 3) metres in the optical frame, NaN where unknown, and everywhere for a person
        without a known limb.
    """
    if keypoints.depth is None:
        raise ModelError("the network gave no depths to lift")
    lengths = MEAN_LENGTHS if keypoints.limb_lengths is None else keypoints.limb_lengths
    rays = camera.rays(keypoints.pixels)
    rays[keypoints.confidence <= 0] = np.nan
    root = median(root_depths(rays, keypoints.depth), upper=True)
    depth = (keypoints.depth + root[:, None])[..., None]
    bodies = np.concatenate([rays, np.ones_like(depth)], axis=2) * depth
    bodies[~(known(rays) & (depth[..., 0] > 0))] = np.nan
    return bodies * metric_scale(bodies, keypoints.confidence, lengths)[:, None, None]


def root_depths(rays: Array, depth: Array) -> Array:
    """The pelvis' depth that each limb asks for: the larger root of its quadratic.

    Args:
        rays: (N, 34, 2) x/z and y/z.
        depth: (N, 34) relative to the pelvis.

    Returns:
        (N, 17) in the units of ``depth``; NaN where an end of the limb is unknown.
    """
    n, m = LENGTH_LIMBS.T
    ray_n, ray_m, z_n, z_m = rays[:, n], rays[:, m], depth[:, n], depth[:, m]
    across = ray_n - ray_m
    offset = ray_n * z_n[..., None] - ray_m * z_m[..., None]
    # |across Z + offset|^2 + (z_n - z_m)^2 = C^2, as a Z^2 + 2 b Z + c = 0.
    a = np.maximum((across**2).sum(axis=2), _TINY)
    b = (across * offset).sum(axis=2)
    c = (offset**2).sum(axis=2) + (z_n - z_m) ** 2 - NORMALISED_LENGTHS**2
    root = np.sqrt(np.maximum(b**2 - a * c, _TINY))
    return np.asarray((root - b) / a)


def drawn_size(joints: Array, confidence: Array, limbs: float) -> Array:
    """(N,) how much larger people are than a network draws them this time, by their limbs.

    People are drawn now smaller, now larger, by 2 to 6 % with the pose and the view, and their
    limbs with them: ``_SHARE`` of what these lack is what the person lacks.

    Args:
        joints: (N, 34, 3) metres, NaN where unknown.
        confidence: (N, 34).
        limbs: How long they are drawn on average, of ``MEAN_LENGTHS``.
    """
    lacking = metric_scale(joints, confidence, MEAN_LENGTHS) * limbs
    lacking = np.clip(np.where(np.isfinite(lacking), lacking, 1), 1 - _ODD, 1 + _ODD)
    return np.asarray(lacking**_SHARE)


def metric_scale(bodies: Array, confidence: Array, lengths: Array) -> Array:
    """Least squares of the lengths a body should have against those it has.

    Args:
        bodies: (N, 34, 3) in any unit, NaN where unknown.
        confidence: (N, 34); a limb weighs the product of its joints' confidences.
        lengths: (17,) or (N, 17) metres.

    Returns:
        (N,) metres a unit: sum(w l L) / sum(w l^2). NaN for a body without a known limb.
    """
    ends = bodies[:, LENGTH_LIMBS]
    found = np.linalg.norm(ends[:, :, 0] - ends[:, :, 1], axis=2)
    there = np.isfinite(found)
    weights = np.where(there, confidence[:, LENGTH_LIMBS].prod(axis=2), 0)
    found = np.where(there, found, 0)
    squares = (weights * found**2).sum(axis=1)
    squares[squares == 0] = np.nan
    return np.asarray((weights * found * lengths).sum(axis=1) / squares)

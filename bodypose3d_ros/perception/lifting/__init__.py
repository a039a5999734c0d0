"""From what a network saw to joints in metres, each with its covariance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...body.camera import Camera
from ...body.depth import DepthImage
from ...body.floor import Floor
from ...body.people import (
    SCALE_DEPTH,
    SCALE_GROUND,
    SCALE_LIMBS,
    SCALE_NETWORK,
    SCALE_NONE,
    Bodies,
    Keypoints,
    select,
)
from ...body.skeleton import INDEX, known
from . import size
from .depth import depth_evidence, depths_at, onto_depths
from .flat import lift_flat
from .floor import floor_evidence
from .limbs import drawn_size, lift_limbs
from .occlusion import among_each_other
from .shape_model import TRUNK, ShapeModel
from .world import lift_world

Array = NDArray[np.float64]


def lift(
    keypoints: Keypoints,
    camera: Camera,
    shape: ShapeModel = ShapeModel(),  # noqa: B008 - it is frozen
    floor: Floor | None = None,
    depth: DepthImage | None = None,
) -> Bodies:
    """Place everybody in the camera's optical frame; who cannot be placed is left out.

    How depends on what the network gave: its own metres (``xyz``), a shape of the size it
    believes in (``world``), depths in units of the body (``depth``), or keypoints alone. How large
    people really are, and so how far away, is what the network's people are on average, the floor
    and the depth image say together.

    Args:
        keypoints: What the network saw.
        camera: What took the image.
        shape: What is known of the network's bodies.
        floor: The floor that people stand on, where it is known.
        depth: The depth image of the same moment, where there is one.

    Returns:
        Bodies with covariances; of SCALE_NONE who is where keypoints alone suggest.
    """
    if keypoints.xyz is not None:
        joints, scale_source = keypoints.xyz, SCALE_NETWORK
    elif keypoints.world is not None:
        joints, scale_source = lift_world(keypoints, camera), SCALE_LIMBS
    elif keypoints.depth is not None:
        joints, scale_source = lift_limbs(keypoints, camera), SCALE_LIMBS
    else:
        joints, scale_source = lift_flat(keypoints, camera, floor), SCALE_NONE
    joints = anatomical(joints, shape) * shape.size_factor
    if shape.limbs:
        drawn = drawn_size(joints, keypoints.confidence, shape.limbs * shape.size_factor)
        joints = joints * drawn[:, None, None]
    people = len(joints)
    evidence = size.prior(people, 0.0, shape.size_sigma)
    if floor is not None:
        least = 1 if scale_source == SCALE_NONE else 2
        sure = keypoints.confidence
        evidence[:, SCALE_GROUND] = floor_evidence(joints, sure, floor, shape, least)
    seen = None if depth is None else depths_at(joints, depth)
    if seen is not None:
        evidence[:, SCALE_DEPTH] = depth_evidence(joints, seen)
    log_size, sigma, source = size.fuse(evidence)
    joints = joints * np.exp(log_size)[:, None, None]
    there = known(joints)
    bodies = Bodies(
        joints=joints,
        pixels=keypoints.pixels,
        confidence=np.where(there, keypoints.confidence, 0),
        score=keypoints.score,
        scale_source=np.where(source == SCALE_LIMBS, scale_source, source).astype(np.uint8),
        log_size=log_size,
        size_sigma=sigma,
        evidence=evidence,
    )
    bodies = among_each_other(replace(bodies, covariance=covariances(bodies, camera, shape)))
    if seen is not None:
        bodies = onto_depths(bodies, seen)
    return select(bodies, there.any(axis=1))


def anatomical(joints: Array, shape: ShapeModel) -> Array:
    """Joints (N, 34, 3) with hips and pelvis where the hip joints are, not where they are drawn."""
    up = joints[:, INDEX["neck"]] - joints[:, INDEX["pelvis"]]
    moved = joints.copy()
    moved[:, TRUNK] += shape.raise_hips * np.where(known(up)[:, None], up, 0)[:, None]
    return moved


def covariances(bodies: Bodies, camera: Camera, shape: ShapeModel) -> Array:
    """(N, 34, 3, 3) square metres, of joints in the optical frame; NaN where unknown.

    A joint at x, on the ray r = x / |x|, has across^2 (I - r r^T) + along^2 r r^T, and from the
    person's size, which moves everything along the rays at once, size_sigma^2 x x^T.
    """
    joints = bodies.joints
    distance = np.linalg.norm(joints, axis=2, keepdims=True)[..., None]
    outer = joints[..., :, None] * joints[..., None, :]
    growth = np.exp(2 * shape.doubt * (1 - bodies.confidence))[..., None, None]
    focal = np.sqrt(camera.matrix[0, 0] * camera.matrix[1, 1])
    across = growth * shape.across[:, None, None] ** 2 + (shape.pixel * distance / focal) ** 2
    along = growth * shape.along[:, None, None] ** 2
    size = bodies.size_sigma[:, None, None, None] ** 2
    return np.asarray(across * np.eye(3) + ((along - across) / distance**2 + size) * outer)

"""From what a network saw to joints in metres."""

from __future__ import annotations

import numpy as np

from ...body.camera import Camera
from ...body.people import SCALE_LIMBS, SCALE_NETWORK, Bodies, Keypoints, select
from ...body.skeleton import known
from ...errors import ModelError
from .limbs import lift_limbs
from .world import lift_world


def lift(keypoints: Keypoints, camera: Camera) -> Bodies:
    """Place everybody in the camera's optical frame; who cannot be placed is left out.

    How depends on what the network gave: its own metres (``xyz``), a shape of the size it
    believes in (``world``), or depths in units of the body (``depth``).
    """
    if keypoints.xyz is not None:
        joints, scale_source = keypoints.xyz, SCALE_NETWORK
    elif keypoints.world is not None:
        joints, scale_source = lift_world(keypoints, camera), SCALE_LIMBS
    elif keypoints.depth is not None:
        joints, scale_source = lift_limbs(keypoints, camera), SCALE_LIMBS
    else:
        raise ModelError("the network gave neither metres nor a shape to lift")
    bodies = Bodies(
        joints=joints,
        pixels=keypoints.pixels,
        confidence=np.where(known(joints), keypoints.confidence, 0),
        score=keypoints.score,
        scale_source=np.full(len(keypoints), scale_source, np.uint8),
    )
    return select(bodies, np.isfinite(joints).any(axis=(1, 2)))

"""A person whose joints are known, standing where a test wants them."""

import numpy as np

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import STATE_TRACKED, Bodies
from bodypose3d_ros.body.skeleton import (
    INDEX,
    JOINT_COUNT,
    LENGTH_LIMBS,
    MEAN_LENGTHS,
    NORMALISED_LENGTHS,
)
from bodypose3d_ros.perception.lifting import covariances, size
from bodypose3d_ros.perception.lifting.shape_model import BLAZEPOSE_FULL

CAMERA = Camera.from_hfov(640, 480, 60)

# Metres about the pelvis in a camera's optical frame: facing the camera, so the left is at +x.
_LEFT = {
    "left_hip": (0.12, 0.0, 0.0),
    "left_knee": (0.13, 0.45, -0.03),
    "left_ankle": (0.14, 0.86, 0.02),
    "left_big_toe": (0.17, 0.93, -0.15),
    "left_small_toe": (0.22, 0.93, -0.12),
    "left_heel": (0.14, 0.92, 0.07),
    "left_eye": (0.03, -0.68, -0.10),
    "left_ear": (0.08, -0.66, 0.0),
    "left_shoulder": (0.18, -0.48, 0.0),
    "left_elbow": (0.27, -0.22, 0.03),
    "left_wrist": (0.30, 0.02, -0.08),
    "left_pinky_knuckle": (0.32, 0.10, -0.09),
    "left_middle_tip": (0.31, 0.18, -0.12),
    "left_index_knuckle": (0.29, 0.10, -0.13),
    "left_thumb_tip": (0.26, 0.09, -0.13),
}
_MIDDLE = {
    "pelvis": (0.0, 0.0, 0.0),
    "torso": (0.0, -0.24, 0.0),
    "neck": (0.0, -0.48, 0.0),
    "nose": (0.0, -0.64, -0.13),
}


def standing(at=(0.0, 0.0, 3.0)):
    """(34, 3) metres: a person facing the camera with the pelvis at a point."""
    joints = np.full((JOINT_COUNT, 3), np.nan)
    for name, xyz in _MIDDLE.items():
        joints[INDEX[name]] = xyz
    for name, (x, y, z) in _LEFT.items():
        joints[INDEX[name]] = x, y, z
        joints[INDEX[name.replace("left", "right")]] = -x, y, z
    return joints + at


def measured(joints):
    """Joints (N, 34, 3) in the optical frame as BlazePose would measure them without error."""
    joints = np.asarray(joints, float).reshape(-1, 34, 3)
    count = len(joints)
    bodies = Bodies(
        joints,
        CAMERA.project(joints),
        np.where(np.isfinite(joints).all(axis=2), 1.0, 0),
        np.ones(count),
        np.zeros(count, np.uint8),
        size_sigma=np.full(count, BLAZEPOSE_FULL.size_sigma),
        evidence=size.prior(count, 0, BLAZEPOSE_FULL.size_sigma),
    )
    object.__setattr__(bodies, "covariance", covariances(bodies, CAMERA, BLAZEPOSE_FULL))
    return bodies


def people(*places):
    """People who face the camera, with the pelvis at each place, as they would be measured."""
    return measured([standing(at) for at in places])


def row(count=2):
    """Tracked people a metre apart, whose joints are known to 2 cm."""
    return Bodies(
        joints=np.stack([standing((n, 0.0, 3.0)) for n in range(count)]),
        pixels=np.full((count, JOINT_COUNT, 2), 200.0),
        confidence=np.ones((count, JOINT_COUNT)),
        score=np.ones(count),
        scale_source=np.zeros(count, np.uint8),
        track_id=np.arange(1, count + 1, dtype=np.uint32),
        state=np.full(count, STATE_TRACKED, np.uint8),
        velocity=np.zeros((count, JOINT_COUNT, 3)),
        covariance=np.broadcast_to(np.eye(3) * 0.02**2, (count, JOINT_COUNT, 3, 3)).copy(),
        velocity_covariance=np.broadcast_to(np.eye(3) * 0.1**2, (count, JOINT_COUNT, 3, 3)).copy(),
    )


def proportioned(seed, at=(0.2, 0.1, 3.0), spread=0.12):
    """(34, 3) metres: a person in a random pose whose limbs have exactly the table's proportions.

    The table's limbs form loops (hip, shoulder, neck, pelvis), so the joints of a person standing
    and shaken by ``spread`` are moved until all lengths hold at once.
    """
    joints = standing() + np.random.default_rng(seed).normal(0, spread, (JOINT_COUNT, 3))
    in_trunk = (INDEX["torso"] == LENGTH_LIMBS).any(axis=1)  # halfway from pelvis to neck
    n, m = LENGTH_LIMBS[~in_trunk].T
    ends = np.eye(JOINT_COUNT)[m] - np.eye(JOINT_COUNT)[n]
    wanted = NORMALISED_LENGTHS[~in_trunk] * MEAN_LENGTHS[2]
    wrong = np.full(len(wanted), np.inf)
    while np.abs(wrong).max() > 1e-12:
        limb = ends @ joints
        length = np.sqrt((limb**2).sum(axis=1))
        wrong = length - wanted
        joints -= ends.T @ (limb * (wrong / length / 4)[:, None])
    joints[INDEX["torso"]] = (joints[INDEX["pelvis"]] + joints[INDEX["neck"]]) / 2
    return joints - joints[INDEX["pelvis"]] + at


# Metres from neck, wrist and ankle: a face, hands and feet large enough to keep markers apart.
_ROOMY_MIDDLE = {"nose": ("neck", (0.0, -0.15, -0.10))}
_ROOMY_LEFT = {
    "left_eye": ("neck", (0.07, -0.23, -0.08)),
    "left_ear": ("neck", (0.15, -0.18, 0.0)),
    "left_thumb_tip": ("left_wrist", (-0.06, 0.05, -0.02)),
    "left_index_knuckle": ("left_wrist", (-0.03, 0.12, -0.02)),
    "left_middle_tip": ("left_wrist", (0.02, 0.17, 0.0)),
    "left_pinky_knuckle": ("left_wrist", (0.08, 0.09, 0.02)),
    "left_big_toe": ("left_ankle", (-0.03, 0.13, -0.12)),
    "left_small_toe": ("left_ankle", (0.07, 0.10, -0.10)),
    "left_heel": ("left_ankle", (-0.07, 0.06, 0.06)),
}


def roomy(seed, at):
    """(34, 3) metres: like ``proportioned``, with all joints at least 5 cm apart in the image."""
    random = np.random.default_rng(seed)
    apart = 0.0
    while apart < 0.05:
        joints = proportioned(random, at, spread=0.05)
        for name, (parent, (x, y, z)) in _ROOMY_LEFT.items():
            right, right_parent = (n.replace("left", "right") for n in (name, parent))
            joints[INDEX[name]] = joints[INDEX[parent]] + (x, y, z)
            joints[INDEX[right]] = joints[INDEX[right_parent]] + (-x, y, z)
        for name, (parent, offset) in _ROOMY_MIDDLE.items():
            joints[INDEX[name]] = joints[INDEX[parent]] + offset
        rays = joints[:, :2] / joints[:, 2:]
        distances = np.linalg.norm(rays[:, None] - rays[None], axis=2) * at[2]
        apart = distances[~np.eye(JOINT_COUNT, dtype=bool)].min()
    return joints

"""The 34 joints of BodyPose3DNet, their tree, and how BlazePose's landmarks map onto them.

Joint order, limb slots and mean lengths: NVIDIA's BodyPose3DNet model card and the DeepStream
reference application for it. Left and right are the person's own.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

JOINTS = (
    "pelvis",
    "left_hip",
    "right_hip",
    "torso",
    "left_knee",
    "right_knee",
    "neck",
    "left_ankle",
    "right_ankle",
    "left_big_toe",
    "right_big_toe",
    "left_small_toe",
    "right_small_toe",
    "left_heel",
    "right_heel",
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_pinky_knuckle",
    "right_pinky_knuckle",
    "left_middle_tip",
    "right_middle_tip",
    "left_index_knuckle",
    "right_index_knuckle",
    "left_thumb_tip",
    "right_thumb_tip",
)
JOINT_COUNT = len(JOINTS)
INDEX = {name: i for i, name in enumerate(JOINTS)}

_PARENT_NAMES = {
    "left_hip": "pelvis",
    "right_hip": "pelvis",
    "torso": "pelvis",
    "left_knee": "left_hip",
    "right_knee": "right_hip",
    "neck": "torso",
    "left_ankle": "left_knee",
    "right_ankle": "right_knee",
    "left_big_toe": "left_ankle",
    "right_big_toe": "right_ankle",
    "left_small_toe": "left_ankle",
    "right_small_toe": "right_ankle",
    "left_heel": "left_ankle",
    "right_heel": "right_ankle",
    "nose": "neck",
    "left_eye": "nose",
    "right_eye": "nose",
    "left_ear": "left_eye",
    "right_ear": "right_eye",
    "left_shoulder": "neck",
    "right_shoulder": "neck",
    "left_elbow": "left_shoulder",
    "right_elbow": "right_shoulder",
    "left_wrist": "left_elbow",
    "right_wrist": "right_elbow",
    "left_pinky_knuckle": "left_wrist",
    "right_pinky_knuckle": "right_wrist",
    "left_middle_tip": "left_wrist",
    "right_middle_tip": "right_wrist",
    "left_index_knuckle": "left_wrist",
    "right_index_knuckle": "right_wrist",
    "left_thumb_tip": "left_wrist",
    "right_thumb_tip": "right_wrist",
}
PARENTS: NDArray[np.intp] = np.array(
    [INDEX[_PARENT_NAMES[name]] if name in _PARENT_NAMES else -1 for name in JOINTS]
)
"""(34,) index of each joint's parent in the tree; -1 for the pelvis."""

LIMBS: NDArray[np.intp] = np.array([(PARENTS[i], i) for i in range(1, JOINT_COUNT)])
"""(33, 2) parent and child of every limb, for drawing."""

CHAINS: NDArray[np.intp] = np.array(
    [
        [INDEX[f"{side}_{name}"] for name in chain]
        for side in ("left", "right")
        for chain in (
            ("hip", "knee", "ankle", "big_toe"),
            ("shoulder", "elbow", "wrist", "index_knuckle"),
        )
    ]
)
"""(4, 4) the joints of each leg and arm from the trunk on. The x axis of the first three points
along the bone to the next; joints of no chain and not of the trunk are end joints."""

LIMB_JOINTS: NDArray[np.intp] = np.array(
    [
        INDEX[f"{side}_{name}"]
        for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        for side in ("left", "right")
    ]
)
"""(12,) the joints over which published figures are given."""

SIDES: NDArray[np.int8] = np.array(
    [1 if n.startswith("left") else -1 if n.startswith("right") else 0 for n in JOINTS], np.int8
)
"""(34,) 1 for the person's left, -1 for the right, 0 in the middle."""

_OTHER_SIDE = {"left": "right", "right": "left"}
MIRRORED: NDArray[np.intp] = np.array(
    [
        INDEX["_".join([_OTHER_SIDE[side], rest])] if rest and side in _OTHER_SIDE else INDEX[name]
        for name in JOINTS
        for side, _, rest in [name.partition("_")]
    ]
)
"""(34,) the same joint of the other side: ``joints[MIRRORED]`` has left and right exchanged."""

# slot, joint, joint, scale-normalised length, mean length in millimetres
_LIMB_LENGTHS = (
    (0, 0, 3, 0.5000, 246.3427),
    (1, 3, 6, 0.5000, 246.3427),
    (2, 6, 0, 1.0000, 492.6854),
    (3, 8, 5, 0.8175, 402.4380),
    (4, 5, 2, 0.9889, 487.0321),
    (5, 2, 0, 0.2610, 128.6856),
    (6, 2, 21, 0.7942, 391.6295),
    (7, 21, 23, 0.5724, 281.9928),
    (8, 23, 25, 0.5078, 249.9478),
    (16, 21, 6, 0.3433, 169.1832),
    (17, 7, 4, 0.8171, 402.2611),
    (18, 4, 1, 0.9912, 488.1824),
    (19, 1, 0, 0.2610, 128.6848),
    (20, 1, 20, 0.8259, 407.5836),
    (21, 20, 22, 0.5724, 281.9897),
    (22, 22, 24, 0.5078, 249.9489),
    (30, 20, 6, 0.3422, 168.6137),
)
LENGTH_SLOTS: NDArray[np.intp] = np.array([row[0] for row in _LIMB_LENGTHS])
"""(17,) the slots in use of BodyPose3DNet's 36 limb lengths."""
LENGTH_SLOT_COUNT = 36
LENGTH_LIMBS: NDArray[np.intp] = np.array([row[1:3] for row in _LIMB_LENGTHS])
"""(17, 2) the two joints of each limb whose length the network knows."""
NORMALISED_LENGTHS: NDArray[np.float64] = np.array([row[3] for row in _LIMB_LENGTHS])
"""(17,) lengths in units of the pelvis-neck distance."""
MEAN_LENGTHS: NDArray[np.float64] = np.array([row[4] for row in _LIMB_LENGTHS]) / 1000
"""(17,) mean lengths in metres."""
MEAN_STATURE = 1.775
"""Metres: how tall a person with these mean lengths is. The table itself does not say; ankle to
neck is 1.383 m in it (slots 17, 18 and 2), which is 0.779 of the stature by the proportions of
Drillis and Contini 1966 (leg 0.246, thigh 0.245, hip to shoulder 0.288)."""

_BLAZEPOSE = {
    "nose": 0,
    "left_eye": 2,
    "right_eye": 5,
    "left_ear": 7,
    "right_ear": 8,
    "left_shoulder": 11,
    "right_shoulder": 12,
    "left_elbow": 13,
    "right_elbow": 14,
    "left_wrist": 15,
    "right_wrist": 16,
    "left_pinky_knuckle": 17,
    "right_pinky_knuckle": 18,
    "left_index_knuckle": 19,
    "right_index_knuckle": 20,
    "left_thumb_tip": 21,
    "right_thumb_tip": 22,
    "left_hip": 23,
    "right_hip": 24,
    "left_knee": 25,
    "right_knee": 26,
    "left_ankle": 27,
    "right_ankle": 28,
    "left_heel": 29,
    "right_heel": 30,
    "left_big_toe": 31,
    "right_big_toe": 32,
}
BLAZEPOSE_LANDMARKS = 33


def means_of(keypoints: Mapping[str, int], count: int) -> NDArray[np.float64]:
    """(34, count) each joint as a mean of a network's ``count`` keypoints.

    ``keypoints`` are those that are joints themselves, by the joints' names; pelvis, neck and torso
    are means of hips and shoulders. Rows of zeros are not given by the network.
    """
    weights = np.zeros((JOINT_COUNT, count))
    for name, keypoint in keypoints.items():
        weights[INDEX[name], keypoint] = 1
    hips = [INDEX["left_hip"], INDEX["right_hip"]]
    shoulders = [INDEX["left_shoulder"], INDEX["right_shoulder"]]
    for name, around in (("pelvis", hips), ("neck", shoulders), ("torso", hips + shoulders)):
        weights[INDEX[name]] = weights[around].mean(axis=0)
    return weights


BLAZEPOSE_WEIGHTS: NDArray[np.float64] = means_of(_BLAZEPOSE, BLAZEPOSE_LANDMARKS)
"""(34, 33) each joint as a mean of BlazePose's landmarks; rows of zeros are not given by it."""
BLAZEPOSE_GIVEN: NDArray[np.bool_] = BLAZEPOSE_WEIGHTS.sum(axis=1) > 0
"""(34,) False for the small toes and the middle fingertips, which BlazePose does not know."""


def known(points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(...,) whether each point (..., D) is known: unknown joints are NaN."""
    return np.asarray(np.isfinite(points).all(axis=-1), np.bool_)


SIDE_COLORS: dict[int, tuple[float, float, float]] = {
    1: (1.0, 0.60, 0.10),  # the person's left: orange
    -1: (0.10, 0.75, 1.0),  # right: blue
    0: (0.95, 0.95, 0.95),
}
"""RGB, 0 to 1, by side; the same in pictures and in RViz."""

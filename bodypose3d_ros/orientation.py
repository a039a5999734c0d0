"""Which way each joint's frame points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .skeleton import INDEX, JOINT_COUNT, MAIN_CHILD, PARENTS, known

Array = NDArray[np.float64]

_TRUNK = [INDEX[name] for name in ("pelvis", "torso", "neck")]
_IDENTITY = np.array([0.0, 0, 0, 1])
_HALF_TURN_ABOUT_Z = np.array([0.0, 0, 1, 0])


def _limb_levels() -> list[NDArray[np.intp]]:
    """Limb joints in the order they turn: hips and shoulders, knees and elbows, the rest."""
    level: dict[int, int] = {}
    for joint in sorted(MAIN_CHILD):  # parents come before their children
        level[joint] = level.get(int(PARENTS[joint]), -1) + 1
    return [np.array([j for j in level if level[j] == n]) for n in sorted(set(level.values()))]


def _frame_sources() -> NDArray[np.intp]:
    """(34,) the joint whose frame each joint takes: itself, or for an end joint the last bone's."""
    sources = list(range(JOINT_COUNT))
    for joint in range(JOINT_COUNT):
        if joint not in MAIN_CHILD and joint not in _TRUNK:
            sources[joint] = sources[int(PARENTS[joint])]
    return np.array(sources)


_LIMB_LEVELS = _limb_levels()
_CHILDREN = [np.array([MAIN_CHILD[int(j)] for j in level]) for level in _LIMB_LEVELS]
_FRAME_SOURCES = _frame_sources()


def orientations(joints: Array) -> Array:
    """Quaternions (N, 34, 4), x y z w, of every joint's frame in the frame of the joints.

    Pelvis, torso and neck: x to where the body faces, y to its left, z up the spine. A limb
    joint: its parent's frame turned the shortest way until x points along the bone to its child.
    An end joint: its parent's. Where the points that define a frame are unknown it is the
    parent's, and without any trunk the identity.

    Args:
        joints: (N, 34, 3) metres, NaN where unknown.
    """
    quaternions = np.broadcast_to(_IDENTITY, (*joints.shape[:2], 4)).copy()
    if not len(joints):
        return quaternions
    quaternions[:, _TRUNK] = _trunk(joints)
    for level, children in zip(_LIMB_LEVELS, _CHILDREN, strict=True):
        bones = joints[:, children] - joints[:, level]
        quaternions[:, level] = _turned(quaternions[:, PARENTS[level]], bones)
    return np.asarray(quaternions[:, _FRAME_SOURCES])


def _trunk(joints: Array) -> Array:
    """Quaternions (N, 3, 4) of pelvis, torso and neck."""

    def across(name: str) -> Array:
        return joints[:, INDEX[f"left_{name}"]] - joints[:, INDEX[f"right_{name}"]]

    hips, shoulders = across("hip"), across("shoulder")
    up = (joints[:, INDEX["neck"]] - joints[:, INDEX["pelvis"]])[:, None]
    left = np.stack([hips, hips + shoulders, shoulders], 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = up / np.linalg.norm(up, axis=2, keepdims=True)
        y = left - z * (left * z).sum(axis=2, keepdims=True)
        y /= np.linalg.norm(y, axis=2, keepdims=True)
    z = np.broadcast_to(z, y.shape)
    frames = np.stack([np.cross(y, z), y, z], -1)
    is_known = np.asarray(known(frames).all(axis=2))
    frames[~is_known] = np.eye(3)
    quaternions = Rotation.from_matrix(frames.reshape(-1, 3, 3)).as_quat().reshape(-1, 3, 4)
    for below, above in ((0, 1), (1, 2)):  # unknown: as the joint below it in the tree
        unknown = ~is_known[:, above]
        quaternions[unknown, above] = quaternions[unknown, below]
    return np.asarray(quaternions)


def _turned(parents: Array, bones: Array) -> Array:
    """Frames (N, M, 4) turned the shortest way until x points along bones (N, M, 3).

    From x to a unit vector b in the parent's frame: the quaternion (x × b, 1 + x·b), normalised.
    """
    frames = Rotation.from_quat(parents.reshape(-1, 4))
    b = frames.inv().apply(np.nan_to_num(bones.reshape(-1, 3)))
    length = np.linalg.norm(b, axis=1)
    b[length > 0] /= length[length > 0, None]
    turns = np.column_stack([np.zeros(len(b)), -b[:, 2], b[:, 1], 1 + b[:, 0]])
    turns[b[:, 0] < -1 + 1e-9] = _HALF_TURN_ABOUT_Z  # straight back there is no shortest way
    turns[~(known(bones).ravel() & (length > 1e-9))] = _IDENTITY
    return np.asarray((frames * Rotation.from_quat(turns)).as_quat()).reshape(parents.shape)

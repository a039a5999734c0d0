"""Which way each joint's frame points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..people import known
from ..skeleton import INDEX, JOINT_COUNT, MAIN_CHILD, PARENTS

Array = NDArray[np.float64]

_TRUNK = ("pelvis", "torso", "neck")


def _levels() -> list[NDArray[np.intp]]:
    """Limb joints by their depth in the tree: each level turns on from the one before."""
    depth = [0] * JOINT_COUNT
    for joint in range(JOINT_COUNT):
        parent = PARENTS[joint]
        while parent >= 0:
            depth[joint] += 1
            parent = PARENTS[parent]
    limb_joints = np.array(sorted(MAIN_CHILD))
    depths = np.array([depth[joint] for joint in limb_joints])
    return [limb_joints[depths == d] for d in sorted(set(depths))]


_LEVELS = _levels()
_END_JOINTS = np.array(
    [j for j in range(JOINT_COUNT) if j not in MAIN_CHILD and j not in {INDEX[n] for n in _TRUNK}]
)


def orientations(joints: Array) -> Array:
    """Quaternions (N, 34, 4), x y z w, of every joint's frame in the frame of the joints.

    Pelvis, torso and neck: x to where the body faces, y to its left, z up the spine. A limb
    joint: its parent's frame turned the shortest way until x points along the bone to its child.
    An end joint: its parent's. Where the points that define a frame are unknown it is the
    parent's, and without any trunk the identity.

    Args:
        joints: (N, 34, 3) metres, NaN where unknown.
    """
    frames = np.broadcast_to(np.eye(3), (*joints.shape[:2], 3, 3)).copy()
    for name, trunk in _trunk_frames(joints).items():
        frames[:, INDEX[name]] = trunk
    for level in _LEVELS:
        parent = frames[:, PARENTS[level]]
        bone = joints[:, [MAIN_CHILD[j] for j in level]] - joints[:, level]
        frames[:, level] = _shortest_turn(parent[..., 0], bone) @ parent
    # By tree order: an ear's parent is an eye, itself an end joint.
    for joint in _END_JOINTS:
        frames[:, joint] = frames[:, PARENTS[joint]]
    quaternions = Rotation.from_matrix(frames.reshape(-1, 3, 3)).as_quat()
    return np.asarray(quaternions).reshape(*joints.shape[:2], 4)


def _trunk_frames(joints: Array) -> dict[str, Array]:
    def at(name: str) -> Array:
        return joints[:, INDEX[name]]

    up = at("neck") - at("pelvis")
    hips = at("left_hip") - at("right_hip")
    shoulders = at("left_shoulder") - at("right_shoulder")
    frames = {
        "pelvis": _frame(hips, up),
        "torso": _frame(hips + shoulders, up),
        "neck": _frame(shoulders, up),
    }
    are_known = [known(frame).all(axis=1) for frame in frames.values()]
    fallback = np.broadcast_to(np.eye(3), (len(joints), 3, 3))
    for (name, frame), is_known in zip(list(frames.items()), are_known, strict=True):
        frames[name] = fallback = np.where(np.expand_dims(is_known, (1, 2)), frame, fallback)
    return frames


def _frame(left: Array, up: Array) -> Array:
    """Frames (N, 3, 3), columns x y z, from the body's left and up (N, 3)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        z = up / np.linalg.norm(up, axis=1, keepdims=True)
        y = left - z * (left * z).sum(axis=1, keepdims=True)
        y /= np.linalg.norm(y, axis=1, keepdims=True)
    return np.stack([np.cross(y, z), y, z], -1)


def _shortest_turn(start: Array, end: Array) -> Array:
    """Rotations (..., 3, 3) that turn unit vectors onto others; identity where unknown.

    R = I + [v] + [v]^2 / (1 + c) with v = start x end and c their cosine.
    """
    length = np.linalg.norm(end, axis=-1, keepdims=True)
    is_known = known(end)[..., None] & (length > 1e-9)
    end = np.where(is_known, end / np.where(is_known, length, 1), start)
    cosine = (start * end).sum(axis=-1)[..., None, None]
    x, y, z = np.moveaxis(np.cross(start, end), -1, 0)
    zero = np.zeros_like(x)
    skew = np.stack(
        [np.stack([zero, -z, y], -1), np.stack([z, zero, -x], -1), np.stack([-y, x, zero], -1)], -2
    )
    turn = np.eye(3) + skew + skew @ skew / np.maximum(1 + cosine, 1e-9)
    # Straight back there is no shortest way: half a turn about any axis across.
    opposite = cosine < -1 + 1e-9
    across = np.cross(start, np.eye(3)[np.abs(start).argmin(axis=-1)])
    across /= np.linalg.norm(across, axis=-1, keepdims=True)
    half_turn = 2 * across[..., :, None] * across[..., None, :] - np.eye(3)
    return np.where(opposite, half_turn, turn)

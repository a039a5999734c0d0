"""Which way each joint's frame points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .skeleton import INDEX, JOINT_COUNT, MAIN_CHILD, PARENTS, known

Array = NDArray[np.float64]

_TRUNK = [INDEX[name] for name in ("pelvis", "torso", "neck")]

# From right to left, and up the spine.
_ACROSS = np.array(
    [
        [INDEX["left_hip"], INDEX["right_hip"]],
        [INDEX["left_shoulder"], INDEX["right_shoulder"]],
        [INDEX["neck"], INDEX["pelvis"]],
    ]
)


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


_FRAMED, _FRAME_SOURCES = np.unique(_frame_sources(), return_inverse=True)
_LIMB_LEVELS = _limb_levels()
_CHILDREN = [np.array([MAIN_CHILD[int(j)] for j in level]) for level in _LIMB_LEVELS]


def orientations(joints: Array) -> Array:
    """Quaternions (N, 34, 4), x y z w, of every joint's frame in the frame of the joints.

    Pelvis, torso and neck: x to where the body faces, y to its left, z up the spine. A limb
    joint: its parent's frame turned the shortest way until x points along the bone to its child.
    An end joint: its parent's. Where the points that define a frame are unknown it is the
    parent's, and without any trunk the identity.

    Args:
        joints: (N, 34, 3) metres, NaN where unknown.
    """
    if not len(joints):
        return np.zeros((0, JOINT_COUNT, 4))
    frames = np.broadcast_to(np.eye(3), (*joints.shape[:2], 3, 3)).copy()
    frames[:, _TRUNK] = _trunk(joints)
    for level, children in zip(_LIMB_LEVELS, _CHILDREN, strict=True):
        bones = joints[:, children] - joints[:, level]
        frames[:, level] = _turned(frames[:, PARENTS[level]], bones)
    return _quaternions(frames[:, _FRAMED])[:, _FRAME_SOURCES]


def _outer_products() -> Array:
    """(9, 16) from a rotation matrix to 4 q q^T - I of its quaternion q, x y z w."""
    products = np.zeros((3, 3, 4, 4))
    i = np.arange(3)
    products[i, i] = -np.eye(4)
    products[i, i, 3, 3] = 1
    products[i, i, i, i] = 1
    for j, k, w in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        products[j, k, j, k] = products[j, k, k, j] = 1
        products[k, j, j, k] = products[k, j, k, j] = 1
        products[k, j, w, 3] = products[k, j, 3, w] = 1
        products[j, k, w, 3] = products[j, k, 3, w] = -1
    return products.reshape(9, 16)


_OUTER_PRODUCTS = _outer_products()


def _quaternions(frames: Array) -> Array:
    """(N, M, 4), x y z w, of rotation matrices (N, M, 3, 3).

    Each row of q q^T is a multiple of q; the one with the largest square is exact to rounding
    (Shepperd 1978). scipy's Rotation does the same, with ten times the code to run.
    """
    products = frames.reshape(-1, 9) @ _OUTER_PRODUCTS
    products.shape = (-1, 4, 4)
    largest = products.diagonal(axis1=1, axis2=2).argmax(axis=1)
    products += np.eye(4)
    rows = products[np.arange(len(products)), largest]
    unit = rows / np.sqrt((rows**2).sum(axis=1, keepdims=True))
    return np.asarray(unit.reshape(*frames.shape[:2], 4))


def _trunk(joints: Array) -> Array:
    """Frames (N, 3, 3, 3) of pelvis, torso and neck, columns x y z."""
    ends = joints[:, _ACROSS]
    hips, shoulders, up = np.moveaxis(ends[:, :, 0] - ends[:, :, 1], 1, 0)
    left, up = np.stack([hips, hips + shoulders, shoulders], 1), up[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        z = up / np.linalg.norm(up, axis=2, keepdims=True)
        y = left - z * (left * z).sum(axis=2, keepdims=True)
        y /= np.linalg.norm(y, axis=2, keepdims=True)
    frames = np.empty((*y.shape, 3))
    frames[..., 0], frames[..., 1], frames[..., 2] = np.cross(y, z), y, z
    is_known = np.asarray(known(frames).all(axis=2))
    if is_known.all():
        return frames
    frames[~is_known[:, 0], 0] = np.eye(3)
    for below, above in ((0, 1), (1, 2)):  # unknown: as the joint below it in the tree
        unknown = ~is_known[:, above]
        frames[unknown, above] = frames[unknown, below]
    return frames


def _turned(parents: Array, bones: Array) -> Array:
    """Frames (N, M, 3, 3) turned the shortest way until x points along bones (N, M, 3).

    The rotation of unit vector x onto b takes a w across x to w - (b·w) / (1 + x·b) (x + b).
    """
    x, across = parents[..., :1], parents[..., 1:]
    length = np.linalg.norm(bones, axis=2)
    is_bone = np.isfinite(length) & (length > 1e-9)
    b = (np.where(is_bone[..., None], bones, 1) / np.where(is_bone, length, 1)[..., None])[
        ..., None
    ]
    cosine = (x * b).sum(axis=2, keepdims=True)
    along = (across * b).sum(axis=2, keepdims=True)
    turned = across - along / np.maximum(1 + cosine, 1e-9) * (x + b)
    # Straight back there is no shortest way: half a turn about z.
    turned = np.where(cosine < -1 + 1e-9, across * (-1, 1), turned)
    return np.where(is_bone[..., None, None], np.concatenate([b, turned], axis=3), parents)

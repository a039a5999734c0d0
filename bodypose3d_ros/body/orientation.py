"""Which way each joint's frame points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .skeleton import CHAINS, INDEX, JOINT_COUNT, PARENTS, known

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

# The joints that have a frame of their own, in the order the frames are found: trunk, hips and
# shoulders, knees and elbows, ankles and wrists.
_FRAMED = [*_TRUNK, *CHAINS[:, :-1].T.ravel()]
_CHAIN_PARENTS = [_TRUNK.index(PARENTS[joint]) for joint in CHAINS[:, 0]]


def _frame_sources() -> NDArray[np.intp]:
    """(34,) whose of ``_FRAMED`` each joint takes: its own, or for an end joint the last bone's."""
    sources: list[int] = []
    for joint in range(JOINT_COUNT):  # parents come before their children
        framed = joint in _FRAMED
        sources.append(_FRAMED.index(joint) if framed else sources[PARENTS[joint]])
    return np.array(sources)


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
    if not len(joints):
        return np.zeros((0, JOINT_COUNT, 4))
    trunk = _trunk(joints)
    chains = joints[:, CHAINS]
    bones, is_bone = _unit(chains[:, :, 1:] - chains[:, :, :-1])
    frames, parents = [trunk], trunk[:, _CHAIN_PARENTS]
    for n in range(bones.shape[2]):
        parents = _turned(parents, bones[:, :, n], is_bone[:, :, n])
        frames.append(parents)
    return _quaternions(np.concatenate(frames, axis=1))[:, _FRAME_SOURCES]


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


def matrices(quaternions: Array) -> Array:
    """(N, 3, 3) rotation matrices of unit quaternions (N, 4), x y z w.

    As scipy's Rotation has them, which for a few of them takes ten times as long.
    """
    products = quaternions[:, :, None] * quaternions[:, None]
    return (products.reshape(-1, 16) @ _OUTER_PRODUCTS.T).reshape(-1, 3, 3)


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
    across = ends[:, :, 0] - ends[:, :, 1]
    hips, shoulders, up = across[:, 0], across[:, 1], across[:, 2:]
    frames = np.empty((len(joints), 3, 3, 3))
    x, y, z = (frames[..., axis] for axis in range(3))
    with np.errstate(invalid="ignore", divide="ignore"):
        z[:] = up / np.linalg.norm(up, axis=2, keepdims=True)
        y[:, 0], y[:, 1], y[:, 2] = hips, hips + shoulders, shoulders
        y -= z * (y * z).sum(axis=2, keepdims=True)
        y /= np.linalg.norm(y, axis=2, keepdims=True)
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):  # numpy's cross takes as long as all this
        x[..., i] = y[..., j] * z[..., k] - y[..., k] * z[..., j]
    is_known = np.asarray(known(frames).all(axis=2))
    if is_known.all():
        return frames
    frames[~is_known[:, 0], 0] = np.eye(3)
    for below, above in ((0, 1), (1, 2)):  # unknown: as the joint below it in the tree
        unknown = ~is_known[:, above]
        frames[unknown, above] = frames[unknown, below]
    return frames


def _unit(bones: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Bones (..., 3) of length 1, and (...,) which of them are known and point anywhere."""
    length = np.linalg.norm(bones, axis=-1)
    is_bone = np.isfinite(length) & (length > 1e-9)
    there = is_bone[..., None]
    return np.where(there, bones, 0) / np.where(there, length[..., None], 1), is_bone


def _turned(parents: Array, bones: Array, is_bone: NDArray[np.bool_]) -> Array:
    """Frames (N, M, 3, 3) turned the shortest way until x points along unit bones (N, M, 3).

    The rotation of unit vector x onto b takes a w across x to w - (b·w) / (1 + x·b) (x + b).
    """
    x, across, b = parents[..., :1], parents[..., 1:], bones[..., None]
    products = bones[..., None, :] @ parents
    cosine, along = products[..., :1], products[..., 1:]
    turned = np.empty_like(parents)
    turned[..., :1] = b
    turned[..., 1:] = across - along / np.maximum(1 + cosine, 1e-9) * (x + b)
    # Straight back there is no shortest way: half a turn about z.
    back = cosine[..., 0, 0] < -1 + 1e-9
    if back.any():
        turned[back, :, 1:] = across[back] * (-1, 1)
    if not is_bone.all():
        turned[~is_bone] = parents[~is_bone]
    return turned

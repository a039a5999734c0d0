"""The angles of a body's joints, as the chains of ros4hri's human_description have them.

There every shoulder and hip is three revolute joints, z, x, then z (arms) or y (legs), every elbow
and knee one about y, all of them zero where the limb hangs down; the head turns about x, z, y. The
angles follow from directions of bones alone, so that the lengths of a description do not matter.
Its trunk bends at the waist: with z along the spine, as our pelvis has it, that is zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .orientation import matrices
from .skeleton import INDEX, known

Array = NDArray[np.float64]

_SIGNS = np.array([1.0, -1.0])
"""Of the left and the right, s below: some axes are mirrored."""
_ARM = ("y_shoulder", "p_shoulder", "r_shoulder", "elbow")
_LEG = ("y_hip", "p_hip", "r_hip", "knee")
ANGLE_NAMES = (
    *("waist", "r_head", "y_head", "p_head"),
    *(f"{side}_{name}" for side in "lr" for name in (*_ARM, *_LEG)),
)
"""What human_description calls them, without the body's id."""

_STRAIGHT = np.sin(np.radians(10))
"""An elbow or knee bent by less does not tell how the limb is turned about itself."""
_NEXT, _LAST = np.array([1, 2, 0]), np.array([2, 0, 1])
_NEAR, _FAR = (
    [[INDEX[f"{side}_{name}"] for side in ("left", "right")] for name in names]
    for names in (("shoulder", "elbow", "hip", "knee"), ("elbow", "wrist", "knee", "ankle"))
)
"""(4, 2) where the bones of upper arm, forearm, thigh and shank begin and end."""
_HEAD = [INDEX[name] for name in ("left_ear", "right_ear", "nose")]


def angles(joints: Array, orientation: Array) -> Array:
    """(N, 20) radians of ANGLE_NAMES; NaN where a joint that an angle hangs on is unknown.

    Args:
        joints: (N, 34, 3) metres, NaN where unknown.
        orientation: (N, 34, 4) quaternions of their frames, x y z w (body.orientation).
    """
    if not len(joints):
        return np.zeros((0, len(ANGLE_NAMES)))
    pelvis = INDEX["pelvis"]
    in_body = (joints @ matrices(orientation[:, pelvis])).transpose(2, 0, 1)
    trunk = known(joints[:, [pelvis, INDEX["neck"], INDEX["left_hip"], INDEX["right_hip"]]])
    bones = _unit(in_body[..., _FAR] - in_body[..., _NEAR])
    upper, fore, thigh, shank = bones.transpose(2, 0, 1, 3)
    limbs = np.concatenate([_arms(upper, fore), _legs(thigh, shank)])
    limbs = limbs.transpose(2, 0, 1).reshape(-1, len(joints))
    found = np.concatenate([np.zeros((1, len(joints))), _head(in_body), limbs]).T
    return np.where(trunk.all(axis=1, keepdims=True), found, np.nan)


# Vectors are (3, ...) from here on: a few of them cost as many microseconds as numpy is called
# times, and so it is called least.


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(_length(vectors), 1e-9)


def _length(vectors: Array) -> Array:
    return np.sqrt(_dot(vectors, vectors))


def _dot(a: Array, b: Array) -> Array:
    return np.asarray((a * b).sum(axis=0))


def _cross(a: Array, b: Array) -> Array:
    """As numpy's, which for few vectors takes longer to look at their shapes."""
    return a.take(_NEXT, 0) * b.take(_LAST, 0) - a.take(_LAST, 0) * b.take(_NEXT, 0)


def _level(angle: Array) -> Array:
    """(3, ...) what x becomes, turned about z."""
    return np.array([np.cos(angle), np.sin(angle), 0 * angle])


def _arms(upper: Array, fore: Array) -> Array:
    """(4, N, 2) of a shoulder's Rz(-s a) Rx(s b) Rz(s c) and an elbow's Ry(-d)."""
    x, y, z = upper
    around = np.where(np.hypot(x, y) < _STRAIGHT, 0, np.arctan2(-_SIGNS * x, _SIGNS * y))
    # The axes of Rz Rx; its z points up the arm.
    across = _level(around)
    p, q, r = (_dot(axis, fore) for axis in (across, _cross(across, upper), upper))
    turned = np.where(np.hypot(p, q) < _STRAIGHT, 0, np.arctan2(q, p))
    raised, bent = np.arccos(np.clip(-z, -1, 1)), np.arctan2(np.hypot(p, q), r)
    return np.array([-_SIGNS * around, raised, _SIGNS * turned, bent])


def _legs(thigh: Array, shank: Array) -> Array:
    """(4, N, 2) of a hip's Rz(-a) Rx(s b) Ry(-c) and a knee's Ry(-d), which bends backwards."""
    x, y, z = thigh
    # The axis of the knee is y of Rz Rx: across the plane of the leg or, where the leg is straight
    # and has none, with no turn about z.
    plane = _cross(thigh, shank)
    bent = (_length(plane) > _STRAIGHT) & (plane[1] > 0)
    axis = _unit(np.where(bent, plane, np.array([0 * x, -z, y])))
    around = np.arctan2(-axis[0], axis[1])
    aside = np.arcsin(np.clip(axis[2], -1, 1))
    forward = _level(around)
    down = _cross(axis, forward)
    swing, whole = (np.arctan2(_dot(forward, bone), _dot(down, bone)) for bone in (thigh, shank))
    knee = (whole - swing + np.pi) % (2 * np.pi) - np.pi
    return np.array([-around, _SIGNS * aside, swing, knee])


def _head(in_body: Array) -> Array:
    """(3, N) of a head's Rx(a) Rz(b) Ry(-c), from the ears and the nose."""
    left, right, nose = in_body.take(_HEAD, 2).transpose(2, 0, 1)
    y = _unit(left - right)
    x = nose - (left + right) / 2
    # y is (-sin b, cos a cos b, sin a cos b).
    turn, lean = -np.arcsin(np.clip(y[0], -1, 1)), np.arctan2(y[2], y[1])
    level = np.array([np.cos(turn), np.cos(lean) * np.sin(turn), np.sin(lean) * np.sin(turn)])
    nod = np.arctan2(_dot(_cross(level, y), x), _dot(level, x))
    return np.array([lean, turn, nod])

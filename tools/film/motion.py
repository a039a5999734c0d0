"""Joint angles over time, and where a walker goes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .body import Body, Pose

Array = NDArray[np.float64]

_X, _Y, _Z = np.eye(3)
STRIDE = 1.25
"""Metres a walker covers in one cycle of two steps."""


def turn(axis: Array, degrees: float) -> Array:
    """The rotation (3, 3) about a unit axis."""
    return Rotation.from_rotvec(np.radians(degrees) * axis).as_matrix()


def rise_and_fall(t: float, begin: float, top: float, leave: float, end: float) -> float:
    """0 before ``begin``, smoothly 1 from ``top`` to ``leave``, 0 after ``end``."""

    def smooth(u: float) -> float:
        u = min(max(u, 0.0), 1.0)
        return u * u * (3 - 2 * u)

    return smooth((t - begin) / (top - begin)) * (1 - smooth((t - leave) / (end - leave)))


def walk(body: Body, phase: float, stride: float = 1.0) -> Pose:
    """One moment of walking.

    Args:
        body: Whose.
        phase: In cycles of two steps.
        stride: 0 steps on the spot, 1 walks ``STRIDE`` metres a cycle.
    """
    pose: Pose = {}
    swing = np.sin(2 * np.pi * phase)
    swinging = 8 + 14 * stride
    for side, forward in (("L", swing), ("R", -swing)):
        # A quarter of a cycle before the leg is furthest forward it passes the other, lifted.
        lifting = np.cos(2 * np.pi * phase) * (1 if side == "L" else -1)
        lift = max(lifting, 0.0) if stride else max(forward, 0.0)
        thigh = 6 + 24 * stride * forward + (16 * stride + 36 * (1 - stride)) * lift
        _leg(pose, side, thigh, 10 + 62 * lift * (1 - 0.25 * stride))
        _arm(body, pose, side, abduct=10, flex=-swinging * forward, bend=22 + 8 * forward)
        _curl(body, pose, side, 16)
    pose["spine04"] = turn(_Z, 4 * swing)
    pose["spine02"] = turn(_Z, -9 * swing) @ turn(_X, 2)
    return pose


def walk_turn_wave(body: Body, t: float) -> tuple[Pose, float]:
    """Step on the spot, turn by 40 degrees either way, raise one arm, wave with the other; 4 s.

    Returns:
        The pose, and the yaw in degrees.
    """
    pose = walk(body, t, stride=0)
    step = np.sin(2 * np.pi * t)
    up = rise_and_fall(t, 0.3, 1.1, 1.5, 2.2)
    wave = rise_and_fall(t, 1.9, 2.5, 3.3, 3.9)
    swing_left, swing_right = -24 * step * (1 - up), 24 * step * (1 - wave)
    _arm(body, pose, "L", 10 + 135 * up, swing_left, 22 + 10 * up, shrug=33 * up)
    bend = 22 + (78 + 22 * np.sin(3 * np.pi * t)) * wave
    _arm(body, pose, "R", 10 + 45 * wave, swing_right + 35 * wave, bend, 0.3 - 0.9 * wave)
    nod = turn(_X, 4 * np.sin(np.pi * t))
    pose["neck01"] = turn(_Z, 12 * np.sin(np.pi * t / 2 + 1)) @ nod
    return pose, 40 * np.sin(np.pi * t / 2)


def stand(body: Body, t: float) -> Pose:
    """Stand and breathe."""
    pose: Pose = {}
    for side in "LR":
        _leg(pose, side, 3, 5, inwards=7)
        _arm(body, pose, side, abduct=10, flex=4 + 3 * np.sin(2 * t), bend=24)
        _curl(body, pose, side, 16)
    pose["neck01"] = turn(_Z, 10 * np.sin(1.3 * t))
    return pose


def along(path: Array, distance: float) -> tuple[Array, float]:
    """Where a walker is on a smooth path, and the yaw in degrees that looks along it.

    Args:
        path: (P, 2) way points on the floor, metres; a Catmull-Rom spline goes through them.
        distance: Metres from the first.
    """
    ends = 2 * path[[0, -1]] - path[[1, -2]]
    control = np.concatenate([ends[:1], path, ends[1:]])
    u = np.linspace(0, 1, 64, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(control, control[1:], control[2:], control[3:], strict=False):
        bend = u * (c - a) + u**2 * (2 * a - 5 * b + 4 * c - d) + u**3 * (3 * (b - c) + d - a)
        pieces.append(b + bend / 2)
    curve = np.concatenate([*pieces, path[-1:]])
    walked = np.concatenate([[0], np.linalg.norm(np.diff(curve, axis=0), axis=1).cumsum()])
    at = np.array([np.interp(distance, walked, curve[:, axis]) for axis in range(2)])
    ahead = np.array([np.interp(distance + 0.2, walked, curve[:, axis]) for axis in range(2)])
    behind = np.array([np.interp(distance - 0.2, walked, curve[:, axis]) for axis in range(2)])
    x, y = ahead - behind
    return at, float(np.degrees(np.arctan2(x, -y)))  # the rest pose faces -y


def _leg(pose: Pose, side: str, thigh: float, knee: float, inwards: float = 2) -> None:
    """Degrees: the thigh forwards, the knee, the thigh towards the other."""
    out = 1 if side == "L" else -1
    pose[f"upperleg01.{side}"] = turn(_Y, inwards * out) @ turn(_X, -thigh)
    pose[f"lowerleg01.{side}"] = turn(_Y, 2.5 * out) @ turn(_X, knee)
    pose[f"foot.{side}"] = turn(_X, 0.8 * (thigh - knee) + 4)


def _arm(
    body: Body,
    pose: Pose,
    side: str,
    abduct: float,
    flex: float,
    bend: float,
    inwards: float = 0.3,
    shrug: float = -8,
) -> None:
    """Degrees: away from the body, forwards, at the elbow; the shoulder's height."""
    out = 1 if side == "L" else -1
    shoulder, elbow, wrist = (
        body.head(f"{bone}.{side}") for bone in ("upperarm01", "lowerarm01", "wrist")
    )
    rest_upper, rest_fore = _unit(elbow - shoulder), _unit(wrist - elbow)
    a, f = np.radians(abduct), np.radians(flex)
    upper = np.array([out * np.sin(a), -np.cos(a) * np.sin(f), -np.cos(a) * np.cos(f)])
    towards = np.array([-out * inwards, -1.0, 0.35])
    towards = _unit(towards - upper * (towards @ upper))
    fore = upper * np.cos(np.radians(bend)) + towards * np.sin(np.radians(bend))
    raised = turn(_Y, -out * shrug)
    swung = (
        _frame(upper, np.cross(upper, fore)) @ _frame(rest_upper, np.cross(rest_upper, rest_fore)).T
    )
    hinge = _unit(np.cross(rest_upper, rest_fore))
    wanted = swung.T @ fore
    angle = np.arctan2(np.cross(rest_fore, wanted) @ hinge, rest_fore @ wanted)
    pose[f"shoulder01.{side}"] = raised
    pose[f"upperarm01.{side}"] = raised.T @ swung
    pose[f"lowerarm01.{side}"] = turn(hinge, np.degrees(angle))


def _curl(body: Body, pose: Pose, side: str, degrees: float) -> None:
    out = 1 if side == "L" else -1
    across = _unit(body.head(f"finger2-1.{side}") - body.head(f"finger5-1.{side}"))
    for finger in (2, 3, 4, 5):
        for joint in (1, 2, 3):
            pose[f"finger{finger}-{joint}.{side}"] = turn(out * across, degrees)


def _unit(vector: Array) -> Array:
    return vector / np.linalg.norm(vector)


def _frame(first: Array, normal: Array) -> Array:
    normal = _unit(normal - first * (normal @ first))
    return np.stack([first, normal, np.cross(first, normal)], 1)

"""How well the cameras' places fit what the cameras see together.

A view's residual is the angle between its rays and the fused joints. A camera whose place is wrong
draws the fused joints with it, so who is to blame shows only where all are asked at once: which
small rotation of each camera would let all rays meet, wherever they do. These are the normal
equations of bundle adjustment with the joints eliminated (Triggs et al. 2000, section 6).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ...body.people import STATE_COASTING, Bodies, select
from ...body.skeleton import JOINT_COUNT
from .fusion import View, carried_on

Array = NDArray[np.float64]

WINDOW = 10.0
"""Seconds over which cameras are judged."""
_APART = 0.1
"""Seconds between two looks at how they fit: people change little within."""
_FARTHEST = np.radians(15)
"""Farther from everybody, what a view sees is nobody who is known; farther from a joint, wrong."""
_FEWEST_JOINTS = 6
_TOGETHER = 0.07
"""Seconds by which views may be apart that are compared: people are carried over the gap."""
_FEWEST = 20
"""Looks that a judgement needs."""
_STEADY = 1.0
"""As many sightings of a person as say beforehand that a place is right, in every direction. What
people cannot tell from where they stand, is taken for right."""
_LEVELLED = 0.7
"""Of the tolerance: below it a camera fits again."""


@dataclass(frozen=True)
class Sighting:
    """Whom one view sees of those whom all views know."""

    people: Bodies
    """Everybody as they are at the view's stamp, in the fixed frame."""
    body: NDArray[np.intp]
    """(M,) of the view's bodies."""
    person: NDArray[np.intp]
    """(M,) who of the people each of them is."""
    angles: Array
    """(M, 34) radians at the camera from each joint as the view has it to the fused one."""
    pixels: Array
    """(M, 34) the same in the image; NaN where the camera's calibration is not known."""

    def means(self) -> tuple[Array, Array]:
        """(M,) of each person's angles, in degrees, and of the pixels."""
        return _mean(np.degrees(self.angles)), _mean(self.pixels)


def sighting(view: View, people: Bodies, stamp: int) -> Sighting:
    """Compare a view with everybody as they are at a stamp, in the fixed frame.

    Whom the view means is told by directions alone, so that a camera whose place is wrong is
    compared, too, when what it sees was taken for nobody.
    """
    now = carried_on(people, (view.stamp - stamp) / 1e9)
    center = view.place[:3, 3]
    seen, fused = _directions(view.bodies.joints - center), _directions(now.joints - center)
    angles = 2 * np.arcsin(np.linalg.norm(seen[:, None] - fused, axis=3) / 2)
    count = np.isfinite(angles).sum(axis=2)
    mean = np.where(count >= _FEWEST_JOINTS, np.nansum(angles, axis=2) / np.maximum(count, 1), 4)
    body, person = linear_sum_assignment(mean)
    near = mean[body, person] < _FARTHEST
    body, person = body[near], person[near]
    off = view.pixels(now.joints[person]) - view.bodies.pixels[body]
    return Sighting(now, body, person, angles[body, person], np.linalg.norm(off, axis=2))


class Fit:
    """How well the places of several cameras fit, over time."""

    def __init__(self, cameras: Sequence[str]) -> None:
        self.since: dict[str, int] = {}
        """Of the cameras whose place is wrong: the stamp since when it is."""
        self._rows = {name: slice(3 * n, 3 * n + 3) for n, name in enumerate(cameras)}
        self._looks: deque[tuple[int, Array, Array]] = deque()
        self._off = dict.fromkeys(cameras, np.nan)

    @property
    def degrees_off(self) -> Mapping[str, float]:
        """By how much each camera would have to be turned to fit; NaN while nobody knows."""
        return self._off

    def add(
        self, views: Mapping[str, View], people: Bodies, stamp: int, tolerance: float
    ) -> dict[str, Sighting]:
        """Look whether views fit; a camera is wrong from so many degrees on.

        Args:
            views: What each camera saw last, by its name.
            people: Everybody at a stamp, in the fixed frame.
            stamp: Nanoseconds.
            tolerance: Degrees.

        Returns:
            What each view sees of them; nothing where the last look was a moment ago.
        """
        if self._looks and not 0 <= stamp - self._looks[-1][0] <= WINDOW * 1e9:
            self._looks.clear()
        if self._looks and stamp - self._looks[-1][0] < _APART * 1e9:
            return {}
        seen = select(people, people.state != STATE_COASTING)
        sightings = {
            name: sighting(view, seen, stamp)
            for name, view in views.items()
            if stamp - view.stamp <= _TOGETHER * 1e9
        }
        self._looks.append((stamp, *self._equations(views, sightings, len(seen))))
        while stamp - self._looks[0][0] > WINDOW * 1e9:
            self._looks.popleft()
        if len(self._looks) >= _FEWEST:
            self._judge(stamp, tolerance)
        return sightings

    def _equations(
        self, views: Mapping[str, View], sightings: Mapping[str, Sighting], people: int
    ) -> tuple[Array, Array]:
        """The normal equations (3C, 3C) and (3C,) of the turns of C cameras, joints eliminated."""
        joints, cameras = people * JOINT_COUNT, len(self._rows)
        off, toward = np.zeros((cameras, joints, 3)), np.zeros((cameras, joints, 3, 3))
        turn = np.zeros((cameras, joints, 3, 3))
        for n, name in enumerate(self._rows):
            if name in sightings:
                index, *linear = _linear(views[name], sightings[name])
                off[n, index], toward[n, index], turn[n, index] = linear
        by_joint = _squared(toward, toward).sum(axis=0)
        drawn = _squared(toward, off[..., None]).sum(axis=0)
        mixed = np.concatenate(list(_squared(toward, turn)), axis=2)
        # Along a single ray nothing is known of a joint, and nothing is asked.
        length = np.trace(by_joint, axis1=1, axis2=2)[:, None, None]
        moved = np.linalg.solve(
            by_joint + (1e-9 * length + 1e-12) * np.eye(3), np.concatenate([mixed, drawn], axis=2)
        )
        less = _squared(mixed, moved).sum(axis=0)
        normal, pull = -less[:, :-1], less[:, -1]
        for n, rows in enumerate(self._rows.values()):
            normal[rows, rows] += _squared(turn[n], turn[n]).sum(axis=0)
            pull[rows] -= _squared(turn[n], off[n, ..., None]).sum(axis=0)[:, 0]
        return normal / JOINT_COUNT, pull / JOINT_COUNT

    def _judge(self, stamp: int, tolerance: float) -> None:
        """Solve for everybody's turn at once."""
        normal = sum(look[1] for look in self._looks) + _STEADY * np.eye(3 * len(self._rows))
        turns = np.linalg.solve(normal, sum(look[2] for look in self._looks))
        for name, rows in self._rows.items():
            off = self._off[name] = float(np.degrees(np.linalg.norm(turns[rows])))
            if off < _LEVELLED * tolerance:
                self.since.pop(name, None)
            elif off > tolerance:
                self.since.setdefault(name, stamp)


def _linear(view: View, found: Sighting) -> tuple[NDArray[np.intp], Array, Array, Array]:
    """What joints (J,), by their place among everybody's, a view sees, and how that would change.

    Of a camera at c that sees a joint at x along d, with f the direction of x - c: across f,
    d + turn x d - f is to be nought, where f changes with (change of x) / |x - c|.

    Returns:
        Which joints, d - f (J, 3), how f changes with x (J, 3, 3), how d changes with the turn.
    """
    near = found.angles < _FARTHEST
    person, joint = np.broadcast_to(found.person[:, None], near.shape)[near], np.nonzero(near)[1]
    center = view.place[:3, 3]
    rays = found.people.joints[person, joint] - center
    seen = _directions(view.bodies.joints[found.body][near] - center)
    far = np.linalg.norm(rays, axis=1, keepdims=True)
    fused = rays / far
    across = np.eye(3) - fused[:, :, None] * fused[:, None]
    skew = np.cross(np.eye(3), seen[:, None])  # row n: the n-th axis x seen
    return (
        person * JOINT_COUNT + joint,
        (across @ (seen - fused)[..., None])[..., 0],
        across / far[..., None],
        across @ skew.transpose(0, 2, 1),
    )


def _mean(values: Array) -> Array:
    """(M,) of the numbers there are in (M, 34); NaN where there are none."""
    there = np.isfinite(values)
    total = np.where(there, values, 0).sum(axis=1)
    return np.asarray(np.where(there.any(axis=1), total / np.maximum(there.sum(axis=1), 1), np.nan))


def _squared(left: Array, right: Array) -> Array:
    """The transposed of matrices (..., 3, n) times others (..., 3, m)."""
    return np.asarray(np.swapaxes(left, -1, -2) @ right)


def _directions(rays: Array) -> Array:
    return np.asarray(rays / np.linalg.norm(rays, axis=-1, keepdims=True))

"""``moveit_msgs/PlanningScene`` diffs: people as cylinders and spheres to keep clear of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ...body.shape import SEGMENTS, SIGMAS, Capsules, capsules
from ...body.skeleton import JOINT_COUNT
from ..cdr import Pieces, array, joined, number, numbers, sequence, string
from ..pose_cdr import Poses
from . import Make, Ready, Sent

Array = NDArray[np.float64]

TOPIC = "planning_scene"
RATE = 10.0
"""Updates a second at most: a planner needs no more, and each is a scene's work."""
ADDED_AGAIN = 2_000_000_000
"""Nanoseconds after which an object is added anew though it fits: a planner that started meanwhile,
or lost an update, knows of nobody, and what it does not know it does not move."""
_TYPE = "moveit_msgs/msg/PlanningScene"
_ADD, _REMOVE, _MOVE = 0, 1, 3  # moveit_msgs/CollisionObject
_AT_ORIGIN = np.array([0.0, 0, 0, 0, 0, 0, 1])
_SPHERE, _CYLINDER = 2, 3  # shape_msgs/SolidPrimitive
_STEP = 0.02
"""Radii and lengths are rounded up to it, so that a standing person keeps the same shapes."""
_SIZES_KEPT = 1024
"""Shapes of a size are made once: so rounded, people's are the same again and again."""


@dataclass(frozen=True)
class Solids:
    """The shapes of one person: a cylinder a limb, and a sphere at each joint where limbs end."""

    kind: NDArray[np.uint8]
    """(S,) of SolidPrimitive."""
    size: Array
    """(S, 2) metres: radius, and height of a cylinder."""
    place: Array
    """(S, 3) metres."""
    turn: Array
    """(S, 4) quaternions x y z w: a cylinder lies along z."""

    def hold(self, points: Array) -> NDArray[np.bool_]:
        """(P,) whether points (P, 3) are inside of any of them."""
        axes = Rotation.from_quat(self.turn.reshape(-1, 4)).apply([0, 0, 1])
        offsets = points[:, None] - self.place
        radius, height = self.size.T
        along = (offsets * axes).sum(axis=2)
        aside = np.linalg.norm(offsets - along[..., None] * axes, axis=2)
        in_cylinder = (aside <= radius) & (np.abs(along) <= height / 2)
        in_sphere = np.linalg.norm(offsets, axis=2) <= radius
        held = np.where(self.kind == _CYLINDER, in_cylinder, in_sphere).any(axis=1)
        return np.asarray(held, bool)

    def fits(self, other: Solids) -> bool:
        """Whether this one's shapes, moved, hold the other's, and are not much larger."""
        if not np.array_equal(self.kind, other.kind):
            return False
        spare = self.size - other.size
        return bool((spare > -1e-9).all() and (spare < 3 * _STEP).all())


def solids(limbs: Capsules, sigmas: float = SIGMAS) -> Solids:
    """The shapes that hold one person's limbs, within so many standard deviations of the joints.

    Limbs that meet share the sphere of the thickest of them, which holds the others'.
    """
    count = len(limbs.radius)
    along = limbs.ends[:, 1] - limbs.ends[:, 0]
    length = np.linalg.norm(along, axis=1)
    radius = np.ceil(limbs.grown(sigmas) / _STEP) * _STEP
    height = np.ceil(length / _STEP) * _STEP
    ends = SEGMENTS[limbs.segment]
    largest, places = np.zeros(JOINT_COUNT), np.zeros((JOINT_COUNT, 3))
    np.maximum.at(largest, ends, radius[:, None])
    places[ends] = limbs.ends
    joints = np.flatnonzero(largest)
    turn = np.tile([0.0, 0.0, 0.0, 1.0], (count + len(joints), 1))
    if count:
        turn[:count] = _from_z(along / np.maximum(length, 1e-9)[:, None])
    return Solids(
        kind=np.repeat(np.array([_CYLINDER, _SPHERE], np.uint8), [count, len(joints)]),
        size=np.stack([np.append(radius, largest[joints]), np.append(height, 0 * joints)], -1),
        place=np.concatenate([limbs.ends.mean(axis=1), places[joints]]),
        turn=turn,
    )


def _from_z(directions: Array) -> Array:
    """(S, 4) quaternions that turn z onto unit vectors (S, 3), the shortest way."""
    x, y, z = directions.T
    quaternions = np.stack([-y, x, np.zeros_like(z), 1 + z], -1)
    back = z < -1 + 1e-9
    quaternions[back] = 1, 0, 0, 0
    return np.asarray(quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True))


class CollisionObjects:
    """Adds, moves and removes a collision object ``person_<id>`` with the life of each track.

    An object is moved while its shapes still hold the person, and added anew, which replaces it,
    when they do not, and every two seconds. Objects stay when poses stop: a person does not leave
    because a camera died.
    """

    def __init__(self, make: Make, rate: float = RATE) -> None:
        self.ended: tuple[str, ...] = ()
        self._make = make
        self._least = round(1e9 / rate)
        self._due = 0
        self._known: dict[int, tuple[Solids, int]] = {}
        """By track id: the shapes that planners have, and when they were sent."""
        make.fields(_TYPE)  # missing packages are told when the output is made
        self._primitive = lru_cache(_SIZES_KEPT)(self._made_primitive)

    def __call__(self, poses: Poses) -> list[Sent]:
        """The changes since the last scene, unless that was a moment ago."""
        if self._early(poses.stamp):
            return []
        bodies, head = poses.bodies, self._make.header(poses.stamp, poses.frame_id)
        changes, seen = [], set()
        for n, identity in enumerate(bodies.track_id.tolist()):
            seen.add(identity)
            now = solids(capsules(bodies.joints[[n]], bodies.covariance[[n]]))
            if not len(now.kind):
                continue  # whose place nobody knows stays where they were: MoveIt wants shapes
            moved = self._holds(identity, now, poses.stamp)
            if not moved:
                self._known[identity] = now, poses.stamp
            changes.append(
                self._move(head, identity, now) if moved else self._add(head, identity, now)
            )
        for identity in self._known.keys() - seen:
            del self._known[identity]
            changes.append(self._change(head, identity, _REMOVE))
        return [(TOPIC, self._diff(changes))]

    def _holds(self, identity: int, now: Solids, stamp: int) -> bool:
        """Whether what planners were sent a moment ago holds somebody."""
        if identity not in self._known:
            return False
        sent, when = self._known[identity]
        return 0 <= stamp - when < ADDED_AGAIN and sent.fits(now)

    def _early(self, stamp: int) -> bool:
        """Whether the next update is not due yet.

        Updates are due at even times, not a period after the last: that would make 7.5 Hz out of
        10 where a camera's third image comes a little before 0.1 s.
        """
        late = stamp - self._due
        if -self._least <= late < 0:
            return True
        self._due = (self._due if 0 <= late < self._least else stamp) + self._least
        return False

    def silent(self, now: int) -> list[Sent]:
        """Nothing: everybody stays where they were seen last."""
        return []

    def _add(self, head: Pieces, identity: int, shapes: Solids) -> Pieces:
        sizes = zip(shapes.kind.tolist(), *shapes.size.T.tolist(), strict=True)
        primitives = sequence([self._primitive(*each) for each in sizes])
        places = _places(shapes)
        return self._change(head, identity, _ADD, primitives=primitives, primitive_poses=places)

    def _move(self, head: Pieces, identity: int, shapes: Solids) -> Pieces:
        """Places alone: MoveIt moves the shapes that it has."""
        return self._change(head, identity, _MOVE, primitive_poses=_places(shapes))

    def _change(self, head: Pieces, identity: int, operation: int, **shapes: Pieces) -> Pieces:
        return self._make.part(
            "moveit_msgs/msg/CollisionObject",
            header=head,
            pose=numbers(_AT_ORIGIN),
            id=string(f"person_{identity}"),
            operation=number(operation, "B"),
            **shapes,
        )

    def _made_primitive(self, kind: int, radius: float, height: float) -> Pieces:
        """SolidPrimitive wants a cylinder's height before its radius."""
        dimensions = array(np.array([height, radius] if kind == _CYLINDER else [radius]))
        primitive = self._make.part(
            "shape_msgs/msg/SolidPrimitive", type=number(kind, "B"), dimensions=dimensions
        )
        return joined(primitive)

    def _diff(self, changes: list[Pieces]) -> Ready:
        """One scene with all changes, so that none is lost or seen without the others."""
        part, is_diff = self._make.part, number(True, "?")
        return self._make(
            _TYPE,
            is_diff=is_diff,
            robot_state=part("moveit_msgs/msg/RobotState", is_diff=is_diff),
            world=part("moveit_msgs/msg/PlanningSceneWorld", collision_objects=sequence(changes)),
        )


def _places(shapes: Solids) -> Pieces:
    """An array of poses."""
    return array(np.concatenate([shapes.place, shapes.turn], axis=1))

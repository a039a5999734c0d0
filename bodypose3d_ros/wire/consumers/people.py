"""``people_msgs/People``: where people stand on the floor and how they walk, for costmaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...body.people import STATE_NAMES, select
from ...body.skeleton import INDEX, known
from ..cdr import Pieces, number, numbers, sequence, string
from ..pose_cdr import Poses
from . import Make, Sent

Array = NDArray[np.float64]

TOPIC = "people"
_TYPE = "people_msgs/msg/People"
_PELVIS = INDEX["pelvis"]


class People:
    """Position and velocity of everybody's pelvis, put on the floor.

    The poses have to be in a frame whose z is up and whose floor is z = 0. People whose pelvis is
    unknown are left out; an unknown velocity is zero, as the consumers expect of people who stand.
    """

    def __init__(self, make: Make) -> None:
        self.ended: tuple[str, ...] = ()
        self._make = make
        make.fields(_TYPE)  # missing packages are told when the output is made

    def __call__(self, poses: Poses) -> list[Sent]:
        """Everybody, also when nobody is there."""
        bodies = select(poses.bodies, known(poses.bodies.joints[:, _PELVIS]))
        places, velocities = bodies.joints[:, _PELVIS].copy(), bodies.velocity[:, _PELVIS]
        velocities = np.where(known(velocities)[:, None], velocities, 0)
        places[:, 2] = velocities[:, 2] = 0
        each = zip(
            bodies.track_id.tolist(), places, velocities, bodies.score, bodies.state, strict=True
        )
        people = [self._one(*one) for one in each]
        head = self._make.header(poses.stamp, poses.frame_id)
        return [(TOPIC, self._make(_TYPE, header=head, people=sequence(people)))]

    def silent(self, now: int) -> list[Sent]:
        """Nothing: consumers keep the people of the last message, and none may be told as new."""
        return []

    def _one(
        self, identity: int, place: Array, velocity: Array, score: float, state: int
    ) -> Pieces:
        return self._make.part(
            "people_msgs/msg/Person",
            name=string(str(identity)),
            position=numbers(place),
            velocity=numbers(velocity),
            reliability=number(score, "d"),
            tagnames=sequence([string("state")]),
            tags=sequence([string(STATE_NAMES[state])]),
        )

"""``people_msgs/People``: where people stand on the floor and how they walk, for costmaps."""

from __future__ import annotations

import numpy as np

from ...body.people import STATE_NAMES, Bodies
from ...body.skeleton import INDEX, known
from ..messages import Message
from ..pose_cdr import Poses
from . import Make, Sent

TOPIC = "people"
_PELVIS = INDEX["pelvis"]


class People:
    """Position and velocity of everybody's pelvis, put on the floor.

    The poses have to be in a frame whose z is up and whose floor is z = 0. People whose pelvis is
    unknown are left out; an unknown velocity is zero, as the consumers expect of people who stand.
    """

    def __init__(self, make: Make) -> None:
        self.ended: tuple[str, ...] = ()
        self._make = make
        self._person = make.type("people_msgs/msg/Person")
        self._people = make.type("people_msgs/msg/People")

    def __call__(self, poses: Poses) -> list[Sent]:
        """Everybody, also when nobody is there."""
        bodies = poses.bodies
        people = [
            self._one(bodies, n) for n in np.flatnonzero(known(bodies.joints[:, _PELVIS])).tolist()
        ]
        header = self._make.header(poses.stamp, poses.frame_id)
        return [(TOPIC, self._people(header=header, people=people))]

    def silent(self, now: int) -> list[Sent]:
        """Nothing: consumers keep the people of the last message, and none may be told as new."""
        return []

    def _one(self, bodies: Bodies, n: int) -> Message:
        x, y, _ = bodies.joints[n, _PELVIS]
        velocity = bodies.velocity[n, _PELVIS]
        vx, vy, _ = velocity if known(velocity) else (0, 0, 0)
        return self._person(
            name=str(bodies.track_id[n]),
            position=self._make.point((x, y, 0)),
            velocity=self._make.point((vx, vy, 0)),
            reliability=float(bodies.score[n]),
            tagnames=["state"],
            tags=[STATE_NAMES[bodies.state[n]]],
        )

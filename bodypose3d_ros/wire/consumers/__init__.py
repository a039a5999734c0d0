"""People as the messages of other programs: one module for each kind of output.

Each is made with ``Make`` and called with the ``Poses`` of every image; it answers with what is to
be sent. Message classes are looked up when the output is made, so that the packages they come from
are needed only where it is on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..messages import Lookup, Message
from ..pose_cdr import Poses

Numbers = Sequence[float] | NDArray[np.floating]
Sent = tuple[str, Message]
"""A topic, as written before remapping, and the message for it."""


class Output(Protocol):
    """What the bridge asks of each kind of output."""

    def __call__(self, poses: Poses) -> list[Sent]:
        """What to send about the people of one image."""

    ended: tuple[str, ...]
    """What the topics of people begin with who were there before the last call and are gone."""

    def silent(self, now: int) -> list[Sent]:
        """What to send, once, when poses have stopped coming; ``now`` in nanoseconds."""


class Make:
    """Makes the messages that all outputs are built of, in one host's classes."""

    def __init__(
        self,
        lookup: Lookup,
        empty: Callable[[str], Message],
        numbers: Callable[[Numbers], Any] = list,
    ) -> None:
        """Take the host's ways.

        Args:
            lookup: Gives the class of a full name like ``people_msgs/msg/Person``.
            empty: Makes a message of a full name with every field empty or zero.
            numbers: Makes what the host's classes want for a sequence of numbers.
        """
        self.type: Lookup = cache(lookup)
        self.empty = empty
        self.numbers = numbers

    def header(self, stamp: int, frame_id: str) -> Message:
        """``stamp`` in nanoseconds."""
        time = self.type("builtin_interfaces/msg/Time")(sec=stamp // 10**9, nanosec=stamp % 10**9)
        return self.type("std_msgs/msg/Header")(stamp=time, frame_id=frame_id)

    def point(self, xyz: Numbers) -> Message:
        """Metres."""
        x, y, z = map(float, xyz)
        return self.type("geometry_msgs/msg/Point")(x=x, y=y, z=z)

    def vector(self, xyz: Numbers) -> Message:
        """In the unit of what it belongs to."""
        x, y, z = map(float, xyz)
        return self.type("geometry_msgs/msg/Vector3")(x=x, y=y, z=z)

    def pose(self, xyz: Numbers, xyzw: Numbers = (0, 0, 0, 1)) -> Message:
        """A place, and a quaternion."""
        turn = self.quaternion(xyzw)
        return self.type("geometry_msgs/msg/Pose")(position=self.point(xyz), orientation=turn)

    def quaternion(self, xyzw: Numbers) -> Message:
        """A rotation."""
        x, y, z, w = map(float, xyzw)
        return self.type("geometry_msgs/msg/Quaternion")(x=x, y=y, z=z, w=w)

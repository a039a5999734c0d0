"""People as the messages of other programs: one module for each kind of output.

Each is made with ``Make`` and called with the ``Poses`` of every image; it answers with what is to
be sent. Message classes are looked up when the output is made, so that the packages they come from
are needed only where it is on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Nodetype
from rosbags.typesys.store import Typestore

from ..messages import Lookup, Message
from ..pose_cdr import Poses

Numbers = Sequence[float] | NDArray[np.floating]


@dataclass(frozen=True)
class Ready:
    """A message that is CDR already: many small objects take longer to make than anything else."""

    __msgtype__: str
    cdr: bytes


Sent = tuple[str, Message | Ready]
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
    """Makes messages of rosbags' classes, on every host: rclpy's take ten times as long.

    Fields go by their names, so that a distribution whose messages have more of them is no other
    case: ``filled`` fills them all.
    """

    def __init__(self, types: Typestore, define: Callable[[str], None] | None = None) -> None:
        """Take the types.

        Args:
            types: What is known of them; ``define`` adds to it.
            define: Adds a type that is missing, by its full name ``people_msgs/msg/Person``;
                raises ImportError where its package is not installed.
        """
        self._types = types
        self._define = define
        self.type: Lookup = cache(self._class)
        self._empty = cache(self._fields)

    def _class(self, name: str) -> Any:  # noqa: ANN401 - rosbags makes the classes
        if name not in self._types.types:
            if self._define is None:
                raise ModuleNotFoundError(f"no message {name}", name=name.split("/")[0])
            self._define(name)
        return self._types.types[name]

    def cdr(self, message: Message | Ready) -> bytes:
        """A message as it goes over the wire."""
        if isinstance(message, Ready):
            return message.cdr
        return bytes(self._types.serialize_cdr(message, message.__msgtype__))

    def filled(self, name: str, **given: object) -> Message:
        """A message of a full name with some fields given and every other empty or zero.

        Messages share what is empty in them: it is replaced, never changed.
        """
        return self.type(name)(**{**self._empty(name), **given})

    def _fields(self, name: str) -> dict[str, Any]:
        return {field: self._nothing(what) for field, what in self._types.fielddefs[name][1]}

    def _nothing(self, description: tuple[Any, Any]) -> Any:  # noqa: ANN401 - of any field's type
        kind, what = description
        if kind == Nodetype.NAME:
            return self.filled(what)
        if kind == Nodetype.BASE:
            return _zero(what[0])
        element, count = what
        if element[0] == Nodetype.BASE and element[1][0] != "string":
            return np.zeros(count, _dtype(element[1][0]))
        return [self._nothing(element) for _ in range(count)]

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


def _zero(base: str) -> str | int | float | bool:
    if base in ("string", "wstring"):
        return ""
    value: int | float | bool = np.zeros(1, _dtype(base))[0].item()
    return value


def _dtype(base: str) -> str:
    """The array type of an IDL base type."""
    return {"byte": "int8", "octet": "uint8", "char": "uint8"}.get(base, base)

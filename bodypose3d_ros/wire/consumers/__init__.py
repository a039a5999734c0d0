"""People as the messages of other programs: one module for each kind of output.

Each is made with ``Make`` and called with the ``Poses`` of every image; it answers with what is to
be sent. Message types are looked up when the output is made, so that the packages they come from
are needed only where it is on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import chain, groupby
from typing import Any, Protocol

from rosbags.interfaces import Nodetype
from rosbags.typesys.store import Typestore

from ...errors import InputError
from ..cdr import NOTHING, Pieces, header, joined, message, string
from ..pose_cdr import Poses


@dataclass(frozen=True)
class Ready:
    """A message as it goes over the wire: many small objects take longer to make than all else."""

    __msgtype__: str
    cdr: bytes


Sent = tuple[str, Ready]
"""A topic, as written before remapping, and the message for it."""


class Output(Protocol):
    """What the bridge asks of each kind of output."""

    def __call__(self, poses: Poses) -> list[Sent]:
        """What to send about the people of one image."""

    ended: tuple[str, ...]
    """What the topics of people begin with who were there before the last call and are gone."""

    def silent(self, now: int) -> list[Sent]:
        """What to send, once, when poses have stopped coming; ``now`` in nanoseconds."""


_SIZES = {
    **dict.fromkeys(("bool", "byte", "char", "int8", "uint8"), 1),
    **dict.fromkeys(("int16", "uint16"), 2),
    **dict.fromkeys(("int32", "uint32", "float32"), 4),
    **dict.fromkeys(("int64", "uint64", "float64"), 8),
}


class Make:
    """Makes messages, on every host, of what is known of the types there.

    Fields go by their names, so that a distribution whose messages have more of them is no other
    case: what is not given is empty or zero.
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
        self.fields = cache(self._fields)
        self._plan = cache(self._planned)

    def __call__(self, name: str, /, **given: Pieces) -> Ready:
        """A message of a full name with some fields given."""
        return Ready(name, message(self.part(name, **given)))

    def part(self, name: str, /, **given: Pieces) -> Pieces:
        """The same as part of another.

        Raises:
            InputError: It has no such field.
        """
        pieces: list[tuple[int, bytes]] = []
        for field, nothing in self._plan(name, tuple(given)):
            pieces += given[field] if field else nothing
        return pieces

    def header(self, stamp: int, frame_id: str) -> Pieces:
        """``stamp`` in nanoseconds."""
        return [(4, header(stamp, frame_id))]

    def _fields(self, name: str) -> dict[str, Pieces]:
        """The fields of a message in their order, with nothing in them.

        Raises:
            ImportError: Nobody knows the message.
        """
        if name not in self._types.fielddefs:
            if self._define is None:
                raise ModuleNotFoundError(f"no message {name}", name=name.split("/")[0])
            self._define(name)
        fields = self._types.fielddefs[name][1]
        return {field: joined(self._nothing(what)) for field, what in fields}

    def _planned(self, name: str, given: tuple[str, ...]) -> list[tuple[str, Pieces]]:
        """In order the fields that are given and, without a name, what is between them."""
        empty = self.fields(name)
        if unknown := set(given) - empty.keys():
            raise InputError(
                f"{name} has no {', '.join(sorted(unknown))} here: its package is of a version "
                "that bodypose3d_ros does not know"
            )
        plan: list[tuple[str, Pieces]] = []
        for is_given, fields in groupby(empty, given.__contains__):
            if is_given:
                plan += [(field, []) for field in fields]
            else:
                plan.append(("", joined([*chain.from_iterable(empty[each] for each in fields)])))
        return plan

    def _nothing(self, description: tuple[Any, Any]) -> Pieces:
        kind, what = description
        if kind == Nodetype.NAME:
            return [*chain.from_iterable(self.fields(what).values())]
        if kind == Nodetype.SEQUENCE:
            return NOTHING
        if kind == Nodetype.ARRAY:
            element, count = what
            return [*self._nothing(element)] * int(count)
        if what[0] == "string":
            return string("")
        size = _SIZES[what[0]]
        return [(size, bytes(size))]

"""What messages that are laid out by hand share: OMG DDS-XTypes 1.3, 7.4.3, encoding version 1.

Little endian; a value of n bytes begins on a multiple of n, counted from behind the encapsulation.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from numpy.typing import NDArray

ENCAPSULATION = b"\x00\x01\x00\x00"

Pieces = Sequence[tuple[int, bytes]]
"""Part of a message, wherever in it: bytes, and the size of the value that they begin with, before
which CDR leaves room."""
NOTHING: Pieces = ((4, bytes(4)),)
"""An array without elements."""


def following(at: int, size: int) -> int:
    """The next multiple of ``size``, where CDR puts a value of that size."""
    return at + -at % size


def aligned(message: bytes, size: int) -> bytes:
    """The message with zeros up to where a value of that size goes."""
    return message + bytes(-len(message) % size)


@lru_cache(1024)
def text(content: str) -> bytes:
    """A string: its length, the bytes, and their end, up to where the next string may begin.

    Those last sent are kept: the names of frames are the same in every image.
    """
    ((_, values),) = string(content)
    return aligned(values, 4)


def header(stamp: int, frame_id: str) -> bytes:
    """A ``Header``; ``stamp`` in nanoseconds."""
    return struct.pack("<iI", stamp // 10**9, stamp % 10**9) + text(frame_id)


def joined(pieces: Pieces) -> Pieces:
    """The same in fewer: behind a value of 8 bytes it is known where one of 4 goes."""
    whole: list[tuple[int, bytearray]] = []
    for size, values in pieces:
        if whole and size <= whole[-1][0]:
            before = whole[-1][1]
            before += bytes(-len(before) % size) + values
        else:
            whole.append((size, bytearray(values)))
    return [(size, bytes(values)) for size, values in whole]


def message(pieces: Pieces) -> bytes:
    """A whole message."""
    parts, at = [ENCAPSULATION], 0
    for size, values in pieces:
        if gap := -at % size:
            parts.append(bytes(gap))
        parts.append(values)
        at += gap + len(values)
    return b"".join(parts)


def number(value: float, kind: str) -> Pieces:
    """A number, of a kind that ``struct`` knows: ``d`` a double, ``I`` an unsigned integer."""
    values = struct.pack("<" + kind, value)
    return ((len(values), values),)


def string(content: str) -> Pieces:
    """A string."""
    content_bytes = content.encode() + b"\0"
    return ((4, struct.pack("<I", len(content_bytes)) + content_bytes),)


def numbers(values: NDArray[Any]) -> Pieces:
    """Numbers whose count the message's type says, in the type that they have."""
    return ((values.itemsize, values.tobytes()),)


def array(rows: NDArray[Any]) -> Pieces:
    """An array of numbers, or of messages that are nothing but a row of them (N, M)."""
    return elements(len(rows), numbers(rows))


def sequence(parts: Sequence[Pieces]) -> Pieces:
    """An array of anything else."""
    return elements(len(parts), list(chain.from_iterable(parts)))


def elements(count: int, pieces: Pieces) -> Pieces:
    """So many elements, laid out already."""
    return ((4, struct.pack("<I", count)), *pieces) if count else NOTHING

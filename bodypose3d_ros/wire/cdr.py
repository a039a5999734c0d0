"""What messages that are laid out by hand share: OMG DDS-XTypes 1.3, 7.4.3, encoding version 1.

Little endian; a value of n bytes begins on a multiple of n, counted from behind the encapsulation.
"""

from __future__ import annotations

import struct
from functools import lru_cache

ENCAPSULATION = b"\x00\x01\x00\x00"


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
    content_bytes = content.encode() + b"\0"
    return aligned(struct.pack("<I", len(content_bytes)) + content_bytes, 4)


def header(stamp: int, frame_id: str) -> bytes:
    """A ``Header``; ``stamp`` in nanoseconds."""
    return struct.pack("<iI", stamp // 10**9, stamp % 10**9) + text(frame_id)

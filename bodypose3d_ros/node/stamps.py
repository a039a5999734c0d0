"""Stamps of messages."""

from ..messages import Message


def stamp_of(message: Message) -> int:
    """The stamp of a message with a header, in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)

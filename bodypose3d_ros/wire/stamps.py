"""Times of messages as nanoseconds."""

from .messages import Message


def nanoseconds(time: Message) -> int:
    """A ``builtin_interfaces/Time``."""
    return int(time.sec) * 10**9 + int(time.nanosec)


def stamp_of(message: Message) -> int:
    """The stamp of a message with a header."""
    return nanoseconds(message.header.stamp)

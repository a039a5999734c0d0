"""What carries the node's messages: rclpy, or our own DDS runtime."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..wire.messages import Message
from .interface import Topic


class Host(Protocol):
    """Sends messages, knows the time and the frames. Called from any thread."""

    def publish(self, topic: Topic, message: Message | bytes) -> None:
        """Send a message of the host's class, or one that is CDR already."""

    def subscribers(self, topic: Topic) -> int:
        """How many want it now."""

    def now(self) -> int:
        """ROS time in nanoseconds, which may be simulated."""

    def topic_name(self, topic: Topic) -> str:
        """What a topic is called in the graph, expanded and remapped."""

    def log(self, level: int, text: str) -> None:
        """Say something, at a level of ``logging``."""

    def lookup_transform(
        self, target: str, source: str, stamp: int, timeout: float
    ) -> NDArray[np.float64]:
        """The matrix (4, 4) from points in ``source`` to points in ``target`` at a time.

        Raises:
            TransformError: TF does not know it, after ``timeout`` seconds.
        """

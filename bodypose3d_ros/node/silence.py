"""Tells whoever reads the log that messages do not come which have to, and when they do again."""

from __future__ import annotations

import logging
import math
import time

from .host import Host
from .interface import Topic

# Drivers that are started with the node take so long; before that nobody waits for them.
_FIRST_S = 5.0
# Whoever comes and goes is told of once in so long.
_SAY_AGAIN_S = 60.0


class Silence:
    """Of one topic. Not for several threads at once."""

    def __init__(self, host: Host, what: str) -> None:
        """``what`` is to come, in the plural and with what stands before it in the log."""
        self._host = host
        self._what = what
        self._told = False
        self._said = -math.inf

    def look(self, topic: Topic, seconds: float, patience: float, *, ever: bool) -> None:
        """Say what is to be said now.

        Args:
            topic: Where it comes from.
            seconds: Since the last message, or since there could have been one.
            patience: How many are too many.
            ever: Whether there has been a message.
        """
        name, now = self._host.topic_name(topic), time.monotonic()
        if seconds <= (patience if ever else max(patience, _FIRST_S)):
            if self._told and ever:
                self._told = False
                self._host.log(logging.INFO, f"{self._what} come on {name} now")
        elif not self._told and now - self._said > _SAY_AGAIN_S:
            self._told, self._said = True, now
            self._host.log(
                logging.WARNING,
                f"{self._what} have not come on {name} for {seconds:.1f} s"
                + ("" if ever else " yet: does their publisher run, and is this its topic?"),
            )

"""One thread that always works on the newest item."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

# Threads of Python take turns. Whoever brings an item has work of its own, rclpy's executor up to a
# millisecond, which would delay the item's way into the network or to a GPU, where none is needed.
_HEAD_START_S = 0.002

ItemT = TypeVar("ItemT")


class Worker(Generic[ItemT]):
    """One item in work, at most one waiting: a newer one takes the waiting one's place.

    So latency stays bounded however slow the work is. What ``work`` raises ends the thread and
    is raised again by ``check``.
    """

    def __init__(
        self, work: Callable[[ItemT], None], name: str, when_free: Callable[[], None] | None = None
    ) -> None:
        """``when_free`` is called, in the worker's thread, whenever an item could be worked on.

        It may put one.
        """
        self.dropped = 0
        """Items that were never worked on because a newer one came."""
        self._work = work
        self._when_free = when_free or (lambda: None)
        self._waiting: ItemT | None = None
        self._free = self._idle = False
        self._stopping = False
        self._failure: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: ItemT) -> None:
        """Hand over an item. Returns at once, or when an idle worker has had a head start."""
        with self._changed:
            self.dropped += self._waiting is not None
            self._waiting, idle = item, self._idle
            self._changed.notify()
        if idle:
            time.sleep(_HEAD_START_S)

    @property
    def free(self) -> bool:
        """Whether an item would be worked on at once."""
        return self._free and self._waiting is None

    @property
    def idle(self) -> bool:
        """Whether it sleeps until an item comes."""
        return self._idle and self._waiting is None

    @property
    def behind(self) -> bool:
        """Whether a newer item waits."""
        return self._waiting is not None

    def check(self) -> None:
        """Raise what ended the thread, if anything did."""
        if self._failure is not None:
            raise self._failure

    def stop(self, patience: float | None = None) -> bool:
        """Finish the item in work, forget the one waiting, end the thread.

        Args:
            patience: Seconds after which the work is left alone; None: it is waited for.

        Returns:
            Whether it ended. Else it ends when its work does, and nobody hears of that.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while (item := self._next()) is not None:
                self._work(item)
        except Exception as error:  # noqa: BLE001 - raised again by check, in the host's thread
            self._failure = error

    def _next(self) -> ItemT | None:
        self._free = True
        if self.free:
            self._when_free()
        with self._changed:
            self._idle = True
            self._changed.wait_for(lambda: self._stopping or self._waiting is not None)
            self._free = self._idle = False
            item, self._waiting = self._waiting, None
            return None if self._stopping else item

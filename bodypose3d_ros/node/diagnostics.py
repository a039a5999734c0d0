"""How the node is: counts, rates, latency and trouble, for ``/diagnostics``."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

# diagnostic_msgs/DiagnosticStatus
OK, WARN, ERROR = range(3)

_WINDOW_S = 5.0
_WINDOW_FRAMES = 600
# The same kind of trouble is logged once in so long.
_SAY_AGAIN_S = 60.0
# What the node adds to what its networks take until the poses are out.
_ADDED = "latency less network"


@dataclass(frozen=True)
class Report:
    """A ``diagnostic_msgs/DiagnosticStatus``, of any host."""

    level: int
    message: str
    values: dict[str, str]


@dataclass
class _Events:
    """When something happened lately, and a number that belongs to it: milliseconds."""

    times: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW_FRAMES))
    numbers: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW_FRAMES))
    count: int = 0

    def add(self, now: float, number: float = 0.0) -> None:
        self.times.append(now)
        self.numbers.append(number)
        self.count += 1

    def rate(self, now: float) -> float:
        """Events a second over the last seconds, by the gaps between them."""
        recent = [t for t in self.times if now - t < _WINDOW_S]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 else 0.0

    def percentile(self, now: float, percent: float) -> str:
        """Of the numbers of the last seconds, to a tenth; nan where there are none."""
        pairs = zip(self.times, self.numbers, strict=True)
        recent = [number for t, number in pairs if now - t < _WINDOW_S]
        return f"{np.percentile(recent, percent):.1f}" if recent else "nan"


class Diagnostics:
    """Counts what happens to frames. Any thread may tell."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received, self._published, self._skipped = _Events(), _Events(), _Events()
        self._added = _Events()
        self._stages: defaultdict[str, _Events] = defaultdict(_Events)
        self._lost = 0
        self._problem = ""
        self._last_problem = ""
        self._said: dict[type[Exception], float] = {}

    def lost(self, count: int) -> bool:
        """Images were lost on the way here. Returns whether that is news."""
        with self._lock:
            news, self._lost = not self._lost, self._lost + count
            return news and count > 0

    def received(self, age: float) -> None:
        """An image has come, ``age`` seconds after its stamp."""
        with self._lock:
            self._received.add(time.monotonic(), age * 1e3)

    def published(self, latency: float, network: float) -> None:
        """Poses went out.

        Args:
            latency: Seconds after their image's stamp.
            network: Seconds of it that the networks ran.
        """
        with self._lock:
            now = time.monotonic()
            self._published.add(now, latency * 1e3)
            self._added.add(now, (latency - network) * 1e3)
            self._problem = ""

    def worked(self, stages: Mapping[str, float]) -> None:
        """An image is done with: milliseconds of each stage, before and after publishing."""
        with self._lock:
            now = time.monotonic()
            for stage, milliseconds in stages.items():
                self._stages[stage].add(now, milliseconds)

    def skipped(self, reason: Exception) -> bool:
        """An image could not be used. Returns whether that should be said, again or at all."""
        with self._lock:
            now = time.monotonic()
            self._skipped.add(now)
            self._problem = self._last_problem = str(reason)
            news = now - self._said.get(type(reason), -_SAY_AGAIN_S) >= _SAY_AGAIN_S
            if news:
                self._said[type(reason)] = now
            return news

    def report(self, *, stale_after: float, dropped: int, facts: dict[str, str]) -> Report:
        """The state now.

        Args:
            stale_after: Seconds without an image that are too many.
            dropped: Images that were overtaken by newer ones.
            facts: What else to tell: the model, the engine.
        """
        with self._lock:
            now = time.monotonic()
            level, message = self._summary(now, stale_after)
            values = {
                "input rate (Hz)": f"{self._received.rate(now):.1f}",
                "output rate (Hz)": f"{self._published.rate(now):.1f}",
                "image age on arrival, median (ms)": self._received.percentile(now, 50),
                "latency, median (ms)": self._published.percentile(now, 50),
                "latency, 95th percentile (ms)": self._published.percentile(now, 95),
                "images received": str(self._received.count),
                "images lost on the way": str(self._lost),
                "images dropped for newer ones": str(dropped),
                "images skipped": str(self._skipped.count),
                "poses published": str(self._published.count),
                "last problem": self._last_problem,
                **facts,
                **{
                    f"{stage}, median (ms)": events.percentile(now, 50)
                    for stage, events in self._stages.items()
                },
                f"{_ADDED}, median (ms)": self._added.percentile(now, 50),
                f"{_ADDED}, 95th percentile (ms)": self._added.percentile(now, 95),
            }
            return Report(level, message, values)

    def _summary(self, now: float, stale_after: float) -> tuple[int, str]:
        if not self._received.count:
            return WARN, "no image has come yet"
        silence = now - self._received.times[-1]
        if silence > stale_after:
            return WARN, f"no image for {silence:.0f} s"
        if self._problem:
            return ERROR, self._problem
        return OK, f"{self._published.rate(now):.1f} Hz"

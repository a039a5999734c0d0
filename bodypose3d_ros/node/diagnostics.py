"""How the node is: counts, rates, latency and trouble, for ``/diagnostics``."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from ..errors import Bodypose3dError, ImageError
from .sockets import mend

# diagnostic_msgs/DiagnosticStatus
OK, WARN, ERROR = range(3)

MISSING_AFTER_S = 0.8
"""What is missing from time to time only, as depth at half the images' rate, is no trouble."""
LONGEST_TEXT = 400
"""Characters of a reason that are told: others' names in it may be of any length."""

_WINDOW_S = 5.0
_WINDOW_FRAMES = 600
# The same kind of trouble is logged once in so long.
_SAY_AGAIN_S = 60.0
# Images so far from the time here, before or behind, are stamped by another clock.
_OTHER_CLOCK_S = 2.0
# An image comes and no poses leave for so long after it: the node is blind.
_BLIND_AFTER_S = 1.0
# Who publishes so many CameraInfos for so long is at work: images come with them, or are lost.
_TOLD_OFTEN, _TOLD_FOR_S, _HEARD = 8, 2.0, 0.4
# What the node adds to what its networks take until the poses are out.
_ADDED = "latency less network"


class State(IntEnum):
    """Alive.msg's constants."""

    OK = 0
    """Poses leave, with all they were to rest on."""
    DEGRADED = 1
    """Poses leave, but something is missing."""
    BLIND = 2
    """Images come, and no poses leave."""
    STALE = 3
    """What was last worked on is old."""


@dataclass(frozen=True)
class Report:
    """A ``diagnostic_msgs/DiagnosticStatus``, of any host."""

    level: int
    message: str
    values: dict[str, str]


@dataclass
class Events:
    """When something happened lately, and a number that belongs to it: milliseconds."""

    times: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW_FRAMES))
    numbers: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW_FRAMES))
    count: int = 0

    def add(self, now: float, number: float = 0.0) -> None:
        """It has happened again."""
        self.times.append(now)
        self.numbers.append(number)
        self.count += 1

    def rate(self, now: float) -> float:
        """Events a second over the last seconds, by the gaps between them."""
        recent = [t for t in self.times if now - t < _WINDOW_S]
        passed = recent[-1] - recent[0] if recent else 0.0
        return (len(recent) - 1) / passed if passed > 0 else 0.0

    def percentile(self, now: float, percent: float) -> str:
        """Of the numbers of the last seconds, to a tenth; nan where there are none."""
        pairs = zip(self.times, self.numbers, strict=True)
        recent = [number for t, number in pairs if now - t < _WINDOW_S]
        return f"{np.percentile(recent, percent):.1f}" if recent else "nan"


class Diagnostics:
    """Counts what happens to frames. Any thread may tell."""

    def __init__(self) -> None:
        self.newest: int | None = None
        """The stamp of the newest image whose poses went out, nanoseconds."""
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._received, self._published, self._skipped = Events(), Events(), Events()
        self._added = Events()
        self._stages: defaultdict[str, Events] = defaultdict(Events)
        self._calibrated, self._waited = Events(), Events()
        self._unmatched: Counter[str] = Counter()
        self._trouble: dict[str, float] = {}
        self._lost = 0
        self._unreadable = 0
        self._problem = ""
        self._last_problem = ""
        self._said: dict[object, float] = {}
        self._there: dict[str, float] = {}
        self._missing: dict[str, str] = {}

    def lost(self, count: int) -> bool:
        """Images were lost on the way here. Returns whether that is news."""
        with self._lock:
            news, self._lost = not self._lost, self._lost + count
            return news and count > 0

    def received(self, age: float) -> None:
        """An image has come, ``age`` seconds after its stamp."""
        with self._lock:
            self._received.add(time.monotonic(), age * 1e3)

    def calibrated(self, *, waiting: bool) -> None:
        """A ``CameraInfo`` has come, as drivers send with every image.

        Args:
            waiting: The node has nothing to do but to wait for an image.
        """
        with self._lock:
            now = time.monotonic()
            self._calibrated.add(now)
            if waiting:
                self._waited.add(now)

    def unmatched(self, kind: str, *, trouble: bool = False) -> bool:
        """A message found no partner. Returns whether that should be said, again or at all.

        Args:
            kind: What it was.
            trouble: It should have had one.
        """
        with self._lock:
            self._unmatched[kind] += 1
            if trouble:
                self._trouble[kind] = time.monotonic()
            return trouble and self._is_news(kind)

    def published(self, stamp: int, latency: float, network: float) -> None:
        """Poses went out.

        Args:
            stamp: Their image's, nanoseconds.
            latency: Seconds after it.
            network: Seconds of the latency that the networks ran.
        """
        with self._lock:
            now = time.monotonic()
            self.newest = stamp
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
            self._skipped.add(time.monotonic())
            self._unreadable += isinstance(reason, ImageError)
            known = isinstance(reason, Bodypose3dError)
            text = str(reason) if known else f"{type(reason).__name__}: {reason}"
            text = text[:LONGEST_TEXT]
            self._problem = self._last_problem = text
            return self._is_news(type(reason))

    def source(self, name: str, problem: str = "", patience: float = MISSING_AFTER_S) -> bool:
        """An image had something that its metres can rest on, or had not.

        Args:
            name: What: ``depth``, ``floor``.
            problem: Why not; empty: it was there.
            patience: Seconds for which it may be missing.

        Returns:
            Whether that it is missing should be said, again or at all.
        """
        with self._lock:
            now = time.monotonic()
            if not problem:
                self._there[name] = now
                self._missing.pop(name, None)
                return False
            if now - self._there.setdefault(name, now) < patience:
                return False
            self._missing[name] = self._last_problem = f"metres without {name}: {problem}"
            return self._is_news(name)

    def restart(self) -> None:
        """The node was activated: what was missing before is forgotten, counts are kept."""
        with self._lock:
            self._began = time.monotonic()
            self._problem = ""
            for events in (self._calibrated, self._waited, self._received, self._published):
                events.times.clear()
                events.numbers.clear()
            for seen in (self._there, self._missing, self._trouble):
                seen.clear()

    def silence(self) -> tuple[float, bool]:
        """Seconds since an image came, or since the node was activated; whether one has come."""
        with self._lock:
            times = self._received.times
            return time.monotonic() - (times[-1] if times else self._began), bool(times)

    def news_of_clock(self) -> str:
        """What should be said, again or at all, of images that are not of the time here."""
        with self._lock:
            other = self._other_clock()
            return other if other and self._is_news("clock") else ""

    def state(self, patience: float) -> tuple[State, str]:
        """How the node is now, in a word, and why.

        Args:
            patience: Seconds without images, or without poses, that are too many.
        """
        with self._lock:
            now = time.monotonic()
            return self._state(now, patience, blind=self._silent(now) > patience)

    def report(
        self,
        *,
        stale_after: float,
        dropped: int,
        facts: dict[str, str],
        overtaken: int = 0,
        waited_for: str = "",
    ) -> Report:
        """The state now.

        Args:
            stale_after: Seconds without an image that are too many.
            dropped: Images that were overtaken by newer ones.
            facts: What else to tell: the model, the engine.
            overtaken: Images that never came here, those included that were lost.
            waited_for: What the images that have come wait for.
        """
        with self._lock:
            now = time.monotonic()
            failing = bool(self._problem)
            blind = failing or self._unanswered(now) > _BLIND_AFTER_S
            state, message = self._state(now, stale_after, blind=blind)
            level = OK if state is State.OK else WARN
            if state is State.BLIND and failing:
                level = ERROR
            elif state is State.BLIND and waited_for:
                message += f": they wait for {waited_for}"
            if level is not ERROR and (unheard := self._unheard(now)):
                level, message = WARN, unheard
            values = {
                "input rate (Hz)": f"{self._received.rate(now):.1f}",
                "CameraInfo rate (Hz)": f"{self._calibrated.rate(now):.1f}",
                "output rate (Hz)": f"{self._published.rate(now):.1f}",
                "image age on arrival, median (ms)": self._received.percentile(now, 50),
                "latency, median (ms)": self._published.percentile(now, 50),
                "latency, 95th percentile (ms)": self._published.percentile(now, 95),
                "images received": str(self._received.count),
                "images lost on the way": str(self._lost),
                "images dropped for newer ones": str(dropped + max(overtaken - self._lost, 0)),
                "images skipped": str(self._skipped.count),
                "of them damaged or unreadable": str(self._unreadable),
                **{kind: str(count) for kind, count in self._unmatched.items()},
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

    def _state(self, now: float, stale_after: float, *, blind: bool) -> tuple[State, str]:
        if not self._received.times:
            return State.STALE, "no image has come yet"
        silence = now - self._received.times[-1]
        if silence > stale_after:
            return State.STALE, f"no image for {silence:.1f} s"
        if not self._published.times:
            return State.BLIND, self._problem or "images come, but no poses have left yet"
        if blind:
            silent = f"images come, but no poses for {self._silent(now):.1f} s"
            return State.BLIND, self._problem or silent
        if other := self._other_clock():
            return State.STALE, other
        late = [kind for kind, when in self._trouble.items() if now - when < _WINDOW_S]
        if self._missing or late:
            return State.DEGRADED, "; ".join([*self._missing.values(), *late])
        return State.OK, f"{self._published.rate(now):.1f} Hz"

    def _other_clock(self) -> str:
        latency = self._published.numbers[-1] / 1e3 if self._published.numbers else 0.0
        if latency > _OTHER_CLOCK_S:
            return f"images are {latency:.1f} s old when their poses leave"
        if latency < -_OTHER_CLOCK_S:
            return f"images are stamped {-latency:.1f} s ahead of the time here"
        return ""

    def _unheard(self, now: float) -> str:
        """What to say of a camera of which only the small messages arrive; else nothing."""
        told = [then for then in self._waited.times if now - then < _WINDOW_S]
        if len(told) < _TOLD_OFTEN or now - told[0] < _TOLD_FOR_S:
            return ""
        heard = sum(then >= told[0] for then in self._received.times)
        if heard > _HEARD * len(told):
            return ""
        told_rate, heard_rate = len(told) / (now - told[0]), heard / (now - told[0])
        if not self._received.count:
            return (
                f"no image has come yet, but CameraInfo at {told_rate:.1f} Hz: are their topic and "
                f"image_transport right? If so, images are lost on the way: {mend()}"
            )
        return (
            f"images come at {heard_rate:.1f} Hz, their CameraInfo at {told_rate:.1f} Hz: images "
            f"are lost on the way: {mend()}"
        )

    def _silent(self, now: float) -> float:
        """Seconds since poses left; infinite when none have."""
        return now - self._published.times[-1] if self._published.times else math.inf

    def _unanswered(self, now: float) -> float:
        """Seconds since the first image came that no poses have followed; 0 without one.

        Slow cameras leave long between poses, which is no trouble as long as none waits.
        """
        silent = self._silent(now)
        return next((now - came for came in self._received.times if now - came < silent), 0.0)

    def _is_news(self, what: object) -> bool:
        """Whether that was not said lately."""
        now = time.monotonic()
        news = now - self._said.get(what, -_SAY_AGAIN_S) >= _SAY_AGAIN_S
        if news:
            self._said[what] = now
        return news

"""How the fusion is, camera by camera: rates, latencies, residuals and trouble."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from ..diagnostics import ERROR, OK, WARN, Events, Report, State

# A residual counts for so many sightings.
_RESIDUALS_KEPT = 100
# Trouble that has not been seen for so long is over.
_OVER_AFTER_S = 2.0
_SAY_AGAIN_S = 60.0

DAMAGED = "damaged poses"
TRACKED = "people tracked already"
UNCALIBRATED = "CameraInfo that cannot be used"
_NEVER = (DAMAGED, TRACKED, UNCALIBRATED)
"""What must not happen even once; the rest may, now and then."""


@dataclass
class _Trouble:
    """Something that is wrong with a camera's poses."""

    why: str = ""
    happened: Events = field(default_factory=Events)


@dataclass
class _Camera:
    """What was heard of one camera."""

    received: Events = field(default_factory=Events)
    """With the milliseconds from the stamp until they came."""
    used: Events = field(default_factory=Events)
    counts: Counter[str] = field(default_factory=Counter)
    trouble: defaultdict[str, _Trouble] = field(default_factory=lambda: defaultdict(_Trouble))
    """By kind."""
    degrees: deque[float] = field(default_factory=lambda: deque(maxlen=_RESIDUALS_KEPT))
    pixels: deque[float] = field(default_factory=lambda: deque(maxlen=_RESIDUALS_KEPT))
    people: int = 0
    off: float = np.nan
    since: int | None = None

    def silent(self, now: float) -> float:
        """Seconds since it was heard; infinite before."""
        return now - self.received.times[-1] if self.received.times else np.inf

    def unused(self, now: float) -> bool:
        """Whether it has been heard for a while, and nothing of what it said was fused."""
        oldest, last = self.received.times[0], max(self.used.times, default=-np.inf)
        return min(now - oldest, now - last) > _OVER_AFTER_S

    def suffers(self, kind: str, now: float) -> bool:
        """Whether there is trouble: of damage any, of what may happen, most of the time."""
        times = self.trouble[kind].happened.times
        lately = sum(now - t < _OVER_AFTER_S for t in times)
        heard = sum(now - t < _OVER_AFTER_S for t in self.received.times)
        return lately > (0 if kind in _NEVER else heard / 2)


class Health:
    """Counts what happens to poses. Any thread may tell."""

    def __init__(self, cameras: Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._cameras = {name: _Camera() for name in cameras}
        self._published, self._fusing = Events(), Events()
        self._people = 0
        self._newest: int | None = None
        self._defect = ""
        self._said: dict[tuple[str, str], float] = {}

    @property
    def newest(self) -> int | None:
        """The stamp of the last round that was published, nanoseconds."""
        return self._newest

    # -- what happens -----------------------------------------------------------------------

    def restart(self) -> None:
        """The node was activated: what was missing before is forgotten, counts are kept."""
        with self._lock:
            self._began = time.monotonic()
            self._defect = ""
            for events in (self._published, *(c.received for c in self._cameras.values())):
                events.times.clear()
                events.numbers.clear()
            for camera in self._cameras.values():
                camera.trouble.clear()

    def received(self, camera: str, age: float) -> None:
        """Poses have come, ``age`` seconds after their stamp."""
        with self._lock:
            self._cameras[camera].received.add(time.monotonic(), age * 1e3)

    def trouble(self, camera: str, kind: str, why: str, *, counted: bool = False) -> bool:
        """A camera's poses cannot be used, or not well.

        Args:
            camera: Which.
            kind: What is wrong, in a few words that stay the same.
            why: And what to do about it.
            counted: Somebody else counts it.

        Returns:
            Whether that should be said, again or at all.
        """
        with self._lock:
            now, own = time.monotonic(), self._cameras[camera]
            own.counts[kind] += not counted
            own.trouble[kind].why = why
            own.trouble[kind].happened.add(now)
            news = (
                own.suffers(kind, now)
                and now - self._said.get((camera, kind), -np.inf) >= _SAY_AGAIN_S
            )
            if news:
                self._said[camera, kind] = now
            return news

    def fused(self, seconds: float, people: int, cameras: Mapping[str, int]) -> None:
        """A round is fused: how long that took, and how many people each of its cameras saw."""
        with self._lock:
            now = time.monotonic()
            self._fusing.add(now, seconds * 1e3)
            self._people, self._defect = people, ""
            for name, seen in cameras.items():
                self._cameras[name].used.add(now)
                self._cameras[name].people = seen

    def published(self, stamp: int, latency: float) -> None:
        """Poses went out, so many seconds after their stamp."""
        with self._lock:
            self._newest = stamp
            self._published.add(time.monotonic(), latency * 1e3)

    def failed(self, defect: str) -> bool:
        """A round could not be fused; returns whether that is news."""
        with self._lock:
            news, self._defect = defect != self._defect, defect
            return news

    def residuals(self, camera: str, degrees: float, pixels: float) -> None:
        """How far, on average, somebody's joints are in a view from where they are fused."""
        with self._lock:
            own = self._cameras[camera]
            own.degrees.append(degrees)
            if np.isfinite(pixels):
                own.pixels.append(pixels)

    def fits(self, camera: str, off: float, since: int | None) -> bool:
        """How many degrees a camera's place is off, and since when too many.

        Returns:
            Whether that is news.
        """
        with self._lock:
            own = self._cameras[camera]
            news = own.since is None and since is not None
            own.off, own.since = off, since
            return news

    # -- how it is --------------------------------------------------------------------------

    def silence(self, camera: str) -> tuple[float, bool]:
        """Seconds since a camera was heard, or since anybody could be; whether it was."""
        with self._lock:
            times = self._cameras[camera].received.times
            return time.monotonic() - (times[-1] if times else self._began), bool(times)

    def state(self, patience: float, stale_after: float) -> tuple[State, str]:
        """How the node is now, in a word, and why.

        Args:
            patience: Seconds without poses from here that are too many.
            stale_after: Seconds without a camera's that are too many.
        """
        with self._lock:
            now = time.monotonic()
            silences = [camera.silent(now) for camera in self._cameras.values()]
            if not silences or min(silences) > patience:
                return State.STALE, self._silence(now)
            since = now - self._published.times[-1] if self._published.times else np.inf
            if since > patience:
                return State.BLIND, self._defect or "cameras' poses come, but none is fused"
            problems = self._problems(now, stale_after)
            return (State.DEGRADED, "; ".join(problems)) if problems else (State.OK, "")

    def report(self, stale_after: float) -> Report:
        """How the fusion is, for ``/diagnostics``."""
        with self._lock:
            now = time.monotonic()
            rate = f"{self._published.rate(now):.1f}"
            values = {
                "output rate (Hz)": rate,
                "latency, median (ms)": self._published.percentile(now, 50),
                "latency, 95th percentile (ms)": self._published.percentile(now, 95),
                "fusing, median (ms)": self._fusing.percentile(now, 50),
                "poses published": str(self._published.count),
                "people": str(self._people),
                "cameras that contribute": ", ".join(self._contributing(now)) or "none",
            }
            return Report(*self._level(now, stale_after, rate), values)

    def camera_report(
        self, name: str, stale_after: float, unused: Mapping[str, int], place: str
    ) -> Report:
        """How one camera is.

        Args:
            name: Which.
            stale_after: Seconds without poses that are too many.
            unused: How many of its poses were not used, by reason.
            place: The frame that it is in, or nothing.
        """
        with self._lock:
            now, own = time.monotonic(), self._cameras[name]
            values = {
                "input rate (Hz)": f"{own.received.rate(now):.1f}",
                "rate of use (Hz)": f"{own.used.rate(now):.1f}",
                "latency, median (ms)": own.received.percentile(now, 50),
                "latency, 95th percentile (ms)": own.received.percentile(now, 95),
                "poses received": str(own.received.count),
                "people in view": str(own.people),
                "residual, median (degrees)": _median(own.degrees, 2),
                "residual, median (pixels)": _median(own.pixels, 1),
                "place is off by (degrees)": f"{own.off:.2f}",
                "frame": place,
                **{kind: str(count) for kind, count in (own.counts + Counter(unused)).items()},
            }
            problem = self._problem(name, now, stale_after)
            return Report(WARN if problem else OK, problem or "contributes", values)

    def _level(self, now: float, stale_after: float, rate: str) -> tuple[int, str]:
        if all(camera.silent(now) > stale_after for camera in self._cameras.values()):
            return ERROR, self._silence(now)
        if self._defect:
            return ERROR, self._defect
        if not self._contributing(now):
            return ERROR, "; ".join(["nothing is fused", *self._problems(now, stale_after)])
        problems = self._problems(now, stale_after)
        if problems:
            return WARN, "; ".join(problems)
        return OK, f"{len(self._cameras)} cameras, {self._people} people, {rate} Hz"

    def _silence(self, now: float) -> str:
        seconds = min((camera.silent(now) for camera in self._cameras.values()), default=np.inf)
        if np.isinf(seconds):
            return f"no camera's poses have come yet: {', '.join(self._cameras)}"
        return f"all cameras are silent: no poses for {seconds:.1f} s"

    def _problems(self, now: float, stale_after: float) -> list[str]:
        problems = [self._problem(name, now, stale_after) for name in self._cameras]
        return [
            f"{name}: {problem}"
            for name, problem in zip(self._cameras, problems, strict=True)
            if problem
        ]

    def _problem(self, name: str, now: float, stale_after: float) -> str:
        own = self._cameras[name]
        silent = own.silent(now)
        if silent > stale_after:
            return "no poses have come yet" if np.isinf(silent) else f"silent for {silent:.1f} s"
        lately = [trouble.why for kind, trouble in own.trouble.items() if own.suffers(kind, now)]
        if own.since is not None:
            when = datetime.fromtimestamp(own.since / 1e9).strftime("%H:%M:%S")
            lately.append(f"{own.off:.1f} degrees off since {when}")
        if own.unused(now) and not lately:
            lately.append("none of its poses is fused")
        return "; ".join(lately)

    def _contributing(self, now: float) -> list[str]:
        return [
            name
            for name, camera in self._cameras.items()
            if camera.used.times and now - camera.used.times[-1] < _OVER_AFTER_S
        ]


def _median(values: Sequence[float], digits: int) -> str:
    return f"{np.median(values):.{digits}f}" if len(values) else "nan"

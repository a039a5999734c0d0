"""Which poses of which cameras are fused together, and when: nothing here waits or reads a clock.

Cameras do not shoot together, and their poses come late, twice, or stamped by a wrong clock. What
belongs together is a round: the newest poses of every camera, as soon as all have come that are
about to, and at the latest when the wait is over or one of them speaks again. Who comes too late
for a round makes one that is not answered: the next answer knows of it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...perception.fusion.fusion import CARRY
from ...perception.tracking.tracker import CLOCK_JUMP
from ...wire.pose_cdr import Poses

REPEATED = "poses repeated or out of order"
AHEAD = "poses ahead of the other cameras' time"
LATE = "poses too late to be fused"
OVERTAKEN = "poses overtaken by newer ones"
PLACELESS = "poses without transform"

_NS = 1_000_000_000
_CARRY_S = CARRY / _NS
# Seconds by which poses come before their stamp: other nodes are not slow, the clock is wrong.
_FUTURE_S = 0.02
_AGES_KEPT = 9
_WAITING_KEPT = 8
# Seconds without a word after which a camera's clock has no say.
_LIVE_S = 2.0
# A camera is waited for whose images come about as often as the others'.
_AS_OFTEN = 1.5
_SMOOTHING = 0.2
# Of a period: a longer gap between two images is silence.
_PAUSE = 3.0


@dataclass(frozen=True, eq=False)
class Arrival:
    """The poses of one camera's image."""

    camera: str
    poses: Poses
    came: float
    """Monotonic seconds."""
    age: float
    """Seconds from the stamp to when they came, by ROS time."""

    @property
    def stamp(self) -> int:
        """Nanoseconds: the image's."""
        return self.poses.stamp


@dataclass(frozen=True, eq=False)
class Placed:
    """Poses, with where their camera was."""

    arrival: Arrival
    poses_place: NDArray[np.float64]
    """(4, 4) from the poses' frame to the fixed frame."""
    camera_place: NDArray[np.float64]
    """(4, 4) from the optical frame to the fixed frame."""


@dataclass(frozen=True, eq=False)
class Round:
    """What is fused at once."""

    views: list[Placed]
    """At most one of each camera."""
    late: bool
    """Whether it only completes the round before, and one that is to be answered is about to be."""


Place = Callable[[Arrival], Placed | None]
"""Finds where the camera was, if that is known yet."""


@dataclass(frozen=True)
class Patience:
    """How long is waited for what, in seconds."""

    cameras: float
    """For cameras that are about to speak."""
    transform: float
    """For where a camera is."""


@dataclass(eq=False)
class _Source:
    """One camera, as it has been heard."""

    waiting: deque[Arrival] = field(default_factory=lambda: deque(maxlen=_WAITING_KEPT))
    """For their place."""
    placed: Placed | None = None
    """What it has to say in this round."""
    newest: int | None = None
    came: float = -np.inf
    period: float = np.inf
    """Seconds between two images."""
    ages: deque[float] = field(default_factory=lambda: deque(maxlen=_AGES_KEPT))
    said: bool = False
    """Whether something of it is in the last round that was answered, or came late for that."""
    placeless: bool = False
    """Its last poses waited for their place in vain."""

    def heard(self, arrival: Arrival) -> None:
        if self.newest is not None:
            gap = (arrival.stamp - self.newest) / _NS
            if np.isinf(self.period):
                self.period = gap
            self.period += _SMOOTHING * (min(gap, _PAUSE * self.period) - self.period)
        self.newest, self.came = arrival.stamp, arrival.came
        self.waiting.append(arrival)

    def about_to_speak(self, now: float, end: float) -> bool:
        """Whether its next poses should come by ``end``, and are not missing yet."""
        return self.came + self.period <= end and now < self.came + 2 * self.period

    def begin_anew(self) -> None:
        self.newest, self.period, self.placed, self.said = None, np.inf, None, False
        self.waiting.clear()


class Gathering:
    """Takes poses as they come; gives rounds to be fused, each newer than the one before."""

    def __init__(self, cameras: Sequence[str]) -> None:
        self.counts = {camera: Counter[str]() for camera in cameras}
        """What could not be used, by camera."""
        self.restarts = 0
        """How often time began anew."""
        self._sources = {camera: _Source() for camera in cameras}
        self._last: int | None = None
        """The stamp of the last round."""

    def clear(self) -> None:
        """Forget what waits, and what time it was."""
        self._last = None
        for camera in self._sources:
            self._sources[camera] = _Source()

    @property
    def busy(self) -> bool:
        """Whether anything waits: time passing may complete a round."""
        return any(source.placed or source.waiting for source in self._sources.values())

    def count(self, kind: str) -> Counter[str]:
        """How many poses of each camera were not used for one of the reasons."""
        return Counter({camera: counts[kind] for camera, counts in self.counts.items()})

    def add(self, arrival: Arrival) -> str:
        """Poses have come; returns why they are not used, or nothing."""
        problem = self._problem(arrival)
        if problem:
            self.counts[arrival.camera][problem] += 1
        else:
            self._sources[arrival.camera].heard(arrival)
        return problem

    def take(self, now: float, place: Place, patience: Patience) -> Round | None:
        """The next round if it is complete.

        Args:
            now: Monotonic seconds.
            place: Finds the cameras' places.
            patience: How long to wait.
        """
        spoken = self._spoken()
        again = any(source.waiting for source in spoken)
        for camera, source in self._sources.items():
            if source not in spoken:
                self._find_place(camera, source, now, place, patience.transform)
        if not self._spoken():
            return None
        late = self._late(now, patience.cameras)
        if not late and not again and self._worth_waiting(now, patience.cameras):
            return None
        return self._round(late)

    # -- what can be used -------------------------------------------------------------------

    def _problem(self, arrival: Arrival) -> str:
        source, stamp = self._sources[arrival.camera], arrival.stamp
        source.ages.append(arrival.age)
        ahead = self._usual_age(arrival) - arrival.age
        if ahead > (_CARRY_S if arrival.age < -_FUTURE_S else CLOCK_JUMP):
            return AHEAD
        jumped = CLOCK_JUMP * _NS if ahead > -_CARRY_S else np.inf
        if self._last is not None and stamp < self._last - CARRY:
            if stamp > self._last - jumped:
                return LATE
            self._begin_anew()
        elif source.newest is not None and stamp <= source.newest:
            if stamp > source.newest - jumped:
                return REPEATED
            source.begin_anew()
        return ""

    def _usual_age(self, arrival: Arrival) -> float:
        """How old poses are when they come, as most cameras have it; of two, the nearer to now."""
        ages = np.array(
            [
                np.median(source.ages)
                for camera, source in self._sources.items()
                if camera == arrival.camera or arrival.came - source.came < _LIVE_S
            ]
        )
        apart = np.abs(ages[:, None] - ages).sum(axis=1).round(6)
        return float(ages[np.lexsort((np.abs(ages), apart))[0]])

    def _begin_anew(self) -> None:
        self.restarts += 1
        self._last = None
        for source in self._sources.values():
            source.begin_anew()

    def _spoken(self) -> list[_Source]:
        """Those that have said something in this round that is newer than the last one."""
        return [s for s in self._sources.values() if s.placed and self._is_new(s.placed)]

    def _is_new(self, placed: Placed) -> bool:
        return self._last is None or placed.arrival.stamp > self._last

    def _find_place(
        self, camera: str, source: _Source, now: float, place: Place, timeout: float
    ) -> None:
        """Ready the newest poses whose place is known, which overtake older ones."""
        counts = self.counts[camera]
        for arrival in reversed(source.waiting):
            placed = place(arrival)
            if placed is not None:
                older = [one for one in source.waiting if one.stamp < arrival.stamp]
                counts[OVERTAKEN] += len(older) + (source.placed is not None)
                newer = [one for one in source.waiting if one.stamp > arrival.stamp]
                source.waiting.clear()
                source.waiting.extend(newer)
                source.placed, source.placeless = placed, False
                break
        patience = 0.0 if source.placeless else timeout
        while source.waiting and now - source.waiting[0].came > patience:
            source.waiting.popleft()
            counts[PLACELESS] += 1
            source.placeless = True

    # -- when it is fused -------------------------------------------------------------------

    def _late(self, now: float, wait: float) -> bool:
        """Whether all who have spoken missed the last answer, and one who did not is about to.

        Whoever speaks a second time since the last answer gets one, so that it is never far.
        """
        spoken = self._spoken()
        fastest = min(source.period for source in spoken)
        return not any(source.said for source in spoken) and any(
            source.said and source.about_to_speak(now, now + min(wait, fastest))
            for source in self._sources.values()
        )

    def _worth_waiting(self, now: float, wait: float) -> bool:
        """Whether a camera that has not spoken is about to, before those that have speak again."""
        spoken = self._spoken()
        began = min(source.placed.arrival.came for source in spoken if source.placed)
        fastest = min(source.period for source in spoken)
        end = began + min(wait, fastest)
        return now < end and any(
            source.about_to_speak(now, end) and source.period <= _AS_OFTEN * fastest
            for source in self._sources.values()
            if source not in spoken
        )

    def _round(self, late: bool) -> Round:
        ready = [s.placed for s in self._sources.values() if s.placed is not None]
        self._last = max(placed.arrival.stamp for placed in ready)
        for camera, source in self._sources.items():
            if source.placed and source.placed.arrival.stamp < self._last - CARRY:
                self.counts[camera][LATE] += 1
            source.said = source.placed is not None or (late and source.said)
            source.placed = None
        views = [placed for placed in ready if placed.arrival.stamp >= self._last - CARRY]
        return Round(views, late)

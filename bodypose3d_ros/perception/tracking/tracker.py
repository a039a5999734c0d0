"""Who is who from frame to frame: ids by the nearest person seen before."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ...body.people import STATE_NEW, STATE_TRACKED, Bodies

Array = NDArray[np.float64]

MAX_DISTANCE = 0.5
"""How far joints may have moved on average, in units of the person's height in the image."""
FORGET_AFTER = 1_000_000_000
"""Nanoseconds after which somebody unseen is a new person when seen again."""


@dataclass(frozen=True)
class _Track:
    """What is remembered of one person."""

    track_id: int
    stamp: int
    pixels: Array
    joints: Array


class Tracker:
    """Gives people ids that are stable while they are seen and never used twice."""

    def __init__(
        self, max_distance: float = MAX_DISTANCE, forget_after: int = FORGET_AFTER
    ) -> None:
        self.max_distance = max_distance
        self.forget_after = forget_after
        self.ended: tuple[int, ...] = ()
        """Ids whose tracks ended with the last update."""
        self._tracks: list[_Track] = []
        self._next_id = 1

    def update(self, bodies: Bodies, stamp: int) -> Bodies:
        """The same people with ids, states and velocities.

        Args:
            bodies: Everybody in one image, not yet tracked.
            stamp: The image's time in nanoseconds. When it jumps back (a recording that starts
                over, a reset simulation) all tracks end.
        """
        self._forget(stamp)
        match = self._match(bodies)
        ids, states = np.zeros(len(bodies), np.uint32), np.zeros(len(bodies), np.uint8)
        velocity = np.full_like(bodies.joints, np.nan)
        seen: list[_Track] = []
        for person in range(len(bodies)):
            track = match.get(person)
            if track is None:
                ids[person], states[person] = self._next_id, STATE_NEW
                self._next_id += 1
            else:
                ids[person], states[person] = track.track_id, STATE_TRACKED
                moved = bodies.joints[person] - track.joints
                seconds = (stamp - track.stamp) / 1e9
                if seconds > 0:
                    velocity[person] = moved / seconds
            seen.append(
                _Track(int(ids[person]), stamp, bodies.pixels[person], bodies.joints[person])
            )
        now_seen = {track.track_id for track in seen}
        self._tracks = seen + [t for t in self._tracks if t.track_id not in now_seen]
        return replace(bodies, track_id=ids, state=states, velocity=velocity)

    def reset(self) -> None:
        """End all tracks: what follows has nothing to do with what came before."""
        self.ended = tuple(track.track_id for track in self._tracks)
        self._tracks = []

    def _forget(self, stamp: int) -> None:
        def alive(track: _Track) -> bool:
            return 0 <= stamp - track.stamp <= self.forget_after

        self.ended = tuple(t.track_id for t in self._tracks if not alive(t))
        self._tracks = [t for t in self._tracks if alive(t)]

    def _match(self, bodies: Bodies) -> dict[int, _Track]:
        """The track of each person, where there is one, so that people move least in all."""
        if not self._tracks or not len(bodies):
            return {}
        before = np.stack([track.pixels for track in self._tracks])
        distance = np.linalg.norm(bodies.pixels[:, None] - before[None], axis=3)
        common = np.isfinite(distance)
        total = np.where(common, distance, 0).sum(axis=2)
        count = common.sum(axis=2)
        height = np.maximum(_height(bodies.pixels), 1.0)[:, None]
        cost = np.where(count > 0, total / np.maximum(count, 1) / height, np.inf)
        allowed = cost <= self.max_distance
        rows, columns = linear_sum_assignment(np.where(allowed, cost, 1e6))
        return {
            int(row): self._tracks[column]
            for row, column in zip(rows, columns, strict=True)
            if allowed[row, column]
        }


def _height(pixels: Array) -> Array:
    """(N,) the longer side of the box around the known pixels (N, 34, 2)."""
    known = np.isfinite(pixels)
    low = np.where(known, pixels, np.inf).min(axis=1)
    high = np.where(known, pixels, -np.inf).max(axis=1)
    return np.asarray((high - low).max(axis=1))

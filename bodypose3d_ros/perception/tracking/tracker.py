"""People over time: who is who, where, how fast and how sure, in a fixed frame."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...body.floor import Floor
from ...body.people import (
    SCALE_DEPTH,
    SCALE_LIMBS,
    STATE_COASTING,
    STATE_NEW,
    STATE_TRACKED,
    Bodies,
    select,
    transform,
)
from ...body.skeleton import known
from ..lifting import size
from ..lifting.occlusion import before_others, hidden
from . import association
from .filter import Motion, forget, predict, settle, update
from .recognition import MOMENT, recognised
from .sizes import Sizes
from .symmetric import without
from .tracks import STRAIGHT_ON, Step, Tracks, middle
from .viewpoint import STEADY, Now, by_size, scaled, size_covariance, varying_covariance

Array = NDArray[np.float64]

COAST_TIME = 0.5
"""Seconds for which somebody unseen, or a joint, is predicted and published."""
REMEMBER_TIME = 5.0
"""Seconds within which somebody who comes back gets the id back."""
CLOCK_JUMP = 1.0
"""Seconds: older than the newest image by more, an image begins another time."""
_SWAPPED_AT_MOST = 1.0  # seconds, after which the network is believed
_NOBODY = np.zeros(0, np.uint32), Motion.nobody()

_log = logging.getLogger(__name__)


class Tracker:
    """Gives people ids that are never used twice, and their joints a filtered state.

    One camera, standing or moving, whose place in the fixed frame comes with every image, or what
    several have seen, fused. Images may come late by less than a second: they are told who is in
    them, and change nothing.
    """

    def __init__(
        self,
        coast_time: float = COAST_TIME,
        remember_time: float = REMEMBER_TIME,
    ) -> None:
        """Begin with nobody.

        Args:
            coast_time: Seconds for which somebody unseen is predicted, at most as long as they
                had been seen.
            remember_time: Seconds within which somebody who comes back is the same person.
        """
        self.coast_time = coast_time
        self.remember_time = remember_time
        self.ended: tuple[int, ...] = ()
        """Ids that were given before the last update and are no longer."""
        self.late = 0
        """Images that were older than one before them, so far."""
        self.restarts = 0
        """How often the clock jumped back."""
        self._tracks = Tracks.nobody()
        self._sizes = Sizes()
        self._stamp: int | None = None
        self._center = np.zeros(3)
        self._shown: frozenset[int] = frozenset()
        self._next_id = 1
        self._now: Now | None = None
        """Of the last update; None if that came late."""
        self._expected = _NOBODY
        """Who was seen again in it, and as what they were expected."""

    def update(self, bodies: Bodies, stamp: int, place: Array | None = None) -> Bodies:
        """Everybody who is known of now.

        Args:
            bodies: Everybody measured in one image, in the optical frame.
            stamp: The image's time in nanoseconds. When it jumps back by more than a second (a
                recording that starts over, a reset simulation) all tracks end.
            place: (4, 4) from the optical frame to the fixed frame at that time; None: the same.

        Returns:
            Bodies in the fixed frame: those in the image with their pixels, then those who are
            coasting, without.
        """
        self.ended = ()
        self._now = None
        now = self._at(stamp, np.zeros(3) if place is None else place[:3, 3])
        if place is not None:
            bodies = transform(bodies, place)
        late = 0 if self._stamp is None else self._stamp - stamp
        if late > CLOCK_JUMP * 1e9:
            _log.warning("the time jumped back by %.1f s: everybody is new", late / 1e9)
            self.restarts += 1
            self.reset()
        elif late > 0:
            self.late += 1
            return self._as_measured(bodies, now)
        self._predict(stamp)
        self._now, self._center = now, now.center
        self._expected = _NOBODY
        rows = self._rows(recognised(self._tracks, bodies, now, self.coast_time), len(bodies))
        self._take_in(bodies, rows, now)
        return self._published(len(bodies), now)

    def reset(self) -> None:
        """End all tracks: what follows has nothing to do with what came before."""
        self.ended = tuple(sorted(self._shown))
        self._shown = frozenset()
        self._tracks, self._sizes = Tracks.nobody(), Sizes()
        self._stamp = self._now = None

    def forget_floor(self) -> None:
        """The floor is told otherwise now: what people told of it, and it of them, is past."""
        self._sizes = Sizes()

    @property
    def floor_misfit(self) -> float:
        """The part by which people would be too large for the floor to fit them; 0: it fits.

        As most of those say who stood on it in the last seconds, where hardly anybody is so large,
        or so small.
        """
        return self._sizes.misfit

    def pitch_off(self, floor: Floor) -> tuple[float, float]:
        """By how much farther the camera looks down than was told, as people on the floor say.

        Returns:
            Degrees and their standard deviation.
        """
        turn, covariance = self._sizes.tilt
        unit, axis = math.degrees(floor.tilt_sigma), floor.pitch_axis
        return float(-unit * axis @ turn), float(unit * np.sqrt(axis @ covariance @ axis))

    @property
    def awaited(self) -> Array:
        """(L, 3) where people should be now who are not seen and may come back, by their middles.

        Metres in the fixed frame.
        """
        tracks = self._tracks
        away = tracks.select(tracks.seen != self._stamp)
        return away.expected(0 if self._stamp is None else self._stamp)

    @property
    def step(self) -> Step | None:
        """What the last update made of everybody, for ``smoothing``; None if it came late."""
        if self._now is None:
            return None
        tracks, (followed, before) = self._tracks, self._expected
        mean, covariance = tracks.motion.mean.copy(), tracks.motion.covariance.copy()
        row, again = np.nonzero(tracks.track_id[:, None] == followed)
        mean[row], covariance[row] = before.mean[again], before.covariance[again]
        expected = replace(tracks.motion, mean=mean, covariance=covariance)
        return Step(self._now, tracks.track_id, tracks.size_sigma, expected, tracks.motion)

    # -- steps of an update -----------------------------------------------------------------

    def _at(self, stamp: int, center: Array) -> Now:
        seconds = 0.0 if self._stamp is None else (stamp - self._stamp) / 1e9
        drift = (center - self._center) / seconds if seconds > 0 else np.zeros(3)
        return Now(stamp, center, drift)

    def _predict(self, stamp: int) -> None:
        """Everybody not forgotten, at the time of an image."""
        seconds = 0.0 if self._stamp is None else (stamp - self._stamp) / 1e9
        self._stamp = stamp
        tracks = self._tracks.select(stamp - self._tracks.seen <= self.remember_time * 1e9)
        if len(tracks) and seconds:
            since = (stamp - tracks.joint_seen) / 1e9
            unseen = since > MOMENT
            motion = predict(settle(tracks.motion, unseen, seconds), seconds, unseen)
            # What nobody has seen for long is unknown: where else would it end?
            motion = forget(motion, since > self.coast_time)
            tracks = replace(tracks, motion=motion)
        self._tracks = tracks

    def _rows(self, pairs: association.Pairs, people: int) -> NDArray[np.intp]:
        """(N,) the row of each person's track; newcomers come after the tracks there are."""
        rows = np.full(people, -1, np.intp)
        rows[pairs[:, 1]] = pairs[:, 0]
        new = rows < 0
        rows[new] = len(self._tracks) + np.arange(new.sum())
        return rows

    def _take_in(self, bodies: Bodies, rows: NDArray[np.intp], now: Now) -> None:
        """Go on with those in the image, in their order, before all others."""
        tracks, new = self._tracks, rows >= len(self._tracks)
        followed = rows[~new]
        unseen = np.ones(len(tracks), bool)
        unseen[followed] = False
        coast = tracks.unseen(now.stamp) <= self.coast_time
        bodies = before_others(bodies, tracks.pixels[unseen & coast])
        ids = self._ids(rows, int(new.sum()))
        evidence = _with_before(tracks, rows, bodies)
        bodies = self._sized(bodies, ids, evidence, now)
        seen = tracks.select(followed)
        if len(followed):
            seen = self._followed(seen, select(bodies, ~new), evidence[~new], now)
        if new.any():
            newcomers = Tracks.begin(select(bodies, new), ids[new], evidence[new], now)
            order = np.argsort(np.argsort(new, kind="stable"))
            seen = seen.joined(newcomers).select(order)
        self._tracks = seen.joined(tracks.select(unseen)) if unseen.any() else seen

    def _ids(self, rows: NDArray[np.intp], new: int) -> NDArray[np.uint32]:
        """(N,) who is in those rows, newcomers with ids of their own."""
        fresh = np.arange(self._next_id, self._next_id + new, dtype=np.uint32)
        self._next_id += new
        return np.asarray(np.concatenate([self._tracks.track_id, fresh])[rows])

    def _sized(self, bodies: Bodies, ids: NDArray[np.uint32], evidence: Array, now: Now) -> Bodies:
        """People of the size that all the evidence so far tells of."""
        self._sizes.keep(self._tracks.track_id)
        told = self._sizes.update(ids, evidence, now.stamp)
        if told is None:
            return bodies
        log_size, sigma, source = told
        # A body whose depth was measured stands where it was measured.
        measured = np.isfinite(bodies.evidence[:, SCALE_DEPTH, size.VALUE])
        factor = np.exp(np.where(measured, 0, log_size - bodies.log_size))
        joints = scaled(bodies.joints, now.center, factor)
        return replace(
            bodies,
            joints=joints,
            covariance=without(
                bodies.covariance, by_size(bodies.joints, now.center, bodies.size_sigma)
            )
            + size_covariance(joints, now.center, sigma**2),
            log_size=log_size,
            size_sigma=sigma,
            scale_source=np.where(source == SCALE_LIMBS, bodies.scale_source, source).astype(
                np.uint8
            ),
        )

    def _followed(self, tracks: Tracks, bodies: Bodies, evidence: Array, now: Now) -> Tracks:
        """Tracks, row by row, of people who are seen again."""
        tracks = _of_size(tracks, bodies, now)
        told = np.isfinite(evidence[:, :, 1:, size.VALUE]).any(axis=(1, 2))
        swap = association.swapped(tracks.motion, bodies)
        # Perhaps it was wrong when it was first seen: in the end the network is believed.
        believed = swap & (now.stamp - tracks.unswapped > _SWAPPED_AT_MOST * 1e9)
        swap &= ~believed
        motion = forget(tracks.motion, association.joints_of(believed))
        bodies = association.exchanged(bodies, swap)
        there = known(bodies.joints)
        self._expected = tracks.track_id, motion
        motion = update(motion, bodies.joints, varying_covariance(bodies, now))
        # Of who is hidden a network sees the ones before, too: he seems to stop, or to turn.
        clear = hidden(bodies, now.center) < association.IN_THE_WAY
        clear |= now.stamp - tracks.anchored > STRAIGHT_ON * 1e9
        return replace(
            tracks,
            motion=motion,
            seen=np.full(len(bodies), now.stamp),
            joint_seen=np.where(there, now.stamp, tracks.joint_seen),
            pixels=bodies.pixels,
            confidence=np.where(there, bodies.confidence, tracks.confidence),
            score=bodies.score,
            anchored=np.where(clear, now.stamp, tracks.anchored),
            anchor=np.where(clear[:, None], middle(bodies.joints), tracks.anchor),
            heading=np.where(clear[:, None], motion.heading, tracks.heading),
            evidence=evidence,
            log_size=bodies.log_size,
            size_sigma=bodies.size_sigma,
            scale_source=np.where(told, bodies.scale_source, tracks.scale_source),
            unswapped=np.where(swap, tracks.unswapped, now.stamp),
        )

    def _published(self, seen: int, now: Now) -> Bodies:
        """The tracks of those seen, who are the first, and of those who are coasting."""
        tracks = self._tracks
        unseen = tracks.unseen(now.stamp)
        coasts = unseen < np.minimum(self.coast_time, (tracks.seen - tracks.began) / 1e9)
        coasts[:seen] = True
        shown = tracks.select(coasts)
        here = np.arange(len(shown)) < seen
        ids = frozenset(shown.track_id.tolist())
        self.ended += tuple(sorted(self._shown - ids))
        self._shown = ids
        joints = shown.motion.position.copy()
        size_variance = STEADY * shown.size_sigma**2
        state = np.where(shown.began == now.stamp, STATE_NEW, STATE_TRACKED)
        velocity = _velocity(shown, now)
        return Bodies(
            joints=joints,
            pixels=np.where(here[:, None, None], shown.pixels, np.nan),
            confidence=np.where(known(joints), shown.confidence, 0),
            score=shown.score,
            scale_source=shown.scale_source,
            track_id=shown.track_id,
            state=np.where(here, state, STATE_COASTING).astype(np.uint8),
            velocity=velocity,
            # An unknown joint's or velocity's covariance becomes NaN by that of its size.
            covariance=shown.motion.position_covariance
            + size_covariance(joints, now.center, size_variance),
            # Who is larger than thought is farther away, and goes by as much faster.
            velocity_covariance=shown.motion.velocity_covariance
            + size_covariance(velocity, now.drift, size_variance),
            log_size=shown.log_size,
            size_sigma=shown.size_sigma,
            evidence=shown.evidence[:, 0],
        )

    def _as_measured(self, bodies: Bodies, now: Now) -> Bodies:
        """Who is who in an image that came late, as it was measured; 0 for who is not known."""
        ids = np.zeros(len(bodies), np.uint32)
        pairs = recognised(self._tracks, bodies, now, self.coast_time)
        ids[pairs[:, 1]] = self._tracks.track_id[pairs[:, 0]]
        return replace(bodies, track_id=ids, state=np.full(len(bodies), STATE_TRACKED, np.uint8))


def unfit(misfit: float) -> str:
    """What to say of a floor that does not fit, by its ``Tracker.floor_misfit``."""
    size = f"{abs(misfit):.0%} {'larger' if misfit > 0 else 'smaller'}"
    return (
        f"who stands on it would be {size} than people are: are the camera's height and pitch, or "
        "the floor's frame, right?"
    )


def _of_size(tracks: Tracks, bodies: Bodies, now: Now) -> Tracks:
    """Tracks as far away as people are who are of these bodies' size.

    Where a depth image tells how far away they are, now as before, that is not by their size.
    """
    measured = np.isfinite(bodies.evidence[:, SCALE_DEPTH, size.VALUE])
    measured &= np.isfinite(tracks.evidence[:, 0, SCALE_DEPTH, size.VALUE])
    grown = np.exp(np.where(measured, 0, bodies.log_size - tracks.log_size))
    if (grown == 1).all():
        return tracks
    mean = tracks.motion.mean.copy()
    mean[..., :3] = scaled(mean[..., :3], now.center, grown)
    return replace(tracks, motion=replace(tracks.motion, mean=mean))


def _with_before(tracks: Tracks, rows: NDArray[np.intp], bodies: Bodies) -> Array:
    """(N, MEMORY, KINDS, COLUMNS) what is told of people's sizes now, and was told before."""
    evidence = np.full((len(bodies), *tracks.evidence.shape[1:]), np.nan)
    evidence[:, 0] = bodies.evidence
    followed = rows < len(tracks)
    evidence[followed, 1:] = tracks.evidence[rows[followed], :-1]
    return evidence


def _velocity(tracks: Tracks, now: Now) -> Array:
    """(T, 34, 3) metres a second; unknown for who, or what, was seen for the first time."""
    velocity = tracks.motion.velocity.copy()
    velocity[tracks.began == now.stamp] = np.nan
    return velocity

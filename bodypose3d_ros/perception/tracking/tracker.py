"""People over time: who is who, where, how fast and how sure, in a fixed frame."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, fields, replace
from typing import Any

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
from ...body.skeleton import INDEX, JOINT_COUNT, known
from ..lifting import size
from ..lifting.occlusion import before_others, hidden, overlap
from . import association
from .filter import Motion, forget, predict, settle, start, update
from .sizes import Sizes
from .symmetric import without

Array = NDArray[np.float64]
Times = NDArray[np.int64]

COAST_TIME = 0.5
"""Seconds for which somebody unseen, or a joint, is predicted and published."""
REMEMBER_TIME = 5.0
"""Seconds within which somebody who comes back gets the id back."""
CLOCK_JUMP = 1.0
"""Seconds: older than the newest image by more, an image begins another time."""
_STRAIGHT_ON = 1.0  # seconds for which somebody unseen is expected to go on
STEADY = 0.65
"""The part of the size's variance that stays as long as somebody is seen; the rest comes and goes
with the pose, and makes people seem to move along their rays."""
_SWAPPED_AT_MOST = 1.0  # seconds, after which the network is believed
_MOMENT = 0.15  # seconds, after which somebody or a joint is taken for unseen
_NS = 1e9
_NEVER = -(1 << 62)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Now:
    """When an image was taken, and from where."""

    stamp: int
    """Nanoseconds."""
    center: Array
    """(3,) the camera in the fixed frame, metres."""
    drift: Array
    """(3,) metres a second by which it has moved since the image before."""


@dataclass(frozen=True)
class _Tracks:
    """What is remembered of T people."""

    motion: Motion
    track_id: NDArray[np.uint32]
    began: Times
    """(T,) nanoseconds of the first image of each."""
    seen: Times
    """(T,) nanoseconds of the last."""
    joint_seen: Times
    """(T, 34) nanoseconds at which each joint was last seen."""
    pixels: Array
    """(T, 34, 2) where they were seen last."""
    confidence: Array
    score: Array
    anchored: Times
    """(T,) nanoseconds when they were last seen with nobody before them."""
    anchor: Array
    """(T, 3) metres where they were then."""
    heading: Array
    """(T, 3) metres a second at which they went there."""
    evidence: Array
    """(T, MEMORY, KINDS, 3) of their size, newest first."""
    log_size: Array
    size_sigma: Array
    scale_source: NDArray[np.uint8]
    unswapped: Times
    """(T, 3) when arms, legs, head were last seen as they are believed to be."""

    def __len__(self) -> int:
        return len(self.track_id)

    @classmethod
    def nobody(cls) -> _Tracks:
        """Nobody at all."""
        joints = (0, JOINT_COUNT)
        return cls(
            motion=Motion.nobody(),
            track_id=np.zeros(0, np.uint32),
            began=np.zeros(0, np.int64),
            seen=np.zeros(0, np.int64),
            joint_seen=np.zeros(joints, np.int64),
            pixels=np.zeros((*joints, 2)),
            confidence=np.zeros(joints),
            score=np.zeros(0),
            anchored=np.zeros(0, np.int64),
            anchor=np.zeros((0, 3)),
            heading=np.zeros((0, 3)),
            evidence=np.zeros((0, size.MEMORY, size.KINDS, size.COLUMNS)),
            log_size=np.zeros(0),
            size_sigma=np.zeros(0),
            scale_source=np.zeros(0, np.uint8),
            unswapped=np.zeros((0, len(association.SIDES)), np.int64),
        )

    @classmethod
    def begin(cls, bodies: Bodies, ids: NDArray[np.uint32], evidence: Array, now: Now) -> _Tracks:
        """People seen for the first time."""
        times = np.full(len(bodies), now.stamp)
        return cls(
            motion=start(_varying(bodies, now)),
            track_id=ids,
            began=times,
            seen=times,
            joint_seen=np.where(known(bodies.joints), now.stamp, _NEVER),
            pixels=bodies.pixels,
            confidence=bodies.confidence,
            score=bodies.score,
            anchored=times,
            anchor=_middle(bodies.joints),
            heading=np.zeros((len(bodies), 3)),
            evidence=evidence,
            log_size=bodies.log_size,
            size_sigma=bodies.size_sigma,
            scale_source=bodies.scale_source,
            unswapped=np.repeat(times[:, None], len(association.SIDES), axis=1),
        )

    def select(self, index: Any) -> _Tracks:  # noqa: ANN401 - whatever numpy indexes with
        """Some of the people; no copy where that is everybody in order, as it mostly is."""
        everybody = np.arange(len(self))
        if np.array_equal(everybody[index], everybody):
            return self
        return _Tracks(
            self.motion.select(index),
            *(getattr(self, each.name)[index] for each in fields(self)[1:]),
        )

    def replaced(self, rows: NDArray[np.intp], other: _Tracks) -> _Tracks:
        """These people with others in some rows."""
        if np.array_equal(rows, np.arange(len(self))):
            return other
        order = np.arange(len(self))
        order[rows] = len(self) + np.arange(len(rows))
        return self.joined(other).select(order)

    def joined(self, other: _Tracks) -> _Tracks:
        """These people and others."""
        return _Tracks(
            self.motion.joined(other.motion),
            *(
                np.concatenate([getattr(self, each.name), getattr(other, each.name)])
                for each in fields(self)[1:]
            ),
        )


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
        self._tracks = _Tracks.nobody()
        self._sizes = Sizes()
        self._stamp: int | None = None
        self._center = np.zeros(3)
        self._shown: frozenset[int] = frozenset()
        self._next_id = 1

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
        now = self._now(stamp, np.zeros(3) if place is None else place[:3, 3])
        if place is not None:
            bodies = transform(bodies, place)
        late = 0 if self._stamp is None else self._stamp - stamp
        if late > CLOCK_JUMP * _NS:
            _log.warning("the time jumped back by %.1f s: everybody is new", late / _NS)
            self.restarts += 1
            self.reset()
        elif late > 0:
            self.late += 1
            return self._recognised(bodies, now)
        self._predict(stamp)
        self._center = now.center
        rows = self._rows(self._matched(bodies, now), len(bodies))
        self._take_in(bodies, rows, now)
        return self._published(bodies, rows, now)

    def reset(self) -> None:
        """End all tracks: what follows has nothing to do with what came before."""
        self.ended = tuple(sorted(self._shown))
        self._shown = frozenset()
        self._tracks, self._sizes = _Tracks.nobody(), Sizes()
        self._stamp = None

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
        return _on(away, 0 if self._stamp is None else self._stamp)

    # -- steps of an update -----------------------------------------------------------------

    def _now(self, stamp: int, center: Array) -> Now:
        seconds = 0.0 if self._stamp is None else (stamp - self._stamp) / _NS
        drift = (center - self._center) / seconds if seconds > 0 else np.zeros(3)
        return Now(stamp, center, drift)

    def _predict(self, stamp: int) -> None:
        """Everybody not forgotten, at the time of an image."""
        seconds = 0.0 if self._stamp is None else (stamp - self._stamp) / _NS
        self._stamp = stamp
        tracks = self._tracks.select(stamp - self._tracks.seen <= self.remember_time * _NS)
        if len(tracks) and seconds:
            since = (stamp - tracks.joint_seen) / _NS
            unseen = since > _MOMENT
            motion = predict(settle(tracks.motion, unseen, seconds), seconds, unseen)
            # What nobody has seen for long is unknown: where else would it end?
            motion = forget(motion, since > self.coast_time)
            tracks = replace(tracks, motion=motion)
        self._tracks = tracks

    def _matched(self, bodies: Bodies, now: Now) -> association.Pairs:
        """(M, 2) a track and a person in each row."""
        tracks = self._tracks
        named = _named(tracks.track_id, bodies.track_id)
        if not len(named):
            return self._recognised_by_place(bodies, now, named[:, 0])
        free = _others(len(bodies), named[:, 1])
        others = self._recognised_by_place(select(bodies, free), now, named[:, 0])
        return np.concatenate([named, np.stack([others[:, 0], free[others[:, 1]]], 1)])

    def _recognised_by_place(
        self, bodies: Bodies, now: Now, taken: NDArray[np.intp]
    ) -> association.Pairs:
        """The same for people of whom nobody says who they are; some tracks are taken."""
        unseen = (now.stamp - self._tracks.seen) / _NS
        free, away = np.ones(len(unseen), bool), unseen > _MOMENT
        free[taken] = False
        pairs = np.zeros((0, 2), np.intp)
        for match, among in (
            (self._going_on, ~away),
            # Who was hidden may have turned meanwhile, and was perhaps seen wrongly before.
            (self._returning, away),
            (self._going_on, away & (unseen <= self.coast_time)),
        ):
            rows, people = np.flatnonzero(free & among), _others(len(bodies), pairs[:, 1])
            if len(rows) and len(people):
                found = match(rows, people, bodies, now)
                free[found[:, 0]] = False
                pairs = np.concatenate([pairs, found])
        return pairs

    def _going_on(
        self, rows: NDArray[np.intp], people: NDArray[np.intp], bodies: Bodies, now: Now
    ) -> association.Pairs:
        """Tracks and people of these by where they are predicted, and were in the image."""
        there = self._tracks.select(rows)
        seen = bodies if len(people) == len(bodies) else select(bodies, people)
        another = association.crowded(overlap(there.pixels, seen.pixels))
        if another.any():
            another &= association.another(
                _apparent(there.motion.position, there, now.center),
                (now.stamp - there.seen) / _NS,
                _apparent(seen.joints, seen, now.center),
            )
        pairs = association.match(there.motion, seen, there.pixels, another)
        return np.stack([rows[pairs[:, 0]], people[pairs[:, 1]]], 1)

    def _returning(
        self, rows: NDArray[np.intp], people: NDArray[np.intp], bodies: Bodies, now: Now
    ) -> association.Pairs:
        """The same by where they should have gone since nobody hid them."""
        tracks = self._tracks.select(rows)
        pairs = association.match_returning(
            _on(tracks, now.stamp),
            (now.stamp - tracks.anchored) / _NS,
            _middle(bodies.joints)[people],
        )
        return np.stack([rows[pairs[:, 0]], people[pairs[:, 1]]], 1)

    def _rows(self, pairs: association.Pairs, people: int) -> NDArray[np.intp]:
        """(N,) the row of each person's track; newcomers come after the tracks there are."""
        rows = np.full(people, -1, np.intp)
        rows[pairs[:, 1]] = pairs[:, 0]
        new = rows < 0
        rows[new] = len(self._tracks) + np.arange(new.sum())
        return rows

    def _take_in(self, bodies: Bodies, rows: NDArray[np.intp], now: Now) -> None:
        new = rows >= len(self._tracks)
        followed = rows[~new]
        tracks = self._tracks
        unseen = (now.stamp - tracks.seen) / _NS <= self.coast_time
        unseen[followed] = False
        bodies = before_others(bodies, tracks.pixels[unseen])
        ids = self._ids(rows, int(new.sum()))
        evidence = _with_before(tracks, rows, bodies)
        bodies = self._sized(bodies, ids, evidence, now)
        if len(followed):
            there = select(bodies, ~new) if new.any() else bodies
            again = self._followed(tracks.select(followed), there, evidence[~new], now)
            tracks = tracks.replaced(followed, again)
        if new.any():
            newcomers = _Tracks.begin(select(bodies, new), ids[new], evidence[new], now)
            tracks = tracks.joined(newcomers)
        self._tracks = tracks

    def _ids(self, rows: NDArray[np.intp], new: int) -> NDArray[np.uint32]:
        """(N,) who is in those rows, newcomers with ids of their own."""
        fresh = np.arange(self._next_id, self._next_id + new, dtype=np.uint32)
        self._next_id += new
        return np.asarray(np.concatenate([self._tracks.track_id, fresh])[rows])

    def _sized(self, bodies: Bodies, ids: NDArray[np.uint32], evidence: Array, now: Now) -> Bodies:
        """People of the size that all the evidence so far tells of."""
        self._sizes.keep(self._tracks.track_id)
        log_size, sigma, source = self._sizes.update(ids, evidence, now.stamp)
        told = (
            (log_size != bodies.log_size) | (sigma != bodies.size_sigma) | (source != SCALE_LIMBS)
        )
        if not told.any():
            return bodies
        # A body whose depth was measured stands where it was measured.
        measured = np.isfinite(bodies.evidence[:, SCALE_DEPTH, size.VALUE])
        factor = np.exp(np.where(measured, 0, log_size - bodies.log_size))
        joints = _scaled(bodies.joints, now.center, factor)
        return replace(
            bodies,
            joints=joints,
            covariance=without(
                bodies.covariance, _by_size(bodies.joints, now.center, bodies.size_sigma)
            )
            + _size_covariance(joints, now.center, sigma**2),
            log_size=log_size,
            size_sigma=sigma,
            scale_source=np.where(source == SCALE_LIMBS, bodies.scale_source, source).astype(
                np.uint8
            ),
        )

    def _followed(self, tracks: _Tracks, bodies: Bodies, evidence: Array, now: Now) -> _Tracks:
        """Tracks, row by row, of people who are seen again."""
        tracks = _of_size(tracks, bodies, now)
        told = np.isfinite(evidence[:, :, 1:, size.VALUE]).any(axis=(1, 2))
        swap = association.swapped(tracks.motion, bodies)
        # Perhaps it was wrong when it was first seen: in the end the network is believed.
        believed = swap & (now.stamp - tracks.unswapped > _SWAPPED_AT_MOST * _NS)
        motion = forget(tracks.motion, association.joints_of(believed))
        if (swap & ~believed).any():
            bodies = association.exchanged(bodies, swap & ~believed)
        there = known(bodies.joints)
        motion = update(motion, _varying(bodies, now))
        # Of who is hidden a network sees the ones before, too: he seems to stop, or to turn.
        clear = hidden(bodies, now.center) < association.IN_THE_WAY
        clear |= now.stamp - tracks.anchored > _STRAIGHT_ON * _NS
        return replace(
            tracks,
            motion=motion,
            seen=np.full(len(bodies), now.stamp),
            joint_seen=np.where(there, now.stamp, tracks.joint_seen),
            pixels=bodies.pixels,
            confidence=np.where(there, bodies.confidence, tracks.confidence),
            score=bodies.score,
            anchored=np.where(clear, now.stamp, tracks.anchored),
            anchor=np.where(clear[:, None], _middle(bodies.joints), tracks.anchor),
            heading=np.where(clear[:, None], motion.heading, tracks.heading),
            evidence=evidence,
            log_size=bodies.log_size,
            size_sigma=bodies.size_sigma,
            scale_source=np.where(told, bodies.scale_source, tracks.scale_source),
            unswapped=np.where(swap & ~believed, tracks.unswapped, now.stamp),
        )

    def _published(self, bodies: Bodies, rows: NDArray[np.intp], now: Now) -> Bodies:
        """The tracks of those seen in their order, and of those who are coasting."""
        tracks = self._tracks
        unseen = (now.stamp - tracks.seen) / _NS
        coasts = unseen < np.minimum(self.coast_time, (tracks.seen - tracks.began) / _NS)
        coasts[rows] = False
        order = np.concatenate([rows, np.flatnonzero(coasts)])
        shown = tracks.select(order)
        here = np.arange(len(order)) < len(rows)
        ids = frozenset(shown.track_id.tolist())
        self.ended += tuple(sorted(self._shown - ids))
        self._shown = ids
        joints = shown.motion.position.copy()
        covariance = shown.motion.position_covariance
        covariance[~known(joints)] = np.nan
        covariance += _size_covariance(joints, now.center, STEADY * shown.size_sigma**2)
        state = np.where(shown.began == now.stamp, STATE_NEW, STATE_TRACKED)
        velocity = _velocity(shown, now)
        velocity_covariance = shown.motion.velocity_covariance
        velocity_covariance[~known(velocity)] = np.nan
        # Who is larger than thought is farther away, and goes by as much faster.
        velocity_covariance += _size_covariance(velocity, now.drift, STEADY * shown.size_sigma**2)
        return Bodies(
            joints=joints,
            pixels=np.where(here[:, None, None], shown.pixels, np.nan),
            confidence=np.where(known(joints), shown.confidence, 0),
            score=shown.score,
            scale_source=shown.scale_source,
            track_id=shown.track_id,
            state=np.where(here, state, STATE_COASTING).astype(np.uint8),
            velocity=velocity,
            covariance=covariance,
            velocity_covariance=velocity_covariance,
            log_size=shown.log_size,
            size_sigma=shown.size_sigma,
            evidence=shown.evidence[:, 0],
        )

    def _recognised(self, bodies: Bodies, now: Now) -> Bodies:
        """Who is who in an image that came late, as it was measured; 0 for who is not known."""
        ids = np.zeros(len(bodies), np.uint32)
        pairs = self._matched(bodies, now)
        ids[pairs[:, 1]] = self._tracks.track_id[pairs[:, 0]]
        return replace(bodies, track_id=ids, state=np.full(len(bodies), STATE_TRACKED, np.uint8))


def unfit(misfit: float) -> str:
    """What to say of a floor that does not fit, by its ``Tracker.floor_misfit``."""
    size = f"{abs(misfit):.0%} {'larger' if misfit > 0 else 'smaller'}"
    return (
        f"who stands on it would be {size} than people are: are the camera's height and pitch, or "
        "the floor's frame, right?"
    )


def _named(tracks: NDArray[np.uint32], people: NDArray[np.uint32]) -> association.Pairs:
    """(M, 2) the track and the person of each id that both have; 0 is nobody's."""
    rows, columns = np.nonzero((tracks[:, None] == people[None]) & (people[None] > 0))
    return np.stack([rows, columns], 1)


def _others(count: int, taken: NDArray[np.intp]) -> NDArray[np.intp]:
    """Who of so many is not taken."""
    free = np.ones(count, bool)
    free[taken] = False
    return np.flatnonzero(free)


def _middle(joints: Array) -> Array:
    """(N, 3) the pelvis, or the mean of what is known where it is not."""
    pelvis = joints[:, INDEX["pelvis"]]
    seen = known(pelvis)[:, None]
    if seen.all():
        return pelvis
    there = known(joints)[..., None]
    mean = np.where(there, joints, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return np.where(seen, pelvis, mean)


def _apparent(joints: Array, people: _Tracks | Bodies, center: Array) -> Array:
    """(N,) metres from the camera's centre at which people would be of the network's size.

    NaN for who is in no image, or nowhere.
    """
    apart = np.linalg.norm(_middle(joints) - center, axis=1) * np.exp(-people.log_size)
    seen = known(people.pixels).any(axis=1) & known(joints).any(axis=1)
    return np.asarray(np.where(seen, apart, np.nan))


def _scaled(joints: Array, center: Array, factor: Array) -> Array:
    """Joints (N, 34, 3) of people larger by a factor (N,), as a camera at the centre sees them."""
    return np.asarray(center + (joints - center) * factor[:, None, None])


def _on(tracks: _Tracks, stamp: int) -> Array:
    """(T, 3) metres where people should be at a time who went on as when nobody hid them."""
    seconds = np.clip((stamp - tracks.anchored) / _NS, 0, _STRAIGHT_ON)
    return np.asarray(tracks.anchor + seconds[:, None] * tracks.heading)


def _of_size(tracks: _Tracks, bodies: Bodies, now: Now) -> _Tracks:
    """Tracks as far away as people are who are of these bodies' size."""
    if np.array_equal(bodies.log_size, tracks.log_size):
        return tracks
    mean = tracks.motion.mean.copy()
    grown = np.exp(bodies.log_size - tracks.log_size)
    mean[..., :3] = _scaled(mean[..., :3], now.center, grown)
    return replace(tracks, motion=replace(tracks.motion, mean=mean))


def _with_before(tracks: _Tracks, rows: NDArray[np.intp], bodies: Bodies) -> Array:
    """(N, MEMORY, KINDS, COLUMNS) what is told of people's sizes now, and was told before."""
    nothing = np.full((len(bodies), *tracks.evidence.shape[1:]), np.nan)
    before = np.concatenate([tracks.evidence, nothing])[rows, :-1]
    return np.concatenate([bodies.evidence[:, None], before], axis=1)


def _size_covariance(joints: Array, center: Array, variance: Array) -> Array:
    """(N, 34, 3, 3) what an error of size (N,) does to joints seen from a centre (3,).

    So it does to their velocities beside that of the centre.
    """
    part = _by_size(joints, center, np.sqrt(variance))
    return np.asarray(part[..., :, None] * part[..., None, :])


def _by_size(joints: Array, center: Array, sigma: Array) -> Array:
    """(N, 34, 3) metres by which joints move with one standard deviation (N,) of the size."""
    return np.asarray(sigma[:, None, None] * (joints - center))


def _varying(bodies: Bodies, now: Now) -> Bodies:
    """Bodies without that part of the size's error which no image of this camera tells of.

    It is added when they are published.
    """
    steady = _by_size(bodies.joints, now.center, np.sqrt(STEADY) * bodies.size_sigma)
    return replace(bodies, covariance=without(bodies.covariance, steady))


def _velocity(tracks: _Tracks, now: Now) -> Array:
    """(T, 34, 3) metres a second; unknown for who, or what, was seen for the first time."""
    velocity = tracks.motion.velocity.copy()
    velocity[tracks.began == now.stamp] = np.nan
    return velocity

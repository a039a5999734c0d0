"""What is remembered of people: where each is, what was seen last, and what is believed of it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...body.people import Bodies, is_everybody
from ...body.skeleton import INDEX, JOINT_COUNT, known
from ..lifting import size
from .association import SIDES
from .filter import Motion, start
from .viewpoint import Now, varying_covariance

Array = NDArray[np.float64]
Times = NDArray[np.int64]

STRAIGHT_ON = 1.0
"""Seconds for which somebody unseen is expected to go on."""
_NEVER = -(1 << 62)


@dataclass(frozen=True)
class Tracks:
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
    def nobody(cls) -> Tracks:
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
            unswapped=np.zeros((0, len(SIDES)), np.int64),
        )

    @classmethod
    def begin(cls, bodies: Bodies, ids: NDArray[np.uint32], evidence: Array, now: Now) -> Tracks:
        """People seen for the first time."""
        times = np.full(len(bodies), now.stamp)
        return cls(
            motion=start(bodies.joints, varying_covariance(bodies, now)),
            track_id=ids,
            began=times,
            seen=times,
            joint_seen=np.where(known(bodies.joints), now.stamp, _NEVER),
            pixels=bodies.pixels,
            confidence=bodies.confidence,
            score=bodies.score,
            anchored=times,
            anchor=middle(bodies.joints),
            heading=np.zeros((len(bodies), 3)),
            evidence=evidence,
            log_size=bodies.log_size,
            size_sigma=bodies.size_sigma,
            scale_source=bodies.scale_source,
            unswapped=np.repeat(times[:, None], len(SIDES), axis=1),
        )

    def select(self, index: Any) -> Tracks:  # noqa: ANN401 - whatever numpy indexes with
        """Some of the people; no copy where that is everybody in order, as it mostly is."""
        if is_everybody(index, len(self)):
            return self
        return Tracks(
            self.motion.select(index),
            *(getattr(self, each.name)[index] for each in fields(self)[1:]),
        )

    def joined(self, other: Tracks) -> Tracks:
        """These people and others."""
        return Tracks(
            self.motion.joined(other.motion),
            *(
                np.concatenate([getattr(self, each.name), getattr(other, each.name)])
                for each in fields(self)[1:]
            ),
        )

    def unseen(self, stamp: int) -> Array:
        """(T,) seconds since they were seen."""
        return np.asarray((stamp - self.seen) / 1e9)

    def expected(self, stamp: int) -> Array:
        """(T, 3) metres where people should be at a time who went on as when nobody hid them."""
        seconds = np.clip((stamp - self.anchored) / 1e9, 0, STRAIGHT_ON)
        return np.asarray(self.anchor + seconds[:, None] * self.heading)


@dataclass(frozen=True)
class Step:
    """What an image made of what was known of T people: what ``smoothing`` needs of it."""

    now: Now
    track_id: NDArray[np.uint32]
    size_sigma: Array
    expected: Motion
    """At its time, before it was looked at: NaN joints not known then; newcomers as they came."""
    motion: Motion
    """After it was looked at."""


def middle(joints: Array) -> Array:
    """(N, 3) the pelvis, or the mean of what is known where it is not."""
    pelvis = joints[:, INDEX["pelvis"]]
    seen = known(pelvis)[:, None]
    if seen.all():
        return pelvis
    there = known(joints)[..., None]
    mean = np.where(there, joints, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return np.where(seen, pelvis, mean)

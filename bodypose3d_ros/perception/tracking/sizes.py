"""How large the people are who are followed, and how far the floor is from where it was told.

A floor whose tilt is wrong makes everybody too large or too small, the more the farther away they
are. So people tell of it: who comes nearer does not shrink, and several are not all giants. Sizes
and tilt are one Gaussian that every frame's evidence narrows, as the map and the robot's place are
in SLAM (Durrant-Whyte and Bailey 2006); what one person's shoes add stays that person's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...body.people import SCALE_GROUND
from ..lifting import size
from ..lifting.size import BIAS, KINDS, NOISE, POSE, TILT, VALUE

Array = NDArray[np.float64]

ALIKE = 1.0
"""Seconds after which what a pose adds to the evidence is another: as much of it is one sample."""
FORGET = 600.0
"""Seconds after which the floor may be tilted otherwise: a mast bends, a mounting slips."""
ODD = 3.0
"""Squared Mahalanobis distance, from the size believed beforehand, from which the floor teaches
nothing: who stands on a step, or is no person, shall not tilt it for the others."""
SETTLED = 5.0
"""Seconds over which it is judged whether people are of sizes that people have."""
_MOST = 0.5
_FLOOR = SCALE_GROUND - 1
_TILT = slice(0, 3)


class Sizes:
    """What all frames so far tell of sizes and of the floor's tilt.

    The state holds the rotation vector, in the optical frame and in units of ``Floor.tilt_sigma``,
    by which ``Floor.up`` is wrong; then, of each person, the logarithm of the size and what each
    further kind of evidence is off by for as long as the person is followed.
    """

    def __init__(self) -> None:
        self._track_id: NDArray[np.uint32] = np.zeros(0, np.uint32)
        self._mean: Array = np.zeros(3)
        self._covariance: Array = np.eye(3)
        self._stamp: int | None = None
        self._judged: Array = np.zeros(3)
        """Means over the last seconds, from 0: of those who stand on the floor, of those among them
        whose size few have, and of the logarithm of the size that the floor asks for."""

    @property
    def misfit(self) -> float:
        """The part by which people would be too large for this floor to fit them; 0: it fits."""
        standing, odd, asked = self._judged
        return float(np.expm1(asked / standing)) if odd > _MOST else 0.0

    @property
    def tilt(self) -> tuple[Array, Array]:
        """(3,) by how many ``tilt_sigma`` the floor's ``up`` is turned, and covariance (3, 3)."""
        return self._mean[_TILT], self._covariance[_TILT, _TILT]

    def keep(self, track_id: NDArray[np.uint32]) -> None:
        """Forget everybody but these; what the others told of the floor stays known."""
        kept = (self._track_id[:, None] == track_id).any(axis=1)
        if not kept.all():
            index = np.flatnonzero(np.concatenate([[True] * 3, np.repeat(kept, KINDS)]))
            self._track_id = self._track_id[kept]
            self._mean, self._covariance = self._mean[index], self._covariance[np.ix_(index, index)]

    def update(
        self, track_id: NDArray[np.uint32], history: Array, stamp: int
    ) -> tuple[Array, Array, NDArray[np.uint8]] | None:
        """The sizes of those who are seen now.

        Args:
            track_id: (N,) who they are.
            history: (N, MEMORY, KINDS, COLUMNS) evidence of the last frames, newest first.
            stamp: Nanoseconds.

        Returns:
            (N,) logarithm of the size, as the network has them in this pose; (N,) its standard
            deviation; (N,) which kind of evidence weighs most now. None where nothing has told more
            of sizes than was believed beforehand.
        """
        seconds = 0.0 if self._stamp is None else (stamp - self._stamp) / 1e9
        self._stamp = stamp
        self._wait(seconds)
        self._judged = self._judged * (1 - min(1.0, seconds / SETTLED))
        if not len(self._track_id) and np.isnan(history[:, :, 1:, VALUE]).all():
            return None
        evidence, counts = size.medians(history)
        source = size.fuse(evidence, counts)[2]
        told = self._told(self._rows(track_id, evidence), evidence, counts)
        log_size, sigma = self._answer(told)
        fresh = told.there & np.isfinite(history[:, 0, 1:, VALUE])
        if (standing := fresh[:, _FLOOR]).any():
            now = np.stack([standing, told.odd, told.asked])[:, standing].mean(axis=1)
            self._judged = self._judged + min(1.0, seconds / SETTLED) * now
        fresh[:, _FLOOR] &= ~told.odd
        if seconds > 0 and fresh.any():
            self._learn(told, fresh, min(1.0, seconds / ALIKE))
        return log_size, sigma, source

    def _wait(self, seconds: float) -> None:
        """The floor's tilt becomes unknown again: an Ornstein-Uhlenbeck process."""
        if not len(self._track_id) and (np.diagonal(self._covariance) == 1).all():
            return  # nobody has told of it yet
        decay = np.exp(-seconds / FORGET)
        self._mean[_TILT] *= decay
        self._covariance[_TILT] *= decay
        self._covariance[:, _TILT] *= decay
        self._covariance[_TILT, _TILT] += (1 - decay**2) * np.eye(3)

    def _rows(self, track_id: NDArray[np.uint32], evidence: Array) -> NDArray[np.intp]:
        """(N,) where in the state each person begins; newcomers and new kinds are added."""
        new = (track_id[:, None] != self._track_id).all(axis=1)
        if new.any():
            self._track_id = np.concatenate([self._track_id, track_id[new]])
            added = np.zeros((int(new.sum()), KINDS))
            added[:, 0] = evidence[new, 0, VALUE]
            self._mean = np.concatenate([self._mean, added.ravel()])
            grown = np.zeros((len(self._mean), len(self._mean)))
            before = len(self._covariance)
            grown[:before, :before] = self._covariance
            self._covariance = grown
        order = np.argsort(self._track_id)
        person = order[np.searchsorted(self._track_id, track_id, sorter=order)]
        row = 3 + KINDS * person
        # What nobody has told of yet has no variance: now its bias is known.
        cell = row[:, None] + np.arange(KINDS)
        told = (self._covariance[cell, cell] == 0) & np.isfinite(evidence[..., BIAS])
        self._covariance[cell[told], cell[told]] = evidence[told, BIAS] ** 2
        return row

    def _told(self, row: NDArray[np.intp], evidence: Array, counts: NDArray[np.intp]) -> _Told:
        there = counts[:, 1:] > 0
        further = np.where(there[..., None], evidence[:, 1:], 0)
        toward = np.zeros((*there.shape, len(self._mean)))
        toward[..., _TILT] = further[..., TILT]
        person, kind = np.nonzero(there)
        toward[person, kind, row[person]] = 1
        toward[person, kind, row[person] + 1 + kind] = 1
        pose = evidence[:, 0, POSE] ** 2
        own = further[..., NOISE] ** 2 * size.shrunk(counts[:, 1:]) + further[..., POSE] ** 2
        turn, turns = self.tilt
        tilted = further[:, _FLOOR, TILT]
        asked = further[:, _FLOOR, VALUE] - tilted @ turn - evidence[:, 0, VALUE]
        whole = (
            own[:, _FLOOR] + further[:, _FLOOR, BIAS] ** 2 + (tilted @ turns * tilted).sum(axis=1)
        )
        expected = whole + pose + evidence[:, 0, BIAS] ** 2
        own[:, _FLOOR] += (size.doubt(asked, expected) - 1) * whole
        varying = np.where(there[:, :, None] & there[:, None], pose[:, None, None], 0)
        varying += np.where(there, own, 1)[..., None] * np.eye(KINDS - 1)
        off = further[..., VALUE] - toward @ self._mean
        return _Told(row, there, toward, off, pose, asked, asked**2 > ODD * expected, varying)

    def _answer(self, told: _Told) -> tuple[Array, Array]:
        """The sizes in this pose: what stays of them, and what the pose adds."""
        moved = told.toward @ self._covariance
        spread = moved @ told.toward.swapaxes(1, 2) + told.varying
        across = moved[np.arange(len(told.row)), :, told.row]
        across += np.where(told.there, told.pose[:, None], 0)
        gain = np.linalg.solve(spread, across[..., None])[..., 0]
        variance = self._covariance[told.row, told.row] + told.pose - (gain * across).sum(axis=1)
        return self._mean[told.row] + (gain * told.off).sum(axis=1), np.sqrt(variance)

    def _learn(self, told: _Told, fresh: NDArray[np.bool_], share: float) -> None:
        """Narrow the state by a share of a sample: a Kalman filter's update.

        Args:
            told: What is told now.
            fresh: (N, K) which of it was told in this frame, and is believed.
            share: As much of a sample as this frame is.
        """
        noise = np.zeros((*fresh.shape, *fresh.shape))
        each = np.arange(len(fresh))
        noise[each, :, each] = told.varying / share
        toward = told.toward[fresh]
        moved = toward @ self._covariance
        gain = np.linalg.solve(moved @ toward.T + noise[fresh][:, fresh], moved).T
        self._mean = self._mean + gain @ told.off[fresh]
        covariance = self._covariance - gain @ moved
        self._covariance = (covariance + covariance.T) / 2


@dataclass(frozen=True)
class _Told:
    """What K = KINDS - 1 kinds of evidence say of N people beyond what is believed beforehand."""

    row: NDArray[np.intp]
    """(N,) where in the state of S numbers each person begins."""
    there: NDArray[np.bool_]
    """(N, K) what there is evidence of; the rest is without effect."""
    toward: Array
    """(N, K, S) how evidence changes with the state."""
    off: Array
    """(N, K) evidence less what the state expects."""
    pose: Array
    """(N,) variance of what this pose adds to the size that people keep."""
    asked: Array
    """(N,) by how much the floor asks for another logarithm of the size than is believed."""
    odd: NDArray[np.bool_]
    """(N,) whether that is a size that few have."""
    varying: Array
    """(N, K, K) covariance of what does not stay, of that and of each kind's own."""

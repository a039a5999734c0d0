"""Which keypoints say where cameras stand: of people whom several views see at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...body.skeleton import JOINT_COUNT, JOINTS, MIRRORED, known
from .pairs import FITS
from .tracks import Track

Array = NDArray[np.float64]

KEYPOINT = 0.015
"""Standard deviation of a keypoint, in units of the person's size in the image: what pose networks
reach on people who are seen whole."""
MOST_MOMENTS = 120
"""Person-moments that are adjusted: more say little new and cost time."""
_LEAST_CONFIDENCE = 0.3
POINTS = np.array(
    [name not in ("pelvis", "torso", "neck") and "hip" not in name for name in JOINTS]
)
"""(34,) joints that are one point from all sides: what lies between others adds nothing, and hips
are taken for places that depend on the side one looks from."""
_Row = tuple[NDArray[np.intp], NDArray[np.intp], Array, Array]
"""View, joint, ray, sigma of keypoints."""


@dataclass(frozen=True)
class Observations:
    """M keypoints of P joints (each of one person at one moment) in V views."""

    view: NDArray[np.intp]
    """(M,)"""
    point: NDArray[np.intp]
    """(M,)"""
    ray: Array
    """(M, 2) x/z, y/z."""
    sigma: Array
    """(M,) standard deviation of both."""
    moment: NDArray[np.intp]
    """(M,) when, as an index of moments."""
    start: Array
    """(P, 3) metres in the first view's optical frame: where the joints are, roughly."""
    joint: NDArray[np.intp]
    """(P,) which of the 34 each point is."""
    body: NDArray[np.intp]
    """(P,) of whom at what moment: points with the same number are one body."""

    def select(self, keep: NDArray[np.bool_]) -> Observations:
        """Some of them: joints that fewer than two views see are left out."""
        count = np.zeros(len(self.start), np.intp)
        np.add.at(count, self.point[keep], 1)
        keep = keep & (count >= 2)[self.point]
        used, point = np.unique(self.point[keep], return_inverse=True)
        return Observations(
            self.view[keep],
            np.asarray(point, np.intp),
            self.ray[keep],
            self.sigma[keep],
            self.moment[keep],
            self.start[used],
            self.joint[used],
            self.body[used],
        )


def observed(
    tracks: Sequence[Track], people: Sequence[Sequence[int]], places: Array, within: float = FITS
) -> Observations | None:
    """Keypoints of people whom several views see at once; None where there are none.

    Args:
        tracks: Of all views.
        people: Indices of the tracks that are one person, for each person.
        places: (V, 4, 4) roughly, from each optical frame to the first's.
        within: Metres: mean distance from the others up to which a view sees the same person.
    """
    together = [
        (own, int(moment))
        for own in people
        for moment in np.flatnonzero(np.sum([tracks[n].seen for n in own], axis=0) >= 2)
    ]
    step = max(len(together) / MOST_MOMENTS, 1.0)
    chosen = [together[int(n * step)] for n in range(int(len(together) / step))]
    found = [
        (moment, start, rows)
        for own, moment in chosen
        for start, rows in _agreed([tracks[n] for n in own], moment, places, within)
    ]
    if not found:
        return None
    moments, starts, rows = zip(*found, strict=True)
    view, joint, ray, sigma = map(np.concatenate, zip(*itertools.chain(*rows), strict=True))
    body = np.repeat(np.arange(len(found)), [sum(len(row[0]) for row in own) for own in rows])
    every = Observations(
        view,
        body * JOINT_COUNT + joint,
        ray,
        sigma,
        np.array(moments, np.intp)[body],
        np.concatenate(starts),
        np.tile(np.arange(JOINT_COUNT), len(found)),
        np.repeat(np.arange(len(found)), JOINT_COUNT),
    )
    return every.select(np.ones(len(view), bool))


def _agreed(
    tracks: Sequence[Track], moment: int, places: Array, within: float
) -> Iterator[tuple[Array, list[_Row]]]:
    """One person at one moment: joints (34, 3), and keypoints of the views that agree on who it is.

    Nothing where no two views do.
    """
    tracks = [track for track in tracks if track.seen[moment]]
    world = np.array(
        [
            track.joints[moment] @ places[track.view, :3, :3].T + places[track.view, :3, 3]
            for track in tracks
        ]
    )
    orders = np.where(_crossed(world)[:, None], MIRRORED, np.arange(JOINT_COUNT))
    world = np.take_along_axis(world, orders[..., None], axis=1)
    middle = _median(world)
    near = np.nanmean(np.linalg.norm(world - middle, axis=2), axis=1) <= within
    if near.sum() < 2:
        return
    rows = []
    for n in np.flatnonzero(near):
        track, order = tracks[n], orders[n]
        ray, confidence = track.rays[moment][order], track.confidence[moment][order]
        usable = POINTS & known(ray) & (confidence >= _LEAST_CONFIDENCE) & known(middle)
        joint = np.flatnonzero(usable)
        sigma = KEYPOINT * track.reach[moment] / confidence[joint]
        rows.append((np.full(len(joint), track.view), joint, ray[joint], sigma))
    yield np.nan_to_num(middle), rows


def _crossed(world: Array) -> NDArray[np.bool_]:
    """(V,) whether left and right are exchanged in a view, beside the one that most others fit.

    A mean of views would not tell: one that has them exchanged is as far from it either way.
    """
    straight, crossed = (
        np.nanmean(np.linalg.norm(world[:, None] - order[None], axis=3), axis=2)
        for order in (world, world[:, MIRRORED])
    )
    middle = np.fmin(straight, crossed).sum(axis=1).argmin()
    return np.asarray(crossed[middle] < straight[middle])


def _median(world: Array) -> Array:
    """(34, 3) of views (V, 34, 3), NaN where none knows a joint."""
    seen = known(world).any(axis=0)
    middle = np.full(world.shape[1:], np.nan)
    middle[seen] = np.nanmedian(world[:, seen], axis=0)
    return middle

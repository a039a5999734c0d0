"""Who of those seen is whom: by the id they come with, where they go on, where they come back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...body.people import Bodies, select
from ...body.skeleton import known
from ..lifting.occlusion import overlap
from . import association
from .tracks import Tracks, middle
from .viewpoint import Now

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

MOMENT = 0.15
"""Seconds, after which somebody or a joint is taken for unseen."""


def recognised(tracks: Tracks, bodies: Bodies, now: Now, coast_time: float) -> association.Pairs:
    """(M, 2) a track and a person in each row.

    Args:
        tracks: Everybody remembered, predicted to now.
        bodies: N people in the fixed frame; a ``track_id`` above 0 says who somebody is.
        now: Their image.
        coast_time: Seconds for which somebody unseen is predicted.
    """
    named = _named(tracks.track_id, bodies.track_id)
    if not len(named):
        return _by_place(tracks, bodies, now, coast_time)
    nameless = _others(len(bodies), named[:, 1])
    free = _others(len(tracks), named[:, 0])
    others = _by_place(tracks.select(free), select(bodies, nameless), now, coast_time)
    return np.concatenate([named, np.stack([free[others[:, 0]], nameless[others[:, 1]]], 1)])


def _named(tracks: NDArray[np.uint32], people: NDArray[np.uint32]) -> association.Pairs:
    """(M, 2) the track and the person of each id that both have; 0 is nobody's."""
    return np.argwhere((tracks[:, None] == people) & (people > 0))


def _others(count: int, taken: Rows) -> Rows:
    """Who of so many is not taken."""
    free = np.ones(count, bool)
    free[taken] = False
    return np.flatnonzero(free)


def _by_place(tracks: Tracks, bodies: Bodies, now: Now, coast_time: float) -> association.Pairs:
    """The same for people of whom nobody says who they are."""
    unseen = tracks.unseen(now.stamp)
    away = unseen > MOMENT
    free, unnamed = np.ones(len(tracks), bool), np.ones(len(bodies), bool)
    pairs = np.zeros((0, 2), np.intp)
    for match, among in (
        (_going_on, ~away),
        # Who was hidden may have turned meanwhile, and was perhaps seen wrongly before.
        (_returning, away),
        (_going_on, away & (unseen <= coast_time)),
    ):
        rows, people = np.flatnonzero(free & among), np.flatnonzero(unnamed)
        if len(rows) and len(people):
            found = match(tracks.select(rows), select(bodies, people), now)
            found = np.array([rows[found[:, 0]], people[found[:, 1]]]).T
            free[found[:, 0]] = unnamed[found[:, 1]] = False
            pairs = np.concatenate([pairs, found])
    return pairs


def _going_on(tracks: Tracks, seen: Bodies, now: Now) -> association.Pairs:
    """Tracks and people by where they are predicted, and were in the image."""
    another = association.crowded(overlap(tracks.pixels, seen.pixels))
    if another.any():
        another &= association.another(
            _apparent(tracks.motion.position, tracks, now.center),
            tracks.unseen(now.stamp),
            _apparent(seen.joints, seen, now.center),
        )
    return association.match(tracks.motion, seen, tracks.pixels, another)


def _returning(tracks: Tracks, seen: Bodies, now: Now) -> association.Pairs:
    """The same by where they should have gone since nobody hid them."""
    seconds = (now.stamp - tracks.anchored) / 1e9
    return association.match_returning(tracks.expected(now.stamp), seconds, middle(seen.joints))


def _apparent(joints: Array, people: Tracks | Bodies, center: Array) -> Array:
    """(N,) metres from the camera's centre at which people would be of the network's size.

    NaN for who is in no image, or nowhere.
    """
    apart = np.linalg.norm(middle(joints) - center, axis=1) * np.exp(-people.log_size)
    seen = known(people.pixels).any(axis=1) & known(joints).any(axis=1)
    return np.asarray(np.where(seen, apart, np.nan))

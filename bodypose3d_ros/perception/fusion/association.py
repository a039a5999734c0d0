"""Who is who across views: a body in two views is one person where its joints' ellipsoids cross."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ...body.people import SCALE_DEPTH, SCALE_GROUND, Bodies, select
from ...body.skeleton import INDEX, JOINT_COUNT, MIRRORED, known
from ..tracking.symmetric import without

Array = NDArray[np.float64]

MAX_COST = 8.0
"""Mean squared Mahalanobis distance of joints, three of each expected, up to which two bodies can
be the same person. Less loses views that are half a degree off."""
ONE_COST = 4.0
"""The same of two views' bodies that are one person: in the cell, by the two
cameras, 78 to 97 % of those that are have less, and none of two people has, be they half a metre
apart (7 at least)."""
_CAP = 30.0
"""The most one joint counts: a swapped foot does not make a stranger."""
_SWAP_PENALTY = 2.0
"""By how much left and right exchanged have to fit better than as they are."""
TRUNK = [INDEX["pelvis"], INDEX["torso"], INDEX["neck"]]
"""The joints by which sizes are compared: steady, and on nobody's left or right."""
_FAR = 1e3
_TINY = 1e-18  # a millimetre each way, to the sixth
_FEWEST = 6
"""Joints that two bodies must have in common to be compared."""


@dataclass(frozen=True)
class Association:
    """Which body of which view is which person: N people, those expected first, in V views."""

    body: NDArray[np.intp]
    """(V, N) index of the body in its view, -1 where the view does not see the person."""
    swapped: NDArray[np.bool_]
    """(V, N) whether the view takes the person's left for the right."""

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(V, N) which views see whom."""
        return self.body >= 0

    @property
    def views(self) -> NDArray[np.intp]:
        """(N,) how many views see each person."""
        return np.asarray(self.seen.sum(axis=0), np.intp)

    def of(self, people: NDArray[np.bool_]) -> Association:
        """Of some of the people only."""
        return Association(self.body[:, people], self.swapped[:, people])


@dataclass(frozen=True)
class Seen:
    """N people to compare with others, with what is wrong with all of somebody's joints at once."""

    joints: Array
    """(N, 34, 3) metres in the fixed frame."""
    shape: Array
    """(N, 34, 3, 3) square metres, without what the size's error does."""
    growth: Array
    """(N, 34, 3) metres that a body moves if it is larger by the factor e, away from its camera;
    times the size's standard deviation, so that one unit of it is to be expected."""

    @classmethod
    def of(cls, bodies: Bodies, center: Array) -> Seen:
        """As a camera at a place (3,) sees them."""
        growth = (bodies.joints - center) * np.nan_to_num(bodies.size_sigma)[:, None, None]
        return cls(bodies.joints, without(bodies.covariance, growth), growth)

    @classmethod
    def known(cls, bodies: Bodies) -> Seen:
        """As they are, from whatever side."""
        return cls(bodies.joints, bodies.covariance, np.zeros(bodies.joints.shape))

    def mirrored(self) -> Seen:
        """With left and right exchanged."""
        return Seen(self.joints[:, MIRRORED], self.shape[:, MIRRORED], self.growth[:, MIRRORED])

    def select(self, index: NDArray[np.intp]) -> Seen:
        """Some of them."""
        return Seen(self.joints[index], self.shape[index], self.growth[index])

    def joined(self, other: Seen) -> Seen:
        """These people and others."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Seen(*(np.concatenate(pair) for pair in pairs))


def associate(views: Sequence[Bodies], centers: Array, expected: Bodies) -> Association:
    """Find the same people in all views (Hungarian, a view at a time).

    Args:
        views: What each view sees now, in the fixed frame, with covariances.
        centers: (V, 3) where their cameras are.
        expected: Who was there before, as they should be now. Whoever a view sees besides them
            is a newcomer, with whom the views after it are compared.
    """
    seeds = Seen.known(expected)
    rows: list[NDArray[np.intp]] = []
    swaps: list[NDArray[np.bool_]] = []
    for bodies, center in zip(views, centers, strict=True):
        seen = Seen.of(bodies, center)
        cost, crossed = _either_way(seen, seeds)
        likely = np.where(cost <= MAX_COST, cost + _volume(seen, seeds), _FAR)
        matched, persons = linear_sum_assignment(likely)
        near = cost[matched, persons] <= MAX_COST
        matched, persons = matched[near], persons[near]
        fresh = np.setdiff1d(np.arange(len(bodies)), matched)
        people = len(seeds.joints)
        row = np.full(people + len(fresh), -1)
        row[persons], row[people:] = matched, fresh
        swap = np.zeros(len(row), bool)
        swap[persons] = crossed[matched, persons]
        rows.append(row)
        swaps.append(swap)
        seeds = seeds.joined(seen.select(fresh))
    people = len(seeds.joints)
    body, swapped = np.full((len(views), people), -1), np.zeros((len(views), people), bool)
    for view, (row, swap) in enumerate(zip(rows, swaps, strict=True)):
        body[view, : len(row)], swapped[view, : len(row)] = row, swap
    expected_people = np.arange(people) < len(expected)
    association = Association(body, _outvoted(swapped, body >= 0, expected_people))
    return _united(association, views, centers, expected)


def _united(
    association: Association, views: Sequence[Bodies], centers: Array, expected: Bodies
) -> Association:
    """With those made one who were followed as two, each by cameras of its own.

    When people part who hid each other, a view's track may have gone with the wrong one. Where the
    bodies of two tracks cross, all that is seen is the one's whom it fits better.
    """
    body, swapped = association.body.copy(), association.swapped.copy()
    for pair in itertools.combinations(range(len(expected)), 2):
        seen = body >= 0
        by_each = seen[:, pair]
        if not by_each.any(axis=0).all() or by_each.all(axis=1).any():
            continue
        firsts = [int(seen[:, person].argmax()) for person in pair]
        bodies = [
            _one_seen(views[view], centers[view], body[view, person], swapped[view, person])
            for view, person in zip(firsts, pair, strict=True)
        ]
        cost, crossed = _either_way(*bodies)
        if cost[0, 0] > ONE_COST:
            continue
        tracks = Seen.known(select(expected, list(pair)))
        fits = [_either_way(each, tracks)[0][0] for each in bodies]
        kept, left = pair if fits[1][0] <= fits[0][1] else pair[::-1]
        moved = seen[:, left]
        body[moved, kept] = body[moved, left]
        swapped[moved, kept] = swapped[moved, left] ^ crossed[0, 0]
        body[:, left], swapped[:, left] = -1, False
    return Association(body, swapped)


def _one_seen(bodies: Bodies, center: Array, body: int, swapped: bool) -> Seen:
    """One of a view's bodies, with its sides as the person has them."""
    seen = Seen.of(select(bodies, [body]), center)
    return seen.mirrored() if swapped else seen


def _volume(seen: Seen, others: Seen) -> Array:
    """(N, M) logarithms of how much room two bodies' errors leave their trunks, a joint's mean.

    Twice the negative logarithm of a Gaussian's density is this and the squared distance: without
    it who has not been seen for a while, and may be anywhere, is nearest to everybody.
    """
    spread = seen.shape[:, None, TRUNK] + others.shape[None, :, TRUNK]
    there = np.asarray(np.isfinite(spread).all(axis=(3, 4)))
    volume = np.linalg.det(np.where(there[..., None, None], spread, np.eye(3)))
    logarithm = np.log(np.maximum(volume, _TINY))
    return np.asarray(logarithm.sum(axis=2) / np.maximum(there.sum(axis=2), 1))


def _either_way(seen: Seen, others: Seen) -> tuple[Array, NDArray[np.bool_]]:
    """(N, M) costs with left and right as they are or exchanged, and where they are exchanged."""
    straight, crossed = costs(seen, others), _SWAP_PENALTY + costs(seen.mirrored(), others)
    return np.minimum(straight, crossed), crossed < straight


def costs(seen: Seen, others: Seen) -> Array:
    """(N, M) how far bodies are from others: mean squared Mahalanobis distance of their joints.

    Each is first as large as fits the other best (ridge regression on the trunk): somebody small is
    too far away in every view with all joints at once, and no stranger for that.
    """
    off = seen.joints[:, None] - others.joints[None]
    both = known(off)
    spread = np.where(both[..., None, None], seen.shape[:, None] + others.shape[None], np.eye(3))
    information = np.where(both[..., None, None], np.linalg.inv(spread), 0)
    off = np.where(both[..., None], off, 0)
    grown = np.stack(np.broadcast_arrays(seen.growth[:, None], -others.growth[None]), -1)
    grown = np.where(both[..., None, None], grown, 0)  # (N, M, 34, 3, 2)
    trunk = grown[:, :, TRUNK].swapaxes(-1, -2) @ information[:, :, TRUNK]
    pull = (trunk @ off[:, :, TRUNK, :, None]).sum(axis=2)
    size = np.linalg.solve((trunk @ grown[:, :, TRUNK]).sum(axis=2) + np.eye(2), pull)
    off = off - (grown @ size[:, :, None])[..., 0]
    squared = (off[..., None, :] @ information @ off[..., None])[..., 0, 0]
    count = both.sum(axis=2)
    total = (np.minimum(squared, _CAP) * both).sum(axis=2) + (size**2).sum(axis=(2, 3))
    return np.asarray(np.where(count >= _FEWEST, total / np.maximum(count, 1), np.inf))


@dataclass(frozen=True)
class Sightings:
    """N people as V views see them, everybody's left where most views have it."""

    joints: Array
    """(V, N, 34, 3) metres in the fixed frame, NaN where a view does not see a joint."""
    covariance: Array
    """(V, N, 34, 3, 3) square metres."""
    confidence: Array
    """(V, N, 34)"""
    score: Array
    """(V, N)"""
    log_size: Array
    """(V, N) logarithm of the person's size over the size that the view's network has."""
    size_sigma: Array
    """(V, N) its standard deviation, NaN where unknown."""
    told: NDArray[np.bool_]
    """(V, N) whether the floor or a depth camera told the size, not the network alone."""
    measured: NDArray[np.bool_]
    """(V, N) whether a depth camera says how deep the joints lie, not a network's shape alone."""


def gathered(views: Sequence[Bodies], association: Association) -> Sightings:
    """What views say of the people who were found to be the same."""
    people = association.body.shape
    shape = (*people, JOINT_COUNT)
    found = Sightings(
        np.full((*shape, 3), np.nan),
        np.full((*shape, 3, 3), np.nan),
        np.zeros(shape),
        np.zeros(people),
        np.zeros(people),
        np.full(people, np.nan),
        np.zeros(people, bool),
        np.zeros(people, bool),
    )
    straight = np.arange(JOINT_COUNT)
    for view, person in zip(*np.nonzero(association.seen), strict=True):
        bodies, body = views[view], association.body[view, person]
        order = MIRRORED if association.swapped[view, person] else straight
        for name in ("joints", "covariance", "confidence"):
            getattr(found, name)[view, person] = getattr(bodies, name)[body][order]
        found.score[view, person] = bodies.score[body]
        found.log_size[view, person] = bodies.log_size[body]
        found.size_sigma[view, person] = bodies.size_sigma[body]
        source = bodies.scale_source[body]
        found.told[view, person] = source in (SCALE_GROUND, SCALE_DEPTH)
        found.measured[view, person] = source == SCALE_DEPTH
    return found


def _outvoted(
    swapped: NDArray[np.bool_], seen: NDArray[np.bool_], expected: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """(V, N) with everybody's sides as most have them: swapped is who is in the minority.

    How somebody was until now has a vote, too.
    """
    most = 2 * (swapped & seen).sum(axis=0) > seen.sum(axis=0) + expected
    return np.asarray(seen & (swapped ^ most))

"""How all cameras stand, roughly: pairs of them that agree, strung together.

Somebody tall is lifted too near by every camera, and so are the cameras then to each other: how
tall people are beside each other is found with the rig, or it would be of as many scales as there
are people.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .alignment import between
from .pairs import Pair, alike, ways_of
from .tracks import Track

Array = NDArray[np.float64]

_RIVAL = 0.5
"""Part of the best pair's support from which a pair that contradicts it is looked at."""


@dataclass(frozen=True)
class Rig:
    """A way in which all views may stand, roughly, and who is whom then."""

    places: list[Array | None]
    """(4, 4) by view, from its optical frame to the first's; None where it shares nobody."""
    tracks: list[Track]
    """Of all views, people as large as they are beside each other."""
    people: list[list[int]]
    """Indices of the tracks that are one person, for each person."""

    def has(self, pair: Pair) -> bool:
        """Whether two views stand here as by a pair."""
        one, other = self.places[pair.first], self.places[pair.second]
        if one is None or other is None:
            return False
        return alike(between(one, other), pair.transform)


def rigs_of(tracks: Sequence[Track], views: int) -> list[Rig]:
    """The ways in which all views may stand, the one first that most pairs of views support.

    Each other one holds a way in which two views may stand that no earlier one has.
    """
    pairs = [
        way
        for first, second in itertools.combinations(range(views), 2)
        for way in ways_of(tracks, first, second)
    ]
    supported = ranked(pairs)
    pairs = [pair for _, pair in supported]
    rigs = [_rig(tracks, pairs, views)]
    for support, pair in supported:
        if support >= _RIVAL * supported[0][0] and not any(rig.has(pair) for rig in rigs):
            rigs.append(_rig(tracks, [pair, *pairs], views))
    return rigs


def _rig(tracks: Sequence[Track], pairs: Sequence[Pair], views: int) -> Rig:
    kept, people = agreeing(tracks, pairs)
    grown, kept = at_one_scale(tracks, kept, people)
    return Rig(spanned(kept, views), grown, people)


def ranked(pairs: Sequence[Pair]) -> list[tuple[int, Pair]]:
    """Pairs and the moments that support each, the best supported first."""
    return sorted(((_support(pair, pairs), pair) for pair in pairs), key=lambda each: -each[0])


def _support(pair: Pair, pairs: Sequence[Pair]) -> int:
    """At how many moments a pair fits, and others that lead round to the same by a third view."""
    ways = [(each.first, each.second, each.transform, each.count) for each in pairs]
    ways += [(b, a, np.asarray(np.linalg.inv(way)), count) for a, b, way, count in ways]
    round_by: dict[int, int] = {}
    for first, third, one, count in ways:
        for start, end, other, also in ways:
            if (first, start, end) != (pair.first, third, pair.second):
                continue
            if alike(one @ other, pair.transform):
                round_by[third] = max(round_by.get(third, 0), min(count, also))
    return pair.count + sum(round_by.values())


def agreeing(tracks: Sequence[Track], pairs: Sequence[Pair]) -> tuple[list[Pair], list[list[int]]]:
    """Pairs that do not contradict each other, and the tracks of several views that are one person.

    Who is whom is taken over from pair to pair in their order; two views have one pair at most.
    Nobody is in a view twice at a time: who would be by a pair, is not that person.
    """
    group = {number: [number] for number in range(len(tracks))}
    kept: dict[tuple[int, int], Pair] = {}
    for pair in pairs:
        if (pair.first, pair.second) in kept:
            continue
        same = []
        for n, (a, b) in enumerate(pair.same):
            if group[a] is not group[b] and not _apart(tracks, group[a], group[b]):
                continue
            same.append(n)
            together = group[a] if group[a] is group[b] else group[a] + group[b]
            group.update(dict.fromkeys(together, together))
        if same:
            left = [pair.same[n] for n in same]
            kept[pair.first, pair.second] = replace(
                pair, same=left, size=[pair.size[n] for n in same]
            )
    people = {tuple(sorted(each)) for each in group.values()}
    return list(kept.values()), sorted(list(each) for each in people if len(each) > 1)


def _apart(tracks: Sequence[Track], ones: Sequence[int], others: Sequence[int]) -> bool:
    """Whether no view sees two groups of tracks at once."""
    return not any(
        tracks[a].view == tracks[b].view and (tracks[a].seen & tracks[b].seen).any()
        for a in ones
        for b in others
    )


def at_one_scale(
    tracks: Sequence[Track], pairs: Sequence[Pair], people: Sequence[Sequence[int]]
) -> tuple[list[Track], list[Pair]]:
    """People as large as they are beside each other, and pairs of cameras as far apart.

    On the whole people stay as large as the views believe. A person of true size K in a pair of
    true distance c was found to be of the size K / c: least squares of the logarithms.

    Args:
        tracks: Of all views.
        pairs: Of views.
        people: Indices of the tracks that are one person, for each person.
    """
    person = {track: number for number, own in enumerate(people) for track in own}
    found = [
        (person[a], len(people) + number, size)
        for number, pair in enumerate(pairs)
        for (a, _), size in zip(pair.same, pair.size, strict=True)
    ]
    equations = np.zeros((len(found) + 1, len(people) + len(pairs)))
    for row, (own, of_pair, _) in enumerate(found):
        equations[row, own], equations[row, of_pair] = 1, -1
    equations[-1, : len(people)] = 1
    sizes = np.log([size for _, _, size in found] + [1.0])
    scale = np.exp(np.linalg.lstsq(equations, sizes)[0])
    grown = [
        replace(track, joints=track.joints * scale[person[number]]) if number in person else track
        for number, track in enumerate(tracks)
    ]
    moved = []
    for pair, factor in zip(pairs, scale[len(people) :], strict=True):
        transform = pair.transform.copy()
        transform[:3, 3] *= factor
        moved.append(replace(pair, transform=transform))
    return grown, moved


def spanned(pairs: Sequence[Pair], views: int) -> list[Array | None]:
    """Every view's place in the first one's optical frame, along the pairs that come first (Prim).

    (4, 4) by view, None for a view that shares nobody with those that lead to the first.
    """
    places: list[Array | None] = [np.eye(4), *[None] * (views - 1)]
    while True:
        reaching = [p for p in pairs if (places[p.first] is None) != (places[p.second] is None)]
        if not reaching:
            return places
        pair = reaching[0]
        one, other = places[pair.first], places[pair.second]
        if one is not None:
            places[pair.second] = one @ pair.transform
        elif other is not None:
            places[pair.first] = other @ np.linalg.inv(pair.transform)

"""How cameras stand to each other, roughly: the same bodies, lifted by each of them, laid together.

Every view has lifted people to metres by itself, 10 to 25 cm wrong a joint. Over many moments of
somebody who moves that still fixes how one camera stands to the other (Kabsch 1976), and tells
whether two tracks are the same person at all: others' bodies do not fit for long. Somebody tall is
lifted too near by every camera, and so are the cameras then to each other: how tall people are
beside each other is found with it, or the rig would be of as many scales as there are people.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...body.skeleton import INDEX, JOINT_COUNT, MIRRORED, known
from ..lifting.size import LARGEST, SMALLEST
from .tracks import SHORTEST, Track

Array = NDArray[np.float64]

FITS = 0.25
"""Metres: mean distance of joints up to which two views' bodies are the same at a moment."""
FEWEST = 15
"""Moments in which two views have to see the same person."""
_SAMPLES, _SAMPLE = 200, 3
_NEARER = 3 * FITS, 2 * FITS, 1.5 * FITS, FITS
"""Metres within which people take part in how views stand, round by round: who stands far from the
one by whom views were laid together is moved most by what is still wrong with it."""
_SHARE = 0.5
"""Of the moments that two tracks have in common, how many must fit for them to be one person."""
_RIVAL = 0.5
"""Part of the best pair's support from which a pair that contradicts it is looked at."""
_ROUND = 45.0
"""Degrees by which two pairs may miss a third that they lead round to: each is 5 to 15 off."""
_ACROSS = [[INDEX[f"{side}_{name}"] for name in ("shoulder", "hip")] for side in ("left", "right")]
_TRUNK = [INDEX[name] for name in ("pelvis", "torso", "neck")]
"""Joints by which sizes are compared: on nobody's left or right."""


@dataclass(frozen=True)
class Pair:
    """Two views and the people both saw."""

    first: int
    second: int
    transform: Array
    """(4, 4) from the second's optical frame to the first's."""
    same: list[tuple[int, int]]
    """Indices of the tracks, of each view, that are one person: who fits most often comes first."""
    size: list[float]
    """How much larger each of these people is than the views believe, were the transform right."""
    count: int
    """At how many moments they fit."""


def ways_of(tracks: Sequence[Track], first: int, second: int) -> list[Pair]:
    """The ways in which two views may stand to each other, none like another.

    Two people who hardly move can be laid onto each other, and that is a way, too. Only where the
    views truly stand do all people fit at once: by whom most moments of all people fit is first.
    """
    ways = []
    for a, b in _couples(tracks, first, second):
        transform = _fit(tracks[a].joints, tracks[b].joints)
        if transform is not None:
            ways.append(_shared(tracks, (first, second), _joined(tracks, first, second, transform)))
    found: list[Pair] = []
    for way in sorted(ways, key=lambda way: -way.count):
        if way.count >= FEWEST and not any(_alike(way.transform, o.transform) for o in found):
            found.append(way)
    return found


def _couples(tracks: Sequence[Track], first: int, second: int) -> list[tuple[int, int]]:
    """Indices of every track of one view with every one of another."""
    ours, theirs = ([n for n, t in enumerate(tracks) if t.view == view] for view in (first, second))
    return list(itertools.product(ours, theirs))


def _shared(tracks: Sequence[Track], views: tuple[int, int], transform: Array) -> Pair:
    """Who is whom in two views that stand so to each other."""
    found = []
    for a, b in _couples(tracks, *views):
        ours, theirs, size = _sized(tracks[a], tracks[b], transform)
        fits, common = _fitting(ours, theirs, transform)
        if fits >= SHORTEST and fits >= _SHARE * common:
            found.append((fits, (a, b), size))
    found.sort(reverse=True)
    same, sizes = [people for _, people, _ in found], [size for _, _, size in found]
    return Pair(*views, transform, same, sizes, sum(fits for fits, _, _ in found))


def _joined(tracks: Sequence[Track], first: int, second: int, transform: Array) -> Array:
    """The transform by everybody whom it brings near each other, nearer from round to round."""
    for within in _NEARER:
        points, onto = [], []
        for a, b in _couples(tracks, first, second):
            ours, theirs, _ = _sized(tracks[a], tracks[b], transform)
            straight, crossed = _either(ours, theirs, transform)
            apart = np.fmin(straight, crossed)
            near = apart < within
            if near.sum() < max(SHORTEST, _SHARE * np.isfinite(apart).sum()):
                continue
            theirs = np.where((crossed < straight)[:, None, None], theirs[:, MIRRORED], theirs)
            both = known(ours) & known(theirs) & near[:, None]
            points.append(theirs[both])
            onto.append(ours[both])
        if not points:
            return transform
        transform = rigid(np.concatenate(points), np.concatenate(onto))
    return transform


def _sized(ours: Track, theirs: Track, transform: Array) -> tuple[Array, Array, float]:
    """Joints (T, 34, 3) of two tracks, as large as they have to be to fit, and how much larger."""
    size = _size(ours.joints, theirs.joints, transform)
    return size * ours.joints, size * theirs.joints, size


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
            if _alike(one @ other, pair.transform):
                round_by[third] = max(round_by.get(third, 0), min(count, also))
    return pair.count + sum(round_by.values())


def _apart(tracks: Sequence[Track], ones: Sequence[int], others: Sequence[int]) -> bool:
    """Whether no view sees two groups of tracks at once."""
    return not any(
        tracks[a].view == tracks[b].view and (tracks[a].seen & tracks[b].seen).any()
        for a in ones
        for b in others
    )


def _alike(one: Array, other: Array) -> bool:
    return degrees_apart(one, other) < _ROUND


def degrees_apart(one: Array, other: Array) -> float:
    """By how many degrees two transforms turn otherwise."""
    turn = one[:3, :3].T @ other[:3, :3]
    return float(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))))


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
        return _alike(np.asarray(np.linalg.inv(one)) @ other, pair.transform)


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
    return Rig(spanned(kept, views)[0], grown, people)


def spanned(pairs: Sequence[Pair], views: int) -> tuple[list[Array | None], list[Pair]]:
    """Every view's place in the first one's optical frame, along the pairs that come first.

    Returns:
        (4, 4) by view, None for a view that shares nobody with those that lead to the first; and
        the pairs of a tree (Prim) that were used.
    """
    places: list[Array | None] = [np.eye(4), *[None] * (views - 1)]
    used: list[Pair] = []
    while True:
        reaching = [p for p in pairs if (places[p.first] is None) != (places[p.second] is None)]
        if not reaching:
            return places, used
        pair = reaching[0]
        one, other = places[pair.first], places[pair.second]
        if one is not None:
            places[pair.second] = one @ pair.transform
        elif other is not None:
            places[pair.first] = other @ np.linalg.inv(pair.transform)
        used.append(pair)


def rigid(points: Array, onto: Array) -> Array:
    """(4, 4) the rotation and translation that lay points (N, 3) best onto others."""
    center, other = points.mean(axis=0), onto.mean(axis=0)
    u, _, vt = np.linalg.svd((points - center).T @ (onto - other))
    flip = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    transform = np.eye(4)
    transform[:3, :3] = ((u * flip) @ vt).T
    transform[:3, 3] = other - transform[:3, :3] @ center
    return transform


def distances(ours: Array, theirs: Array, transform: Array) -> Array:
    """(T,) mean distance of two tracks' joints (T, 34, 3) at each moment, NaN unless both see.

    Sides count as the better of as they are and exchanged.
    """
    return np.asarray(np.fmin(*_either(ours, theirs, transform)))


def _either(ours: Array, theirs: Array, transform: Array) -> tuple[Array, Array]:
    """(T,), (T,) the same with sides as they are, and exchanged."""
    moved = theirs @ transform[:3, :3].T + transform[:3, 3]
    either = []
    for other in (moved, moved[:, MIRRORED]):
        apart = np.linalg.norm(ours - other, axis=2)
        count = np.isfinite(apart).sum(axis=1)
        mean = np.nansum(apart, axis=1) / np.maximum(count, 1)
        either.append(np.where(count >= JOINT_COUNT // 3, mean, np.nan))
    return either[0], either[1]


def apart_in_facing(
    tracks: Sequence[Track], people: Sequence[Sequence[int]], places: Array
) -> dict[tuple[int, int], float]:
    """By how many degrees two views differ in how the people whom both see are turned, the median.

    It is told by the line through shoulders and hips, so that sides do not count: networks swap
    them. Were two people taken for each other, or places wrong, their keypoints may still fit.
    """
    angles: dict[tuple[int, int], list[Array]] = {}
    for own in people:
        lines = {track: _across(tracks[track], places[tracks[track].view]) for track in own}
        for a, b in itertools.combinations(own, 2):
            views = tracks[a].view, tracks[b].view
            cosine = np.abs((lines[a] * lines[b]).sum(axis=1))
            if views[0] != views[1] and np.isfinite(cosine).any():
                degrees = np.degrees(np.arccos(np.minimum(cosine[np.isfinite(cosine)], 1)))
                angles.setdefault((min(views), max(views)), []).append(degrees)
    return {views: float(np.median(np.concatenate(each))) for views, each in angles.items()}


def _across(track: Track, place: Array) -> Array:
    """(T, 3) the unit vector from somebody's right to the left, turned as the view's place is."""
    left, right = (track.joints[:, side].sum(axis=1) for side in _ACROSS)
    line = (left - right) @ place[:3, :3].T
    return np.asarray(line / np.linalg.norm(line, axis=1, keepdims=True))


def _size(ours: Array, theirs: Array, transform: Array) -> float:
    """How much larger somebody would have to be for two tracks to fit; 1 where that is nobody.

    Were both views' joints k times as far away, they would be apart by the transform's translation.
    """
    apart = (ours - theirs @ transform[:3, :3].T)[:, _TRUNK]
    squared = (apart**2).sum(axis=(1, 2))
    sizes = (apart @ transform[:3, 3]).sum(axis=1) / np.where(squared > 0, squared, np.nan)
    if not np.isfinite(sizes).any():
        return 1.0
    size = float(np.nanmedian(sizes))
    return size if SMALLEST < size < LARGEST else 1.0


def _fitting(ours: Array, theirs: Array, transform: Array) -> tuple[int, int]:
    """At how many moments two tracks fit, and at how many both are seen."""
    apart = distances(ours, theirs, transform)
    return int((apart < FITS).sum()), int(np.isfinite(apart).sum())


def _fit(ours: Array, theirs: Array) -> Array | None:
    """The transform from their frame to ours that fits at most moments; None where few do."""
    both = known(ours) & known(theirs)
    common = np.flatnonzero(both.sum(axis=1) >= JOINT_COUNT // 3)
    if len(common) < FEWEST:
        return None
    random = np.random.default_rng(0)
    best: tuple[float, Array] | None = None
    for _ in range(_SAMPLES):
        chosen = random.choice(common, _SAMPLE, replace=False)
        transform = rigid(theirs[chosen][both[chosen]], ours[chosen][both[chosen]])
        apart = distances(ours, theirs, transform)
        cost = float(np.nansum(np.minimum(apart, 2 * FITS)))
        if best is None or cost < best[0]:
            best = cost, transform
    if best is None:
        return None
    return best[1]

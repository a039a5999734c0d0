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
from .tracks import Track

Array = NDArray[np.float64]

FITS = 0.25
"""Metres: mean distance of joints up to which two views' bodies are the same at a moment."""
FEWEST = 15
"""Moments in which two views have to see the same person."""
_SAMPLES, _SAMPLE = 200, 3
_SHARE = 0.5
"""Of the moments that two tracks have in common, how many must fit for them to be one person."""
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


def pair_of(tracks: Sequence[Track], first: int, second: int) -> Pair | None:
    """How two views stand to each other; None where they share nobody for long enough.

    Two people who hardly move can be laid onto each other; only where the views truly stand do all
    people fit at once, so of all ways to lay somebody onto somebody the one counts by which most
    moments of all people fit.
    """
    ours = [n for n, track in enumerate(tracks) if track.view == first]
    theirs = [n for n, track in enumerate(tracks) if track.view == second]
    candidates = [
        pair
        for a in ours
        for b in theirs
        if (transform := _fit(tracks[a].joints, tracks[b].joints)) is not None
        and (pair := _shared(tracks, (first, second), transform)).same
    ]
    return max(candidates, key=lambda pair: pair.count, default=None)


def _shared(tracks: Sequence[Track], views: tuple[int, int], transform: Array) -> Pair:
    """Who is whom in two views that stand so to each other."""
    ours, theirs = ([n for n, t in enumerate(tracks) if t.view == view] for view in views)
    found = []
    for a in ours:
        for b in theirs:
            size = _size(tracks[a].joints, tracks[b].joints, transform)
            fits, common = _fitting(size * tracks[a].joints, size * tracks[b].joints, transform)
            if fits >= FEWEST and fits >= _SHARE * common:
                found.append((fits, (a, b), size))
    found.sort(reverse=True)
    same, sizes = [people for _, people, _ in found], [size for _, _, size in found]
    return Pair(*views, transform, same, sizes, sum(fits for fits, _, _ in found))


def agreeing(tracks: Sequence[Track], pairs: Sequence[Pair]) -> tuple[list[Pair], list[list[int]]]:
    """Pairs that do not contradict each other, and the tracks of several views that are one person.

    Who is whom is taken over from pair to pair, those first that agree with most others about how
    views stand. Nobody is in a view twice at a time: who would be by a pair, is not that person.
    """
    group = {number: [number] for number in range(len(tracks))}
    kept = []
    for pair in sorted(pairs, key=lambda pair: -_support(pair, pairs)):
        same = []
        for n, (a, b) in enumerate(pair.same):
            if group[a] is not group[b] and not _apart(tracks, group[a], group[b]):
                continue
            same.append(n)
            together = group[a] if group[a] is group[b] else group[a] + group[b]
            group.update(dict.fromkeys(together, together))
        if same:
            left = [pair.same[n] for n in same]
            kept.append(replace(pair, same=left, size=[pair.size[n] for n in same]))
    people = {tuple(sorted(each)) for each in group.values()}
    return kept, sorted(list(each) for each in people if len(each) > 1)


def _support(pair: Pair, pairs: Sequence[Pair]) -> int:
    """At how many moments a pair fits, and others that lead round to the same by a third view."""
    support = pair.count
    ways = {(each.first, each.second): (each.transform, each.count) for each in pairs}
    ways |= {(b, a): (np.asarray(np.linalg.inv(way)), n) for (a, b), (way, n) in ways.items()}
    for first, third in ways:
        if first == pair.first and (third, pair.second) in ways:
            one, count = ways[first, third]
            other, also = ways[third, pair.second]
            if _degrees(one @ other, pair.transform) < _ROUND:
                support += min(count, also)
    return support


def _apart(tracks: Sequence[Track], ones: Sequence[int], others: Sequence[int]) -> bool:
    """Whether no view sees two groups of tracks at once."""
    return not any(
        tracks[a].view == tracks[b].view and (tracks[a].seen & tracks[b].seen).any()
        for a in ones
        for b in others
    )


def _degrees(one: Array, other: Array) -> float:
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


def spanned(pairs: Sequence[Pair], views: int) -> tuple[list[Array | None], list[Pair]]:
    """Every view's place in the first one's optical frame, along the pairs that share most.

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
        pair = max(reaching, key=lambda each: each.count)
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
    moved = theirs @ transform[:3, :3].T + transform[:3, 3]
    either = []
    for other in (moved, moved[:, MIRRORED]):
        apart = np.linalg.norm(ours - other, axis=2)
        count = np.isfinite(apart).sum(axis=1)
        mean = np.nansum(apart, axis=1) / np.maximum(count, 1)
        either.append(np.where(count >= JOINT_COUNT // 3, mean, np.nan))
    return np.asarray(np.fmin(*either))


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
    transform = best[1]
    for _ in range(3):
        fits = distances(ours, theirs, transform) < FITS
        if fits.sum() < _SAMPLE:
            return None
        chosen = both & fits[:, None]
        transform = rigid(theirs[chosen], ours[chosen])
    count, seen = _fitting(ours, theirs, transform)
    return transform if count >= FEWEST and count >= _SHARE * seen else None

"""How cameras stand to each other, roughly: the same bodies, lifted by each of them, laid together.

Every view has lifted people to metres by itself, 10 to 25 cm wrong a joint. Over many moments of
somebody who moves that still fixes how one camera stands to the other (Kabsch 1976), and tells
whether two tracks are the same person at all: others' bodies do not fit for long. Somebody tall is
lifted too near by every camera, and so are the cameras then to each other: how tall people are
beside each other is found with it, or the rig would be of as many scales as there are people.
"""

from __future__ import annotations

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
    """Indices of the tracks, of each view, that are one person."""
    size: list[float]
    """How much larger each of these people is than the views believe, were the transform right."""
    count: int
    """At how many moments they fit."""


def pair_of(tracks: Sequence[Track], first: int, second: int) -> Pair | None:
    """How two views stand to each other; None where they share nobody for long enough."""
    ours = [n for n, track in enumerate(tracks) if track.view == first]
    theirs = [n for n, track in enumerate(tracks) if track.view == second]
    best: tuple[int, Array] | None = None
    for a in ours:
        for b in theirs:
            found = _fit(tracks[a].joints, tracks[b].joints)
            if found is not None and (best is None or found[0] > best[0]):
                best = found
    if best is None:
        return None
    transform, same, sizes, count = best[1], [], [], 0
    for a in ours:
        for b in theirs:
            size = _size(tracks[a].joints, tracks[b].joints, transform)
            fits, common = _fitting(size * tracks[a].joints, size * tracks[b].joints, transform)
            if fits >= FEWEST and fits >= _SHARE * common:
                same.append((a, b))
                sizes.append(size)
                count += fits
    return Pair(first, second, transform, same, sizes, count) if same else None


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


def _fit(ours: Array, theirs: Array) -> tuple[int, Array] | None:
    """The transform from their frame to ours that fits at most moments, and at how many."""
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
    return (count, transform) if count >= FEWEST and count >= _SHARE * seen else None

"""How two cameras stand to each other, roughly: the same bodies, lifted by both, laid together.

Every view has lifted people to metres by itself, 10 to 25 cm wrong a joint. Over many moments of
somebody who moves that still fixes how one camera stands to the other, and tells whether two tracks
are the same person at all: others' bodies do not fit for long.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...body.skeleton import INDEX, JOINT_COUNT, MIRRORED, known
from ..lifting.size import LARGEST, SMALLEST
from .alignment import degrees_apart, rigid
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
_ROUND = 45.0
"""Degrees by which two pairs may miss a third that they lead round to: each is 5 to 15 off."""
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
        if way.count >= FEWEST and not any(alike(way.transform, o.transform) for o in found):
            found.append(way)
    return found


def _fit(ours: Array, theirs: Array) -> Array | None:
    """The transform from their frame to ours that fits at most moments; None where few do.

    Of moments drawn by chance, those by which all others are least off, where who is far off is no
    farther (MSAC, Torr & Zisserman 2000).
    """
    both = known(ours) & known(theirs)
    common = np.flatnonzero(both.sum(axis=1) >= JOINT_COUNT // 3)
    if len(common) < FEWEST:
        return None
    random = np.random.default_rng(0)
    drawn = (random.choice(common, _SAMPLE, replace=False) for _ in range(_SAMPLES))
    return min(
        (rigid(theirs[sample][both[sample]], ours[sample][both[sample]]) for sample in drawn),
        key=lambda way: np.nansum(np.minimum(distances(ours, theirs, way), 2 * FITS)),
    )


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


def _shared(tracks: Sequence[Track], views: tuple[int, int], transform: Array) -> Pair:
    """Who is whom in two views that stand so to each other."""
    found = []
    for a, b in _couples(tracks, *views):
        ours, theirs, size = _sized(tracks[a], tracks[b], transform)
        apart = distances(ours, theirs, transform)
        fits = int((apart < FITS).sum())
        if fits >= max(SHORTEST, _SHARE * np.isfinite(apart).sum()):
            found.append((fits, (a, b), size))
    found.sort(reverse=True)
    same, sizes = [people for _, people, _ in found], [size for _, _, size in found]
    return Pair(*views, transform, same, sizes, sum(fits for fits, _, _ in found))


def _couples(tracks: Sequence[Track], first: int, second: int) -> list[tuple[int, int]]:
    """Indices of every track of one view with every one of another."""
    ours, theirs = ([n for n, t in enumerate(tracks) if t.view == view] for view in (first, second))
    return list(itertools.product(ours, theirs))


def _sized(ours: Track, theirs: Track, transform: Array) -> tuple[Array, Array, float]:
    """Joints (T, 34, 3) of two tracks, as large as they have to be to fit, and how much larger."""
    size = _size(ours.joints, theirs.joints, transform)
    return size * ours.joints, size * theirs.joints, size


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


def alike(one: Array, other: Array) -> bool:
    """Whether two transforms turn nearly the same way."""
    return degrees_apart(one, other) < _ROUND

"""What people do not tell of cameras, and what to do about it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...body.skeleton import INDEX
from ...errors import InputError
from .alignment import between, degrees_apart
from .bundle import Adjusted
from .pairs import FEWEST
from .rigs import Rig
from .tracks import LONGEST_GAP, Track
from .uncertainty import loose

Array = NDArray[np.float64]

MOST_DEGREES = 3.0
"""Standard deviation of a camera's direction beyond which it is not determined."""
MOST_TURNED = 30.0
"""Degrees by which two views may differ in how people are turned: cameras that were found right
(``python -m benchmarks.rig --parts``) do by 25 at most, by 32 to 72 where lite takes a back for a
front."""
MOST_ALIKE = 0.9
"""Part of what cameras explain that others may, which stand otherwise: where full's people in the
cell were taken for each other, it was 0.88 at most."""
LEAST_EXPLAINED = 0.25
"""Part of the redundant coordinates of keypoints that cameras have to explain: those of the cell's
cameras that were found explain 0.32 at least; on a real film, five pairs by lite's people that were
13 to 134 degrees wrong explained 0.22 at most, and all others 0.37."""
_UNLIKE = (
    "they may be other people, or a back that the network takes for a front, or calibrations or "
    "clocks are wrong: let one person alone walk about and turn where these cameras see them, and "
    "try a larger network"
)
_ACROSS = [[INDEX[f"{side}_{name}"] for name in ("shoulder", "hip")] for side in ("left", "right")]


def check(
    rig: Rig,
    adjusted: Adjusted,
    rivals: Sequence[Adjusted],
    tracks: Sequence[Track],
    names: Sequence[str],
) -> None:
    """See that a rig, adjusted, explains what cameras of these names see, and no rival as much.

    Raises:
        InputError: They do not, or people do not tell how far away one of them is.
    """
    for rival in rivals:
        _check_rival(adjusted, rival, names)
    _check_fit(adjusted, names)
    _check_loose(adjusted, tracks, names)
    _check_facing(rig, adjusted.places, names)


def unplaced(
    rig: Rig, tracks: Sequence[Track], names: Sequence[str], rates: Sequence[float]
) -> InputError:
    """Why no places were found; ``rates`` are the views' images a second."""
    lost = [view for view, place in enumerate(rig.places) if place is None]
    if not lost:
        return InputError(f"no two cameras agree on where anybody is: {_UNLIKE}")
    who = ", ".join(names[view] for view in lost)
    if (shared := max(_in_company(tracks, view, 1) for view in lost)) < FEWEST:
        other = names[0] if len(names) == 2 else f"{names[0]} or another camera"
        return InputError(
            f"{who}: sees somebody together with {other} at {shared} moments, and it takes "
            f"{FEWEST}: {_to_share_more(names, rates)}"
        )
    return InputError(f"{who}: whom it sees fits nobody whom {names[0]} and others see: {_UNLIKE}")


def _to_share_more(names: Sequence[str], rates: Sequence[float]) -> str:
    """What to do that views see somebody together at more moments."""
    least = 1e9 / LONGEST_GAP
    slow = [f"{name} at {r:.1f} Hz" for name, r in zip(names, rates, strict=True) if r < least]
    if not slow:
        return "let somebody walk where both see them"
    return (
        f"{', '.join(slow)}: fewer than {least:g} images a second do not tell where somebody is "
        "between them: take a smaller network or a faster machine, or let the cameras shoot at the "
        "same moments"
    )


def _check_rival(adjusted: Adjusted, rival: Adjusted, names: Sequence[str]) -> None:
    """See that cameras that stand otherwise explain what was seen clearly worse."""
    degrees, one, other = max(
        (
            degrees_apart(
                *(between(each.places[one], each.places[other]) for each in (adjusted, rival))
            ),
            one,
            other,
        )
        for one, other in itertools.combinations(range(len(names)), 2)
    )
    if degrees > 3 * MOST_DEGREES and rival.explained > MOST_ALIKE * adjusted.explained:
        raise InputError(
            f"{names[one]} and {names[other]}: they may as well stand {degrees:.0f} degrees "
            "otherwise, with people taken for each other: let one person alone walk where both see "
            "them, or all of them for longer"
        )


def _check_fit(adjusted: Adjusted, names: Sequence[str]) -> None:
    """See that cameras explain what was seen."""
    if adjusted.explained < LEAST_EXPLAINED * adjusted.redundant:
        raise InputError(
            f"{', '.join(names)}: wherever they stand, what they see hardly fits: {_UNLIKE}"
        )


def _check_loose(adjusted: Adjusted, tracks: Sequence[Track], names: Sequence[str]) -> None:
    """See that people tell how far away every camera is."""
    free = loose(adjusted)
    if free is None:
        return
    if _in_company(tracks, free, 2) < FEWEST:
        raise InputError(
            f"{names[free]}: nobody tells how far away it is: let somebody walk where it and two "
            "others see them"
        )
    raise InputError(
        f"{names[free]}: nobody tells how far away it is, since of whom it sees with two others "
        f"nobody fits what these see: {_UNLIKE}"
    )


def _check_facing(rig: Rig, places: Array, names: Sequence[str]) -> None:
    """See that people are turned alike in all views."""
    turned = apart_in_facing(rig.tracks, rig.people, places)
    one, other = max(turned, key=lambda views: turned[views], default=(0, 0))
    if turned and turned[one, other] > MOST_TURNED:
        raise InputError(
            f"{names[one]} and {names[other]}: people are turned {turned[one, other]:.0f} degrees "
            f"otherwise in the one than in the other: {_UNLIKE}"
        )


def _in_company(tracks: Sequence[Track], view: int, others: int) -> int:
    """At how many moments a view sees somebody, and at least so many others see somebody, too."""
    seen = {
        each: np.any([track.seen for track in tracks if track.view == each], axis=0)
        for each in {track.view for track in tracks}
    }
    if view not in seen:
        return 0
    return int((seen[view] & (np.sum(list(seen.values()), axis=0) > others)).sum())


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

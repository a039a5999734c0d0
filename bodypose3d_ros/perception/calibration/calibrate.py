"""Where cameras stand, and how sure that is, from people whom several of them see.

Pairs of cameras are laid together by the bodies that both lifted (``relative``), all of them are
adjusted to explain every keypoint (``adjust``), and people's feet, size and what is known besides
make a world of it (``world``). People can be taken for each other: of the ways in which cameras may
stand, the one that explains most is believed, if no other one explains nearly as much.

How sure it is comes from what changes without each quarter of the time and, added to it, without
each part of the body (the jackknife; Efron & Tibshirani 1993, chapter 11): keypoints of
neighbouring moments are wrong in the same way, and a network's idea of a shoulder is wrong in the
same way all the time, so what keypoints say of their own precision is too good. By time alone a
real film was twice as far off as was said.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ...body.skeleton import JOINTS
from ...errors import InputError
from .adjust import Adjusted, Observations, adjust, loose, observed, without
from .relative import FEWEST, FITS, Rig, apart_in_facing, degrees_apart, rigs_of
from .tracks import Recorded, Track, tracks_of
from .world import Ground, bodies_of, frame_of, ground_of, stature_of

Array = NDArray[np.float64]

PRIOR_SIGMA, STATURE_SIGMA, KNOWN_SIGMA = 0.05, 0.03, 0.01
"""Standard deviations of the scale: people of unknown size, of known stature, a measured length."""
PEOPLE = 0.5, 1.5
"""How small and how large people may be, of the mean: children of two years, and nobody."""
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
_BLOCKS = 4
_WITHIN = 2 * FITS, FITS
"""Metres by which views may disagree on a person, while places are rough and then."""
_PART = np.array(
    [
        0
        if not name.startswith(("left", "right")) or name.endswith(("eye", "ear"))
        else 1
        + name.startswith("right")
        + 2 * name.endswith(("hip", "knee", "ankle", "toe", "heel"))
        for name in JOINTS
    ]
)
"""(34,) head and trunk, each arm, each leg."""
_CELLS = 4


@dataclass(frozen=True)
class Known:
    """What is known besides the images; one of them at most gives the scale."""

    stature: float | None = None
    """Metres: how tall the people are."""
    distance: tuple[str, str, float] | None = None
    """Two cameras and the metres between them."""
    camera_height: tuple[str, float] | None = None
    """A camera and its metres above the floor."""

    def check(self, names: Sequence[str]) -> None:
        """See that it can be true of cameras of these names.

        Raises:
            InputError: A length is not above 0, or a camera is none of them or twice the same; it
            says which.
        """
        lengths: list[tuple[str, float]] = []
        mentioned: list[str] = []
        if self.stature is not None:
            lengths.append(("the people's stature", self.stature))
        if self.distance is not None:
            one, other, metres = self.distance
            lengths.append((f"the distance of {one} and {other}", metres))
            mentioned += [one, other]
        if self.camera_height is not None:
            name, metres = self.camera_height
            lengths.append((f"the height of {name}", metres))
            mentioned.append(name)
        for what, metres in lengths:
            if not 0 < metres < np.inf:
                raise InputError(f"{what} is {metres:g} m: give it in metres above 0")
        if foreign := [name for name in mentioned if name not in names]:
            raise InputError(f"{', '.join(foreign)} is none of the cameras {', '.join(names)}")
        if self.distance is not None and self.distance[0] == self.distance[1]:
            raise InputError(f"a distance is that of two cameras, not of {mentioned[0]} alone")


@dataclass(frozen=True)
class CameraFound:
    """Where one camera stands, and how sure that is."""

    place: Array
    """(4, 4) from the optical frame to the world."""
    degrees: float
    """Standard deviation of its direction."""
    metres: float
    """Standard deviation of its position, that of the scale apart."""
    pixels: float
    """Median distance of keypoints from where the joints found should be."""
    moments: int
    """Person-moments in which it took part."""
    coverage: float
    """Part of the image, of 4 x 4 cells, in which people were seen."""


@dataclass(frozen=True)
class Calibration:
    """A rig that was found."""

    cameras: dict[str, CameraFound]
    ground: Ground
    scale_source: str
    scale_sigma: float
    """Standard deviation of the scale: of every length, relatively."""


def calibrate(views: Mapping[str, Recorded], known: Known = Known()) -> Calibration:
    """Find where cameras stand.

    Args:
        views: What each camera saw, by its name; people tracked in each, on one clock.
        known: What is known besides.

    Raises:
        InputError: It cannot be determined; the message says what is missing.
    """
    if len(views) < 2:
        raise InputError("one camera alone has no place among others: give two or more")
    names = list(views)
    known.check(names)
    tracks = tracks_of(views)
    rigs = rigs_of(tracks, len(views))
    found = [(rig, each) for rig in rigs if (each := _adjusted(rig)) is not None]
    if not found:
        _refuse(rigs[0], tracks, names)
    found.sort(key=lambda each: -each[1].explained)
    rig, adjusted = found[0]
    for _, rival in found[1:]:
        _check_rival(adjusted, rival, names)
    _check_fit(adjusted, names)
    _check_loose(adjusted, tracks, names)
    _check_facing(rig, adjusted.places, names)
    ground = ground_of(bodies_of(adjusted))
    if ground is None:
        raise InputError("nobody's feet and shoulders are seen by two cameras: which way is up?")
    scale, source, sigma = _scale(adjusted, ground, rig.tracks, names, known)
    degrees, metres = _spread(adjusted)
    if max(degrees) > MOST_DEGREES:
        worst = int(np.argmax(degrees))
        raise InputError(
            f"{names[worst]}: its direction is only known to {degrees[worst]:.1f} degrees: let "
            "somebody walk about for longer, near and far from it, on all sides of the image"
        )
    ground = replace(ground, height=ground.height * scale)
    world = frame_of(ground, np.eye(4))
    cameras = {}
    for number, (name, view) in enumerate(views.items()):
        place = adjusted.places[number].copy()
        place[:3, 3] *= scale
        cameras[name] = CameraFound(
            world @ place, degrees[number], metres[number] * scale, *_told(adjusted, number, view)
        )
    return Calibration(cameras, ground, source, sigma)


def _adjusted(rig: Rig) -> Adjusted | None:
    """A rig adjusted to all keypoints; None where views share nobody or agree on nobody."""
    if any(place is None for place in rig.places):
        return None
    places = np.array(rig.places)
    tracks: Sequence[Track] = rig.tracks
    for within in _WITHIN:
        observations = observed(tracks, rig.people, places, within)
        if observations is None:
            return None
        adjusted = adjust(observations, places)
        places, tracks = adjusted.places, _resized(tracks, rig.people, adjusted)
    return adjusted


def _resized(
    tracks: Sequence[Track], people: Sequence[Sequence[int]], adjusted: Adjusted
) -> list[Track]:
    """People as large as cameras that were adjusted have them."""
    resized = list(tracks)
    for own in people:
        farther = np.concatenate([_farther(adjusted, tracks[n]) for n in own])
        size = 1 / (np.nanmedian(farther) if len(farther) else _lifted_scale(adjusted, tracks))
        for n in own:
            resized[n] = replace(tracks[n], joints=tracks[n].joints * size)
    return resized


def _refuse(rig: Rig, tracks: Sequence[Track], names: list[str]) -> NoReturn:
    """Say why no places were found.

    Raises:
        InputError: Always.
    """
    lost = [view for view, place in enumerate(rig.places) if place is None]
    if not lost:
        raise InputError(f"no two cameras agree on where anybody is: {_UNLIKE}")
    who = ", ".join(names[view] for view in lost)
    if max(_in_company(tracks, view, 1) for view in lost) < FEWEST:
        raise InputError(
            f"{who}: shares nobody with {names[0]} and those that do for {FEWEST} moments: let "
            "somebody walk where both see them"
        )
    raise InputError(f"{who}: whom it sees fits nobody whom {names[0]} and others see: {_UNLIKE}")


def _check_rival(adjusted: Adjusted, rival: Adjusted, names: list[str]) -> None:
    """See that cameras that stand otherwise explain what was seen clearly worse.

    Raises:
        InputError: They do not.
    """
    degrees, one, other = max(
        (
            degrees_apart(*(_between(each.places, one, other) for each in (adjusted, rival))),
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


def _check_fit(adjusted: Adjusted, names: list[str]) -> None:
    """See that cameras explain what was seen.

    Raises:
        InputError: They hardly do.
    """
    if adjusted.explained < LEAST_EXPLAINED * adjusted.redundant:
        raise InputError(
            f"{', '.join(names)}: wherever they stand, what they see hardly fits: {_UNLIKE}"
        )


def _between(places: Array, one: int, other: int) -> Array:
    """(4, 4) from another view's optical frame to one's."""
    return np.asarray(np.linalg.inv(places[one]) @ places[other])


def _check_loose(adjusted: Adjusted, tracks: Sequence[Track], names: list[str]) -> None:
    """See that people tell how far away every camera is.

    Raises:
        InputError: They do not, for one.
    """
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


def _in_company(tracks: Sequence[Track], view: int, others: int) -> int:
    """At how many moments a view sees somebody, and at least so many others see somebody, too."""
    seen = {
        each: np.any([track.seen for track in tracks if track.view == each], axis=0)
        for each in {track.view for track in tracks}
    }
    if view not in seen:
        return 0
    return int((seen[view] & (np.sum(list(seen.values()), axis=0) > others)).sum())


def _check_facing(rig: Rig, places: Array, names: list[str]) -> None:
    """See that people are turned alike in all views.

    Raises:
        InputError: They are not: who is one person is perhaps two.
    """
    turned = apart_in_facing(rig.tracks, rig.people, places)
    one, other = max(turned, key=lambda views: turned[views], default=(0, 0))
    if turned and turned[one, other] > MOST_TURNED:
        raise InputError(
            f"{names[one]} and {names[other]}: people are turned {turned[one, other]:.0f} degrees "
            f"otherwise in the one than in the other: {_UNLIKE}"
        )


def _scale(
    adjusted: Adjusted, ground: Ground, tracks: Sequence[Track], names: list[str], known: Known
) -> tuple[float, str, float]:
    """Metres in a unit of what was adjusted, what says so, and the standard deviation.

    Raises:
        InputError: People would be no people of that size.
    """
    by_size = _lifted_scale(adjusted, tracks)
    scale, source, sigma = _known_scale(adjusted, ground, names, known) or (
        by_size,
        "the size that people have on average",
        PRIOR_SIGMA,
    )
    larger, (least, most) = scale / by_size, PEOPLE
    if larger < least or larger > most:  # not where views say nothing of size: NaN
        raise InputError(
            f"by {source} people would be {larger:.1f} times as large as they are on average: is "
            "it right, and in metres?"
        )
    return scale, source, sigma


def _known_scale(
    adjusted: Adjusted, ground: Ground, names: list[str], known: Known
) -> tuple[float, str, float] | None:
    """As ``_scale``, by what is known besides the images; None where that says nothing."""
    positions = dict(zip(names, adjusted.places[:, :3, 3], strict=True))
    if known.distance is not None:
        one, other, metres = known.distance
        return (
            metres / float(np.linalg.norm(positions[one] - positions[other])),
            f"the distance of {one} and {other}",
            KNOWN_SIGMA,
        )
    if known.camera_height is not None:
        name, metres = known.camera_height
        height = ground.height + float(positions[name] @ ground.up)
        if height <= 0:
            raise InputError(f"{name} would be below the floor: is its height above it right?")
        return metres / height, f"the height of {name}", KNOWN_SIGMA
    if known.stature is not None:
        stature = stature_of(bodies_of(adjusted))
        if stature is None:
            raise InputError("too few arms and legs are seen to compare with the stature given")
        return known.stature / stature, "the stature given", STATURE_SIGMA
    return None


def _lifted_scale(adjusted: Adjusted, tracks: Sequence[Track]) -> float:
    """How much farther than adjusted the views themselves believe joints to be: the median."""
    return float(np.nanmedian(np.concatenate([_farther(adjusted, track) for track in tracks])))


def _farther(adjusted: Adjusted, track: Track) -> Array:
    """(N,) how much farther than adjusted a view believes somebody's joints to be."""
    observations = adjusted.observations
    own = observations.view == track.view
    point, moment = observations.point[own], observations.moment[own]
    inverse = np.linalg.inv(adjusted.places[track.view])
    depth = adjusted.points[point] @ inverse[2, :3] + inverse[2, 3]
    joint = observations.joint[point]
    off = np.linalg.norm(track.rays[moment, joint] - observations.ray[own], axis=1)
    return np.asarray((track.joints[moment, joint, 2] / depth)[off < 1e-9])


def _spread(adjusted: Adjusted) -> tuple[list[float], list[float]]:
    """Standard deviations of every camera's direction in degrees and of its position."""
    squared = _jackknife(adjusted, _blocks(adjusted)) + _jackknife(adjusted, _parts(adjusted))
    degrees, metres = np.sqrt(squared)
    return np.degrees(degrees).tolist(), metres.tolist()


def _jackknife(adjusted: Adjusted, label: NDArray[np.intp]) -> Array:
    """(2, V) variances of directions (rad^2) and positions, from leaving out a label at a time."""
    observations, views = adjusted.observations, len(adjusted.places)
    for each in np.unique(label):
        rest = observations.view[label[observations.point] != each]
        if len(np.unique(rest)) < views:
            return np.array([[np.pi**2] * views, [np.inf] * views])
    off = []
    for places in without(adjusted, label):
        again = aligned(places, adjusted.places)
        turn = adjusted.places[:, :3, :3].swapaxes(1, 2) @ again[:, :3, :3]
        moved = again[:, :3, 3] - adjusted.places[:, :3, 3]
        off.append([Rotation.from_matrix(turn).magnitude(), np.linalg.norm(moved, axis=1)])
    return np.asarray((len(off) - 1) / len(off) * (np.array(off) ** 2).sum(axis=0))


def _blocks(adjusted: Adjusted) -> NDArray[np.intp]:
    """(P,) in which part of the time each joint was seen."""
    observations = adjusted.observations
    when = np.zeros(len(adjusted.points), np.intp)
    when[observations.point] = observations.moment
    blocks = np.array_split(np.unique(when), _BLOCKS)
    return np.searchsorted([block[0] for block in blocks if len(block)], when, side="right") - 1


def _parts(adjusted: Adjusted) -> NDArray[np.intp]:
    """(P,) of which part of the body each joint is."""
    return _PART[adjusted.observations.joint]


def aligned(places: Array, onto: Array) -> Array:
    """Places (V, 4, 4) laid onto others: turned, moved and scaled as a whole."""
    rotation = Rotation.from_matrix(
        onto[:, :3, :3] @ places[:, :3, :3].swapaxes(1, 2)
    ).mean().as_matrix()  # fmt: skip
    centers, others = places[:, :3, 3] @ rotation.T, onto[:, :3, 3]
    middle, other_middle = centers.mean(axis=0), others.mean(axis=0)
    off, other_off = centers - middle, others - other_middle
    scale = (off * other_off).sum() / max((off**2).sum(), 1e-12)
    laid = places.copy()
    laid[:, :3, :3] = rotation @ places[:, :3, :3]
    laid[:, :3, 3] = other_middle + scale * off
    return laid


def _told(adjusted: Adjusted, view: int, recorded: Recorded) -> tuple[float, int, float]:
    """What a person wants to know of a camera: pixels off, person-moments, coverage."""
    observations: Observations = adjusted.observations
    own = observations.view == view
    camera = recorded.camera
    focal = float(np.sqrt(camera.matrix[0, 0] * camera.matrix[1, 1]))
    pixels = float(np.median(np.linalg.norm(adjusted.residuals[own], axis=1))) * focal
    bodies = len(np.unique(observations.body[observations.point[own]]))
    rays = np.concatenate([observations.ray[own], np.ones((own.sum(), 1))], axis=1)
    at = camera.project(rays) / (camera.width, camera.height)
    cells = np.unique(np.clip(at * _CELLS, 0, _CELLS - 1).astype(int), axis=0)
    return pixels, bodies, len(cells) / _CELLS**2

"""Where cameras stand, and how sure that is, from people whom several of them see.

Pairs of cameras are laid together by the bodies that both lifted (``pairs``) and strung together
(``rigs``), all cameras and joints are adjusted to explain every keypoint (``observations``,
``bundle``), and people's feet, size and what is known besides make a world of it (``ground``,
``scale``). People can be taken for each other: of the ways in which cameras may stand, the one that
explains most is believed, if no other one explains nearly as much (``refusals``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from .bundle import Adjusted, adjust
from .ground import Ground, frame_of, ground_of
from .observations import observed
from .pairs import FITS
from .refusals import MOST_DEGREES, check, unplaced
from .rigs import Rig, rigs_of
from .scale import Known, lifted_scale, scale_of
from .tracks import Recorded, Track, tracks_of
from .uncertainty import deviations

Array = NDArray[np.float64]

_WITHIN = 2 * FITS, FITS
"""Metres by which views may disagree on a person, while places are rough and then."""
_CELLS = 4


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


def calibrate(views: Mapping[str, Recorded], known: Known | None = None) -> Calibration:
    """Find where cameras stand.

    Args:
        views: What each camera saw, by its name; people tracked in each, on one clock.
        known: What is known besides.

    Raises:
        InputError: It cannot be determined; the message says what is missing.
    """
    if len(views) < 2:
        raise InputError("one camera alone has no place among others: give two or more")
    names, known = list(views), known or Known()
    known.check(names)
    rig, adjusted = _believed(views)
    ground = ground_of(adjusted.bodies)
    if ground is None:
        raise InputError("nobody's feet and shoulders are seen by two cameras: which way is up?")
    scale = scale_of(adjusted, rig.tracks, ground, names, known)
    degrees, metres = deviations(adjusted)
    if max(degrees) > MOST_DEGREES:
        worst = int(np.argmax(degrees))
        raise InputError(
            f"{names[worst]}: its direction is only known to {degrees[worst]:.1f} degrees: let "
            "somebody walk about for longer, near and far from it, on all sides of the image"
        )
    ground = replace(ground, height=ground.height * scale.metres)
    places = adjusted.places.copy()
    places[:, :3, 3] *= scale.metres
    world = frame_of(ground, np.eye(4))
    cameras = {
        name: CameraFound(
            world @ places[n], degrees[n], metres[n] * scale.metres, *_told(adjusted, n, view)
        )
        for n, (name, view) in enumerate(views.items())
    }
    return Calibration(cameras, ground, scale.source, scale.sigma)


def _believed(views: Mapping[str, Recorded]) -> tuple[Rig, Adjusted]:
    """Of the ways in which cameras may stand, the one that explains most, adjusted.

    Raises:
        InputError: There is none, or it is not to be believed.
    """
    names, tracks = list(views), tracks_of(views)
    rigs = rigs_of(tracks, len(names))
    found = [(rig, each) for rig in rigs if (each := _adjusted(rig)) is not None]
    if not found:
        raise unplaced(rigs[0], tracks, names, [view.rate for view in views.values()])
    found.sort(key=lambda each: -each[1].explained)
    (rig, adjusted), *others = found
    check(rig, adjusted, [other for _, other in others], tracks, names)
    return rig, adjusted


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
        farther = lifted_scale(adjusted, [tracks[n] for n in own])
        if np.isnan(farther):  # nobody's keypoints were used
            farther = lifted_scale(adjusted, tracks)
        for n in own:
            resized[n] = replace(tracks[n], joints=tracks[n].joints / farther)
    return resized


def _told(adjusted: Adjusted, view: int, recorded: Recorded) -> tuple[float, int, float]:
    """What a person wants to know of a camera: pixels off, person-moments, coverage."""
    observations = adjusted.observations
    own = observations.view == view
    camera = recorded.camera
    focal = float(np.sqrt(camera.matrix[0, 0] * camera.matrix[1, 1]))
    pixels = float(np.median(np.linalg.norm(adjusted.residuals[own], axis=1))) * focal
    bodies = len(np.unique(observations.body[observations.point[own]]))
    rays = np.concatenate([observations.ray[own], np.ones((own.sum(), 1))], axis=1)
    at = camera.project(rays) / (camera.width, camera.height)
    cells = np.unique(np.clip(at * _CELLS, 0, _CELLS - 1).astype(int), axis=0)
    return pixels, bodies, len(cells) / _CELLS**2

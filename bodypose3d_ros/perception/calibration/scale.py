"""How long a metre is: by a length that is known, else by how large people are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...body.skeleton import INDEX, LENGTH_LIMBS, MEAN_LENGTHS, MEAN_STATURE
from ...errors import InputError
from .bundle import Adjusted
from .ground import Ground
from .tracks import Track

Array = NDArray[np.float64]

PRIOR_SIGMA, STATURE_SIGMA, KNOWN_SIGMA = 0.05, 0.03, 0.01
"""Standard deviations of the scale: people of unknown size, of known stature, a measured length. A
camera's height is above a floor that is known as well as up is."""
PEOPLE = 0.5, 1.5
"""How small and how large people may be, of the mean: children of two years, and nobody."""
_LIMBS = ("shoulder", "elbow"), ("elbow", "wrist"), ("ankle", "knee")
LIMBS = {
    (one, other): float(MEAN_LENGTHS[slot]) / MEAN_STATURE
    for slot, ends in enumerate(LENGTH_LIMBS.tolist())
    for one, other in _LIMBS
    if ends == [INDEX[f"left_{one}"], INDEX[f"left_{other}"]]
}
"""Lengths in units of the stature, of joints as networks see them: they find those of the project's
films' people 3 % too tall and 1 % too small, anatomy's tables (Drillis & Contini 1966) 6 and 10 %
too small."""


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
        for what, metres, cameras in self._lengths():
            if not 0 < metres < np.inf:
                raise InputError(f"{what} is {metres:g} m: give it in metres above 0")
            if foreign := [name for name in cameras if name not in names]:
                raise InputError(f"{', '.join(foreign)} is none of the cameras {', '.join(names)}")
            if len(set(cameras)) < len(cameras):
                raise InputError(
                    f"a distance is that of two different cameras, not of {cameras[0]} alone"
                )

    def _lengths(self) -> Iterator[tuple[str, float, tuple[str, ...]]]:
        """What is given: what it is, metres, and the cameras that it speaks of."""
        if self.stature is not None:
            yield "the people's stature", self.stature, ()
        if self.distance is not None:
            one, other, metres = self.distance
            yield f"the distance of {one} and {other}", metres, (one, other)
        if self.camera_height is not None:
            name, metres = self.camera_height
            yield f"the height of {name}", metres, (name,)


@dataclass(frozen=True)
class Scale:
    """How long a metre is."""

    metres: float
    """In a unit of what was adjusted."""
    source: str
    """What says so."""
    sigma: float
    """Standard deviation, relatively."""


def scale_of(
    adjusted: Adjusted, tracks: Sequence[Track], ground: Ground, names: Sequence[str], known: Known
) -> Scale:
    """How long a metre is; the ground is in the units of what was adjusted.

    Raises:
        InputError: People would be no people of that size, or what is known cannot be seen.
    """
    by_size = lifted_scale(adjusted, tracks)
    people = Scale(by_size, "the size that people have on average", PRIOR_SIGMA)
    scale = _known_scale(adjusted, ground, names, known) or people
    larger, (least, most) = scale.metres / by_size, PEOPLE
    if larger < least or larger > most:  # not where views say nothing of size: NaN
        raise InputError(
            f"by {scale.source} people would be {larger:.1f} times as large as they are on "
            "average: is it right, and in metres?"
        )
    if scale.sigma > people.sigma and np.isfinite(by_size):
        why = f"up is known to {ground.degrees:.0f} degrees, too little for {scale.source}"
        return replace(people, source=f"{people.source}, since {why}: let somebody walk about")
    return scale


def _known_scale(
    adjusted: Adjusted, ground: Ground, names: Sequence[str], known: Known
) -> Scale | None:
    """By what is known besides the images; None where that says nothing."""
    positions = dict(zip(names, adjusted.places[:, :3, 3], strict=True))
    if known.distance is not None:
        one, other, metres = known.distance
        distance = float(np.linalg.norm(positions[one] - positions[other]))
        return Scale(metres / distance, f"the distance of {one} and {other}", KNOWN_SIGMA)
    if known.camera_height is not None:
        name, metres = known.camera_height
        height = ground.height + float(positions[name] @ ground.up)
        if height <= 0:
            raise InputError(f"{name} would be below the floor: is its height above it right?")
        tilted = np.radians(ground.degrees) * _level(adjusted.bodies, positions[name], ground.up)
        sigma = float(np.hypot(KNOWN_SIGMA, tilted / height))
        return Scale(metres / height, f"the height of {name}", sigma)
    if known.stature is not None:
        stature = stature_of(adjusted.bodies)
        if stature is None:
            raise InputError("too few arms and legs are seen to compare with the stature given")
        return Scale(known.stature / stature, "the stature given", STATURE_SIGMA)
    return None


def _level(bodies: Array, position: Array, up: Array) -> float:
    """How far a camera is, along the floor, from the middle of where people (B, 34, 3) are."""
    way = np.nanmedian(bodies, axis=(0, 1)) - position
    return float(np.linalg.norm(way - (way @ up) * up))


def stature_of(bodies: Array) -> float | None:
    """How tall people (B, 34, 3) are by their limbs, in the units of the joints."""
    lengths, parts = [], []
    for side in ("left", "right"):
        for (a, b), part in LIMBS.items():
            limb = bodies[:, INDEX[f"{side}_{a}"]] - bodies[:, INDEX[f"{side}_{b}"]]
            length = np.linalg.norm(limb, axis=1)
            if np.isfinite(length).sum() >= 5:
                lengths.append(float(np.nanmedian(length)))
                parts.append(part)
    return sum(lengths) / sum(parts) if lengths else None


def lifted_scale(adjusted: Adjusted, tracks: Sequence[Track]) -> float:
    """How much farther than adjusted views have lifted the joints of tracks: the median, or NaN."""
    farther = np.concatenate([_farther(adjusted, track) for track in tracks])
    return float(np.nanmedian(farther)) if len(farther) else np.nan


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

"""What each camera saw of whom over time, at the same moments for all cameras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...body.camera import Camera
from ...body.people import Bodies
from ...body.skeleton import JOINT_COUNT, known

Array = NDArray[np.float64]

LONGEST_GAP = 250_000_000
"""Nanoseconds between two sightings up to which what lies between them is interpolated."""
SHORTEST = 8
"""Sightings that make a track worth looking at."""


@dataclass(frozen=True)
class Recorded:
    """What one camera saw: tracked people in its optical frame, moment by moment."""

    camera: Camera
    stamps: Sequence[int]
    """Nanoseconds on the clock that all cameras share."""
    bodies: Sequence[Bodies]

    @property
    def rate(self) -> float:
        """Images a second, of those that follow each other the median; 0 of fewer than two."""
        apart = np.diff(np.sort(self.stamps))
        return 1e9 / float(np.median(apart)) if len(apart) else 0.0


@dataclass(frozen=True)
class Track:
    """One person as one camera saw them, at T moments that are the same for all tracks."""

    view: int
    rays: Array
    """(T, 34, 2) x/z, y/z; NaN where not seen."""
    joints: Array
    """(T, 34, 3) metres in the optical frame, of the size that the network believes in."""
    confidence: Array
    """(T, 34)"""
    reach: Array
    """(T,) how large the person is in the image: the longer side of the box, as x/z or y/z."""

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(T,) when enough of the person was seen."""
        return np.asarray(known(self.rays).sum(axis=1) >= JOINT_COUNT // 3, np.bool_)


def moments(views: Mapping[str, Recorded]) -> NDArray[np.int64]:
    """(T,) the times at which the camera that shoots most often has images."""
    longest = max(views.values(), key=lambda view: len(view.stamps))
    return np.array(sorted(longest.stamps), np.int64)


def tracks_of(views: Mapping[str, Recorded]) -> list[Track]:
    """Every person's track in every view; people are told apart, but not yet across views."""
    at = moments(views)
    found = []
    for number, view in enumerate(views.values()):
        ids = sorted({int(track) for bodies in view.bodies for track in bodies.track_id})
        for track in ids:
            rows = [
                (stamp, bodies, int(np.flatnonzero(bodies.track_id == track)[0]))
                for stamp, bodies in zip(view.stamps, view.bodies, strict=True)
                if (bodies.track_id == track).any()
            ]
            rows = [row for row in rows if known(row[1].pixels[row[2]]).any()]  # not coasting
            if len(rows) >= SHORTEST:
                found.append(_track(number, view.camera, rows, at))
    return found


def _track(
    view: int, camera: Camera, rows: list[tuple[int, Bodies, int]], at: NDArray[np.int64]
) -> Track:
    stamps = np.array([stamp for stamp, _, _ in rows])
    pixels = np.array([bodies.pixels[row] for _, bodies, row in rows])
    joints = np.array([bodies.joints[row] for _, bodies, row in rows])
    confidence = np.array([bodies.confidence[row] for _, bodies, row in rows])
    rays = camera.rays(pixels)
    values = np.concatenate([rays, joints, confidence[..., None]], axis=2)
    values = _at(stamps, values, at)
    low, high = (
        np.where(known(values[..., :2])[..., None], values[..., :2], fill)
        for fill in (np.inf, -np.inf)
    )
    reach = (high.max(axis=1) - low.min(axis=1)).max(axis=1)
    return Track(view, values[..., :2], values[..., 2:5], values[..., 5], reach)


def _at(stamps: NDArray[np.int64], values: Array, at: NDArray[np.int64]) -> Array:
    """Values (N, ...) at stamps (N,) as they are at other times, NaN too far from any."""
    after = np.clip(np.searchsorted(stamps, at), 1, len(stamps) - 1)
    before = after - 1
    span = (stamps[after] - stamps[before]).astype(np.float64)
    share = ((at - stamps[before]) / span).reshape(-1, *[1] * (values.ndim - 1))
    usable = (share >= 0) & (share <= 1) & (span <= LONGEST_GAP).reshape(share.shape)
    between = values[before] * (1 - share) + values[after] * share
    exact = np.where(share == 0, values[before], np.where(share == 1, values[after], between))
    return np.where(usable | ((share >= 0) & (share <= 1) & np.isin(share, (0, 1))), exact, np.nan)

"""Newcomers: found area by area, and looked at a second time before anybody is told of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..body.people import Frame, Keypoints, Regions, select
from .detection import Detector
from .pose import PoseModel, regions_of
from .pose.duplicates import certainty, distinct, on_bodies, size_of
from .pose.second_look import confirmed

# A region found again within this part of its size, and of about its size, is the same person.
_SAME_CENTER = 0.3
_SAME_SIZE = 0.6


class Search:
    """Goes round the areas of a camera's image, a few a frame."""

    def __init__(self, pose: PoseModel, detector: Detector) -> None:
        self._pose = pose
        self._detector = detector
        self._next_area = 0

    def newcomers(self, frame: Frame, known: Keypoints | None, areas: int | None) -> Regions:
        """Where people are who are not known yet.

        Args:
            frame: The image to search.
            known: Everybody known in this image; None: nobody is.
            areas: How many areas are searched; None: the whole image.

        Raises:
            EngineError: A network could not be run.
        """
        found = regions_of(self._detector.detect(frame.image, self._next_areas(frame, areas)))
        if known is not None:
            found = select(found, ~among(found, known.following))
        if not len(found):
            return found
        seen = self._pose.estimate(frame, found)
        if known is not None:
            on_known = on_bodies(seen.pixels, size_of(seen), known.pixels, size_of(known))
            seen = select(seen, ~on_known)
        sure = np.full(len(seen), self._pose.sure_score)
        seen = select(seen, distinct(seen, certainty(seen), sure))
        return confirmed(self._pose, frame, seen).following

    def reset(self) -> None:
        """Begin with the first area again."""
        self._next_area = 0

    def _next_areas(self, frame: Frame, count: int | None) -> NDArray[np.int64]:
        every = self._detector.areas(frame.image.shape[1], frame.image.shape[0])
        if count is None or len(every) <= count:
            return every
        chosen = (self._next_area + np.arange(count)) % len(every)
        self._next_area += count
        return every[chosen]


def among(found: Regions, known: Regions) -> NDArray[np.bool_]:
    """(N,) whether each region found is one of those known already."""
    if not len(known):
        return np.zeros(len(found), bool)
    size, known_size = found.size.max(axis=1)[:, None], known.size.max(axis=1)[None]
    smaller, larger = np.minimum(size, known_size), np.maximum(size, known_size)
    apart = np.linalg.norm(found.center[:, None] - known.center[None], axis=2)
    same = (apart < _SAME_CENTER * smaller) & (smaller > _SAME_SIZE * larger)
    return np.asarray(same.any(axis=1))

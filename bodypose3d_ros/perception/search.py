"""Newcomers: found area by area, and looked at a second time before anybody is told of them."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..body.people import Frame, Keypoints, Regions, select
from ..engines.timed import network_time
from .detection import Detector
from .pose import PoseModel, regions_of
from .pose.duplicates import certainty, distinct, on_bodies, size_of
from .pose.second_look import confirmed

# A region found again within this part of its size, and of about its size, is the same person.
_SAME_CENTER = 0.3
_SAME_SIZE = 0.6
# An area where the last search saw nobody unknown has its turn half as often. Each place of an
# image lies in areas of three sizes, so that newcomers are still found within Budget.seconds.
_QUIET = 2


@dataclass(frozen=True)
class Budget:
    """What looking for newcomers may take while somebody is followed."""

    seconds: float = 1.5
    """Within which every area is searched; those where nobody unknown was, within twice that."""
    share: float = 0.25
    """Of one processor core."""


class Search:
    """Goes round the areas of a camera's image, a few a frame, or one when a budget allows it."""

    def __init__(self, pose: PoseModel, detector: Detector) -> None:
        self._pose = pose
        self._detector = detector
        self._turns = self._steps = np.zeros(0)
        # (T,) when each area has its turn, the least first; what a search puts that off by.
        self._searched: int | None = None
        self._cpu_seconds = 0.0
        # What the last search in time took, and the stamp from which the next one is counted.

    def in_time(self, frame: Frame, known: Keypoints, budget: Budget) -> Regions:
        """Where newcomers are in the next area, if it is time for one.

        Args:
            frame: The image to search.
            known: Everybody known in this image.
            budget: What the search may take.

        Raises:
            EngineError: A network could not be run.
        """
        if self._searched is not None:
            pace = budget.seconds / (1 / self._steps).sum()
            wait = round(max(pace, self._cpu_seconds / budget.share) * 1e9)
            since = frame.stamp - self._searched
            if 0 <= since < wait:
                return Regions.none()
            in_pace = wait <= since < 2 * wait
            self._searched = self._searched + wait if in_pace else frame.stamp
        else:
            self._searched = frame.stamp
        start = time.thread_time()
        with network_time(cpu=True) as network:
            found = self.newcomers(frame, known, 1, step_if_quiet=_QUIET)
        own = time.thread_time() - start - network.thread_seconds
        self._cpu_seconds = own + network.cpu_seconds
        return found

    def newcomers(
        self, frame: Frame, known: Keypoints | None, areas: int | None, step_if_quiet: float = 1
    ) -> Regions:
        """Where people are who are not known yet.

        Args:
            frame: The image to search.
            known: Everybody known in this image; None: nobody is.
            areas: How many areas are searched; None: the whole image.
            step_if_quiet: So many turns later the areas come again if nobody unknown is there.

        Raises:
            EngineError: A network could not be run.
        """
        chosen, where = self._next_areas(frame, areas)
        found = regions_of(self._detector.detect(frame.image, where))
        if known is not None:
            found = select(found, ~among(found, known.following))
        self._steps[chosen] = 1 if len(found) else step_if_quiet
        self._turns[chosen] += self._steps[chosen]
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
        self._turns = self._steps = np.zeros(0)
        self._searched = None

    def _next_areas(
        self, frame: Frame, count: int | None
    ) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Whose turn it is, and where that is."""
        every = self._detector.areas(frame.image.shape[1], frame.image.shape[0])
        if len(self._turns) != len(every):
            self._turns, self._steps = np.zeros(len(every)), np.ones(len(every))
        chosen = np.argsort(self._turns, kind="stable")[:count]
        return chosen, every[chosen]


def among(found: Regions, known: Regions) -> NDArray[np.bool_]:
    """(N,) whether each region found is one of those known already."""
    if not len(known):
        return np.zeros(len(found), bool)
    size, known_size = found.size.max(axis=1)[:, None], known.size.max(axis=1)[None]
    smaller, larger = np.minimum(size, known_size), np.maximum(size, known_size)
    apart = np.linalg.norm(found.center[:, None] - known.center[None], axis=2)
    same = (apart < _SAME_CENTER * smaller) & (smaller > _SAME_SIZE * larger)
    return np.asarray(same.any(axis=1))

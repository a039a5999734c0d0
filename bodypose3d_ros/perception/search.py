"""Newcomers: found area by area, and looked at a second time before anybody is told of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body.people import Frame, Image, Keypoints, Regions, concatenate, select
from ..engines.timed import network_time
from .detection import Detector
from .pose import PoseModel, regions_of
from .pose.duplicates import certainty, distinct, on_bodies, same_place, size_of
from .pose.second_look import confirmed

# An area where the last search saw nobody unknown has its turn half as often. Each place of an
# image lies in areas of three sizes, so that newcomers are still found within Budget.seconds.
_QUIET = 2
# Where people should be who were followed until a moment ago, five times as often.
_AWAITED = 0.2
# So many times as high as somebody is the area in which he is awaited: with 1.5 to 2.5 the same
# people of three films are found, with 3.2 fewer.
_AROUND_AWAITED = 2.0
# How often a whole image is searched at most, each time without those found before.
_ROUNDS = 3
# What of a person lies around the hull of the joints, in parts of the size.
_AROUND_JOINTS = 0.03


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
        # (1 + T,) when where people are awaited, and each area, has its turn, the least first; what
        # a search puts that off by.
        self._searched: int | None = None
        self._cpu_seconds = 0.0
        # What the last search in time took, and the stamp from which the next one is counted.

    def in_time(
        self, frame: Frame, known: Keypoints, budget: Budget, awaited: Callable[[], Regions]
    ) -> Regions:
        """Where newcomers are in the next area, if it is time for one.

        Args:
            frame: The image to search.
            known: Everybody known in this image.
            budget: What the search may take.
            awaited: Tells where people should be who are no longer seen; asked if it is time.

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
            found = self.newcomers(frame, known, 1, awaited(), step_if_quiet=_QUIET)
        own = time.thread_time() - start - network.thread_seconds
        self._cpu_seconds = own + network.cpu_seconds
        return found

    def newcomers(
        self,
        frame: Frame,
        known: Keypoints | None,
        areas: int | None,
        awaited: Regions,
        step_if_quiet: float = 1,
    ) -> Regions:
        """Where people are who are not known yet, the surest first.

        Who is found last may be found beside the others only once these are painted over; should
        the network then see one of them in his place, they go before.

        Args:
            frame: The image to search.
            known: Everybody known in this image; None: nobody is.
            areas: How many areas are searched; None: the whole image.
            awaited: Where people should be who are no longer seen: there it is searched sooner.
            step_if_quiet: So many turns later the areas come again if nobody unknown is there.

        Raises:
            EngineError: A network could not be run.
        """
        tiles = self._detector.areas(frame.image.shape[1], frame.image.shape[0])
        every = [_around(awaited), *tiles[:, None]]
        chosen = self._next_areas(len(every), areas, len(awaited) > 0)
        where = np.concatenate([every[index] for index in chosen])
        people = [] if known is None else [known]
        shown = frame.image
        for _ in range(_ROUNDS if areas is None else 1):
            shown = without(shown, people[-1]) if people else shown
            found = regions_of(self._detector.detect(shown, where))
            for each in people:
                found = select(found, ~same_place(found, each.following).any(axis=1))
            if not len(found):
                break
            people.append(self._confirmed(frame, found, people, shown))
            if not len(people[-1]):
                break
        newcomers = concatenate([each.following for each in people if each is not known])
        self._steps[chosen[chosen > 0]] = 1 if len(newcomers) else step_if_quiet
        self._turns[chosen] += self._steps[chosen]
        return newcomers

    def reset(self) -> None:
        """Begin with the first area again."""
        self._turns = self._steps = np.zeros(0)
        self._searched = None

    def _confirmed(
        self, frame: Frame, found: Regions, people: list[Keypoints], shown: Image
    ) -> Keypoints:
        """Who there are of those that were found, besides the people known already."""
        seen = self._pose.estimate(frame, found)
        for each in people:
            on_known = on_bodies(seen.pixels, size_of(seen), each.pixels, size_of(each))
            seen = select(seen, ~on_known)
        sure = np.full(len(seen), self._pose.sure_score)
        seen = select(seen, distinct(seen, certainty(seen), sure))
        return confirmed(self._pose, self._detector, frame, seen, shown)

    def _next_areas(self, every: int, count: int | None, awaited: bool) -> NDArray[np.intp]:
        """Whose turn it is of all areas: the first one, if anybody is awaited, and the others."""
        if len(self._turns) != every:
            self._turns, self._steps = np.arange(every) / every, np.ones(every)
            self._turns[0] = np.inf
        if not awaited:
            self._turns[0] = self._steps[0] = np.inf
        elif np.isinf(self._turns[0]):
            self._turns[0], self._steps[0] = self._turns.min(), _AWAITED
        return np.argsort(self._turns, kind="stable")[:count]


def _around(people: Regions) -> NDArray[np.int64]:
    """(N, 4) the areas in which people are looked for who are awaited there."""
    side = people.size.max(axis=1, keepdims=True, initial=0) * _AROUND_AWAITED
    return np.hstack([people.center - side / 2, side, side]).round().astype(np.int64)


def without(image: Image, people: Keypoints) -> Image:
    """A copy of an image (H, W, 3) with people painted over by its mean colour.

    A detector tells of the most prominent person in what it is shown, and of another only where
    they hardly overlap: whoever stands beside somebody is found once that one is gone.
    """
    painted = image.copy()
    colour = cv2.mean(image[:: max(1, len(image) // 64)])  # of some rows: no difference, in no time
    for pixels, size in zip(people.pixels, size_of(people), strict=True):
        joints = pixels[np.isfinite(pixels).all(axis=1)].round().astype(np.int32)
        if len(joints):
            hull = cv2.convexHull(joints)
            cv2.fillConvexPoly(painted, hull, colour)
            cv2.polylines(painted, [hull], True, colour, max(1, round(2 * _AROUND_JOINTS * size)))
    return painted

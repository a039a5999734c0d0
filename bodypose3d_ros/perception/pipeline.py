"""One frame through all the stages: regions, keypoints, metres, identities."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from ..body.people import Bodies, Frame, Keypoints, Regions, concatenate, select
from ..engines.timed import network_time
from .detection import Boxes, Detector
from .lifting import lift
from .pose import PoseModel, regions_of
from .pose.duplicates import MIN_SCORE, distinct
from .tracking.tracker import Tracker

MAX_PEOPLE = 8
# Areas of an image that are searched while somebody is followed, and while nobody is.
_AREAS_FOLLOWING, _AREAS_ALONE = 1, 2
# A region found again within this part of its size, and of about its size, is the same person.
_SAME_CENTER = 0.3
_SAME_SIZE = 0.6


class Pipeline:
    """From a frame to everybody in it, in metres and with identities.

    Frames of one camera in order; ``reset`` between pictures that have nothing to do with each
    other. The first frame is searched whole, area by area, which takes as long as ten others;
    after it, and ``live`` from the start, people are followed from where they were and the search
    goes round the areas, one a frame (two while nobody is there), so that its cost is bounded.
    While somebody is followed the search comes last and newcomers join in the next frame: the
    people known already need not wait for it.
    """

    def __init__(
        self,
        pose: PoseModel,
        detector: Detector,
        tracker: Tracker | None,
        *,
        max_people: int = MAX_PEOPLE,
        live: bool = False,
    ) -> None:
        """Put a pipeline together of parts that others may use, too, the tracker excepted.

        Args:
            pose: Finds keypoints where people are.
            detector: Finds where people are.
            tracker: Tells who is who; None: nobody is, every ``track_id`` is 0.
            max_people: The most people looked for.
            live: No frame may take longer than the next: not even the first is searched whole.
        """
        self.pose = pose
        self.detector = detector
        self.tracker = tracker
        self.max_people = max_people
        self.milliseconds: dict[str, float] = {}
        """What the last frame took by stage; ``network`` is both networks' own time."""
        self._live = live
        self._following = self._nobody()
        self._found = Regions.none()
        self._expected = Regions.none()
        self._next_area = 0

    def __call__(self, frame: Frame, boxes: Boxes | None = None) -> Bodies:
        """Everybody in one frame: ``estimate``, and ``search`` where nobody else detects."""
        bodies = self.estimate(frame, boxes)
        if boxes is None:
            self.search(frame)
        return bodies

    def estimate(self, frame: Frame, boxes: Boxes | None = None) -> Bodies:
        """Everybody in one frame who is followed or was found; searches only if nobody is.

        Args:
            frame: The image and its camera.
            boxes: Where people are, when somebody else detects them.

        Raises:
            CameraError: The calibration is not for this image.
            EngineError: A network could not be run.
        """
        frame.camera.check_size(frame.image.shape[1], frame.image.shape[0])
        self.milliseconds = {}
        following = Regions.none() if self._following is None else self._following
        if boxes is not None:
            following, self._found = Regions.none(), regions_of(boxes)
        elif not len(following):
            self._search(frame, _AREAS_ALONE)
        with self._stage("pose"):
            looked_at = concatenate([_joined(following, self._found), self._expected])
            keypoints = self.pose.estimate(frame, looked_at)
            newcomer = self.pose.sure_score if boxes is None else MIN_SCORE
            keypoints = self._keep(keypoints, len(following), newcomer)
        with self._stage("lift"):
            bodies = lift(keypoints, frame.camera, self.pose.shape, frame.floor, frame.depth)
        if self.tracker is not None:
            with self._stage("track"):
                bodies = self.tracker.update(bodies, frame.stamp, frame.place)
        self._following, self._found = keypoints.following, Regions.none()
        self._expected = Regions.none()
        return bodies

    def expect(self, regions: Regions) -> None:
        """Look there, too, in the next frame: others see people there whom this camera does not."""
        self._expected = regions

    def search(self, frame: Frame) -> None:
        """Look for newcomers in one area of a frame that was estimated, for the next one.

        Raises:
            EngineError: The network could not be run.
        """
        if self._following is not None and len(self._following):
            self._search(frame, _AREAS_FOLLOWING)

    @property
    def ended(self) -> tuple[int, ...]:
        """Ids of the tracks that ended with the last frame."""
        return () if self.tracker is None else self.tracker.ended

    def reset(self) -> None:
        """Forget everybody: the next frame has nothing to do with the last one."""
        self._following, self._found = self._nobody(), Regions.none()
        self._expected = Regions.none()
        self._next_area = 0
        if self.tracker is not None:
            self.tracker.reset()

    def _nobody(self) -> Regions | None:
        """Who is followed before the first frame; None: it is to be searched whole."""
        return Regions.none() if self._live else None

    def _search(self, frame: Frame, count: int) -> None:
        with self._stage("detect"):
            found = self.detector.detect(frame.image, self._next_areas(frame, count))
            self._found = regions_of(found)

    def _next_areas(self, frame: Frame, count: int) -> NDArray[np.int64]:
        every = self.detector.areas(frame.image.shape[1], frame.image.shape[0])
        if self._following is None or len(every) <= count:
            return every
        chosen = (self._next_area + np.arange(count)) % len(every)
        self._next_area += count
        return every[chosen]

    def _keep(self, keypoints: Keypoints, followed: int, newcomer: float) -> Keypoints:
        """Real and different people, the most certain first; who is followed goes before."""
        known = keypoints.confidence > 0
        certainty = keypoints.confidence.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        rank = keypoints.regions.score * keypoints.score * certainty
        rank[:followed] += 1
        least = np.where(np.arange(len(rank)) < followed, MIN_SCORE, newcomer)
        return select(keypoints, distinct(keypoints, rank, least)[: self.max_people])

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        with network_time() as network:
            yield
        own = time.perf_counter() - start - network.seconds
        self.milliseconds[name] = own * 1000
        if network.seconds:
            before = self.milliseconds.get("network", 0)
            self.milliseconds["network"] = before + network.seconds * 1000


def _joined(known: Regions, found: Regions) -> Regions:
    """Those known, and of those found the others."""
    return concatenate([known, select(found, ~_among(found, known))]) if len(found) else known


def _among(found: Regions, known: Regions) -> NDArray[np.bool_]:
    """(N,) whether each region found is one of those known already."""
    if not len(known):
        return np.zeros(len(found), bool)
    size, known_size = found.size.max(axis=1)[:, None], known.size.max(axis=1)[None]
    smaller, larger = np.minimum(size, known_size), np.maximum(size, known_size)
    apart = np.linalg.norm(found.center[:, None] - known.center[None], axis=2)
    same = (apart < _SAME_CENTER * smaller) & (smaller > _SAME_SIZE * larger)
    return np.asarray(same.any(axis=1))

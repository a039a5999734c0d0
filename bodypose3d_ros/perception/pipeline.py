"""One frame through all the stages: regions, keypoints, metres, identities."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np

from ..body.people import Bodies, Frame, Keypoints, Regions, concatenate, select
from ..body.skeleton import MEAN_STATURE
from ..engines.timed import network_time
from .detection import Boxes, Detector
from .lifting import lift
from .lifting.flat import NO_DISTANCE, without_guesses
from .pose import PoseModel, regions_of
from .pose.duplicates import MIN_SCORE, certainty, distinct
from .pose.second_look import without_slid
from .search import Budget, Search
from .tracking.tracker import Tracker
from .tracking.tracks import Step

MAX_PEOPLE = 8

_log = logging.getLogger(__name__)

# Areas of an image that are searched while somebody is followed, and while nobody is.
_AREAS_FOLLOWING, _AREAS_ALONE = 1, 2


class Pipeline:
    """From a frame to everybody in it, in metres and with identities.

    Frames of one camera in order; ``reset`` between pictures that have nothing to do with each
    other. The first frame is searched whole, area by area, and again without those who were found,
    which takes as long as some thirty others; after it, and ``live`` from the start, people are
    followed from where they were and the search goes round the areas, one a frame or as a budget
    allows (two while nobody is there), so that its cost is bounded. While somebody is followed the
    search comes last and newcomers join in the next frame: the people known already need not wait
    for it.
    """

    def __init__(
        self,
        pose: PoseModel,
        detector: Detector,
        tracker: Tracker | None,
        *,
        max_people: int = MAX_PEOPLE,
        live: bool = False,
        guesses: bool = False,
    ) -> None:
        """Put a pipeline together of parts that others may use, too, the tracker excepted.

        Args:
            pose: Finds keypoints where people are.
            detector: Finds where people are.
            tracker: Tells who is who; None: nobody is, every ``track_id`` is 0.
            max_people: The most people looked for.
            live: No frame may take longer than the next: not even the first is searched whole.
            guesses: Give also those metres that rest on nothing: to who tracks people himself, or
                fuses several views of them.
        """
        self.pose = pose
        self.detector = detector
        self.tracker = tracker
        self.max_people = max_people
        self.milliseconds: dict[str, float] = {}
        """What the last frame took by stage; ``network`` is both networks' own time."""
        self.cpu_milliseconds: dict[str, float] = {}
        """The same as processor time of the whole process, where ``measures_cpu``."""
        self.measures_cpu = False
        """Not while it matters how long a frame takes: ``engines.timed.network_time``."""
        self._live = live
        self._guesses = guesses
        self._said_unplaced = False
        self._search = Search(pose, detector)
        self._size: tuple[int, ...] | None = None
        """Height and width of the last image."""
        self._seen: Keypoints | None = None
        """Who was seen in the last frame, and where to look for them in the next."""
        self._found = Regions.none()
        self._expected = Regions.none()
        self._whole = not live
        """The next search is for everybody, everywhere."""

    def __call__(self, frame: Frame, boxes: Boxes | None = None) -> Bodies:
        """Everybody in one frame: ``estimate``, and ``search`` where nobody else detects."""
        bodies = self.estimate(frame, boxes)
        if boxes is None:
            self.search(frame)
        return bodies

    def estimate(self, frame: Frame, boxes: Boxes | None = None) -> Bodies:
        """Everybody in one frame who is followed or was found; searches only if nobody is.

        The tracker gives them in the fixed frame; without one they are in the optical frame.

        Args:
            frame: The image and its camera.
            boxes: Where people are, when somebody else detects them.

        Raises:
            CameraError: The calibration is not for this image.
            EngineError: A network could not be run.
        """
        frame.camera.check_size(frame.image.shape[1], frame.image.shape[0])
        self.milliseconds, self.cpu_milliseconds = {}, {}
        self._forget_places_in_another_size(frame)
        following = Regions.none() if self._seen is None else self._seen.following
        if boxes is not None:
            following, self._found = Regions.none(), regions_of(boxes)
        elif not len(following):
            self._look_for_newcomers(frame, None if self._whole else _AREAS_ALONE)
        with self._stage("pose"):
            looked_at = concatenate([following, self._found, self._expected])
            keypoints = self.pose.estimate(frame, looked_at)
            followed = len(looked_at) if boxes is not None else len(following)
            keypoints = self._keep(keypoints, followed, followed + len(self._found))
            if boxes is None:
                keypoints = without_slid(self.pose, frame, keypoints)
        with self._stage("lift"):
            bodies = lift(keypoints, frame.camera, self.pose.shape, frame.floor, frame.depth)
        if self.tracker is not None:
            with self._stage("track"):
                bodies = self.tracker.update(bodies, frame.stamp, frame.place)
        self._seen, self._whole = keypoints, False
        self._found = self._expected = Regions.none()
        return bodies if self._guesses else self._without_guesses(bodies)

    def expect(self, regions: Regions) -> None:
        """Look there, too, in the next frame: others see people there whom this camera does not."""
        self._expected = regions

    def search(self, frame: Frame, budget: Budget | None = None) -> None:
        """Look for newcomers in one area of a frame that was estimated, for the next one.

        Args:
            frame: The one that was estimated last.
            budget: What that may take; None: it is done in every frame.

        Raises:
            EngineError: The network could not be run.
        """
        if self._seen is None or not len(self._seen):
            return
        if budget is None:
            self._look_for_newcomers(frame, _AREAS_FOLLOWING)
            return
        with self._stage("detect"):
            awaited = partial(self._awaited, frame)
            self._found = self._search.in_time(frame, self._seen, budget, awaited)

    @property
    def ended(self) -> tuple[int, ...]:
        """Ids of the tracks that ended with the last frame."""
        return () if self.tracker is None else self.tracker.ended

    @property
    def step(self) -> Step | None:
        """What the last frame made of everybody who is tracked, for who smooths."""
        return None if self.tracker is None else self.tracker.step

    def reset(self) -> None:
        """Forget everybody: the next frame has nothing to do with the last one."""
        self._forget_places()
        if self.tracker is not None:
            self.tracker.reset()

    def _forget_places_in_another_size(self, frame: Frame) -> None:
        """Where people are in an image of another size says nothing; who they are stays known."""
        size = frame.image.shape[:2]
        if self._size not in (None, size):
            self._forget_places()
        self._size = size

    def _forget_places(self) -> None:
        self._seen, self._whole = None, not self._live
        self._found = self._expected = Regions.none()
        self._search.reset()

    def _without_guesses(self, bodies: Bodies) -> Bodies:
        told = without_guesses(bodies)
        if told is not bodies and not self._said_unplaced:
            self._said_unplaced = True
            _log.warning(NO_DISTANCE)
        return told

    def _look_for_newcomers(self, frame: Frame, areas: int | None) -> None:
        with self._stage("detect"):
            self._found = self._search.newcomers(frame, self._seen, areas, Regions.none())

    def _awaited(self, frame: Frame) -> Regions:
        """Where in the image people should be who were followed and are no longer seen."""
        places = np.zeros((0, 3)) if self.tracker is None else self.tracker.awaited
        if frame.place is not None:
            rotation, translation = frame.place[:3, :3], frame.place[:3, 3]
            places = (places - translation) @ rotation
        places = places[places[:, 2] > 0]
        height = frame.camera.matrix[1, 1] * MEAN_STATURE / places[:, 2]
        pixels = frame.camera.project(places)
        there = Regions(
            pixels, np.stack([height] * 2, -1), np.zeros_like(height), np.ones_like(height)
        )
        return select(there, frame.camera.in_image(pixels))

    def _keep(self, keypoints: Keypoints, followed: int, confirmed: int) -> Keypoints:
        """Real and different people, the most certain first.

        Of those looked at the first were followed, and go before; the next the search has confirmed
        already, in the order in which it tells of them; the others must be sure.
        """
        index = np.arange(len(keypoints))
        rank = certainty(keypoints) + 2.0 * (index < followed)
        told = (followed <= index) & (index < confirmed)
        rank = np.where(told, 2 - index / max(len(keypoints), 1), rank)
        least = np.where(index < confirmed, MIN_SCORE, self.pose.sure_score)
        kept = distinct(keypoints, rank, least, newcomer=index >= followed)
        return select(keypoints, kept[: self.max_people])

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        start = self._clocks()
        with network_time(cpu=self.measures_cpu) as network:
            yield
        wall, cpu = (now - then for now, then in zip(self._clocks(), start, strict=True))
        _add(self.milliseconds, name, wall, network.seconds)
        if self.measures_cpu:
            _add(self.cpu_milliseconds, name, cpu, network.cpu_seconds)

    def _clocks(self) -> tuple[float, float]:
        return time.perf_counter(), time.process_time() if self.measures_cpu else 0.0


def _add(milliseconds: dict[str, float], stage: str, whole: float, in_network: float) -> None:
    """Seconds of a stage, those of its networks apart."""
    milliseconds[stage] = (whole - in_network) * 1000
    if in_network:
        milliseconds["network"] = milliseconds.get("network", 0) + in_network * 1000

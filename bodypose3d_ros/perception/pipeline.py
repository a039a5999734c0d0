"""One frame through all the stages: regions, keypoints, metres, identities."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..body.people import Bodies, Frame, Keypoints, Regions, concatenate, select
from ..engines import models
from ..engines.load import load
from ..engines.timed import TimedEngine
from .detection.blazepose import BlazePoseDetector, tiles
from .lifting import lift
from .pose import PoseModel
from .pose.blazepose import BlazePose
from .pose.bodypose3dnet import BodyPose3DNet, Settings
from .pose.duplicates import MIN_SCORE, distinct
from .tracking.tracker import Tracker

MAX_PEOPLE = 8
_TILES_FOLLOWING, _TILES_ALONE = 1, 2
# A region found again within this part of its size, and of about its size, is the same person.
_SAME_CENTER = 0.3
_SAME_SIZE = 0.6


class Pipeline:
    """From a frame to everybody in it, in metres and with identities.

    Frames of one camera in order; ``reset`` between pictures that have nothing to do with each
    other. The first frame is searched whole, tile by tile, which takes as long as ten others;
    after it, and ``live`` from the start, people are followed from where they were and the search
    goes round the tiles, one a frame (two while nobody is there), so that its cost is bounded.
    While somebody is followed the search comes last and newcomers join in the next frame: the
    people known already need not wait for it.
    """

    def __init__(
        self,
        pose: PoseModel,
        detector: BlazePoseDetector,
        *,
        max_people: int = MAX_PEOPLE,
        live: bool = False,
    ) -> None:
        self.pose = pose
        self.detector = detector
        self.max_people = max_people
        self.tracker = Tracker()
        self.milliseconds: dict[str, float] = {}
        """What the last frame took by stage; ``network`` is both networks' own time."""
        self._live = live
        self._following = self._nobody()
        self._found = Regions.none()
        self._next_tile = 0
        self._timed = _time_engines(pose, detector)

    def __call__(self, frame: Frame, regions: Regions | None = None) -> Bodies:
        """Everybody in one frame: ``estimate``, and ``search`` where nobody else detects."""
        bodies = self.estimate(frame, regions)
        if regions is None:
            self.search(frame)
        return bodies

    def estimate(self, frame: Frame, regions: Regions | None = None) -> Bodies:
        """Everybody in one frame who is followed or was found; searches only if nobody is.

        Args:
            frame: The image and its camera.
            regions: Where people are, when somebody else detects them.

        Raises:
            CameraError: The calibration is not for this image.
            EngineError: A network could not be run.
        """
        frame.camera.check_size(frame.image.shape[1], frame.image.shape[0])
        self.milliseconds = {}
        following = Regions.none() if self._following is None else self._following
        if regions is not None:
            following, self._found = Regions.none(), regions
        elif not len(following):
            self._search(frame, _TILES_ALONE)
        with self._stage("pose"):
            keypoints = self.pose.estimate(frame, _joined(following, self._found))
            newcomer = self.pose.sure_score if regions is None else MIN_SCORE
            keypoints = self._keep(keypoints, len(following), newcomer)
        with self._stage("lift"):
            bodies = lift(keypoints, frame.camera)
        with self._stage("track"):
            bodies = self.tracker.update(bodies, frame.stamp)
        self._following, self._found = keypoints.following, Regions.none()
        return bodies

    def search(self, frame: Frame) -> None:
        """Look for newcomers in one tile of a frame that was estimated, for the next one.

        Raises:
            EngineError: The network could not be run.
        """
        if self._following is not None and len(self._following):
            self._search(frame, _TILES_FOLLOWING)

    @property
    def ended(self) -> tuple[int, ...]:
        """Ids of the tracks that ended with the last frame."""
        return self.tracker.ended

    def reset(self) -> None:
        """Forget everybody: the next frame has nothing to do with the last one."""
        self._following, self._found = self._nobody(), Regions.none()
        self._next_tile = 0
        self.tracker.reset()

    def close(self) -> None:
        """Give the networks' memory back."""
        self.pose.close()
        self.detector.close()

    def _nobody(self) -> Regions | None:
        """Who is followed before the first frame; None: it is to be searched whole."""
        return Regions.none() if self._live else None

    def _search(self, frame: Frame, count: int) -> None:
        with self._stage("detect"):
            self._found = self.detector.detect(frame.image, self._next_tiles(frame, count))

    def _next_tiles(self, frame: Frame, count: int) -> NDArray[np.int64]:
        every = tiles(frame.image.shape[1], frame.image.shape[0])
        if self._following is None:
            return every
        chosen = (self._next_tile + np.arange(count)) % len(every)
        self._next_tile += count
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
        start, network = time.perf_counter(), self._network_seconds()
        yield
        network = self._network_seconds() - network
        self.milliseconds[name] = (time.perf_counter() - start - network) * 1000
        if network:
            self.milliseconds["network"] = self.milliseconds.get("network", 0) + network * 1000

    def _network_seconds(self) -> float:
        return sum(engine.seconds for engine in self._timed)


def build(
    model: str = models.BLAZEPOSE.name,
    engine: str = "auto",
    *,
    max_people: int = MAX_PEOPLE,
    threads: int = 0,
    settings: Settings | None = None,
    live: bool = False,
) -> Pipeline:
    """A pipeline with its networks loaded and warm.

    Args:
        model: A name of ``models.MODELS``, or a path to an ONNX file with BodyPose3DNet's contract.
        engine: ``auto``, ``onnxruntime`` or ``tensorrt``.
        max_people: The most people looked for.
        threads: For networks on the CPU; 0 takes all cores.
        settings: How BodyPose3DNet is fed and read; BlazePose has none.
        live: No frame may take longer than the next: not even the first is searched whole.

    Raises:
        ModelError: The model is not here, or is not what it should be.
        EngineError: The engine is not here, or cannot run the model.
    """
    detector_file, landmarks_file = models.paths(models.BLAZEPOSE.name)
    detector = BlazePoseDetector(load(detector_file, engine, threads=threads))
    pose: PoseModel
    if model == models.BLAZEPOSE.name:
        pose = BlazePose(load(landmarks_file, engine, threads=threads))
    else:
        file = Path(model) if Path(model).suffix else models.paths(model)[0]
        pose = BodyPose3DNet(load(file, engine, threads=threads), settings)
    detector.engine.warm_up()
    pose.engine.warm_up()
    return Pipeline(pose, detector, max_people=max_people, live=live)


def _time_engines(*owners: PoseModel | BlazePoseDetector) -> list[TimedEngine]:
    timed = []
    for owner in owners:
        owner.engine = TimedEngine(owner.engine)
        timed.append(owner.engine)
    return timed


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

"""Pictures, films and recordings in; poses, overlays and a summary out, as files."""

from __future__ import annotations

import json
import logging
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path, PurePath
from typing import Any, Protocol, TextIO, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body.floor import LEVEL
from ..body.people import (
    SCALE_NAMES,
    SCALES_OF_FLOOR,
    STATE_COASTING,
    STATE_NAMES,
    Bodies,
    Frame,
    Image,
)
from ..body.skeleton import JOINTS, known
from ..errors import OutputError
from ..media import overlay
from ..media.outputs import SUMMARY, Outputs, fitting, writing
from ..media.recording import IMAGE_TYPES, Item, RecordingWriter
from ..media.sources import Source, is_sequence
from ..media.storage import Recorded
from ..media.video import VideoWriter
from ..perception.tracking.smoothing import Smoother
from ..perception.tracking.tracks import Step
from ..wire import images
from ..wire.markers_cdr import MARKERS_TYPE, markers
from ..wire.messages import Message, Messages
from ..wire.pose_cdr import ARRAY_TYPE, PoseCdr
from ..wire.tf_cdr import TF_TYPE, joint_frames
from ..wire.typestore import ros_types

_log = logging.getLogger(__name__)

NAMESPACE = "/bodypose3d"
"""Where the topics of a recording written here lie: the node's name."""

NOT_OVERHEAD = ("network", "read", "overlay", "files")
"""The networks, and what only files cost: a node is handed its images decoded."""

MOST_TIMES = 20_000
"""Frames whose times are kept: a film may have any length."""

_POSES, _RECORDING = "poses.jsonl", "poses.mcap"
_ROWS, _COLUMNS = np.triu_indices(3)  # xx xy xz yy yz zz
_OF_PEOPLE = re.compile(rf"body_\d+/({'|'.join(JOINTS)})")
"""Frames of TF that are written here."""

OnFrame = Callable[[Frame, Bodies], None]


class Estimator(Protocol):
    """What finds everybody in one frame after the other: a pipeline."""

    milliseconds: dict[str, float]
    """What the last frame took by stage."""

    @property
    def ended(self) -> tuple[int, ...]:
        """Ids of the tracks that ended with the last frame."""

    @property
    def step(self) -> Step | None:
        """What the last frame made of everybody who is tracked."""

    def __call__(self, frame: Frame) -> Bodies:
        """Everybody in a frame."""

    def reset(self) -> None:
        """Forget everybody."""


@dataclass
class Summary:
    """What was done, for a person and for a script."""

    frames: int = 0
    people: int = 0
    """Person-frames: everybody in every frame."""
    tracks: set[int] = field(default_factory=set)
    metres_from: Counter[str] = field(default_factory=Counter)
    """What the metres of how many person-frames rest on most, by the names of ``SCALE_NAMES``."""
    assumed_hfov: float | None = None
    smoothed: bool = False
    """Whether positions and velocities are told by what came after, too."""
    dropped: int = 0
    """Frames without an answer, since a network gave none that is a number."""
    unreadable: int = 0
    """Frames that are damaged or cannot be used."""
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0
    """From the beginning of the files to their end."""
    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """By stage, of every frame; of every ``every``-th where there are too many."""
    every: int = 1

    def add(self, frame: Frame, bodies: Bodies, milliseconds: dict[str, float]) -> None:
        """Count one frame."""
        self.frames += 1
        self.people += len(bodies)
        self.tracks.update(bodies.track_id.tolist())
        self.metres_from.update(SCALE_NAMES[source] for source in bodies.scale_source)
        self.assumed_hfov = frame.camera.assumed_hfov or self.assumed_hfov
        if self.frames % self.every == 0:
            self._add_times(milliseconds)

    @property
    def floor_counts(self) -> bool:
        """Whether anybody's metres are what they are where a floor is told."""
        return any(SCALE_NAMES[scale] in self.metres_from for scale in SCALES_OF_FLOOR)

    def _add_times(self, milliseconds: dict[str, float]) -> None:
        ours = sum(ms for stage, ms in milliseconds.items() if stage not in NOT_OVERHEAD)
        for stage, ms in {**milliseconds, "all but the network": ours}.items():
            self.milliseconds[stage].append(ms)
        if len(self.milliseconds["read"]) > MOST_TIMES:
            self.every *= 2
            for times in self.milliseconds.values():
                del times[::2]

    def to_json(self) -> dict[str, Any]:
        """As ``summary.json`` has it."""
        return {
            "frames": self.frames,
            "person_frames": self.people,
            "tracks": len(self.tracks),
            "metres_from": self.metres_from,
            "assumed_hfov_degrees": self.assumed_hfov,
            "smoothed": self.smoothed,
            "dropped_frames": self.dropped,
            "unreadable_frames": self.unreadable,
            "failures": self.failures,
            "seconds": round(self.seconds, 3),
            "milliseconds": {
                stage: {
                    "median": round(float(np.median(ms)), 3),
                    "p95": round(float(np.percentile(ms, 95)), 3),
                }
                for stage, ms in self.milliseconds.items()
            },
        }


def file_names(paths: Sequence[Path], labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names of all files that a run writes, and of each source's overlay among them."""
    overlays: dict[str, None] = {}
    stems = [PurePath(label).stem for label in labels]
    times = Counter(stems)
    for path, label, stem in zip(paths, labels, stems, strict=True):
        name = stem if times[stem] == 1 else label.replace("/", "_")
        wanted = f"overlay_{name}" if len(paths) > 1 else "overlay"
        suffix = ".mp4" if is_sequence(path) else ".png"
        tries = (fitting(wanted, end + suffix) for end in chain([""], map("_{}".format, count(2))))
        overlays[next(name for name in tries if name not in overlays)] = None
    return [_POSES, _RECORDING, SUMMARY, *overlays], list(overlays)


@dataclass(frozen=True)
class _Answer:
    """What is needed of a frame when its people are written, perhaps a second or two later."""

    frame: Frame
    """Without image and depth."""
    log_time: int
    ended: tuple[int, ...]
    milliseconds: dict[str, float]


class Estimation:
    """Runs sources through a pipeline and writes what comes out into a folder."""

    def __init__(
        self,
        pipeline: Estimator,
        outputs: Outputs,
        *,
        keep_images: bool = False,
        smooth: bool = False,
    ) -> None:
        """Begin the files.

        Args:
            pipeline: What estimates.
            outputs: Where to write what ``file_names`` names.
            keep_images: Whether the recording also holds the images.
            smooth: Whether people are told by what comes after, too; overlays never are.

        Raises:
            WriteError: The folder cannot be written to.
        """
        self.pipeline = pipeline
        self.summary = Summary(smoothed=smooth)
        self._smoother: Smoother[_Answer] | None = Smoother() if smooth else None
        self._start = time.perf_counter()
        self._outputs = outputs
        self._keep_images = keep_images
        self._stopped = False
        self._types = ros_types()
        self._messages = Messages(lambda name: self._types.types[name])
        poses = outputs.part(_POSES)
        with writing(poses):
            self._lines: TextIO = poses.open("w", encoding="utf-8")
        self._recording = RecordingWriter(outputs.part(_RECORDING), self._types)
        self._upright: set[str] = set()
        """The optical frames of which it was told how they stand."""
        self._replaced: set[str] = set()
        """What the source's recording holds of people itself."""

    def run(self, source: Source, overlay_name: str, on_frame: OnFrame) -> None:
        """Estimate one source; ``on_frame`` is told of each of its frames.

        Raises:
            InputError: It cannot be read to its end. What was written before stays whole.
            EngineError: A network could not be run.
            WriteError: A file cannot be written to.
        """
        self.pipeline.reset()
        self._replaced.clear()
        unreadable, problem = 0, ""
        with (
            self._all_written(on_frame),
            _overlay_writer(self._outputs.part(overlay_name), source) as draw_into,
        ):
            for item, waited in _timed(source.items()):
                if self._stopped:
                    break
                if item.problem:
                    unreadable, problem = unreadable + 1, item.problem
                    if unreadable == 1:
                        _log.warning("%s: %s", source.path, problem)
                elif item.frame is not None:
                    self._frame(item, waited, draw_into, on_frame)
                elif item.recorded is not None:
                    self._pass_on(item.recorded)
        self.summary.unreadable += unreadable
        if unreadable > 1:
            what = "%s: %d frames could not be used; the last: %s"
            _log.warning(what, source.path, unreadable, problem)
        if self._replaced:
            _log.info(
                "%s: people are found anew; what it holds of them already is left out: %s",
                *(source.path, ", ".join(sorted(self._replaced))),
            )

    def stop(self) -> None:
        """End after the frame that is in work: what was written until then is finished."""
        self._stopped = True

    @property
    def stopped(self) -> bool:
        """Whether it was asked to stop."""
        return self._stopped

    def close(self) -> None:
        """Finish every file, the summary included.

        Raises:
            WriteError: One cannot be written to its end.
        """
        self.summary.seconds = time.perf_counter() - self._start
        with ExitStack() as files:
            files.callback(self._recording.close)
            files.enter_context(writing(self._outputs.part(_POSES)))
            files.callback(self._lines.close)
            self._outputs.describe(SUMMARY, self.summary.to_json())

    def _frame(
        self,
        item: Item,
        read_ms: float,
        draw_into: Callable[[Image], None],
        on_frame: OnFrame,
    ) -> None:
        frame = cast("Frame", item.frame)
        try:
            bodies = self.pipeline(frame)
        except OutputError as error:
            self.summary.dropped += 1
            _log.warning("%s at %.3f s: %s", frame.source, frame.stamp / 1e9, error)
            return
        milliseconds = {"read": read_ms, **self.pipeline.milliseconds}
        log_time = item.recorded.log_time if item.recorded else frame.stamp
        with _stage(milliseconds, "overlay"):
            draw_into(overlay.draw(frame.image, bodies, frame.camera))
        with _stage(milliseconds, "files"):
            if item.recorded is None:
                self._tell_what_is_up(frame)
            if self._keep_images:
                self._keep_image(frame, item.recorded, log_time)
        bare = replace(frame, image=np.zeros((0, 0, 3), np.uint8), depth=None)
        answer = _Answer(bare, log_time, self.pipeline.ended, milliseconds)
        if self._smoother is None:
            self._write(answer, bodies, on_frame)
            return
        with _stage(milliseconds, "smooth"):
            told = self._smoother.add(answer, bodies, self.pipeline.step)
        for earlier, smoothed in told:
            self._write(earlier, smoothed, on_frame)

    @contextmanager
    def _all_written(self, on_frame: OnFrame) -> Iterator[None]:
        """Whoever is still to be smoothed at a source's end is written, however it ends."""
        try:
            yield
        finally:
            for answer, bodies in [] if self._smoother is None else self._smoother.rest():
                self._write(answer, bodies, on_frame)

    def _write(self, answer: _Answer, bodies: Bodies, on_frame: OnFrame) -> None:
        """Everybody in one frame, into every file."""
        frame, log_time, milliseconds = answer.frame, answer.log_time, answer.milliseconds
        with _stage(milliseconds, "messages"):
            size = (frame.camera.width, frame.camera.height)
            poses = PoseCdr(bodies, frame.stamp, frame.frame_id, size).array()
            tf = joint_frames(bodies, frame.stamp, frame.frame_id)
            shown = markers(bodies, frame.stamp, frame.frame_id, answer.ended)
        with _stage(milliseconds, "files"):
            for topic, kind, cdr in (
                (f"{NAMESPACE}/poses", ARRAY_TYPE, poses),
                (f"{NAMESPACE}/markers", MARKERS_TYPE, shown),
                ("/tf", TF_TYPE, tf),
            ):
                self._recording.write_cdr(Recorded(topic, kind, log_time, cdr))
            with writing(self._outputs.part(_POSES)):
                self._lines.write(json.dumps(line(frame, bodies)) + "\n")
                self._lines.flush()
        self.summary.add(frame, bodies, milliseconds)
        on_frame(frame, bodies)

    def _tell_what_is_up(self, frame: Frame) -> None:
        """How the camera stands, once, for viewers: in its optical frame people would lie.

        On the floor, where that is known, else as if it were level. A recording has TF of its own.
        """
        if frame.frame_id in self._upright:
            return
        self._upright.add(frame.frame_id)
        place = (frame.floor or LEVEL).place
        link = f"{frame.frame_id.removesuffix('_optical_frame')}_link"
        parent = link if frame.floor is None else "floor"
        header = self._messages.header(frame.stamp, parent)
        message = self._messages.transform(header, frame.frame_id, place)
        self._recording.write("/tf_static", message, frame.stamp)

    def _keep_image(self, frame: Frame, recorded: Recorded | None, log_time: int) -> None:
        if recorded is not None:
            self._recording.write_cdr(recorded)
            return
        header = self._messages.header(frame.stamp, frame.frame_id)
        jpeg = self._messages.compressed_image(images.encode_jpeg(frame.image), header)
        info = self._messages.camera_info(frame.camera, header)
        self._recording.write("/camera/image_raw/compressed", jpeg, log_time)
        self._recording.write("/camera/camera_info", info, log_time)

    def _pass_on(self, recorded: Recorded) -> None:
        """Keep what a recording holds besides its images, but for people under names used here.

        Who opens the result would see everybody twice.
        """
        if recorded.topic.startswith(f"{NAMESPACE}/"):
            self._replaced.add(recorded.topic)
        elif recorded.type == TF_TYPE:
            self._recording.write_cdr(self._without_people(recorded))
        elif self._keep_images or recorded.type not in IMAGE_TYPES:
            self._recording.write_cdr(recorded)

    def _without_people(self, recorded: Recorded) -> Recorded:
        if b"body_" not in recorded.cdr:  # nearly all TF of a robot: not worth reading
            return recorded
        message: Any = self._types.deserialize_cdr(recorded.cdr, TF_TYPE)
        others = [each for each in message.transforms if not _is_of_people(each)]
        if len(others) == len(message.transforms):
            return recorded
        self._replaced.add(f"{recorded.topic} of body_.../...")
        message.transforms = others
        return replace(recorded, cdr=bytes(self._types.serialize_cdr(message, TF_TYPE)))


def _is_of_people(transform: Message) -> bool:
    return _OF_PEOPLE.fullmatch(transform.child_frame_id) is not None


def line(frame: Frame, bodies: Bodies) -> dict[str, Any]:
    """One frame as ``poses.jsonl`` has it: metres in the optical frame, pixels, null if unknown."""
    return {
        "stamp": frame.stamp / 1e9,
        "frame_id": frame.frame_id,
        "source": frame.source,
        "size": [frame.camera.width, frame.camera.height],
        "people": people(bodies),
    }


def people(bodies: Bodies, seen: NDArray[np.bool_] | None = None) -> list[dict[str, Any]]:
    """The people of a line of ``poses.jsonl``.

    Args:
        bodies: Who they are.
        seen: (N, 34) which joints are seen now; None: those with pixels.
    """
    seen = known(bodies.pixels) if seen is None else seen
    return [
        {
            "track_id": int(bodies.track_id[n]),
            "confidence": round(float(bodies.score[n]), 4),
            "state": STATE_NAMES[bodies.state[n]],
            "scale_source": SCALE_NAMES[bodies.scale_source[n]],
            "log_size": round(float(bodies.log_size[n]), 4),
            "size_sigma": _number(bodies.size_sigma[n]),
            "joints": _points(bodies.joints[n], 4),
            "keypoints": _points(bodies.pixels[n], 2),
            "confidences": bodies.confidence[n].round(4).tolist(),
            "states": _joint_states(bodies, n, seen[n]),
            "velocities": _points(bodies.velocity[n], 4),
            "covariances": _points(bodies.covariance[n, :, _ROWS, _COLUMNS].T, 8),
            "velocity_covariances": _points(bodies.velocity_covariance[n, :, _ROWS, _COLUMNS].T, 6),
        }
        for n in range(len(bodies))
    ]


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _joint_states(bodies: Bodies, person: int, seen: NDArray[np.bool_]) -> list[str | None]:
    """The person's state for every joint that is seen (34,), coasting for one predicted."""
    return [
        None if not there else STATE_NAMES[bodies.state[person] if here else STATE_COASTING]
        for there, here in zip(known(bodies.joints[person]), seen, strict=True)
    ]


def _points(points: NDArray[np.float64], digits: int) -> list[list[float] | None]:
    rows = points.round(digits).tolist()
    return [row if finite else None for row, finite in zip(rows, known(points), strict=True)]


def _timed(items: Iterator[Any]) -> Iterator[tuple[Any, float]]:
    """Each item with the milliseconds it took to come."""
    while True:
        start = time.perf_counter()
        try:
            item = next(items)
        except StopIteration:
            return
        yield item, (time.perf_counter() - start) * 1000


@contextmanager
def _stage(milliseconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    milliseconds[name] = milliseconds.get(name, 0) + (time.perf_counter() - start) * 1000


@contextmanager
def _overlay_writer(path: Path, source: Source) -> Iterator[Callable[[Image], None]]:
    """A function that takes drawn images: into a film for a sequence, else into a picture."""
    if source.sequence:
        with VideoWriter(path, source.rate) as film:
            yield film.write
        return

    def write(image: Image) -> None:
        with writing(path):
            path.write_bytes(cv2.imencode(".png", image)[1].tobytes())

    path.unlink(missing_ok=True)  # an overlay of an earlier run would pass for one of this
    yield write

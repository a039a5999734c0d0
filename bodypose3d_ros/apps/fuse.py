"""People from several cameras in, one truth out, as files."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..body.floor import Floor
from ..body.people import STATE_COASTING, Bodies, Frame, transform
from ..body.skeleton import known
from ..errors import OutputError
from ..media import feeds as media
from ..media import overlay
from ..media.feeds import Feed
from ..media.outputs import SUMMARY, Outputs, writing
from ..media.recording import RecordingWriter
from ..media.rig import file_name
from ..media.storage import Recorded
from ..media.video import VideoWriter
from ..node.fusion.parameters import Parameters
from ..node.transforms import inverse
from ..perception.fusion.fit import Fit
from ..perception.fusion.fusion import Fusion, View
from ..perception.networks import Networks
from ..perception.pipeline import MAX_PEOPLE
from ..perception.tracking.smoothing import Smoother
from ..perception.tracking.tracker import Tracker
from ..perception.tracking.tracks import Step
from ..wire.markers_cdr import MARKERS_TYPE, marker_ids, markers
from ..wire.messages import Messages
from ..wire.pose_cdr import ARRAY_TYPE, PoseCdr
from ..wire.tf_cdr import TF_TYPE, joint_frames
from ..wire.typestore import ros_types
from .estimate import NAMESPACE, people

_POSES, _RECORDING = "poses.jsonl", "poses.mcap"

TOLERANCE = Parameters().extrinsics_tolerance
"""Degrees from which on a camera's place does not fit, as the fusion node has it."""

Instant = tuple[int, dict[str, Frame], Bodies]


class CameraFusion:
    """A pipeline for each camera and the fusion of what they see.

    Cameras help each other: where people should be whom others see, each looks, too.
    """

    def __init__(
        self,
        networks: Networks,
        feeds: Sequence[Feed],
        *,
        max_people: int = MAX_PEOPLE,
        floor_frame: str = "",
    ) -> None:
        """Begin with nobody.

        Args:
            networks: What looks at the images.
            feeds: The cameras.
            max_people: How many are looked for in each.
            floor_frame: The name of the feeds' fixed frame, if people stand on its z = 0.

        Raises:
            InputError: A camera is below that floor.
        """
        self.fusion = Fusion(Tracker)
        self.dropped = 0
        """Images without an answer, since a network gave none that is a number."""
        self.seconds = 0.0
        """What fusing took so far, without finding people in images."""
        self.misplaced: dict[str, float] = {}
        """Cameras whose places did not fit for a while what all of them see: degrees, at most."""
        self._floors = {
            feed.camera.name: Floor.of_frame(feed.camera.place, floor_frame)
            for feed in feeds
            if floor_frame
        }
        self._fit = Fit([feed.camera.name for feed in feeds])
        self._pipelines = {
            feed.camera.name: networks.pipeline(None, max_people=max_people, guesses=True)
            for feed in feeds
        }

    def __call__(self, stamp: int, frames: Mapping[str, Frame]) -> Bodies:
        """Everybody at one moment, in the fixed frame, from the images taken at it by camera."""
        views = {}
        for name, frame in frames.items():
            pipeline, frame = self._pipelines[name], replace(frame, floor=self._floors.get(name))
            pipeline.expect(self.fusion.unseen(name, frame))
            try:
                views[name] = View.of(frame, pipeline(frame))
            except OutputError:
                self.dropped += 1
        began = time.perf_counter()
        bodies = self.fusion.update(views, stamp)
        self.seconds += time.perf_counter() - began
        self._compare(bodies, stamp)
        return bodies

    @property
    def step(self) -> Step | None:
        """What the last moment made of everybody, for who smooths."""
        return self.fusion.tracker.step

    @property
    def degrees_off(self) -> dict[str, float | None]:
        """By how much each camera would have to be turned to fit at the end; None: nobody knows."""
        off = self._fit.degrees_off
        return {name: None if np.isnan(by) else round(by, 2) for name, by in off.items()}

    def _compare(self, bodies: Bodies, stamp: int) -> None:
        self._fit.add(self.fusion.views, bodies, stamp, TOLERANCE)
        for name in self._fit.since:
            off = self._fit.degrees_off[name]
            self.misplaced[name] = max(off, self.misplaced.get(name, 0.0))


def fused(feeds: Sequence[Feed], fusion: CameraFusion) -> Iterator[Instant]:
    """Every moment of the feeds with its images and with everybody, in the fixed frame."""
    for stamp, frames in media.instants(feeds):
        yield stamp, frames, fusion(stamp, frames)


@dataclass(frozen=True)
class _Moment:
    """When people are to be written, and who saw whom."""

    stamp: int
    seen_by: Mapping[int, tuple[str, ...]]


class FusedFiles:
    """Writes fused people: poses.jsonl, poses.mcap and an overlay for each camera."""

    def __init__(
        self, fixed_frame: str, feeds: Sequence[Feed], outputs: Outputs, *, smooth: bool = False
    ) -> None:
        """Begin the files.

        Args:
            fixed_frame: Its name.
            feeds: The cameras.
            outputs: Where to write what ``file_names`` names.
            smooth: Whether people are told by what comes after, too; overlays never are.

        Raises:
            WriteError: The folder cannot be written to.
        """
        self.counted: Counter[str] = Counter()
        self.images = {feed.camera.name: 0 for feed in feeds}
        """How many of each camera."""
        self._tracks: set[int] = set()
        self._shown: set[int] = set()
        """Of whom there are markers."""
        self._smoother: Smoother[_Moment] | None = Smoother() if smooth else None
        self._fixed_frame = fixed_frame
        self._outputs = outputs
        self._types = ros_types()
        self._messages = Messages(lambda name: self._types.types[name])
        poses = outputs.part(_POSES)
        with ExitStack() as files:
            with writing(poses):
                self._lines = files.enter_context(poses.open("w", encoding="utf-8"))
            self._recording = RecordingWriter(outputs.part(_RECORDING), self._types)
            files.callback(self._recording.close)
            self._overlays = {
                feed.camera.name: files.enter_context(
                    VideoWriter(outputs.part(overlay_name(feed)), feed.rate)
                )
                for feed in feeds
            }
            self._files = files.pop_all()
        self._cameras = [feed.camera for feed in feeds]
        self._told_of_cameras = False

    def write(
        self,
        stamp: int,
        frames: Mapping[str, Frame],
        bodies: Bodies,
        fusion: Fusion,
    ) -> None:
        """Add one moment."""
        if not self._told_of_cameras:
            self._tell_of_cameras(stamp)
        for name, frame in frames.items():
            self._overlays[name].write(overlay.draw(frame.image, in_view(bodies, frame)))
            self.images[name] += 1
        moment = _Moment(stamp, fusion.seen_by)
        if self._smoother is None:
            self._write(moment, bodies)
            return
        for earlier, smoothed in self._smoother.add(moment, bodies, fusion.tracker.step):
            self._write(earlier, smoothed)

    def _write(self, moment: _Moment, bodies: Bodies) -> None:
        stamp = moment.stamp
        self._write_line(moment, bodies)
        poses = PoseCdr(bodies, stamp, self._fixed_frame, (0, 0)).array()
        self._recording.write_cdr(Recorded(f"{NAMESPACE}/poses", ARRAY_TYPE, stamp, poses))
        self._write_markers(stamp, bodies)
        tf = joint_frames(bodies, stamp, self._fixed_frame)
        self._recording.write_cdr(Recorded("/tf", TF_TYPE, stamp, tf))
        self.counted["moments"] += 1
        self.counted["person_moments"] += len(bodies)
        self._tracks.update(bodies.track_id.tolist())

    @property
    def people(self) -> int:
        """How many were followed."""
        return len(self._tracks)

    def close(self, summary: Mapping[str, Any]) -> None:
        """Finish every file; ``summary`` is what else ``summary.json`` says.

        Raises:
            WriteError: One cannot be written to its end.
        """
        with self._files:
            for moment, bodies in [] if self._smoother is None else self._smoother.rest():
                self._write(moment, bodies)
        content = {
            **self.counted,
            "images": self.images,
            "tracks": self.people,
            "fixed_frame": self._fixed_frame,
            "smoothed": self._smoother is not None,
            **summary,
        }
        self._outputs.describe(SUMMARY, content)

    def _write_line(self, moment: _Moment, bodies: Bodies) -> None:
        seen_by = [moment.seen_by.get(int(track), ()) for track in bodies.track_id]
        seen = known(bodies.joints) & (bodies.state != STATE_COASTING)[:, None]
        line = {
            "stamp": moment.stamp / 1e9,
            "frame_id": self._fixed_frame,
            "source": "+".join(camera.name for camera in self._cameras),
            "size": [0, 0],
            "people": [
                {**person, "seen_by": list(cameras)}
                for person, cameras in zip(people(bodies, seen), seen_by, strict=True)
            ],
        }
        with writing(self._outputs.part(_POSES)):
            self._lines.write(json.dumps(line) + "\n")

    def _write_markers(self, stamp: int, bodies: Bodies) -> None:
        """Who is left out goes with who has ended: a track may go on unseen where somebody is."""
        ids = set(marker_ids(bodies).tolist())
        shown = markers(bodies, stamp, self._fixed_frame, sorted(self._shown - ids))
        self._recording.write_cdr(Recorded(f"{NAMESPACE}/markers", MARKERS_TYPE, stamp, shown))
        self._shown = ids

    def _tell_of_cameras(self, stamp: int) -> None:
        """Where the cameras stand, once, as a transform that holds for ever."""
        header = self._messages.header(stamp, self._fixed_frame)
        for camera in self._cameras:
            message = self._messages.transform(header, camera.optical_frame, camera.place)
            self._recording.write("/tf_static", message, stamp)
        self._told_of_cameras = True


def in_view(bodies: Bodies, frame: Frame) -> Bodies:
    """People of the fixed frame as a camera has them, with the pixels where they are."""
    if frame.place is None:
        return bodies
    seen = transform(bodies, inverse(frame.place))
    pixels = frame.camera.project(seen.joints)
    inside = frame.camera.in_image(pixels)
    return replace(seen, pixels=np.where(inside[..., None], pixels, np.nan))


def file_names(feeds: Sequence[Feed]) -> list[str]:
    """Of all files that a run writes."""
    return [_POSES, _RECORDING, SUMMARY, *map(overlay_name, feeds)]


def overlay_name(feed: Feed) -> str:
    """The file that shows the fused people in a camera's images."""
    return f"overlay_{file_name(feed.camera.name)}.mp4"


def misplaced(degrees: Mapping[str, float]) -> str:
    """What to say of cameras whose places do not fit, by so many degrees at most."""
    told = ", ".join(f"{name} {off:.1f} degrees" for name, off in degrees.items())
    return (
        f"cameras do not fit what they see together, by up to: {told}. Are the films those of the "
        "rig's cameras, in its order and on one clock, and has no camera been moved since?"
    )

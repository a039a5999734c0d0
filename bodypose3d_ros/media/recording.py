"""Recordings in, recordings out: rosbag2 folders and bare .mcap files, without ROS 2.

What is written opens as it is in Foxglove and in ``ros2 bag play``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.typesys.store import Typestore

from ..body.camera import Camera, is_calibrated
from ..body.depth import DepthImage
from ..body.people import Frame
from ..errors import InputError
from ..wire import images
from ..wire.depth import from_message as depth_from_message
from ..wire.stamps import stamp_of
from ..wire.typestore import of_another_version, ros_types
from .depth import ByStamp, registered
from .outputs import writing
from .storage import Channel, Recorded, look_into

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
INFO_TYPE = "sensor_msgs/msg/CameraInfo"

_log = logging.getLogger(__name__)

_DEPTH_ENCODINGS = ("16UC1", "32FC1")
# What image_transport appends to the name of an image that it also sends in another way.
_TRANSPORTS = ("/compressed", "/compressedDepth", "/theora", "/zstd", "/ffmpeg", "/draco")
_VIDEO_TYPES = (
    "ffmpeg_image_transport_msgs/msg/FFMPEGPacket",
    "foxglove_msgs/msg/CompressedVideo",
    "theora_image_transport/msg/Packet",
)


def is_recording(path: Path) -> bool:
    """Whether a path is a rosbag2 folder or a bare storage file of one."""
    if path.is_dir():
        return (path / "metadata.yaml").is_file()
    return path.suffix in (".mcap", ".db3")


def image_topics(path: Path) -> list[str]:
    """The image topics of a recording, one for each camera: the raw one before its transports.

    Raises:
        InputError: It cannot be read.
    """
    found: dict[str, str] = {}
    for channel in sorted(look_into(path).channels, key=lambda each: each.topic):
        if channel.type in IMAGE_TYPES and channel.count and not _is_overlay(channel.topic):
            found.setdefault(_without_transport(channel.topic), channel.topic)
    return list(found.values())


@dataclass(frozen=True)
class Item:
    """One thing that a source gives, in order of time."""

    frame: Frame | None = None
    """An image with its camera."""
    recorded: Recorded | None = None
    """The message, of a recording."""
    problem: str = ""
    """Why an image that is there could not be used."""


class Recording:
    """One camera of a recording: its images with the CameraInfo that was in force."""

    def __init__(
        self,
        path: Path,
        *,
        image_topic: str | None = None,
        info_topic: str | None = None,
        depth_topic: str | None = None,
        rectified: bool = False,
        camera_of: Callable[[int, int], Camera] | None = None,
        guessed: bool = False,
        name: str | None = None,
    ) -> None:
        """Look into a recording and find its camera.

        Args:
            path: A rosbag2 folder (sqlite3 or MCAP) or a bare .mcap file.
            image_topic: Which images; needed where the recording holds several cameras.
            info_topic: Their CameraInfo; found by the frame that it names where not given.
            depth_topic: Depth images, registered to them.
            rectified: The images are rectified ones: CameraInfo's P describes them.
            camera_of: Gives the camera of images of a width and height, used instead of the
                recording's CameraInfo.
            guessed: Used only where the recording has no CameraInfo that says more than nothing.
            name: What the frames say they come from; the path's name if not given.

        Raises:
            InputError: It cannot be read, or which images are meant cannot be told.
        """
        self.path = path
        self._rectified = rectified
        self._camera_of = camera_of
        self._types = ros_types()
        self._storage = look_into(path)
        if self._storage.problem:
            _log.warning("%s: %s", path, self._storage.problem)
        self._channels = [c for c in self._storage.channels if self._is_readable(c)]
        self.image_topic = self._find_images(image_topic)
        self.info_topic = self._info_that_counts(info_topic, guessed=guessed)
        self._depth_topic = self._find_depth(depth_topic)
        self._depth_info = self._find_depth_info()
        self._source = f"{name or path.name}:{self.image_topic}"
        self._says_no_size = False

    @property
    def count(self) -> int:
        """How many images there are."""
        return sum(c.count for c in self._channels if c.topic == self.image_topic)

    @property
    def rate(self) -> float:
        """Images a second, on average."""
        seconds = self._storage.duration / 1e9
        return (self.count - 1) / seconds if self.count > 1 and seconds > 0 else 1.0

    @property
    def is_depth(self) -> bool:
        """Whether the images are depths, not pictures."""
        return self._is_depth(self.image_topic)

    def static_transforms(self) -> Iterator[Any]:
        """Every ``TransformStamped`` of /tf_static."""
        for message in self._all("/tf_static"):
            yield from message.transforms

    def items(self) -> Iterator[Item]:
        """Every message in order of time; an image comes with its frame, or why there is none.

        Raises:
            InputError: Not a single image can be used, or the recording is damaged.
        """
        # Images may come before the first CameraInfo: that one is theirs then.
        info = self._first(self.info_topic) if self.info_topic else None
        used, with_depth, first_problem = 0, 0, ""
        depths = ByStamp(self._all(self._depth_topic)) if self._depth_topic else None
        for recorded in self._storage.messages({c.topic for c in self._channels}):
            if recorded.topic == self.info_topic:
                info = self._newer_info(info, recorded)
            if recorded.topic != self.image_topic:
                yield Item(recorded=recorded)
                continue
            try:
                frame = self._frame(recorded, info, depths)
            except InputError as error:
                first_problem = first_problem or str(error)
                yield Item(recorded=recorded, problem=str(error))
                continue
            used += 1
            with_depth += frame.depth is not None
            yield Item(frame, recorded)
        if depths and with_depth < used:
            _log.warning(
                "%s: %d of %d images have no depth image of their time on %s",
                *(self.path, used - with_depth, used, self._depth_topic),
            )
        if not used:
            raise InputError(f"{self.path}: {first_problem or 'holds no image'}")

    def _newer_info(self, info: Any, recorded: Recorded) -> Any:  # noqa: ANN401 - CameraInfo
        """The last CameraInfo of the image's frame counts; one topic may carry several cameras'."""
        try:
            newer = self._message(recorded)
        except InputError as error:
            _log.warning("%s: %s", self.path, error)
            return info
        return newer if newer.header.frame_id == info.header.frame_id else info

    def _frame(
        self,
        recorded: Recorded,
        info: Any,  # noqa: ANN401 - CameraInfo
        depths: ByStamp | None,
    ) -> Frame:
        message = self._message(recorded)
        image = images.from_message(message)
        camera = self._camera(info, image.shape[1], image.shape[0])
        stamp, frame_id = stamp_of(message), message.header.frame_id
        found = depths.nearest(stamp) if depths else None
        depth = self._depth(found, camera) if found is not None else None
        return Frame(image, camera, stamp, frame_id, self._source, depth=depth)

    def _depth(self, message: Any, camera: Camera) -> DepthImage:  # noqa: ANN401
        values = depth_from_message(message)
        if self._depth_info is None:
            return registered(values, camera)
        size = values.shape[1], values.shape[0]
        own = Camera.from_camera_info(self._depth_info, rectified=self._rectified, image_size=size)
        return DepthImage(values, own.resized(*size))

    def _camera(self, info: Any, width: int, height: int) -> Camera:  # noqa: ANN401 - CameraInfo
        if info is None and self._camera_of:
            return self._camera_of(width, height)
        if (info.width, info.height) == (0, 0) and not self._says_no_size:
            self._says_no_size = True
            _log.warning(
                "%s: %s says 0x0: it is taken for the image's %dx%d",
                *(self.path, self.info_topic, width, height),
            )
        camera = Camera.from_camera_info(
            info, rectified=self._rectified, image_size=(width, height)
        )
        camera.check_size(width, height)
        return camera

    # -- finding the camera -----------------------------------------------------------------

    def _is_readable(self, channel: Channel) -> bool:
        """Whether messages of a channel can be understood, or at least passed on."""
        if of_another_version(self._types, channel.type, channel.definition):
            _log.warning(
                "%s: %s is left out: another version of bodypose3d_ros recorded it, or nothing "
                "says which; estimate finds people anew in the images",
                *(self.path, channel.topic),
            )
            return False
        known = channel.definition or channel.type in self._types.fielddefs
        if channel.encoding == "cdr" and known:
            return True
        what = f"{channel.type or 'of no type'}, {channel.encoding}"
        _log.info("%s: %s (%s) is left out: it cannot be read", self.path, channel.topic, what)
        return False

    def _topics(self, *types: str) -> list[str]:
        """Topics of some types on which anything was recorded."""
        return sorted({c.topic for c in self._channels if c.type in types and c.count})

    def _first(self, topic: str) -> Any:  # noqa: ANN401 - a rosbags message
        for message in self._all(topic):
            return message
        raise InputError(f"{self.path}: is damaged: the messages of {topic} are not there")

    def _all(self, topic: str) -> Iterator[Any]:
        for recorded in self._storage.messages({topic}):
            yield self._message(recorded)

    def _message(self, recorded: Recorded) -> Any:  # noqa: ANN401 - a rosbags message
        try:
            return self._types.deserialize_cdr(recorded.cdr, recorded.type)
        except Exception as error:
            raise InputError(
                f"a message on {recorded.topic} is damaged: it is no {recorded.type}"
            ) from error

    def _find_images(self, wanted: str | None) -> str:
        topics = self._topics(*IMAGE_TYPES)
        if wanted is not None:
            return _among(wanted, topics, "image topic", self.path)
        if not topics:
            raise InputError(f"{self.path}: {self._instead_of_images()}")
        found: dict[str, str] = {}
        for topic in topics:  # sorted: the raw image comes before its transports
            if not _is_overlay(topic) and not self._is_depth(topic):
                found.setdefault(_without_transport(topic), topic)
        if not found and any(map(_is_overlay, topics)):
            raise InputError(
                f"{self.path}: holds no images but with people drawn in ({', '.join(topics)}): "
                "record the camera's, too, or choose these with --image-topic"
            )
        if not found:
            raise InputError(f"{self.path}: holds depth images only: {', '.join(topics)}")
        if len(found) > 1:
            raise InputError(
                f"{self.path}: holds several image topics, choose one with --image-topic: "
                f"{', '.join(found.values())}"
            )
        return next(iter(found.values()))

    def _find_depth(self, wanted: str | None) -> str | None:
        if wanted is None:
            return None
        topic = _among(wanted, self._topics(*IMAGE_TYPES), "depth topic", self.path)
        frame, other = (self._first(each).header.frame_id for each in (self.image_topic, topic))
        if frame != other:
            raise InputError(
                f"{self.path}: the depth images of {topic} are of the frame {other!r}, not of the "
                f"images' {frame!r}: choose those that are registered to them"
            )
        return topic

    def _find_depth_info(self) -> Any:  # noqa: ANN401 - CameraInfo, or None: as the image's
        if self._depth_topic is None:
            return None
        beside = _info_beside(self._depth_topic)
        return self._first(beside) if beside in self._topics(INFO_TYPE) else None

    def _instead_of_images(self) -> str:
        films = [c.topic for c in self._storage.channels if c.type in _VIDEO_TYPES]
        if films:
            return (
                f"holds film packets (as H.264) on {', '.join(films)}, and no images: play it to  "
                "ros2 run image_transport republish --ros-args -p in_transport:=ffmpeg "
                "-p out_transport:=raw  and record that"
            )
        return f"holds no images (topics of {' or '.join(IMAGE_TYPES)})"

    def _is_depth(self, topic: str) -> bool:
        if topic.endswith("/compressedDepth"):
            return True
        message = self._first(topic)
        if hasattr(message, "format"):
            return "compressedDepth" in message.format
        return message.encoding in _DEPTH_ENCODINGS

    def _info_that_counts(self, wanted: str | None, *, guessed: bool) -> str | None:
        """The CameraInfo of the images; None: what was given is their camera."""
        if self._camera_of is None:
            return self._find_info(wanted)
        try:
            found = self._find_info(wanted)
        except InputError:
            if wanted is not None:
                raise
            return None
        if not is_calibrated(self._first(found)):
            return None
        if guessed:
            _log.info("%s: its own %s counts, not --hfov", self.path, found)
            return found
        _log.warning("%s: --camera counts, not its own %s", self.path, found)
        return None

    def _find_info(self, wanted: str | None) -> str:
        topics = self._topics(INFO_TYPE)
        if wanted is not None:
            return _among(wanted, topics, "CameraInfo topic", self.path)
        if not topics:
            raise InputError(
                f"{self.path}: holds no CameraInfo: give estimate the camera with --camera "
                "FILE or --hfov DEG"
            )
        frame = self._first(self.image_topic).header.frame_id
        frames = {topic: self._first(topic).header.frame_id for topic in topics}
        ours = [topic for topic in topics if frames[topic] == frame]
        beside = _info_beside(self.image_topic)
        if beside in ours or (beside in topics and not frames[beside]):
            return beside
        if len(ours) == 1:
            return ours[0]
        if ours:
            raise InputError(
                f"{self.path}: holds several CameraInfo topics, choose one with --info-topic: "
                f"{', '.join(ours)}"
            )
        others = ", ".join(f"{topic} is of {frames[topic]!r}" for topic in topics)
        raise InputError(
            f"{self.path}: holds no CameraInfo of the images' frame {frame!r} ({others}): give the "
            "camera with --camera FILE or --hfov DEG, or --info-topic if it is theirs all the same"
        )


def _info_beside(image_topic: str) -> str:
    """image_transport's convention: camera_info lies in the namespace of the image."""
    return f"{_without_transport(image_topic).rpartition('/')[0]}/camera_info"


def _is_overlay(topic: str) -> bool:
    """Whether its images are the node's own, with people drawn in, whom networks would find."""
    return _without_transport(topic).endswith("/overlay")


def _without_transport(topic: str) -> str:
    for transport in _TRANSPORTS:
        topic = topic.removesuffix(transport)
    return topic


class RecordingWriter:
    """A bare .mcap file of ROS 2 messages, written chunk by chunk."""

    def __init__(self, path: Path, types: Typestore) -> None:
        """Begin the file, replacing what was there.

        Raises:
            WriteError: It cannot be written.
        """
        self._path = path
        self._types = types
        with writing(path):
            self._file = path.open("wb")
        self._writer = McapWriter(self._file, compression=CompressionType.ZSTD)
        self._writer.start(profile="ros2", library="bodypose3d_ros")
        self._schemas: dict[str, int] = {}
        self._channels: dict[tuple[str, str], int] = {}

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, topic: str, message: Any, log_time: int) -> None:  # noqa: ANN401
        """Add a rosbags message at a time in nanoseconds.

        Raises:
            WriteError: The file cannot be written to.
        """
        name = message.__msgtype__
        cdr = bytes(self._types.serialize_cdr(message, name))
        self.write_cdr(Recorded(topic, name, log_time, cdr))

    def write_cdr(self, recorded: Recorded) -> None:
        """Add a message that is CDR already, as it stands in another recording.

        Raises:
            WriteError: The file cannot be written to.
        """
        time = recorded.log_time
        with writing(self._path):
            channel = self._channel(recorded)
            self._writer.add_message(channel, log_time=time, publish_time=time, data=recorded.cdr)

    def close(self) -> None:
        """Write the index and close the file: from here on it is whole.

        Raises:
            WriteError: The index cannot be written.
        """
        with writing(self._path), self._file:
            self._writer.finish()  # type: ignore[no-untyped-call]  # mcap does not annotate it

    def _channel(self, recorded: Recorded) -> int:
        if recorded.type not in self._schemas:
            if not recorded.definition:
                recorded = replace(recorded, definition=self._definition(recorded.type))
            self._schemas[recorded.type] = self._writer.register_schema(
                recorded.type, recorded.definition_format, recorded.definition.encode()
            )
        key = (recorded.topic, recorded.type)
        if key not in self._channels:
            self._channels[key] = self._writer.register_channel(
                recorded.topic, "cdr", self._schemas[recorded.type]
            )
        return self._channels[key]

    def _definition(self, name: str) -> str:
        return self._types.generate_msgdef(name, ros_version=2)[0]


def _among(wanted: str, topics: list[str], what: str, path: Path) -> str:
    if wanted not in topics:
        raise InputError(
            f"{path}: has no {what} {wanted}; it has {', '.join(topics) or 'none at all'}"
        )
    return wanted

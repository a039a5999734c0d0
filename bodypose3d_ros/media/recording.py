"""Recordings in, recordings out: rosbag2 folders and bare .mcap files, without ROS 2.

What is written opens as it is in Foxglove and in ``ros2 bag play``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.rosbag2 import ReaderError
from rosbags.typesys.store import Typestore

from ..body.camera import Camera
from ..body.people import Frame
from ..errors import InputError
from ..wire import images
from ..wire.typestore import ros_types

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
INFO_TYPE = "sensor_msgs/msg/CameraInfo"
_DEPTH_ENCODINGS = ("16UC1", "32FC1")


def is_recording(path: Path) -> bool:
    """Whether a path is a rosbag2 folder or a bare storage file of one."""
    if path.is_dir():
        return (path / "metadata.yaml").is_file()
    return path.suffix in (".mcap", ".db3")


@dataclass(frozen=True)
class Recorded:
    """One message of a recording, as it was stored."""

    topic: str
    type: str
    log_time: int
    """Nanoseconds."""
    cdr: bytes
    definition: str = ""
    """The type's .msg text with everything it is made of; empty: as this package knows it."""


class Recording:
    """One camera of a recording: its images with the CameraInfo that was in force."""

    def __init__(
        self,
        path: Path,
        *,
        image_topic: str | None = None,
        info_topic: str | None = None,
        rectified: bool = False,
        camera_of: Callable[[int, int], Camera] | None = None,
    ) -> None:
        """Open a recording and find its camera.

        Args:
            path: A rosbag2 folder (sqlite3 or MCAP) or a bare .mcap file.
            image_topic: Which images; needed where the recording holds several cameras.
            info_topic: Their CameraInfo; found by name where it lies beside the images.
            rectified: The images are rectified ones: CameraInfo's P describes them.
            camera_of: Gives the camera of images of a width and height, used instead of the
                recording's CameraInfo.

        Raises:
            InputError: It cannot be read, or which images are meant cannot be told.
        """
        self.path = path
        self._rectified = rectified
        self._camera_of = camera_of
        # A bag of ROS 2 Humble names its types without defining them.
        self._reader = AnyReader([_folder(path)], default_typestore=ros_types())
        try:
            self._reader.open()
        except (AnyReaderError, ReaderError, OSError, ValueError, AssertionError) as error:
            raise InputError(f"{path}: is not a recording that can be read: {error}") from error
        try:
            self.image_topic = self._find_images(image_topic)
            self.info_topic = None if camera_of else self._find_info(info_topic)
            self._first_info = self._read_first_info()
        except InputError:
            self.close()
            raise

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._reader.close()

    @property
    def count(self) -> int:
        """How many images there are."""
        return sum(c.msgcount for c in self._topic(self.image_topic))

    @property
    def rate(self) -> float:
        """Images a second, on average."""
        seconds = self._reader.duration / 1e9
        return (self.count - 1) / seconds if self.count > 1 and seconds > 0 else 1.0

    def messages(self) -> Iterator[Recorded | tuple[Recorded, Frame]]:
        """Every message in order of time; an image comes with the frame decoded from it.

        Raises:
            InputError: An image or CameraInfo cannot be used; the message names the recording.
        """
        info = self._first_info
        definitions = {c.id: self._definition(c) for c in self._reader.connections}
        try:
            for connection, log_time, cdr in self._reader.messages():
                recorded = Recorded(
                    connection.topic, connection.msgtype, log_time, cdr, definitions[connection.id]
                )
                if connection.topic == self.info_topic:
                    info = self._reader.deserialize(cdr, connection.msgtype)
                if connection.topic != self.image_topic:
                    yield recorded
                    continue
                message: Any = self._reader.deserialize(cdr, connection.msgtype)
                image = images.from_message(message)
                yield recorded, self._frame(message, image, self._camera_from(info, image))
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from error
        except (AnyReaderError, ReaderError) as error:
            raise InputError(f"{self.path}: is damaged: {error}") from error

    def _camera_from(self, info: Any, image: images.Image) -> Camera:  # noqa: ANN401
        if self._camera_of:
            return self._camera_of(image.shape[1], image.shape[0])
        camera = Camera.from_camera_info(info, rectified=self._rectified)
        camera.check_size(image.shape[1], image.shape[0])
        return camera

    def _frame(self, message: Any, image: images.Image, camera: Camera) -> Frame:  # noqa: ANN401
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        source = f"{self.path.name}:{self.image_topic}"
        return Frame(image, camera, stamp, message.header.frame_id, source)

    # -- finding the camera -----------------------------------------------------------------

    def _topic(self, name: str | None) -> list[Connection]:
        return [c for c in self._reader.connections if c.topic == name]

    def _names(self, *types: str) -> list[str]:
        return sorted({c.topic for c in self._reader.connections if c.msgtype in types})

    def _find_images(self, wanted: str | None) -> str:
        topics = self._names(*IMAGE_TYPES)
        if not topics:
            raise InputError(f"{self.path}: holds no images (topics of {' or '.join(IMAGE_TYPES)})")
        if wanted is not None:
            return _among(wanted, topics, "image topic", self.path)
        pictures = [t for t in topics if not self._is_depth(t)] or topics
        # image_transport publishes the same image raw and compressed: one of them will do.
        raw = {t for t in pictures if not t.endswith("/compressed")}
        distinct = [t for t in pictures if t in raw or t.removesuffix("/compressed") not in raw]
        if len(distinct) > 1:
            raise InputError(
                f"{self.path}: holds several image topics, choose one with --image-topic: "
                f"{', '.join(distinct)}"
            )
        return distinct[0]

    def _find_info(self, wanted: str | None) -> str:
        topics = self._names(INFO_TYPE)
        if wanted is not None:
            return _among(wanted, topics, "CameraInfo topic", self.path)
        # image_transport's convention: camera_info lies in the namespace of the image.
        namespace = self.image_topic.removesuffix("/compressed").rpartition("/")[0]
        beside = f"{namespace}/camera_info"
        if beside in topics:
            return beside
        if len(topics) == 1:
            return topics[0]
        if topics:
            raise InputError(
                f"{self.path}: holds several CameraInfo topics, choose one with --info-topic: "
                f"{', '.join(topics)}"
            )
        raise InputError(
            f"{self.path}: holds no CameraInfo: give the camera with --camera FILE or --hfov DEG"
        )

    def _read_first_info(self) -> Any:  # noqa: ANN401 - a rosbags message
        """Images may come before the first CameraInfo: that one is theirs then."""
        if self.info_topic is None:
            return None
        for connection, _, cdr in self._reader.messages(self._topic(self.info_topic)):
            return self._reader.deserialize(cdr, connection.msgtype)
        raise InputError(
            f"{self.path}: no message was recorded on {self.info_topic}: give the camera with "
            "--camera FILE or --hfov DEG"
        )

    def _is_depth(self, topic: str) -> bool:
        for connection, _, cdr in self._reader.messages(self._topic(topic)):
            message: Any = self._reader.deserialize(cdr, connection.msgtype)
            if hasattr(message, "format"):
                return "compressedDepth" in message.format
            return message.encoding in _DEPTH_ENCODINGS
        return False

    def _definition(self, connection: Connection) -> str:
        if connection.msgdef.format == MessageDefinitionFormat.MSG:
            return connection.msgdef.data
        text, _ = self._reader.typestore.generate_msgdef(connection.msgtype, ros_version=2)
        return text


class RecordingWriter:
    """A bare .mcap file of ROS 2 messages, written chunk by chunk."""

    def __init__(self, path: Path, types: Typestore) -> None:
        """Begin the file, replacing what was there.

        Raises:
            InputError: It cannot be written.
        """
        self._types = types
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from error
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
        """Add a rosbags message at a time in nanoseconds."""
        name = message.__msgtype__
        cdr = bytes(self._types.serialize_cdr(message, name))
        self.write_cdr(Recorded(topic, name, log_time, cdr))

    def write_cdr(self, recorded: Recorded) -> None:
        """Add a message that is CDR already, as it stands in another recording."""
        channel = self._channel(recorded)
        time = recorded.log_time
        self._writer.add_message(channel, log_time=time, publish_time=time, data=recorded.cdr)

    def close(self) -> None:
        """Write the index and close the file: from here on it is whole."""
        self._writer.finish()  # type: ignore[no-untyped-call]  # mcap does not annotate it
        self._file.close()

    def _channel(self, recorded: Recorded) -> int:
        if recorded.type not in self._schemas:
            text = recorded.definition or self._definition(recorded.type)
            self._schemas[recorded.type] = self._writer.register_schema(
                recorded.type, "ros2msg", text.encode()
            )
        key = (recorded.topic, recorded.type)
        if key not in self._channels:
            self._channels[key] = self._writer.register_channel(
                recorded.topic, "cdr", self._schemas[recorded.type]
            )
        return self._channels[key]

    def _definition(self, name: str) -> str:
        return self._types.generate_msgdef(name, ros_version=2)[0]


def _folder(path: Path) -> Path:
    """A bare .db3 file is read through the folder that describes it."""
    return path.parent if path.suffix == ".db3" else path


def _among(wanted: str, topics: list[str], what: str, path: Path) -> str:
    if wanted not in topics:
        raise InputError(
            f"{path}: has no {what} {wanted}; it has {', '.join(topics) or 'none at all'}"
        )
    return wanted

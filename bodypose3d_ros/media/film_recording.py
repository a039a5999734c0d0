"""A film as a rosbag2 folder, for everything that plays recordings."""

from __future__ import annotations

from pathlib import Path

from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError

from ..errors import InputError
from ..wire import images
from ..wire.messages import Messages
from ..wire.typestore import ros_types
from . import film
from .outputs import writing

NAMESPACE = "/camera"
# ros2 bag play starts better from a time that is not zero.
EPOCH = 1_700_000_000_000_000_000


def write(name: str, folder: Path) -> None:
    """Write images (JPEG), CameraInfo and where the camera stands, in MCAP.

    Raises:
        InputError: There is no such film, or the folder exists already.
        WriteError: It cannot be written.
    """
    shown, types = film.load(name), ros_types()
    messages = Messages(lambda kind: types.types[kind])
    try:
        writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
    except WriterError as error:
        raise InputError(f"{folder}: exists already: choose another folder") from error
    with writing(folder), writer:
        topics = {
            topic: writer.add_connection(
                topic, kind, typestore=types, offered_qos_profiles=[_qos(latched)]
            )
            for topic, kind, latched in (
                ("/tf_static", "tf2_msgs/msg/TFMessage", True),
                (f"{NAMESPACE}/camera_info", "sensor_msgs/msg/CameraInfo", False),
                (f"{NAMESPACE}/image_raw/compressed", "sensor_msgs/msg/CompressedImage", False),
            )
        }

        def add(topic: str, message: object, stamp: int) -> None:
            connection = topics[topic]
            writer.write(connection, stamp, types.serialize_cdr(message, connection.msgtype))

        world = messages.header(EPOCH, film.WORLD)
        place = messages.transform(world, shown.frame_id, shown.place)
        add("/tf_static", place, EPOCH)
        for frame in shown.frames():
            stamp = EPOCH + frame.stamp
            header = messages.header(stamp, shown.frame_id)
            add(f"{NAMESPACE}/camera_info", messages.camera_info(frame.camera, header), stamp)
            jpeg = messages.compressed_image(images.encode_jpeg(frame.image), header)
            add(f"{NAMESPACE}/image_raw/compressed", jpeg, stamp)


def _qos(latched: bool) -> Qos:
    durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
    forever = QosTime(2147483647, 4294967295)
    return Qos(
        QosHistory.KEEP_LAST,
        10,
        QosReliability.RELIABLE,
        durability,
        forever,
        forever,
        QosLiveliness.AUTOMATIC,
        forever,
        False,
    )

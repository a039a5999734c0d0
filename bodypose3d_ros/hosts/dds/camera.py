"""A camera of the graph: frames from anywhere, at their own pace, as images and CameraInfo."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...body.people import Frame
from ...media.film import Film
from ...node import interface
from ...node.qos import QosProfile
from ...node.sockets import receive_buffer_warning
from ...wire import images
from ...wire.messages import Messages
from .endpoints import Publisher
from .node import Node

log = logging.getLogger("bodypose3d.camera")

# As camera drivers do; it suits reliable and best effort subscriptions.
_QOS = QosProfile(depth=5)

# A publisher learns of a subscription before that one learns of the publisher.
_DISCOVERY_S = 0.3
_TOO_LATE_NS = 20_000_000
_STILL_NS = 1_000_000_000  # a single picture, looped, is shown once a second


@dataclass(frozen=True)
class Shot:
    """A frame ready to be sent."""

    stamp: int
    image: bytes
    camera_info: bytes


class CameraPublisher:
    """Publishes frames on ``image`` (or ``image/compressed``) and ``camera_info``."""

    def __init__(self, node: Node, *, compressed: bool = False) -> None:
        self._types = node.types
        self._messages = Messages(node.types.__getitem__)
        self._compressed = compressed
        image = interface.IMAGE_COMPRESSED if compressed else interface.IMAGE
        self._image = node.create_publisher(image.type, image.name, _QOS)
        info = interface.CAMERA_INFO
        self._info = node.create_publisher(info.type, info.name, _QOS)

    @property
    def topic(self) -> str:
        """Where its images go."""
        return self._image.channel.name

    def wait_for_subscribers(self, node: Node, count: int) -> None:
        """Serve the node until so many want both topics, and know of us, too."""
        while node.running and min(self._image.subscribers, self._info.subscribers) < count:
            node.spin_once()
        end = time.monotonic() + _DISCOVERY_S
        while node.running and count and (left := end - time.monotonic()) > 0:
            node.spin_once(left)

    def prepare(self, frame: Frame) -> Shot:
        """Make the messages, so that sending takes no time."""
        header = self._messages.header(frame.stamp, frame.frame_id)
        if self._compressed:
            image = self._messages.compressed_image(images.encode_jpeg(frame.image), header)
        else:
            image = self._messages.image(frame.image, header)
        info = self._messages.camera_info(frame.camera, header)
        return Shot(frame.stamp, self._cdr(self._image, image), self._cdr(self._info, info))

    def send(self, shot: Shot) -> None:
        """Send the calibration, then the image."""
        self._info.publish_cdr(shot.camera_info)
        self._image.publish_cdr(shot.image)

    def _cdr(self, publisher: Publisher, message: object) -> bytes:
        return self._types.serialize(message, publisher.channel.type)


def play(node: Node, camera: CameraPublisher, frames: Iterable[Frame]) -> int:
    """Send frames at the time that their stamps say.

    Returns:
        How many frames were sent; fewer than there are when the node was stopped.
    """
    sent = 0
    for frame in frames:
        shot = camera.prepare(frame)
        while node.running and (left := shot.stamp - time.time_ns()) > 0:
            node.spin_once(left / 1e9)
        if not node.running:
            break
        camera.send(shot)
        sent += 1
    return sent


def paced(frames: Callable[[], Iterator[Frame]], *, speed: float, loop: bool) -> Iterator[Frame]:
    """Frames at another speed and, looped, again and again without a gap.

    Args:
        frames: Begins them, from their start.
        speed: 2 is twice as fast.
        loop: Begin again at the end.
    """
    begin, last, interval = 0, 0, round(_STILL_NS / speed)
    while True:
        first = None
        for frame in frames():
            first = frame.stamp if first is None else first
            stamp = begin + round((frame.stamp - first) / speed)
            interval, last = stamp - last or interval, stamp
            yield replace(frame, stamp=stamp)
        if not loop:
            return
        begin = last + interval


def on_time(frames: Iterable[Frame]) -> Iterator[Frame]:
    """The frames at their own pace, with the time they are due as their stamp, the first one now.

    Those that come too late are due at once and the rest later, so that no image is older than its
    stamp says.
    """
    offset: int | None = None
    for frame in frames:
        now = time.time_ns()
        if offset is None or frame.stamp + offset < now - _TOO_LATE_NS:
            offset = now - frame.stamp
        yield replace(frame, stamp=frame.stamp + offset)


def by_the_clock(shown: Film) -> Iterator[Frame]:
    """A film again and again, so that whatever else of its rig plays shows the same moment.

    A loop begins at every multiple of the film's duration since 1970. Frames that come too late
    are left out.
    """
    begin = time.time_ns() // shown.duration * shown.duration
    while True:
        for frame in shown.frames():
            if begin + frame.stamp > time.time_ns() - _TOO_LATE_NS:
                yield replace(frame, stamp=begin + frame.stamp)
        begin += shown.duration


def stand(node: Node, fixed_frame: str, places: Mapping[str, NDArray[np.float64]]) -> None:
    """Tell TF where cameras stand: (4, 4) from each optical frame to the fixed one."""
    messages = Messages(node.types.__getitem__)
    header = messages.header(time.time_ns(), fixed_frame)
    topic = interface.TF_STATIC
    publisher = node.create_publisher(topic.type, topic.name, topic.qos)
    told = [messages.transform(header, frame, place) for frame, place in places.items()]
    told[0].transforms = [each for message in told for each in message.transforms]
    publisher.publish(told[0])


def check_receive_buffer(frame: Frame) -> None:
    """Say when images of this size do not fit this machine's sockets."""
    if warning := receive_buffer_warning(frame.image.nbytes):
        log.warning("%s", warning)

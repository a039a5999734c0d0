"""A camera that plays one of the project's films, so that everything can be seen without one."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, repeat

import tf2_ros
from rclpy.node import Node
from rosidl_runtime_py.utilities import get_message
from scipy.spatial.transform import Rotation

from ...media import film
from ...node.interface import CAMERA_INFO, DEPTH, IMAGE, IMAGE_COMPRESSED
from ...node.qos import QosProfile
from ...wire import images
from ...wire.messages import Message, Messages
from .host import message_class, qos_profile
from .program import run

WORLD = "world"
"""The frame that the film's camera stands in: z up, the floor at z = 0."""

# Reliable, as most camera drivers are: it suits reliable and best effort subscriptions.
_QOS = qos_profile(QosProfile(depth=5))


class FilmCamera(Node):  # type: ignore[misc]  # rclpy ships no types
    """Publishes ``image``, its JPEG, ``depth``, ``camera_info`` and where the camera stands."""

    def __init__(self) -> None:
        """Read the film.

        Raises:
            InputError: There is no such film.
        """
        super().__init__("film_camera")
        name = self.declare_parameter("film", "one_person").value
        rate = self.declare_parameter("rate", 0.0).value
        shown = film.load(name)
        self._messages = Messages(message_class)
        self._shots = self._endless(shown)
        self._shot_publishers = [
            self.create_publisher(get_message(topic.type), topic.name, _QOS)
            for topic in (IMAGE, IMAGE_COMPRESSED, DEPTH, CAMERA_INFO)
        ]
        self._place = tf2_ros.StaticTransformBroadcaster(self)
        self._place.sendTransform(self._transform(shown))
        if shown.in_rig and not rate:
            self._wait_for_the_others(shown)
        self.create_timer(1 / (rate or shown.rate), self._shoot)
        size = f"{shown.camera.width}x{shown.camera.height}"
        self.get_logger().info(f"{name}: {size} at {rate or shown.rate:g} Hz, again and again")

    def _wait_for_the_others(self, shown: film.Film) -> None:
        """Begin at the frame and the moment at which every camera of the rig is by the clock."""
        now, start, period = time.time_ns(), shown.stamp(0), shown.duration // len(shown)
        number = (now - start) // period + 2  # the timer's first time is a period after now
        for _ in range(number % len(shown)):
            next(self._shots)
        time.sleep(max(0.0, (start + (number - 1) * period - time.time_ns()) / 1e9))

    def _shoot(self) -> None:
        stamp = self.get_clock().now().to_msg()
        for publisher, message in zip(self._shot_publishers, next(self._shots), strict=True):
            if message is not None and publisher.get_subscription_count():
                message.header.stamp = stamp
                publisher.publish(message)

    def _endless(self, shown: film.Film) -> Iterator[tuple[Message | None, ...]]:
        header = self._messages.header(0, shown.frame_id)
        info = self._messages.camera_info(shown.camera, header)
        depths = shown.depth() if shown.name in film.names() else repeat(None)
        return cycle(
            [
                (
                    self._messages.image(frame.image, header),
                    self._messages.compressed_image(images.encode_jpeg(frame.image), header),
                    None if depth is None else self._messages.depth_image(depth, header),
                    info,
                )
                for frame, depth in zip(shown.frames(), depths, strict=False)
            ]
        )

    def _transform(self, shown: film.Film) -> Message:
        back = shown.rotation.T
        header = self._messages.header(self.get_clock().now().nanoseconds, WORLD)
        return self._messages.transform(
            header,
            shown.frame_id,
            (-back @ shown.translation).tolist(),
            Rotation.from_matrix(back).as_quat().tolist(),
        ).transforms


def main(args: Sequence[str] | None = None) -> int:
    """Play until SIGINT or SIGTERM; returns the exit code."""
    return run(lambda _: FilmCamera(), args)


if __name__ == "__main__":
    sys.exit(main())

"""A camera that plays one of the project's films, so that everything can be seen without one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import cycle, repeat

import tf2_ros
from rclpy.node import Node
from rclpy.time import Time
from rosidl_runtime_py.utilities import get_message

from ...media import film
from ...node.interface import CAMERA_INFO, DEPTH, DEPTH_CAMERA_INFO, IMAGE, IMAGE_COMPRESSED
from ...node.qos import QosProfile
from ...wire import images
from ...wire.messages import Message, Messages
from .host import message_class, qos_profile
from .program import run

# A camera of a rig shoots so long after the moment that it shows, which has surely come then.
_AFTER = 50_000  # nanoseconds
# Reliable, as most camera drivers are: it suits reliable and best effort subscriptions.
_QOS = qos_profile(QosProfile(depth=5))


class FilmCamera(Node):  # type: ignore[misc]  # rclpy ships no types
    """Publishes ``image``, its JPEG, ``depth``, their calibrations and where the camera stands.

    ``rate`` is images a second. A film of a rig keeps its time and leaves images out.
    """

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
        self._shots = self._messages_of(shown)
        self._shot_publishers = [
            self.create_publisher(get_message(topic.type), topic.name, _QOS)
            for topic in (DEPTH_CAMERA_INFO, IMAGE, IMAGE_COMPRESSED, DEPTH, CAMERA_INFO)
        ]
        self._place = tf2_ros.StaticTransformBroadcaster(self)
        self._place.sendTransform(self._transforms(shown))
        if shown.in_rig:
            self._shown_at = 0
            # Leaving images out, so that all cameras of the rig still show the same moment.
            every = max(round(shown.rate / rate), 1) if rate else 1
            rate = shown.rate / every
            self._next = self.create_timer(1 / rate, lambda: self._shoot_by_the_clock(shown, every))
        else:
            shots = cycle(self._shots)
            self.create_timer(1 / (rate or shown.rate), lambda: self._shoot(next(shots), self._now))
        size = f"{shown.camera.width}x{shown.camera.height}"
        self.get_logger().info(f"{name}: {size} at {rate or shown.rate:g} Hz, again and again")

    @property
    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _shoot_by_the_clock(self, shown: film.Film, every: int) -> None:
        """Show the frame that every camera of the rig is at now, as it is taken."""
        loop, within = divmod(self._now - shown.stamp(0), shown.duration)
        number = within * len(shown) // shown.duration
        number -= number % every
        begin = loop * shown.duration
        stamp = begin + shown.stamp(number)
        if stamp > self._shown_at:
            self._shown_at = stamp
            self._shoot(self._shots[number], stamp)
        end = begin + shown.stamp(0) + shown.duration
        following = min(begin + shown.stamp(number + every), end)
        self._next.timer_period_ns = max(following - self._now, 0) + _AFTER
        self._next.reset()

    def _shoot(self, shot: tuple[Message | None, ...], stamp: int) -> None:
        for publisher, message in zip(self._shot_publishers, shot, strict=True):
            if message is not None and publisher.get_subscription_count():
                message.header.stamp = Time(nanoseconds=stamp).to_msg()
                publisher.publish(message)

    def _messages_of(self, shown: film.Film) -> list[tuple[Message | None, ...]]:
        header = self._messages.header(0, shown.frame_id)
        info = self._messages.camera_info(shown.camera, header)
        depth_info = self._messages.camera_info(shown.depth_camera, header)
        depths = shown.depth() if shown.name in film.names() else repeat(None)
        return [
            (
                None if depth is None else depth_info,
                self._messages.image(frame.image, header),
                self._messages.compressed_image(images.encode_jpeg(frame.image), header),
                None if depth is None else self._messages.depth_image(depth, header),
                info,
            )
            for frame, depth in zip(shown.frames(), depths, strict=False)
        ]

    def _transforms(self, shown: film.Film) -> list[Message]:
        header = self._messages.header(self._now, film.WORLD)
        return list(self._messages.transform(header, shown.frame_id, shown.place).transforms)


def main(args: Sequence[str] | None = None) -> int:
    """Play until SIGINT or SIGTERM; returns the exit code."""
    return run(lambda _: FilmCamera(), args)


if __name__ == "__main__":
    sys.exit(main())

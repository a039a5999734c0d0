"""The bridge on ROS 2: the node's poses in, the messages of other programs out."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import tf2_ros
from diagnostic_updater import DiagnosticStatusWrapper, Updater
from numpy.typing import NDArray
from rclpy.executors import Executor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.subscription import Subscription
from rclpy.time import Time
from rosbags.serde import SerdeError
from rosidl_runtime_py.utilities import get_message

from ...node.bridge import Bridge, Settings
from ...node.diagnostics import OK
from ...node.interface import IMAGE, POSES
from ...node.qos import DEFAULT, SENSOR_DATA, QosProfile
from ...node.transforms import TransformError, matrix_of
from ...wire import images
from ...wire.consumers import Make, Ready
from ...wire.consumers.humans import TRACKED, URDF
from ...wire.stamps import stamp_of
from ...wire.typestore import ros_types
from .definitions import define
from .descriptions import Descriptions
from .host import WITHOUT_EVENTS, qos_profile
from .program import run

_BETWEEN_SPINS_S = 0.1

_LATCHED = QosProfile(depth=1, latched=True)
_QOS = {TRACKED: _LATCHED, "/tf": QosProfile(depth=100)}


class RosBridge(Node):  # type: ignore[misc]  # rclpy ships no types
    """The node ``bodypose3d_bridge``."""

    def __init__(self) -> None:
        """Make the outputs that are on.

        Raises:
            InputError: A parameter has a bad value, or an output's messages are not installed.
        """
        super().__init__("bodypose3d_bridge")
        self._senders: dict[str, Publisher] = {}
        self._types = ros_types()
        self._level = OK
        settings = _declared(self)
        self._descriptions = Descriptions(self) if "humans" in settings.outputs else None
        make = Make(self._types, partial(define, self._types))
        self._bridge = Bridge(self, make, settings)
        self._tf = tf2_ros.Buffer(node=self)
        self._listener = tf2_ros.TransformListener(self._tf, self) if settings.frame else None
        self.create_subscription(
            get_message(POSES.type), "poses", self._poses, qos_profile(DEFAULT), raw=True
        )
        self._cuts = "humans" in settings.outputs
        self._images: Subscription | None = None
        self._plan()
        self._updater = Updater(self)
        # Else the same nodes of several namespaces cannot be told apart.
        self._updater.node_name = self.get_fully_qualified_name().lstrip("/")
        self._updater.setHardwareID("none")
        self._updater.add("bridge", self._diagnose)
        on, read = ", ".join(settings.outputs), self.resolve_topic_name("poses")
        self.get_logger().info(
            f"outputs: {on}; poses are read from {read}" if on else "no output is on: set outputs"
        )

    def take(self, seconds: float) -> None:
        """Hand on what comes in for so long.

        The executor looks at every service, timer and event of the node, and that twice a message,
        which takes half as long as making all that the outputs say.
        """
        self._take_images()
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            self._take(min(end, self._due) - now)
            if time.monotonic() >= self._due:
                self._look()

    def _take(self, seconds: float) -> None:
        """Wait for messages, as rclpy's ``wait_for_message`` does, and take one of each topic."""
        subscriptions = list(self.subscriptions)
        wait_set = rclpy_implementation.WaitSet(
            len(subscriptions), 0, 0, 0, 0, 0, self.context.handle
        )
        wait_set.clear_entities()
        for each in subscriptions:
            wait_set.add_subscription(each.handle)
        wait_set.wait(max(round(seconds * 1e9), 0))
        ready = wait_set.get_ready_entities("subscription")
        for each in [each for each in subscriptions if each.handle.pointer in ready]:
            if each not in self.subscriptions:
                continue  # destroyed by who was called before
            if (taken := each.handle.take_message(each.msg_type, each.raw)) is not None:
                each.callback(taken[0])

    def _poses(self, cdr: bytes) -> None:
        self._bridge.poses(cdr)
        self._plan()

    def _look(self) -> None:
        self._bridge.look()
        self._plan()
        if self._bridge.diagnose().level != self._level:
            self._updater.force_update()  # who watches is not to wait for the next second

    def _plan(self) -> None:
        """When to look next: while all is well, poses come before."""
        seconds = self._bridge.next_look()
        self._due = math.inf if seconds is None else time.monotonic() + seconds

    def _take_images(self) -> None:
        """Only until their size is known and while somebody wants people cut out of them.

        Taking an image costs more than all outputs together.
        """
        wanted = self._cuts and (
            self._bridge.pictures.size == (0, 0)
            or any(map(self.count_subscribers, _cropped(self._senders)))
        )
        if wanted and self._images is None:
            self._images = self.create_subscription(
                get_message(IMAGE.type), "image", self._image, qos_profile(SENSOR_DATA), raw=True
            )
        elif not wanted and self._images is not None:
            self.destroy_subscription(self._images)
            self._images = None

    def _image(self, cdr: bytes) -> None:
        try:
            message: Any = self._types.deserialize_cdr(cdr, IMAGE.type)
        except SerdeError as error:
            self.get_logger().warning(f"image: dropped a damaged message: {error}", once=True)
            return
        size = (int(message.width), int(message.height))
        self._bridge.pictures.add(stamp_of(message), size, partial(images.from_message, message))

    def _diagnose(self, status: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        report = self._bridge.diagnose()
        self._level = report.level
        status.summary(bytes([report.level]), report.message)
        for key, value in report.values.items():
            status.add(key, value)
        return status

    # -- what the bridge asks for (node.bridge.BridgeHost) ------------------------------------

    def send(self, topic: str, message: Ready) -> None:
        """Publish a message; the topic appears with its first."""
        if topic not in self._senders:
            name = topic.rpartition("/")[2]
            qos = qos_profile(_LATCHED if name == URDF else _QOS.get(topic, DEFAULT))
            kind = get_message(message.__msgtype__)
            self._senders[topic] = self.create_publisher(
                kind, topic, qos, event_callbacks=WITHOUT_EVENTS
            )
        self._senders[topic].publish(message.cdr)

    def retire(self, prefix: str) -> None:
        """Take all topics away whose name begins so."""
        for topic in [topic for topic in self._senders if topic.startswith(prefix)]:
            self.destroy_publisher(self._senders.pop(topic))
        if self._descriptions is not None:
            self._descriptions.drop(prefix.split("/")[-2])

    def describe(self, body: str) -> str | None:
        """The URDF of a body of REP 155 that has come, kept until it is retired; None: none."""
        return self._descriptions.of(body) if self._descriptions is not None else None

    def wanted(self, topic: str) -> bool:
        """Whether somebody reads a topic, or nobody can yet: it appears with its first message."""
        sender = self._senders.get(topic)
        return sender is None or sender.get_subscription_count() > 0

    def now(self) -> int:
        """ROS time in nanoseconds."""
        return int(self.get_clock().now().nanoseconds)

    def log(self, level: int, text: str) -> None:
        """Say something."""
        if level >= logging.ERROR:
            self.get_logger().error(text)
        else:
            self.get_logger().warning(text)

    def lookup_transform(self, target: str, source: str, stamp: int) -> NDArray[np.float64]:
        """The matrix (4, 4) from ``source`` to ``target`` at a time, as far as it is known now."""
        try:
            found = self._tf.lookup_transform(target, source, Time(nanoseconds=stamp))
        except tf2_ros.TransformException as error:
            raise TransformError(f"{source!r} is not known in {target!r}: {error}") from error
        return matrix_of(found.transform)


def _cropped(topics: Iterable[str]) -> list[str]:
    """Where people are shown, cut out of the image, by the topics that say where they are in it."""
    return [t.removesuffix("/roi") + "/cropped" for t in topics if t.endswith("/roi")]


def _declared(node: Node) -> Settings:
    """Declare the parameters, which are read at start."""
    default = Settings()

    def strings(name: str) -> tuple[str, ...]:
        # rclpy would take an empty list for one of bytes.
        kind = Parameter.Type.STRING_ARRAY
        node.declare_parameter(name, kind)
        return tuple(node.get_parameter_or(name, Parameter(name, kind, [])).value)

    def one(name: str) -> Any:  # noqa: ANN401 - of the type of the default
        return node.declare_parameter(name, getattr(default, name)).value

    names = ("frame", "stale_after", "transform_timeout", "collision_rate")
    return Settings(
        outputs=strings("outputs"), joints=strings("joints"), **{name: one(name) for name in names}
    )


def main(args: Sequence[str] | None = None) -> int:
    """Bridge until SIGINT or SIGTERM; returns the exit code."""
    return run(lambda _: RosBridge(), args, _step)


def _step(bridge: RosBridge, executor: Executor) -> None:
    """What comes in as it comes; services, diagnostics and the clock ten times a second."""
    executor.spin_once(timeout_sec=0)
    bridge.take(_BETWEEN_SPINS_S)


if __name__ == "__main__":
    sys.exit(main())

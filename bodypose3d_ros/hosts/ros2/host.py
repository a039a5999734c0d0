"""What carries the node's messages on a machine with ROS 2: rclpy and tf2_ros."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import tf2_ros
import yaml
from numpy.typing import NDArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from rclpy.time import Time
from rclpy.timer import Timer
from rosbags.serde import SerdeError
from rosidl_runtime_py.utilities import get_message

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

from ...node.interface import DIAGNOSTICS, IMAGE, IMAGE_COMPRESSED, Topic
from ...node.kinds import NodeCore
from ...node.qos import QosProfile
from ...node.transforms import TransformError, matrix_of
from ...wire.messages import Message
from ...wire.typestore import ros_types

# tf2_ros itself looks every 20 ms, and cannot be told to stop.
_TF_LOOK_S = 0.002
# How long tf2 remembers, its default.
_TF_KEPT_S = 10.0
_LATCHED_LOOK_S = 1.0
WITHOUT_EVENTS = PublisherEventCallbacks(use_default_callbacks=False)
"""For publishers: the executor looks at each one's events before it takes any message.

Those that rclpy sets up by itself warn of subscribers whose QoS or type does not fit, of which
they are warned themselves.
"""
_OF_IMAGES = (IMAGE.type, IMAGE_COMPRESSED.type)
_TYPES_WITH_BYTES = tuple(
    f"sensor_msgs/msg/{name}" for name in ("Image", "CompressedImage", "PointCloud2")
)


def message_class(name: str) -> Callable[..., Message]:
    """What makes messages of a full type name, ``sensor_msgs/msg/Image``."""
    kind: Callable[..., Message] = get_message(name)
    if name not in _TYPES_WITH_BYTES:
        return kind

    def with_bytes(*, data: NDArray[np.uint8], **fields: Message) -> Message:
        # rclpy copies bytes at once, an array number by number: 0.1 s for 640x480 pixels.
        return kind(data=data.tobytes(), **fields)

    return with_bytes


def qos_profile(qos: QosProfile) -> QoSProfile:
    """As rclpy describes it."""
    return QoSProfile(
        depth=qos.depth,
        reliability=ReliabilityPolicy.RELIABLE if qos.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if qos.latched else DurabilityPolicy.VOLATILE,
    )


class _Wanted(MutuallyExclusiveCallbackGroup):  # type: ignore[misc]  # rclpy ships no types
    """Subscriptions whose messages are taken one at a time, and only while they are of use.

    What is not taken waits in the middleware, where a newer one takes its place: the executor's way
    to it costs a millisecond or two of Python, which is missing in the work on the last one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.wanted: dict[Subscription, Callable[[], bool]] = {}

    def can_execute(self, entity: Any) -> bool:  # noqa: ANN401 - rclpy's
        """Whether it is of use, and no other is at work."""
        wanted = self.wanted.get(entity)
        return (wanted is None or wanted()) and super().can_execute(entity)


class RosHost:
    """Brings rclpy's messages to the core and sends what it publishes."""

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        # Messages come in while services, or a manager's long transition, are at work.
        self._inputs = _Wanted()
        self._publishers: dict[Topic, LifecyclePublisher] = {}
        self._subscriptions: dict[Topic, Subscription] = {}
        self._looking: list[Timer] = []
        self._core: NodeCore | None = None
        self._types = ros_types()
        self._tf = tf2_ros.Buffer(node=node)
        self._tf_listener: tf2_ros.TransformListener | None = None
        self._listening = threading.Event()

    def open(self, outputs: Iterable[Topic]) -> None:
        """Make the publishers, which stay silent until the node is active."""
        for topic in outputs:
            if topic != DIAGNOSTICS:  # diagnostic_updater has its own
                self._publishers[topic] = self._node.create_lifecycle_publisher(
                    get_message(topic.type),
                    topic.name,
                    qos_profile(topic.qos),
                    event_callbacks=WITHOUT_EVENTS,
                    qos_overriding_options=QoSOverridingOptions.with_default_policies(),
                )

    def close(self) -> None:
        """Take the publishers away again."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()

    def listen(self, core: NodeCore) -> None:
        """Subscribe to what a node takes."""
        self._listening.set()
        self._core = core
        core.when_wanted(self._bring)
        for topic, callback in core.inputs().items():
            if topic.qos.latched:
                self._listen_if_latched(topic, callback)
            else:
                self._subscribe(topic, callback)
        if core.uses_tf:
            self.listen_to_tf()

    def listen_to_tf(self) -> None:
        """Subscribe to where frames are, unless that has been done."""
        if self._tf_listener is None and self._listening.is_set():
            self._tf_listener = tf2_ros.TransformListener(self._tf, self._node)

    def stop_listening(self) -> None:
        """Take the subscriptions away; who waits for a transform waits no longer."""
        self._listening.clear()
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        self._inputs.wanted.clear()
        for timer in self._looking:
            self._node.destroy_timer(timer)
        self._looking.clear()
        if self._tf_listener is not None:
            self._tf_listener.unregister()
            self._tf_listener = None

    def _subscribe(self, topic: Topic, callback: Callable[[Message], None]) -> None:
        # Parameters that override QoS are named by topic: the latched second one has none.
        overrides = None if topic.qos.latched else QoSOverridingOptions.with_default_policies()
        subscription = self._node.create_subscription(
            get_message(topic.type),
            topic.name,
            self._from_cdr(topic, callback),
            qos_profile(topic.qos),
            callback_group=self._inputs,
            qos_overriding_options=overrides,
            event_callbacks=self._events(topic),
            raw=True,
        )
        self._inputs.wanted[subscription] = lambda: self._core is None or self._core.wants(topic)
        self._subscriptions[topic] = subscription

    def _bring(self, topics: Sequence[Topic]) -> None:
        """Take what waits of some topics, in the thread that wants it, as the executor would.

        Where nothing does, the executor waits for it.
        """
        for topic in topics:
            if (subscription := self._subscriptions.get(topic)) is not None:
                self._take(topic, subscription)
        if self._core is not None and any(map(self._core.wants, topics)):
            self._wake()

    def _take(self, topic: Topic, subscription: Subscription) -> None:
        if not self._inputs.beginning_execution(subscription):
            return  # the executor is at work on another
        try:
            with subscription.handle:
                for _ in range(topic.qos.depth):
                    wanted = self._core is not None and self._core.wants(topic)
                    taken = wanted and subscription.handle.take_message(subscription.msg_type, True)
                    if not taken:
                        break
                    subscription.callback(taken[0])
        except InvalidHandle:
            pass  # nobody listens any more
        finally:
            self._inputs.ending_execution(subscription)

    def _from_cdr(
        self, topic: Topic, callback: Callable[[Message], None]
    ) -> Callable[[bytes], None]:
        """Have CDR read by rosbags, which is faster: rclpy copies each image twice."""

        def read(cdr: bytes) -> None:
            logger = self._node.get_logger()
            try:
                callback(cdr if topic.raw else self._types.deserialize_cdr(cdr, topic.type))
            except SerdeError as error:
                logger.warning(f"{topic.name}: dropped a damaged message: {error}", once=True)
                if self._core is not None:
                    self._core.damaged(topic)
            except Exception:  # noqa: BLE001 - nobody's message ends the process
                text = traceback.format_exc()
                logger.error(f"{topic.name}: dropped a message:\n{text}", once=True)

        return read

    def _events(self, topic: Topic) -> SubscriptionEventCallbacks:
        if topic.type not in _OF_IMAGES:
            return SubscriptionEventCallbacks()
        return SubscriptionEventCallbacks(
            message_lost=lambda event: self._tell_lost(topic, event.total_count_change)
        )

    def _tell_lost(self, topic: Topic, count: int) -> None:
        if self._core is not None:
            self._core.lost(topic, count)

    def _wake(self) -> None:
        """Have the executor look again at what is wanted."""
        if self._node.executor is not None:
            self._node.executor.wake()

    def _listen_if_latched(self, topic: Topic, callback: Callable[[Message], None]) -> None:
        """Subscribe once somebody latches it: every other publisher would warn of a mismatch."""

        def look() -> None:
            offers = self._node.get_publishers_info_by_topic(topic.name)
            if any(o.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for o in offers):
                timer.cancel()
                self._subscribe(topic, callback)

        timer = self._node.create_timer(_LATCHED_LOOK_S, look, callback_group=self._inputs)
        self._looking.append(timer)

    # -- what the core asks for (node.host.Host) --------------------------------------------

    def publish(self, topic: Topic, message: Message | bytes) -> None:
        """Send a message of the host's class, or one that is CDR already."""
        self._publishers[topic].publish(message)

    def subscribers(self, topic: Topic) -> int:
        """How many want it now."""
        return int(self._publishers[topic].get_subscription_count())

    def now(self) -> int:
        """ROS time in nanoseconds: the machine's, or /clock's with ``use_sim_time``."""
        return int(self._node.get_clock().now().nanoseconds)

    def topic_name(self, topic: Topic) -> str:
        """What a topic is called in the graph, expanded and remapped."""
        return str(self._node.resolve_topic_name(topic.name))

    def log(self, level: int, text: str) -> None:
        """Say something."""
        logger = self._node.get_logger()
        # rclpy refuses one line of code that speaks at several levels.
        if level >= logging.ERROR:
            logger.error(text)
        elif level >= logging.WARNING:
            logger.warning(text)
        else:
            logger.info(text)

    def lookup_transform(
        self, target: str, source: str, stamp: int, timeout: float
    ) -> NDArray[np.float64]:
        """The matrix (4, 4) from points in ``source`` to points in ``target`` at a time."""
        when, end = Time(nanoseconds=stamp), time.monotonic() + timeout
        while (
            not self._tf.can_transform(target, source, when)
            and time.monotonic() < end
            and self._listening.is_set()
        ):
            time.sleep(_TF_LOOK_S)
        try:
            return matrix_of(self._tf.lookup_transform(target, source, when).transform)
        except tf2_ros.TransformException as error:
            if isinstance(error, tf2_ros.ExtrapolationException):
                self._forget_the_future()
            raise TransformError(_reason(error, target, source)) from error

    def _forget_the_future(self) -> None:
        """Clear TF that was ahead of its time for a moment: tf2 takes nothing older after it."""
        frames = yaml.safe_load(self._tf.all_frames_as_yaml()) or {}
        limit = self.now() / 1e9 + _TF_KEPT_S
        if ahead := [name for name, at in frames.items() if at["most_recent_transform"] > limit]:
            self._tf.clear()
            self.log(
                logging.WARNING,
                f"TF of {', '.join(map(str, ahead))} is ahead of the time: what was known of "
                "moving frames is forgotten. Are all machines' clocks the same?",
            )


def _reason(error: tf2_ros.TransformException, target: str, source: str) -> str:
    """The same words for every image, so that they are logged once."""
    if isinstance(error, tf2_ros.ExtrapolationException):
        return (
            f"TF knows {source!r} in {target!r}, but not at the image's time: is whoever sends it "
            "alive and on the camera's clock?"
        )
    return (
        f"TF does not connect {source!r} with {target!r}: publish the camera's place, for example "
        "with tf2_ros static_transform_publisher"
    )

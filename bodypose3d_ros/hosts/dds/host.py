"""The node on a machine without ROS 2: the core, carried by DDS."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...node import interface
from ...node.diagnostics import Report
from ...node.interface import Topic
from ...node.kinds import ESTIMATION, Kind
from ...node.qos import SENSOR_DATA, QosProfile
from ...node.sockets import receive_buffer_warning
from ...wire.messages import Message
from ...wire.stamps import nanoseconds
from ..loading import load
from .endpoints import Subscription
from .frames import FrameBuffer
from .node import Node
from .qos import OVERRIDES, overrides

DIAGNOSTICS_PERIOD_S = 1.0
CLOCK = Topic("/clock", "rosgraph_msgs/msg/Clock", SENSOR_DATA, "Simulated time.")

_BYTES_PER_PIXEL = 3


@dataclass
class _Listener:
    """A topic that the node takes."""

    topic: Topic
    callback: Callable[[Message], None]
    subscription: Subscription | None = None
    lost: int = 0

    def newly_lost(self) -> int:
        """How many messages were lost on the way since this was asked last."""
        before, self.lost = self.lost, self.subscription.lost if self.subscription else 0
        return self.lost - before


class DdsHost:
    """Brings DDS messages to the core and sends what it publishes."""

    def __init__(self, node: Node, values: Mapping[str, Any], kind: Kind = ESTIMATION) -> None:
        """``values``: parameters by name, as in a parameter file; ``kind``: what it does.

        Raises:
            InputError: A parameter that does not exist or has a bad value.
        """
        self._node = node
        # As rclpy calls it: several nodes may speak on one terminal.
        self._log = logging.getLogger(node.names.full_node.strip("/").replace("/", "."))
        self._frames = FrameBuffer(self.log)
        self._clock: int | None = None
        self._listeners: list[_Listener] = []
        values = dict(values)
        use_sim_time = values.pop("use_sim_time", False)
        own = {name: values.pop(name) for name in list(values) if name.startswith(OVERRIDES)}
        self._overrides = overrides(own)
        self._ends: set[tuple[str, str]] = set()
        self.core = kind.make(self, node.types.__getitem__, values)
        if not self.core.autostart:
            raise InputError("autostart: there is no lifecycle without ROS 2; leave it true")
        self._publishers = {
            topic: node.create_publisher(topic.type, topic.name, self._qos(topic, "publisher"))
            for topic in self.core.outputs
        }
        if use_sim_time:
            self._clock = 0
            self._subscribe(CLOCK, self._time_passed)

    def load(self) -> bool:
        """Configure the core while the node goes on; False where it was told to end meanwhile.

        Raises:
            Bodypose3dError: It cannot be configured.
        """
        return load(
            self.core.configure,
            wait=lambda _: self._node.spin_once(),
            ended=lambda: not self._node.running,
            say=self._log.info,
        )

    def start(self) -> None:
        """Begin to take images, once the core is configured."""
        self.core.activate()
        if self.core.uses_tf:
            self._subscribe(interface.TF, self._frames.add)
            self._subscribe(interface.TF_STATIC, lambda m: self._frames.add(m, static=True))
        self._listeners = [
            _Listener(topic, self._checked(topic, callback))
            for topic, callback in self.core.inputs().items()
        ]
        for listener in self._listeners:
            if not listener.topic.qos.latched:  # until it is known to be needed
                listener.subscription = self._subscribe(listener.topic, listener.callback)
        for name, end in self._overrides.keys() - self._ends:
            self._log.warning("%s%s.%s: the node has no such %s", OVERRIDES, name, end, end)
        self._node.create_timer(DIAGNOSTICS_PERIOD_S, self._look_after)
        self._node.create_timer(interface.ALIVE_PERIOD_S, self.core.tell_alive)

    # -- what the core asks for (node.host.Host) --------------------------------------------

    def publish(self, topic: Topic, message: Message | bytes) -> None:
        """Send a message of the host's class, or one that is CDR already."""
        publisher = self._publishers[topic]
        send = publisher.publish_cdr if isinstance(message, bytes) else publisher.publish
        send(message)

    def subscribers(self, topic: Topic) -> int:
        """How many want it now."""
        return self._publishers[topic].subscribers

    def now(self) -> int:
        """ROS time in nanoseconds: the machine's, or /clock's with ``use_sim_time``."""
        return time.time_ns() if self._clock is None else self._clock

    def topic_name(self, topic: Topic) -> str:
        """What a topic is called in the graph, expanded and remapped."""
        return self._node.names.topic(topic.name)

    def log(self, level: int, text: str) -> None:
        """Say something."""
        self._log.log(level, "%s", text)

    def lookup_transform(
        self, target: str, source: str, stamp: int, timeout: float
    ) -> NDArray[np.float64]:
        """The matrix (4, 4) from points in ``source`` to points in ``target`` at a time."""
        return self._frames.lookup(target, source, stamp, timeout)

    # -- what comes in ----------------------------------------------------------------------

    def _subscribe(self, topic: Topic, callback: Callable[[Message], None]) -> Subscription:
        subscription = self._node.create_subscription(
            topic.type, topic.name, callback, self._qos(topic, "subscription"), raw=topic.raw
        )
        subscription.when_damaged = partial(self.core.damaged, topic)
        return subscription

    def _qos(self, topic: Topic, end: str) -> QosProfile:
        """A topic's quality of service, with what parameters say of it."""
        which = self.topic_name(topic), end
        self._ends.add(which)
        return replace(topic.qos, **self._overrides.get(which, {}))

    def _time_passed(self, message: Message) -> None:
        now = nanoseconds(message.clock)
        if self._clock is not None and now < self._clock:
            self._log.warning(
                "time jumped back by %.1f s: TF is forgotten", (self._clock - now) / 1e9
            )
            self._frames.clear()
        self._clock = now

    def _checked(
        self, topic: Topic, callback: Callable[[Message], None]
    ) -> Callable[[Message], None]:
        """For a CameraInfo besides: warn when images of its size do not fit the socket."""
        if topic.type != interface.CAMERA_INFO.type:
            return callback
        largest = 0

        def checked(message: Message) -> None:
            nonlocal largest
            callback(message)
            size = int(message.width) * int(message.height) * _BYTES_PER_PIXEL
            raw = any(topic.type == interface.IMAGE.type for topic in self.core.inputs())
            if size <= largest or not raw:
                return
            largest = size
            if warning := receive_buffer_warning(size):
                self._log.warning("%s", warning)

        return checked

    def _look_after(self) -> None:
        self.core.check()
        for each in self._listeners:
            if each.subscription is not None:
                self.core.lost(each.topic, each.newly_lost())
            elif self.core.lacks(each.topic):
                each.subscription = self._subscribe(each.topic, each.callback)
        self._publish_diagnostics()

    def _publish_diagnostics(self) -> None:
        statuses = [self._status(name, how()) for name, how in self.core.statuses().items()]
        header = self.core.messages.header(self.now(), "")
        kind = self._node.types[interface.DIAGNOSTICS.type]
        self.publish(interface.DIAGNOSTICS, kind(header=header, status=statuses))

    def _status(self, name: str, report: Report) -> Message:
        types, values = self._node.types, dict(report.values)
        if self.core.uses_tf:
            values["transforms dropped"] = str(self._frames.dropped)
        return types["diagnostic_msgs/msg/DiagnosticStatus"](
            level=report.level,
            name=f"{self._node.names.full_node.lstrip('/')}: {name}",
            message=report.message,
            hardware_id="",
            values=[
                types["diagnostic_msgs/msg/KeyValue"](key=key, value=value)
                for key, value in values.items()
            ],
        )

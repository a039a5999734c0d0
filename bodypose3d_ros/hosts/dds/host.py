"""The node on a machine without ROS 2: the core, carried by DDS."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...node import interface
from ...node.diagnostics import Report
from ...node.interface import Topic
from ...node.kinds import ESTIMATION, Kind
from ...node.qos import SENSOR_DATA
from ...wire.messages import Message
from ...wire.stamps import nanoseconds
from .endpoints import Subscription
from .frames import FrameBuffer
from .network import receive_buffer_warning
from .node import Node

log = logging.getLogger("bodypose3d")

DIAGNOSTICS_PERIOD_S = 1.0
ALIVE_PERIOD_S = 0.1
CLOCK = Topic("/clock", "rosgraph_msgs/msg/Clock", SENSOR_DATA, "Simulated time.")

_BYTES_PER_PIXEL = 3


class DdsHost:
    """Brings DDS messages to the core and sends what it publishes."""

    def __init__(self, node: Node, values: Mapping[str, Any], kind: Kind = ESTIMATION) -> None:
        """``values``: parameters by name, as in a parameter file; ``kind``: what it does.

        Raises:
            InputError: A parameter that does not exist or has a bad value.
        """
        self._node = node
        self._frames = FrameBuffer(self.log)
        self._clock: int | None = None
        self._asked_for_latched = False
        self._image_sizes: set[tuple[int, int]] = set()
        self._images: Subscription | None = None
        self._lost = 0
        values = dict(values)
        use_sim_time = values.pop("use_sim_time", False)
        for name in [name for name in values if name.startswith("qos_overrides.")]:
            log.warning("%s is only for the node on ROS 2: it has no effect here", name)
            del values[name]
        self.core = kind.make(self, node.types.__getitem__, values)
        if not self.core.autostart:
            raise InputError("autostart: there is no lifecycle without ROS 2; leave it true")
        self._publishers = {
            topic: node.create_publisher(topic.type, topic.name, topic.qos)
            for topic in kind.outputs
        }
        if use_sim_time:
            self._clock = 0
            self._subscribe(CLOCK, self._time_passed)

    def start(self) -> None:
        """Begin to take images, once the core is configured."""
        self.core.activate()
        if self.core.uses_tf:
            self._subscribe(interface.TF, self._frames.add)
            self._subscribe(interface.TF_STATIC, lambda m: self._frames.add(m, static=True))
        for topic, callback in self.core.inputs().items():
            if topic == interface.CAMERA_INFO_LATCHED:
                continue  # until it is known to be needed
            if topic == interface.CAMERA_INFO:
                self._subscribe(topic, self._checked(callback))
            else:
                subscription = self._subscribe(topic, callback)
                if topic in (interface.IMAGE, interface.IMAGE_COMPRESSED):
                    self._images = subscription
        self._node.create_timer(DIAGNOSTICS_PERIOD_S, self._look_after)
        self._node.create_timer(ALIVE_PERIOD_S, self.core.tell_alive)

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

    def log(self, level: int, text: str) -> None:
        """Say something."""
        log.log(level, "%s", text)

    def lookup_transform(
        self, target: str, source: str, stamp: int, timeout: float
    ) -> NDArray[np.float64]:
        """The matrix (4, 4) from points in ``source`` to points in ``target`` at a time."""
        return self._frames.lookup(target, source, stamp, timeout)

    # -- what comes in ----------------------------------------------------------------------

    def _subscribe(self, topic: Topic, callback: Callable[[Message], None]) -> Subscription:
        return self._node.create_subscription(
            topic.type, topic.name, callback, topic.qos, raw=topic.raw
        )

    def _time_passed(self, message: Message) -> None:
        now = nanoseconds(message.clock)
        if self._clock is not None and now < self._clock:
            log.warning("time jumped back by %.1f s: TF is forgotten", (self._clock - now) / 1e9)
            self._frames.clear()
        self._clock = now

    def _checked(self, camera_info: Callable[[Message], None]) -> Callable[[Message], None]:
        """Besides, warn when images of its size do not fit the socket."""

        def checked(message: Message) -> None:
            camera_info(message)
            size = (int(message.width), int(message.height))
            if size in self._image_sizes or interface.IMAGE not in self.core.inputs():
                return
            self._image_sizes.add(size)
            if warning := receive_buffer_warning(size[0] * size[1] * _BYTES_PER_PIXEL):
                log.warning("%s", warning)

        return checked

    def _look_after(self) -> None:
        self.core.check()
        if self._images is not None:
            before, self._lost = self._lost, self._images.lost
            self.core.lost(self._lost - before)
        if self.core.lacks_camera_info and not self._asked_for_latched:
            self._asked_for_latched = True
            latched = interface.CAMERA_INFO_LATCHED
            self._subscribe(latched, self._checked(self.core.inputs()[latched]))
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
            name=f"{self._node.names.node}: {name}",
            message=report.message,
            hardware_id="",
            values=[
                types["diagnostic_msgs/msg/KeyValue"](key=key, value=value)
                for key, value in values.items()
            ],
        )

"""A node of the ROS graph: its endpoints, the loop that serves them, and its end."""

from __future__ import annotations

import atexit
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Any

from cyclonedds.core import DDSException, GuardCondition, WaitSet
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.qos import Policy, Qos
from cyclonedds.util import duration

from ...errors import Bodypose3dError
from ...node.qos import QosProfile
from . import graph
from .endpoints import Channel, Publisher, Subscription
from .names import Names
from .network import Network
from .types import Types

log = logging.getLogger(__name__)

# Signals are handled between two waits.
_LONGEST_WAIT_S = 0.1
_MISMATCH_CHECK_S = 1.0


@dataclass
class Timer:
    """Something to do every so often."""

    period: float
    callback: Callable[[], None]
    due: float


class Node:
    """A node, alone in its participant. Close it, or use it as a context manager.

    Raises:
        Bodypose3dError: The network cannot be used as configured.
    """

    def __init__(self, names: Names, network: Network, types: Types | None = None) -> None:
        self.names = names
        self.types = types or Types()
        self._publishers: list[Publisher] = []
        self._subscriptions: list[Subscription] = []
        self._timers: list[Timer] = []
        self._stopped = Event()
        try:
            self._domain = Domain(network.domain, network.configuration())
            self._participant = DomainParticipant(
                network.domain, Qos(Policy.Userdata(data=graph.ENCLAVE))
            )
        except DDSException as error:
            raise Bodypose3dError(
                f"cannot take part in ROS domain {network.domain} on "
                f"{network.interface or 'any interface'}: {error}. Check the interface's name, "
                "CYCLONEDDS_URI, and what Cyclone DDS has printed"
            ) from error
        self._wakeup = GuardCondition(self._participant)
        self._arrivals = WaitSet(self._participant)
        self._arrivals.attach(self._wakeup)
        self._graph = Publisher(self._participant, graph.DISCOVERY_INFO, self.types)
        self._announce()
        self.create_timer(_MISMATCH_CHECK_S, self._report_mismatches)
        # A process that only ends leaves its node in the graph for 10 s more.
        atexit.register(self.close)

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def create_publisher(self, msg_type: str, topic: str, qos: QosProfile) -> Publisher:
        """A publisher of a topic, whose name is expanded and remapped."""
        channel = Channel(self.names.topic(topic), msg_type, qos)
        publisher = Publisher(self._participant, channel, self.types)
        self._publishers.append(publisher)
        self._announce()
        return publisher

    def create_subscription(
        self,
        msg_type: str,
        topic: str,
        callback: Callable[[Any], None],
        qos: QosProfile,
        *,
        raw: bool = False,
    ) -> Subscription:
        """A subscription of a topic, whose name is expanded and remapped."""
        channel = Channel(self.names.topic(topic), msg_type, qos)
        subscription = Subscription(self._participant, channel, self.types, callback, raw=raw)
        self._subscriptions.append(subscription)
        self._arrivals.attach(subscription.unread)
        self._announce()
        return subscription

    def create_timer(self, period: float, callback: Callable[[], None]) -> Timer:
        """Call something every ``period`` seconds while the node spins."""
        timer = Timer(period, callback, time.monotonic() + period)
        self._timers.append(timer)
        return timer

    @property
    def running(self) -> bool:
        """Whether nobody has stopped it."""
        return not self._stopped.is_set()

    def spin(self) -> None:
        """Serve subscriptions and timers until ``stop`` is called."""
        while self.running:
            self.spin_once()

    def spin_once(self, timeout: float = _LONGEST_WAIT_S) -> int:
        """Wait for messages or a timer, at most ``timeout`` seconds; returns messages handled."""
        due = min(timer.due for timer in self._timers) - time.monotonic()
        self._arrivals.wait(duration(seconds=max(0.0, min(timeout, due, _LONGEST_WAIT_S))))
        handled = sum(subscription.take() for subscription in self._subscriptions)
        for timer in self._timers:
            if time.monotonic() >= timer.due:
                timer.due = time.monotonic() + timer.period
                timer.callback()
        return handled

    def stop(self) -> None:
        """End ``spin``, from any thread or signal handler."""
        self._stopped.set()
        self._wakeup.set(True)

    def close(self) -> None:
        """Leave the graph at once; messages already sent are still delivered by the kernel."""
        atexit.unregister(self.close)
        self._stopped.set()
        # No public method of cyclonedds deletes an entity and all its children.
        self._participant.__del__()
        self._domain.__del__()

    def _announce(self) -> None:
        self._graph.publish(
            graph.entry(
                self.types,
                self._participant.guid.bytes,
                self.names,
                [publisher.guid for publisher in self._publishers],
                [subscription.guid for subscription in self._subscriptions],
            )
        )

    def _report_mismatches(self) -> None:
        endpoints: list[Publisher | Subscription] = [*self._publishers, *self._subscriptions]
        for endpoint in endpoints:
            if mismatch := endpoint.mismatch():
                log.warning("%s", mismatch)

"""Publishers and subscriptions of ROS topics over DDS."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cyclonedds.core import InstanceState, ReadCondition, SampleState, ViewState
from cyclonedds.domain import DomainParticipant
from cyclonedds.pub import DataWriter
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from rosbags.serde import SerdeError

from ...errors import Bodypose3dError, InputError
from ...node.qos import QosProfile
from .qos import policies
from .types import Types

log = logging.getLogger(__name__)

# DDS 1.4, 2.3.3: the identifiers of the policies that ROS 2 lets people choose.
_POLICY_NAMES = {2: "durability", 4: "deadline", 8: "liveliness", 11: "reliability"}


@dataclass(frozen=True)
class Channel:
    """A ROS topic with its type and quality of service: what an endpoint is made from."""

    name: str
    """The full ROS name, ``/camera/image_raw``."""
    type: str
    qos: QosProfile

    @property
    def dds_name(self) -> str:
        """How ROS 2 calls the topic in DDS."""
        return f"rt{self.name}"


class Publisher:
    """Sends messages of one topic. Any thread may publish."""

    def __init__(self, participant: DomainParticipant, channel: Channel, types: Types) -> None:
        self.channel = channel
        self._types = types
        self._sample = types.sample(channel.type)
        self._writer: Any = DataWriter(
            participant,
            Topic(participant, channel.dds_name, self._sample),
            policies(channel.qos, types.user_data(channel.type)),
        )

    @property
    def guid(self) -> bytes:
        """The 16 bytes the graph knows this endpoint by."""
        return bytes(self._writer.guid.bytes)

    @property
    def subscribers(self) -> int:
        """How many subscriptions are matched now."""
        return len(self._writer.get_matched_subscriptions())

    def publish(self, message: Any) -> None:  # noqa: ANN401 - a rosbags message
        """Send a message."""
        self.publish_cdr(self._types.serialize(message, self.channel.type))

    def publish_cdr(self, cdr: bytes) -> None:
        """Send what is already CDR; DDS refuses bytes that are not such a message."""
        self._writer.write(self._sample(cdr))

    def mismatch(self) -> str | None:
        """What a new peer wants that this publisher does not offer, or None."""
        status = self._writer.get_offered_incompatible_qos_status()
        return _mismatch(self.channel, "a subscription asks for more than is offered", status)


class Subscription:
    """Receives messages of one topic and hands each to a callback."""

    def __init__(
        self,
        participant: DomainParticipant,
        channel: Channel,
        types: Types,
        callback: Callable[[Any], None],
        *,
        raw: bool = False,
    ) -> None:
        """Subscribe; with ``raw`` the callback gets the CDR bytes."""
        self.channel = channel
        self.refused = 0
        """Messages that were not what their topic says, or that could not be taken."""
        self.when_damaged: Callable[[], None] = lambda: None
        """Called when a message has come that is not what its topic says."""
        self._types = types
        self._callback = callback
        self._raw = raw
        self._reader: Any = DataReader(
            participant,
            Topic(participant, channel.dds_name, types.sample(channel.type)),
            policies(channel.qos, types.user_data(channel.type)),
        )
        self.unread = ReadCondition(
            self._reader, ViewState.Any | InstanceState.Any | SampleState.NotRead
        )

    @property
    def guid(self) -> bytes:
        """The 16 bytes the graph knows this endpoint by."""
        return bytes(self._reader.guid.bytes)

    @property
    def publishers(self) -> int:
        """How many publishers are matched now."""
        return len(self._reader.get_matched_publications())

    @property
    def lost(self) -> int:
        """How many messages were lost on the way, in all."""
        return int(self._reader.get_sample_lost_status().total_count)

    def take(self) -> int:
        """Hand over what has arrived; returns how much that was."""
        samples = self._reader.take(self.channel.qos.depth)
        for sample in samples:
            if sample.sample_info.valid_data:  # else news about a publisher, not a message
                self._hand_over(sample.cdr)
        return len(samples)

    def mismatch(self) -> str | None:
        """What this subscription wants that a new peer does not offer, or None."""
        status = self._reader.get_requested_incompatible_qos_status()
        return _mismatch(self.channel, "a publisher offers less than is asked for", status)

    def _hand_over(self, cdr: bytes) -> None:
        try:
            message = cdr if self._raw else self._types.deserialize(cdr, self.channel.type)
            self._callback(message)
        except SerdeError as error:
            self._refuse(f"dropped a damaged message: {error}")
            self.when_damaged()
        except InputError as error:
            self._refuse(f"dropped a message: {error}")
        except (Bodypose3dError, OSError):
            raise  # not the message's fault: the disk is full, nobody reads the output
        except Exception:  # noqa: BLE001 - nobody's message ends the process
            self._refuse(f"dropped a message:\n{traceback.format_exc()}")

    def _refuse(self, why: str) -> None:
        self.refused += 1
        if self.refused == 1:
            log.warning("%s: %s", self.channel.name, why)


def _mismatch(channel: Channel, what: str, status: Any) -> str | None:  # noqa: ANN401 - ctypes
    if not status.total_count_change:
        return None
    policy = _POLICY_NAMES.get(status.last_policy_id, f"policy {status.last_policy_id}")
    return f"{channel.name}: {what} ({policy}), so no message passes between them"

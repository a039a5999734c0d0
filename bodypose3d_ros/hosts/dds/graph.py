"""A node's entry in the ROS graph, what ``ros2 node list`` and ``ros2 node info`` read.

Every participant tells on ``ros_discovery_info`` which of its endpoints belong to which node
(the design article "Node to Participant mapping").
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...node.qos import LATCHED
from .endpoints import Channel
from .names import Names
from .types import Types

ENCLAVE = b"enclave=/;"
"""User data of a participant without security."""


class DiscoveryInfo(Channel):
    """The topic of graph entries; unlike all others it has no ``rt`` before its name."""

    @property
    def dds_name(self) -> str:
        """How ROS 2 calls the topic in DDS."""
        return self.name


DISCOVERY_INFO = DiscoveryInfo(
    "ros_discovery_info", "rmw_dds_common/msg/ParticipantEntitiesInfo", LATCHED
)


def entry(
    types: Types,
    participant: bytes,
    names: Names,
    publishers: Iterable[bytes],
    subscriptions: Iterable[bytes],
) -> Any:  # noqa: ANN401 - a rosbags message
    """The message that says which endpoints are this node's, all by their 16 byte GUIDs."""
    node = types["rmw_dds_common/msg/NodeEntitiesInfo"](
        node_namespace=names.namespace,
        node_name=names.node,
        reader_gid_seq=[_gid(types, guid) for guid in subscriptions],
        writer_gid_seq=[_gid(types, guid) for guid in publishers],
    )
    return types[DISCOVERY_INFO.type](gid=_gid(types, participant), node_entities_info_seq=[node])


def _gid(types: Types, guid: bytes) -> Any:  # noqa: ANN401 - a rosbags message
    name = "rmw_dds_common/msg/Gid"
    data: Any = types.store.fielddefs[name][1][0][1]
    size = data[1][1]  # 24 up to Humble, 16 since Iron
    return types[name](data=np.frombuffer(guid.ljust(size, b"\0"), np.uint8))

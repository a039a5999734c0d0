"""Prints the ROS graph as it changes: one line of node names each time, and who has left."""

import signal
import sys

from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsParticipant
from cyclonedds.core import InstanceState, ReadCondition, SampleState, ViewState

from bodypose3d_ros.hosts.dds import graph
from bodypose3d_ros.hosts.dds.endpoints import Subscription
from bodypose3d_ros.hosts.dds.names import Names
from bodypose3d_ros.hosts.dds.network import Network
from bodypose3d_ros.hosts.dds.node import Node
from bodypose3d_ros.hosts.dds.types import Types

nodes: dict[bytes, str] = {}


def appeared(info) -> None:
    gid = bytes(info.gid.data[:16])
    names = [f"{n.node_namespace.rstrip('/')}/{n.node_name}" for n in info.node_entities_info_seq]
    ends = [
        f"{len(n.reader_gid_seq)} in {len(n.writer_gid_seq)} out"
        for n in info.node_entities_info_seq
    ]
    if gid not in nodes:
        print("node", *names, flush=True)
    nodes[gid] = " ".join(names)
    print("ends", *names, *ends, flush=True)


distro = sys.argv[1] if len(sys.argv) > 1 else "jazzy"
with Node(Names("watcher"), Network.from_environment(), Types(distro)) as node:
    signal.signal(signal.SIGINT, lambda *_: node.stop())
    participant = node._participant
    infos = Subscription(participant, graph.DISCOVERY_INFO, node.types, appeared)
    participants = BuiltinDataReader(participant, BuiltinTopicDcpsParticipant)
    gone = ReadCondition(
        participants, ViewState.Any | SampleState.NotRead | InstanceState.NotAliveDisposed
    )
    print("ready", flush=True)
    while not node._stopped.is_set():
        node.spin_once(0.02)
        while infos.take():
            pass
        for sample in participants.take(10, condition=gone):
            print("gone", nodes.get(sample.key.bytes, "?"), flush=True)

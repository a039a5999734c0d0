"""Random messages of every type we use, to a peer that sends them back as it understood them."""

import time

import numpy as np

from bodypose3d_ros.node import interface
from bodypose3d_ros.node.qos import DEFAULT
from message_content import random_message
from ros_network import spin_until

TYPES = sorted(
    {topic.type for topic in (*interface.INPUTS, *interface.OUTPUTS)}
    | {"rosgraph_msgs/msg/Clock", "rmw_dds_common/msg/ParticipantEntitiesInfo"}
)


def assert_mirrored(mirror, node):
    rng = np.random.default_rng(6)
    got = {name: [] for name in TYPES}
    out = {}
    for name in TYPES:
        topic = name.rsplit("/", 1)[1]
        node.create_subscription(name, f"/back/{topic}", got[name].append, DEFAULT, raw=True)
        out[name] = node.create_publisher(name, f"/there/{topic}", DEFAULT)
    mirror.line("ready")
    # The mirror's way back must be open too, and only its own answer shows that it is.
    back = [s for s in node._subscriptions if s.channel.name.startswith("/back/")]
    spin_until(node, lambda: all(p.subscribers for p in out.values()))
    spin_until(node, lambda: all(s.publishers for s in back))
    time.sleep(0.2)
    for name in TYPES:
        sent = [node.types.serialize(random_message(node.types, name, rng), name) for _ in range(8)]
        for cdr in sent:
            out[name].publish_cdr(cdr)
        spin_until(node, lambda n=name: len(got[n]) == 8)
        assert got[name] == sent, name

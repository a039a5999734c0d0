"""Prints the first messages of a std_msgs/String topic: listener.py TOPIC QOS COUNT."""

import sys

from bodypose3d_ros.hosts.dds.names import Names
from bodypose3d_ros.hosts.dds.network import Network
from bodypose3d_ros.hosts.dds.node import Node
from bodypose3d_ros.node.qos import DEFAULT, SENSOR_DATA, QosProfile

QOS = {
    "reliable": DEFAULT,
    "best_effort": SENSOR_DATA,
    "latched": QosProfile(depth=10, latched=True),
}

topic, qos, count = sys.argv[1], QOS[sys.argv[2]], int(sys.argv[3])
heard: list[str] = []
with Node(Names("listener"), Network.from_environment()) as node:
    node.create_subscription("std_msgs/msg/String", topic, lambda m: heard.append(m.data), qos)
    while len(heard) < count:
        node.spin_once()
for text in heard:
    print("heard", text, flush=True)

"""A camera that sends garbage between two good images: vandal.py TOPIC.

Its datagrams claim to be from its own, properly announced publisher.
"""

import sys
import time

import numpy as np

import rtps_garbage
from bodypose3d_ros.hosts.dds.names import Names
from bodypose3d_ros.hosts.dds.network import Network
from bodypose3d_ros.hosts.dds.node import Node
from bodypose3d_ros.node.qos import SENSOR_DATA

IMAGE = "sensor_msgs/msg/Image"
network = Network.from_environment()
rng = np.random.default_rng(7)
with Node(Names("vandal"), network) as node:
    publisher = node.create_publisher(IMAGE, sys.argv[1], SENSOR_DATA)
    while not publisher.subscribers:
        node.spin_once()
    time.sleep(0.2)
    time_, header = node.types["builtin_interfaces/msg/Time"], node.types["std_msgs/msg/Header"]
    data = np.zeros(48, np.uint8)

    def image(stamp):
        return node.types[IMAGE](header(time_(stamp, 0), "c"), 4, 4, "bgr8", 0, 12, data)

    good = node.types.serialize(image(1), IMAGE)
    publisher.publish_cdr(good)
    time.sleep(0.2)
    huge = good[:12] + b"\xff\xff\xff\x7f" + good[16:]
    cut = [good[:n] for n in range(0, len(good), 5)]
    noise = [b"\0\1\0\0" + rng.bytes(60) for _ in range(50)]
    flipped = [bytes(b ^ (1 << rng.integers(8)) if rng.random() < 0.05 else b for b in good)
               for _ in range(50)]  # fmt: skip
    rtps_garbage.send(network.domain, publisher.guid, 2, [huge, *cut, *noise, *flipped])
    time.sleep(0.2)
    for _ in range(len(cut) + 101):  # sequence numbers that the garbage has used up
        publisher.publish_cdr(good)
    for _ in range(5):
        publisher.publish(image(2))
        time.sleep(0.05)

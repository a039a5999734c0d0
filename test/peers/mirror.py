"""Sends back every message it gets, taken apart and put together again."""

import signal
import sys

from bodypose3d_ros.hosts.dds.names import Names
from bodypose3d_ros.hosts.dds.network import Network
from bodypose3d_ros.hosts.dds.node import Node
from bodypose3d_ros.node.qos import DEFAULT

with Node(Names("mirror"), Network.from_environment()) as node:
    signal.signal(signal.SIGINT, lambda *_: node.stop())
    for name in sys.argv[1:]:
        topic = name.rsplit("/", 1)[1]
        back = node.create_publisher(name, f"/back/{topic}", DEFAULT)
        node.create_subscription(name, f"/there/{topic}", back.publish, DEFAULT)
    print("ready", flush=True)
    node.spin()

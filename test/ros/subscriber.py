"""Takes what the node publishes reliably."""

from contextlib import suppress

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rosidl_runtime_py.utilities import get_message

from bodypose3d_ros.node.interface import MARKERS, POSE, POSES

rclpy.init()
node = Node("subscriber")
for topic in (POSES, POSE, MARKERS):
    name = topic.name.replace("~", "/bodypose3d")
    node.create_subscription(get_message(topic.type), name, lambda _: None, 10)
while not all(node.count_publishers(t.name.replace("~", "/bodypose3d")) for t in (POSES, MARKERS)):
    rclpy.spin_once(node, timeout_sec=0.1)
print("ready", flush=True)
with suppress(KeyboardInterrupt, ExternalShutdownException):
    rclpy.spin(node)

"""Sends back every message it gets, as rclpy understood it."""

import sys

import rclpy
from rosidl_runtime_py.utilities import get_message

rclpy.init()
node = rclpy.create_node("mirror")
for name in sys.argv[1:]:
    topic = name.rsplit("/", 1)[1]
    back = node.create_publisher(get_message(name), f"/back/{topic}", 10)
    node.create_subscription(get_message(name), f"/there/{topic}", back.publish, 10)
print("ready", flush=True)
rclpy.spin(node)

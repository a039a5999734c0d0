"""Two nodes in one process, in a multi-threaded executor."""

import rclpy
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor

from bodypose3d_ros.node.ros import BodyPose3D

rclpy.init()
executor = MultiThreadedExecutor(num_threads=3)
for side in ("left", "right"):
    executor.add_node(BodyPose3D(namespace=side))
try:
    executor.spin()
except (KeyboardInterrupt, ExternalShutdownException):
    pass

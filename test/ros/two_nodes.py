"""Two nodes in one process, in a multi-threaded executor."""

from contextlib import suppress

import rclpy
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.parameter import Parameter

from bodypose3d_ros.hosts.ros2.node import BodyPose3D

rclpy.init()
executor = MultiThreadedExecutor(num_threads=3)
for side in ("left", "right"):
    own = [Parameter("tf_prefix", value=f"{side}/")]
    executor.add_node(BodyPose3D(namespace=side, parameter_overrides=own))
with suppress(KeyboardInterrupt, ExternalShutdownException):
    executor.spin()

"""Prints the wrist that is nearest to the origin of the poses' frame."""

import math

import rclpy
from bodypose3d_ros.msg import Pose3D, Pose3DArray
from rclpy.node import Node


class NearestWrist(Node):
    def __init__(self):
        super().__init__("nearest_wrist")
        self.create_subscription(Pose3DArray, "/bodypose3d/poses", self.poses, 10)

    def poses(self, message):
        wrists = [
            p.joints[i] for p in message.poses for i in (Pose3D.LEFT_WRIST, Pose3D.RIGHT_WRIST)
        ]
        seen = [w.position for w in wrists if math.isfinite(w.position.x)]
        distances = [math.hypot(p.x, p.y, p.z) for p in seen]
        text = f"{min(distances):.2f} m" if distances else "no wrist in sight"
        self.get_logger().info(text)


rclpy.init()
rclpy.spin(NearestWrist())

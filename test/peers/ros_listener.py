"""Prints, on rclpy, who is in the graph and how far the first person of each message is."""

import rclpy
from bodypose3d_ros.msg import Pose3D, Pose3DArray

rclpy.init()
node = rclpy.create_node("ros_listener")


def heard(message: Pose3DArray) -> None:
    age = node.get_clock().now() - rclpy.time.Time.from_msg(message.header.stamp)
    assert age.nanoseconds < 10 * 10**9
    for pose in message.poses:
        print(f"person {pose.track_id} at {pose.joints[Pose3D.PELVIS].position.z:.1f}", flush=True)
    for name, namespace in node.get_node_names_and_namespaces():
        print(f"node {namespace.rstrip('/')}/{name}", flush=True)


node.create_subscription(Pose3DArray, "/bodypose3d/poses", heard, 10)
rclpy.spin(node)

"""A camera on rclpy whose images say what is in them: ros_camera.py reliable|best_effort."""

import array
import sys

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from bodypose3d_ros.body.camera import Camera
from known_people import picture

rclpy.init()
node = rclpy.create_node("ros_camera")
qos = QoSProfile(depth=5, reliability=ReliabilityPolicy[sys.argv[1].upper()])
images = node.create_publisher(Image, "image", qos)
infos = node.create_publisher(CameraInfo, "camera_info", qos)
camera = Camera.from_hfov(64, 48, 60)


def shoot() -> None:
    info = CameraInfo(width=64, height=48, distortion_model="plumb_bob")
    info.d, info.k = [0.0] * 5, camera.matrix.ravel()
    info.header.stamp, info.header.frame_id = node.get_clock().now().to_msg(), "camera"
    infos.publish(info)
    image = Image(header=info.header, width=64, height=48, encoding="bgr8", step=192)
    image.data = array.array("B", picture(1, 2.5).tobytes())
    images.publish(image)


node.create_timer(1 / 30, shoot)
rclpy.spin(node)

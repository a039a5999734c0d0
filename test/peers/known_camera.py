"""A camera whose images say what is in them: see ``known_people``. It never ends by itself."""

import argparse
import time

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.hosts.dds.names import Names
from bodypose3d_ros.hosts.dds.network import Network
from bodypose3d_ros.hosts.dds.node import Node
from bodypose3d_ros.node import interface
from bodypose3d_ros.node.qos import DEFAULT, LATCHED, SENSOR_DATA
from bodypose3d_ros.wire.messages import Messages
from known_people import picture

parser = argparse.ArgumentParser()
parser.add_argument("--size", default="64x48")
parser.add_argument("--rate", type=float, default=30)
parser.add_argument("--best-effort", action="store_true")
parser.add_argument("--name", default="", help="of one of several cameras")
parser.add_argument("--every", type=int, default=1, help="send only every so manieth image")
parser.add_argument("--latched-info", action="store_true", help="CameraInfo once, latched")
options = parser.parse_args()
width, height = map(int, options.size.split("x"))
frame_id = options.name or "camera"
camera = Camera.from_hfov(width, height, 60)

with Node(Names(f"camera{options.name}"), Network.from_environment()) as node:
    messages = Messages(node.types.__getitem__)
    qos = SENSOR_DATA if options.best_effort else DEFAULT
    image = node.create_publisher(
        interface.IMAGE.type, interface.of_camera(interface.IMAGE, options.name).name, qos
    )
    info_qos = LATCHED if options.latched_info else qos
    info_topic = interface.of_camera(interface.CAMERA_INFO, options.name).name
    info = node.create_publisher(interface.CAMERA_INFO.type, info_topic, info_qos)
    info.publish(messages.camera_info(camera, messages.header(0, frame_id)))
    print("ready", flush=True)
    index, due = 0, time.monotonic()
    while True:
        while (left := due - time.monotonic()) > 0:
            node.spin_once(left)
        due += 1 / options.rate
        index += 1
        header = messages.header(time.time_ns(), frame_id)
        if not options.latched_info:
            info.publish(messages.camera_info(camera, header))
        distance = 2 + index % 20 / 10
        if index % options.every == 0:
            image.publish(messages.image(picture(1, distance, (width, height)), header))

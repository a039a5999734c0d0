"""A node of one of the cell's cameras, as the fusion hears it: poses, CameraInfo and its place.

All of them show the same moment at the same time, whenever they were started: the film, forwards
and backwards. It never ends by itself.
"""

import argparse
import time

from scipy.spatial.transform import Rotation

import cell_sightings as cell
from bodypose3d_ros.hosts.dds.names import Names
from bodypose3d_ros.hosts.dds.network import Network
from bodypose3d_ros.hosts.dds.node import Node
from bodypose3d_ros.node import interface
from bodypose3d_ros.node.qos import SENSOR_DATA
from bodypose3d_ros.wire.messages import Messages
from bodypose3d_ros.wire.pose_cdr import PoseCdr

parser = argparse.ArgumentParser()
parser.add_argument("camera", help="front, left or back")
parser.add_argument("--latency", type=float, default=0.02, help="seconds from stamp to poses")
parser.add_argument("--turned", type=float, default=0.0, help="degrees about z that TF is wrong")
parser.add_argument("--frame", help="the optical frame, whose place somebody else tells")
options = parser.parse_args()
frame = options.frame or options.camera
name, film = options.camera, cell.FILMS[f"cell_{options.camera}"]
PERIOD = round(1e9 / film.rate)
NUMBERS = [*range(len(film)), *reversed(range(len(film)))]

with Node(Names("bodypose3d", f"/{name}"), Network.from_environment()) as node:
    messages = Messages(node.types.__getitem__)
    poses = node.create_publisher(*(getattr(interface.POSES, f) for f in ("type", "name", "qos")))
    info = node.create_publisher(interface.CAMERA_INFO.type, "camera_info", SENSOR_DATA)
    static = interface.TF_STATIC
    place = cell.PLACES[f"cell_{name}"].copy()
    wrong = Rotation.from_euler("z", options.turned, degrees=True).as_matrix()
    place[:3, :3] = wrong @ place[:3, :3]
    transform = messages.transform(messages.header(0, "world"), name, place)
    if not options.frame:
        node.create_publisher(static.type, static.name, static.qos).publish(transform)
    sightings = [cell.sighting(f"cell_{name}", n, pixels=3.0, size=1.04) for n in range(len(film))]
    size = film.camera.width, film.camera.height
    print("ready", flush=True)
    moment = time.time_ns() // PERIOD
    while True:
        moment = max(moment + 1, time.time_ns() // PERIOD)
        stamp = moment * PERIOD
        while (left := stamp / 1e9 + options.latency - time.time()) > 0:
            node.spin_once(left)
        info.publish(messages.camera_info(film.camera, messages.header(stamp, frame)))
        bodies = sightings[NUMBERS[moment % len(NUMBERS)]]
        poses.publish_cdr(PoseCdr(bodies, stamp, frame, size).array())

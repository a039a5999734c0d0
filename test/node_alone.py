"""The node on a host that keeps what is published, with a camera before it."""

import logging
import threading
import time
from collections import defaultdict

import numpy as np

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.cameras import Cameras
from bodypose3d_ros.node.diagnostics import State
from bodypose3d_ros.node.parameters import Parameters
from bodypose3d_ros.node.transforms import TransformError
from bodypose3d_ros.wire.messages import Messages
from bodypose3d_ros.wire.pose_cdr import ARRAY_TYPE, read
from bodypose3d_ros.wire.typestore import ros_types
from known_people import KnownPeople, picture

TYPES = ros_types()
MESSAGES = Messages(TYPES.types.__getitem__)
CAMERA = Camera.from_hfov(64, 48, 60)
SECOND = 10**9
STAMP = 1_000 * SECOND


def bodies_of(array):
    """The people of a ``Pose3DArray``."""
    return read(bytes(TYPES.serialize_cdr(array, ARRAY_TYPE))).bodies


class KeepingHost:
    """A host whose messages stay where they are."""

    def __init__(self):
        self.sent = defaultdict(list)
        self.texts = []
        self.watched = set()
        self.rviz = True
        self.matrices = {}
        """By target and source; a function of the stamp where frames move."""
        self.arrived = threading.Condition()

    def publish(self, topic, message):
        # What cannot be serialised cannot be sent.
        cdr = message
        if not isinstance(message, bytes):
            cdr = TYPES.serialize_cdr(message, topic.type)
        message = TYPES.deserialize_cdr(cdr, topic.type)
        with self.arrived:
            self.sent[topic].append(message)
            self.arrived.notify_all()

    def subscribers(self, topic):
        """RViz is there, unless a test closes it."""
        return int(topic in self.watched or (self.rviz and topic.type == topics.MARKERS.type))

    def now(self):
        return STAMP + SECOND // 4

    def topic_name(self, topic):
        return f"/{topic.name}"

    def log(self, level, text):
        self.texts.append((level, text))

    def lookup_transform(self, target, source, stamp, timeout):
        if (target, source) not in self.matrices:
            raise TransformError(f"TF does not connect {source!r} with {target!r}")
        matrix = self.matrices[target, source]
        return matrix(stamp) if callable(matrix) else matrix


class Node:
    """A node with its host, and a camera before it."""

    def __init__(self, load=None, **parameters):
        """``load`` loads networks; without it people are known."""
        self.host = KeepingHost()
        values = Parameters().changed(parameters)
        self.cameras = Cameras(self.host, TYPES.types.__getitem__, values)
        self.core = next(iter(self.cameras.cores.values()))
        self.pipeline = KnownPeople()
        self.cameras.configure(load or (lambda _: self.pipeline))
        self.cameras.activate()

    def hear(self, topic, message):
        self.core.inputs()[topic](message)

    def info(self, frame_id="camera", camera=CAMERA):
        info = MESSAGES.camera_info(camera, MESSAGES.header(STAMP, frame_id))
        self.hear(topics.CAMERA_INFO, info)

    def image(self, image=None, stamp=STAMP, frame_id="camera"):
        image = picture() if image is None else image
        self.core.image(MESSAGES.image(image, MESSAGES.header(stamp, frame_id)))

    def wait(self, topic, count=1):
        with self.host.arrived:
            assert self.host.arrived.wait_for(lambda: len(self.host.sent[topic]) >= count, 30)
            return self.host.sent[topic][-1]

    def skipped(self, count=1):
        end = time.monotonic() + 30
        # It is counted before it is said, and said before the next image is wanted.
        while (
            int(self.core.diagnose().values["images skipped"]) < count or not self.core.wants_image
        ):
            assert time.monotonic() < end, self.core.diagnose()
            time.sleep(0.002)
        return [text for level, text in self.host.texts if level == logging.WARNING]


def alive(node):
    """What a watchdog hears now: state, age in seconds, reason."""
    node.core.tell_alive()
    message = node.host.sent[topics.ALIVE][-1]
    return State(message.state), message.age, message.reason


def detections(stamp, *found):
    t = TYPES.types
    header = MESSAGES.header(stamp, "camera")
    pose = t["geometry_msgs/msg/PoseWithCovariance"](
        t["geometry_msgs/msg/Pose"](
            t["geometry_msgs/msg/Point"](0, 0, 0), t["geometry_msgs/msg/Quaternion"](0, 0, 0, 1)
        ),
        np.zeros(36),
    )
    box = t["vision_msgs/msg/BoundingBox2D"](
        t["vision_msgs/msg/Pose2D"](t["vision_msgs/msg/Point2D"](10.0, 20.0), 0.5), 30.0, 40.0
    )

    def results(name, score):
        hypothesis = t["vision_msgs/msg/ObjectHypothesis"]
        kind = t["vision_msgs/msg/ObjectHypothesisWithPose"]
        return [] if name is None else [kind(hypothesis(name, score), pose)]

    one = t["vision_msgs/msg/Detection2D"]
    return t["vision_msgs/msg/Detection2DArray"](
        header, [one(header, results(*each), box, "") for each in found]
    )


def depth_image(stamp=STAMP, frame_id="camera", metres=2.5, size=(32, 24)):
    width, height = size
    depths = np.full((height, width), metres * 1000, np.uint16)
    return MESSAGES.depth_image(depths, MESSAGES.header(stamp, frame_id))

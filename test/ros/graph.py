"""A test's own member of the ROS graph: cameras, listeners and service calls, on rclpy."""

from __future__ import annotations

import os
import time
from functools import cache

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message

import ros_network
from bodypose3d_ros.hosts.ros2.host import get_message, message_class, qos_profile
from bodypose3d_ros.media import film
from bodypose3d_ros.node import interface
from bodypose3d_ros.wire import images
from bodypose3d_ros.wire.messages import Messages

RELIABLE = QoSProfile(depth=10)
BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
MESSAGES = Messages(message_class)
FILM = film.load("one_person")


@cache
def frames():
    return list(FILM.frames())


class Graph:
    """Close it, or use it as a context manager."""

    def __init__(self, domain):
        os.environ.update(ros_network.environment(domain))
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = Node("tester", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def wait(self, condition, seconds=20.0):
        """Serve subscriptions until it is true; longer on a busy machine."""
        end = time.monotonic() + ros_network.within(seconds)
        while not (result := condition()):
            assert time.monotonic() < end, "timed out"
            self._executor.spin_once(timeout_sec=0.02)
        return result

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.02)

    def listen(self, topic, msg_type, qos=RELIABLE):
        """A list that fills."""
        heard = []
        self.node.create_subscription(get_message(msg_type), topic, heard.append, qos)
        return heard

    def hear(self, topic, node="/bodypose3d"):
        """What the node publishes on one of its own topics, once it is there."""
        name = topic.name.replace("~", node)
        heard = self.listen(name, topic.type, qos_profile(topic.qos))
        self.wait(lambda: self.node.count_publishers(name))
        return heard

    def call(self, service, name, **fields):
        """Call a service of the node."""
        client = self.node.create_client(service, name)
        self.wait(client.service_is_ready)
        future = client.call_async(service.Request(**fields))
        self.wait(future.done, 30)
        self.node.destroy_client(client)
        return future.result()

    # -- the node ---------------------------------------------------------------------------

    def state(self):
        return self.call(GetState, "/bodypose3d/get_state").current_state.label

    def change(self, name):
        """Whether the transition ``configure``, ``activate``, ... succeeded."""
        number = getattr(Transition, f"TRANSITION_{name.upper()}")
        request = Transition(id=number)
        return self.call(ChangeState, "/bodypose3d/change_state", transition=request).success

    def set(self, **values):
        """Why parameters were refused; empty when they were not."""
        parameters = [Parameter(name, value=v).to_parameter_msg() for name, v in values.items()]
        answer = self.call(SetParameters, "/bodypose3d/set_parameters", parameters=parameters)
        return "".join(result.reason for result in answer.results)

    def describe(self, *names):
        service = "/bodypose3d/describe_parameters"
        return self.call(DescribeParameters, service, names=list(names)).descriptors

    def diagnoses(self):
        """A list that fills: level, message and values of the node's status."""
        heard = []

        def add(array):
            for status in array.status:
                values = {v.key: v.value for v in status.values}
                heard.append((status.level[0], status.message, values))

        self.node.create_subscription(DiagnosticArray, "/diagnostics", add, RELIABLE)
        return heard


class Camera:
    """Takes single images of the film."""

    def __init__(self, graph, image="image", info="camera_info", *, qos=RELIABLE, compressed=False):
        self._graph, self._compressed = graph, compressed
        topic = interface.IMAGE_COMPRESSED if compressed else interface.IMAGE
        name = f"{image}/compressed" if compressed else image
        self._image = graph.node.create_publisher(get_message(topic.type), name, qos)
        self._info = graph.node.create_publisher(
            get_message(interface.CAMERA_INFO.type), info, RELIABLE
        )
        self._next = 0
        self._calibration = None

    def connected(self):
        """Wait until the node takes images."""
        self._graph.wait(
            lambda: self._image.get_subscription_count() and self._info.get_subscription_count()
        )
        return self

    def calibrate(self, camera=FILM.camera):
        """Send the calibration before every image from now on."""
        self._calibration = camera

    def shoot(self, stamp=None):
        """Send the next image, stamped with the time unless told otherwise; returns its stamp."""
        stamp = stamp or time.time_ns()
        picture = frames()[self._next % len(FILM)].image
        self._next += 1
        if self._calibration is not None:
            self._info.publish(info(self._calibration))
        header = MESSAGES.header(stamp, film.FRAME_ID)
        if self._compressed:
            content = images.encode_jpeg(picture)
            self._image.publish(MESSAGES.compressed_image(content, header))
        else:
            self._image.publish(MESSAGES.image(picture, header))
        return stamp

    def damage(self):
        """Send half an image."""
        message = MESSAGES.image(frames()[0].image, MESSAGES.header(0, film.FRAME_ID))
        cdr = serialize_message(message)
        self._image.publish(cdr[: len(cdr) // 2])


def info(camera=FILM.camera):
    return MESSAGES.camera_info(camera, MESSAGES.header(time.time_ns(), film.FRAME_ID))

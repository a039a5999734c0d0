"""What has ended or silenced nodes on a real ROS 2, and what watchdogs hear."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs a sourced ROS 2")
pytest.importorskip("bodypose3d_ros.msg", reason="needs this package built by colcon and sourced")
from geometry_msgs.msg import TransformStamped
from graph import MESSAGES, RELIABLE, Camera, get_message
from tf2_msgs.msg import TFMessage

from bodypose3d_ros.media import film
from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.diagnostics import State

pytestmark = pytest.mark.ros

HOUR = 3600 * 10**9


def place(stamp):
    """The camera at the origin of a moving frame, at a time in nanoseconds."""
    message = TransformStamped(header=MESSAGES.header(stamp, "map"), child_frame_id=film.FRAME_ID)
    message.transform.rotation.w = 1.0
    return TFMessage(transforms=[message])


@pytest.fixture
def robot(graph, run):
    """The node with a camera that TF knows in a map: call it to take an image, with its TF."""
    node = run("bodypose3d_node", "-p", "target_frame:=map", "-p", "transform_timeout:=0.05")
    camera = Camera(graph).connected()
    camera.calibrate()
    tf = graph.node.create_publisher(TFMessage, "/tf", RELIABLE)
    graph.wait(tf.get_subscription_count)

    def shoot(stamp=None, ahead=0):
        now = time.time_ns()
        tf.publish(place(now + ahead))
        camera.shoot(now if stamp is None else stamp)
        graph.spin(0.3)
        assert node.returncode is None
        return True

    shoot.node = node
    return shoot


@pytest.mark.parametrize("seconds", [-1, 2**31 - 1])
def test_stamps_that_are_no_time_cost_their_image(graph, robot, seconds):
    poses = graph.hear(topics.POSES)
    robot(seconds * 10**9)
    robot.node.line("[WARN]")
    graph.wait(lambda: robot() and poses)


def test_after_tf_that_was_an_hour_ahead_poses_come_back(graph, robot):
    """tf2 takes nothing that is older than its newest by more than ten seconds."""
    poses = graph.hear(topics.POSES)
    graph.wait(lambda: robot() and poses)
    robot(ahead=HOUR)
    poses.clear()
    graph.wait(lambda: robot() and poses)
    assert any("is ahead of the time" in line for line in robot.node.output)


def test_a_watchdog_hears_when_the_camera_dies_and_depth_with_it(graph, run):
    """The film's depth images come beside its images: metres rest on them while they do."""
    camera = run("film_camera")
    run("bodypose3d_node", "-p", "depth_transport:=raw", lossless=False)
    alive, poses = graph.hear(topics.ALIVE), graph.hear(topics.POSES)
    depth_scale = get_message("bodypose3d_ros/msg/Pose3D").SCALE_DEPTH
    graph.wait(lambda: any(p.scale_source == depth_scale for m in poses[-3:] for p in m.poses))
    graph.wait(lambda: alive[-1].state == State.OK)
    assert alive[-1].age < 0.5
    camera.kill()
    killed = time.monotonic()
    graph.wait(lambda: alive[-1].state == State.STALE)
    assert time.monotonic() - killed < 2
    assert np.isfinite(alive[-1].age)

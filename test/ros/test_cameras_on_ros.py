"""One process before several cameras, on a real ROS 2."""

import pytest

pytest.importorskip("rclpy", reason="needs a sourced ROS 2")
pytest.importorskip("bodypose3d_ros.msg", reason="needs this package built by colcon and sourced")
from graph import Camera

from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.diagnostics import OK, State
from bodypose3d_ros.node.interface import of_camera

pytestmark = pytest.mark.ros

CAMERAS = ("front", "left")
TWO = ("-p", "cameras:=[front, left]")
RELIABLE = tuple(
    word
    for camera in CAMERAS
    for topic in ("image_raw", "camera_info")
    for word in ("-p", f"qos_overrides./{camera}/{topic}.subscription.reliability:=reliable")
)


def film_camera(graph, name):
    """The film as the camera of that name, with its calibration."""
    camera = Camera(graph, f"{name}/image_raw", f"{name}/camera_info").connected()
    camera.calibrate()
    return camera


def hear(graph, topic):
    return {camera: graph.hear(of_camera(topic, camera)) for camera in CAMERAS}


def shoot_until(graph, cameras, come):
    """Each camera takes an image in turn until it has come."""

    def shot():
        for camera in cameras:
            camera.shoot()
        graph.spin(0.3)
        return come()

    graph.wait(shot, 40)


def test_each_camera_has_its_own_poses_and_its_end_is_its_own(graph, run):
    run("bodypose3d_node", *TWO, *RELIABLE, "-p", "stale_after:=0.5")
    cameras = [film_camera(graph, name) for name in CAMERAS]
    poses, alive, tf = hear(graph, topics.POSES), hear(graph, topics.ALIVE), graph.hear(topics.TF)
    diagnostics = graph.listen("/diagnostics", topics.DIAGNOSTICS.type)
    shoot_until(graph, cameras, lambda: all(len(heard) >= 3 for heard in poses.values()))
    assert all(heard[-1].poses[0].track_id == 1 for heard in poses.values())
    frames = {t.child_frame_id for message in tf for t in message.transforms}
    assert {"front/body_1/neck", "left/body_1/neck"} < frames
    # The first camera falls silent.
    before = len(poses["left"])
    shoot_until(graph, cameras[1:], lambda: alive["front"][-1].state == State.STALE)
    shoot_until(graph, cameras[1:], lambda: len(poses["left"]) >= before + 3)
    told = {}

    def silent():
        told.update({s.name: s.level[0] for array in diagnostics for s in array.status})
        diagnostics.clear()
        return told.get("bodypose3d: front: estimation", OK) != OK

    shoot_until(graph, cameras[1:], silent)
    assert told["bodypose3d: left: estimation"] == OK


def test_a_camera_is_told_otherwise_than_all_at_start_and_later(graph, run):
    """Its own parameters have no value until they are given one."""
    run("bodypose3d_node", *TWO, *RELIABLE, "-p", "hfov:=60.0", "-p", "left.target_frame:=nowhere",
        "-p", "left.tf_joints:=[neck]")  # fmt: skip
    names = ("left.hfov", "front.tf_prefix", "front.tf_joints")
    assert [each.name for each in graph.describe(*names)] == list(names)
    poses = hear(graph, topics.POSES)
    cameras = [film_camera(graph, name) for name in CAMERAS]
    shoot_until(graph, cameras, lambda: len(poses["front"]) >= 2)
    assert not poses["left"]  # TF knows no such frame
    assert graph.set(**{"left.target_frame": ""}) == ""
    shoot_until(graph, cameras, lambda: poses["left"])
    assert "cameras is read when the process starts" in graph.set(cameras=["front"])
    assert "out of range" in graph.set(**{"front.hfov": 400.0})


def test_a_name_that_is_none_ends_the_start(graph, run):
    node = run("bodypose3d_node", "-p", "cameras:=['my front']")
    assert node.ended() == 3
    assert "'my front' cannot be part of a topic" in "".join(node.output)

"""The fusion node on ROS 2: a process a camera, one that fuses them, and a graph that listens."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs a sourced ROS 2")
pytest.importorskip("bodypose3d_ros.msg", reason="needs this package built by colcon and sourced")

from bodypose3d_ros.media import film
from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.diagnostics import ERROR, OK, WARN
from ros_network import PEERS

pytestmark = pytest.mark.ros

CAMERAS = ("front", "left", "back")
FUSION = "bodypose3d_fusion"


class Status(dict):
    """The newest status of each name: level and message."""

    def __init__(self, graph):
        super().__init__()
        msg_type = topics.DIAGNOSTICS.type
        self._heard = graph.listen(topics.DIAGNOSTICS.name, msg_type)

    def of(self, name):
        for array in self._heard:
            self |= {s.name: (s.level[0], s.message) for s in array.status}
        self._heard.clear()
        return self.get(f"{FUSION}: {name}", (ERROR, ""))


def test_cameras_come_and_go_and_people_stay(start, run, graph):
    pytest.importorskip("cyclonedds", reason="the cameras need cyclonedds (pip install .[dds])")
    cameras = {name: start(PEERS / "cell_node.py", name) for name in CAMERAS}
    run(FUSION, "-p", "cameras:=[front, left, back]")
    status, poses = Status(graph), graph.listen(f"/{FUSION}/poses", topics.POSES.type)
    graph.wait(lambda: status.of("fusion")[0] == OK, 60)
    poses.clear()
    graph.wait(lambda: len(poses) > 20, 60)
    stamps = [p.header.stamp.sec * 10**9 + p.header.stamp.nanosec for p in poses]
    assert stamps == sorted(set(stamps))
    ids = {pose.track_id for message in poses for pose in message.poses}
    assert len(ids) == 2
    known = _spread(poses)
    assert poses[-1].header.frame_id == "world"
    tf = graph.listen(topics.TF.name, topics.TF.type)
    graph.wait(lambda: tf, 20)
    assert tf[-1].transforms[0].header.frame_id == "world"

    cameras["left"].kill()
    graph.wait(lambda: "left: silent for" in status.of("fusion")[1], 30)
    assert status.of("left")[0] == WARN
    poses.clear()
    graph.wait(lambda: len(poses) > 10, 60)
    assert {pose.track_id for message in poses for pose in message.poses} == ids
    graph.wait(lambda: _spread(poses[-10:]) > 1.2 * known, 60)

    cameras["left"] = start(PEERS / "cell_node.py", "left")
    graph.wait(lambda: status.of("fusion")[0] == OK, 60)
    graph.wait(lambda: _spread(poses[-10:]) < 1.1 * known, 60)

    for camera in cameras.values():
        camera.kill()
    graph.wait(lambda: "all cameras are silent" in status.of("fusion")[1], 30)
    assert status.of("fusion")[0] == ERROR


def _spread(messages):
    """Square metres: how well pelvises are known, in the median."""
    pelvises = [pose.joints[0].position_covariance for m in messages for pose in m.poses]
    return np.median([covariance[::4].sum() for covariance in pelvises])


def test_it_is_a_managed_node_with_its_own_parameters(run, graph):
    run(FUSION, "-p", "cameras:=[front]", "-r", "__node:=bodypose3d")
    graph.wait(lambda: graph.state() == "active", 40)
    assert graph.set(wait=0.01) == ""
    assert "start it again" in graph.set(fixed_frame="map")
    assert "out of range" in graph.set(wait=7.0)
    assert graph.change("deactivate")
    assert graph.change("cleanup")
    assert graph.change("configure")
    assert graph.change("activate")


def test_without_cameras_it_says_what_to_name(run):
    node = run(FUSION)
    node.line("", timeout=60)
    assert node.ended() == 3
    assert any("cameras: name those to be fused" in line for line in node.output)


def test_film_cameras_of_a_rig_show_the_moment_by_the_clock(run, graph):
    """Whenever they were started: what an image shows is where the film is at its stamp."""
    shown = film.load("cell_front")
    small = np.stack([frame.image[::8, ::8].astype(int) for frame in shown.frames()])
    run("film_camera", "-p", "film:=cell_front")
    images = graph.listen("image", topics.IMAGE.type)
    graph.wait(lambda: len(images) >= 12, 60)
    late = []
    for image in images[4:]:
        pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)
        number = int(np.abs(small - pixels[::8, ::8]).mean(axis=(1, 2, 3)).argmin())
        stamp = image.header.stamp.sec * 10**9 + image.header.stamp.nanosec
        late.append((stamp % shown.duration - shown.stamp(number)) / 1e9)
    assert abs(np.median(late)) < 0.5 / shown.rate

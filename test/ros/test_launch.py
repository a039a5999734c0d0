"""The launch files, as a user starts them."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="needs a sourced ROS 2")
pytest.importorskip("bodypose3d_ros.msg", reason="needs this package built by colcon and sourced")
from ament_index_python.packages import get_packages_with_prefixes
from graph import get_message

import cell_sightings as cell
import ros_network
from bodypose3d_ros.body.people import SCALE_GROUND
from bodypose3d_ros.media.rig import RigCamera
from bodypose3d_ros.node import interface as topics

pytestmark = pytest.mark.ros


@pytest.fixture
def launch(domain, tmp_path):
    """Starts ``ros2 launch bodypose3d_ros`` and interrupts it after the test, as Ctrl-C does."""
    processes = []

    def starter(*arguments):
        environment = ros_network.environment(domain) | {"ROS_LOG_DIR": str(tmp_path)}
        program = "import sys; from ros2cli.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", program, "launch", "bodypose3d_ros", *arguments]
        with (tmp_path / "output").open("w") as output:
            processes.append(
                subprocess.Popen(
                    command,
                    env=environment,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        return processes[-1]

    yield starter
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_the_film_plays_at_the_cameras_rate(graph, launch, tmp_path):
    """Poses come in another frame than the camera's, and all of it ends with one Ctrl-C."""
    process = launch("film.launch.py", "rate:=5.0", "target_frame:=world", "namespace:=front")
    poses = graph.listen("/front/bodypose3d/poses", topics.POSES.type)
    graph.wait(lambda: len(poses) >= 10, 40)
    assert poses[-1].header.frame_id == "world"
    stamps = [p.header.stamp.sec + p.header.stamp.nanosec * 1e-9 for p in poses[-6:]]
    periods = np.diff(stamps) * 5.0
    assert periods == pytest.approx(np.maximum(np.rint(periods), 1), abs=0.25)
    # People stand upright on the film's floor, z = 0 in the world.
    joints = poses[-1].poses[0].joints
    joint = get_message(topics.POSE.type)
    assert joints[joint.NOSE].position.z > joints[joint.PELVIS].position.z > 0.5
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(10) == 0
    assert "Traceback" not in (tmp_path / "output").read_text()


@pytest.mark.parametrize("name", ["bodypose3d", "film", "cell", "usb_cam", "realsense"])
def test_every_launch_file_describes_itself(launch, tmp_path, name):
    if name == "realsense" and "realsense2_camera" not in get_packages_with_prefixes():
        pytest.skip("needs realsense2_camera, whose launch file it includes")
    process = launch(f"{name}.launch.py", "--show-args")
    assert process.wait(30) == 0, (tmp_path / "output").read_text()
    assert "'params_file'" in (tmp_path / "output").read_text()


def test_a_cell_says_what_it_needs(launch, tmp_path):
    assert launch("cell.launch.py").wait(30) == 1
    assert "say rig:=FILE" in (tmp_path / "output").read_text()


def test_a_file_that_is_no_rig_is_said_to_be_none(launch, tmp_path):
    calibration = tmp_path / "front.yaml"
    calibration.write_text("image_width: 640\n")
    assert launch("cell.launch.py", f"rig:={calibration}").wait(30) == 1
    assert "front.yaml: is no rig file" in (tmp_path / "output").read_text()


def test_a_cell_starts_from_its_rig_file(graph, launch, start, tmp_path):
    """The rig file tells where the cameras stand; their nodes run elsewhere here."""
    pytest.importorskip("cyclonedds", reason="the cameras need cyclonedds (pip install .[dds])")
    stand = [
        RigCamera(name.removeprefix("cell_"), shown.camera, shown.place)
        for name, shown in cell.FILMS.items()
        if name != "cell_right"
    ]
    cameras = {
        each.name: {"translation": each.translation, "rotation": each.rotation} for each in stand
    }
    rig = tmp_path / "rig.yaml"
    rig.write_text(yaml.safe_dump({"fixed_frame": "world", "cameras": cameras}))
    for name in cameras:
        start(ros_network.PEERS / "cell_node.py", name, "--frame", f"{name}_optical_frame")
    launch("cell.launch.py", f"rig:={rig}", "nodes:=false")
    poses = graph.listen("/bodypose3d_fusion/poses", topics.POSES.type)
    graph.wait(lambda: poses and len(poses[-1].poses) == 2, 60)
    (pelvis, _), heads = zip(*((p.joints[0], p.joints[15]) for p in poses[-1].poses), strict=True)
    assert 0.6 < pelvis.position.z < 1.2  # they stand on the floor of the world, z up
    assert all(1.2 < nose.position.z < 2.0 for nose in heads)


def test_a_cell_plays_films_as_its_cameras(graph, launch):
    """Everything of a cell without a camera: films, a node each, and the fusion."""
    names = ("cell_front", "cell_left")
    launch("cell.launch.py", f"films:={' '.join(names)}", "film_rate:=3.0", "floor:=true")
    own = {name: graph.listen(f"/{name}/bodypose3d/poses", topics.POSES.type) for name in names}
    poses = graph.listen("/bodypose3d_fusion/poses", topics.POSES.type)
    person, *_ = graph.wait(lambda: [pose for message in poses for pose in message.poses], 90)
    assert {message.header.frame_id for message in poses} == {"world"}
    assert 0.6 < person.joints[0].position.z < 1.2
    for name in names:  # TF tells each node of the floor
        graph.wait(lambda own=own[name]: SCALE_GROUND in _sources(own), 60)
    # Film cameras of a rig leave images out, and so still show the same moments.
    graph.wait(lambda: set.intersection(*map(_stamps, own.values())), 60)


def _sources(messages):
    return {pose.scale_source for message in messages for pose in message.poses}


def _stamps(messages):
    return {(m.header.stamp.sec, m.header.stamp.nanosec) for m in messages}

"""What tests on a real ROS 2 share."""

import pytest


@pytest.fixture
def graph(domain):
    """This test's member of its own ROS graph."""
    from graph import Graph

    with Graph(domain) as graph:
        yield graph


@pytest.fixture
def run(start):
    """Starts a program of the installed package.

    The node gets every message: best effort, Fast DDS loses large ones, and the first ones, sent
    while only the publisher knows of the subscription.
    """
    from pathlib import Path

    from ament_index_python.packages import get_package_prefix

    programs = Path(get_package_prefix("bodypose3d_ros")) / "lib" / "bodypose3d_ros"

    def starter(name, *arguments, lossless=True):
        if name == "bodypose3d_node" and lossless:
            for topic in ("image", "camera_info", "detections", "depth", "depth_camera_info"):
                reliable = f"qos_overrides./{topic}.subscription.reliability:=reliable"
                arguments = ("-p", reliable, *arguments)
        return start(programs / name, "--ros-args", *arguments)

    return starter

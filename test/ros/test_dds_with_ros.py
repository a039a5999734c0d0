"""The node over DDS, with rclpy on the other side, whatever RMW that uses."""

import pytest

from ros_network import PEERS

pytest.importorskip("rclpy", reason="needs a sourced ROS 2")
pytest.importorskip("bodypose3d_ros.msg", reason="needs this package built by colcon and sourced")
pytest.importorskip("cyclonedds", reason="the DDS host needs cyclonedds (pip install .[dds])")
from ament_index_python.packages import PackageNotFoundError, get_package_prefix

from bodypose3d_ros.hosts.dds.names import Names
from bodypose3d_ros.hosts.dds.network import Network
from bodypose3d_ros.hosts.dds.node import Node
from mirrored import TYPES, assert_mirrored

pytestmark = pytest.mark.ros


@pytest.fixture(params=["rmw_cyclonedds_cpp", "rmw_fastrtps_cpp"], autouse=True)
def rmw(request, monkeypatch):
    """What rclpy's side of the test speaks with."""
    try:
        get_package_prefix(request.param)
    except PackageNotFoundError:
        pytest.skip(f"{request.param} is not installed")
    monkeypatch.setenv("RMW_IMPLEMENTATION", request.param)


def test_every_type_passes_through_ros_2_byte_for_byte(start):
    """It is rclpy that takes the messages apart and builds them again."""
    with Node(Names("tester"), Network.from_environment()) as node:
        assert_mirrored(start(PEERS / "ros_mirror.py", *TYPES), node)


@pytest.mark.parametrize("reliability", ["reliable", "best_effort"])
def test_ros_2_feeds_it_and_listens_to_it(start, reliability):
    """A camera and a subscriber on rclpy, which sees the node in its graph."""
    start(PEERS / "ros_camera.py", reliability)
    start(PEERS / "known_node.py", "node", "--host", "dds")
    listener = start(PEERS / "ros_listener.py")
    assert listener.line("person") == "person 1 at 2.5"
    listener.line("node /bodypose3d")

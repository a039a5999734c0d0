"""What ROS 2 reads of this package, and what its pages say, against the code."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from bodypose3d_ros.node import interface
from bodypose3d_ros.version import __version__
from tools.parameters import NODES, markdown_table, yaml_file

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "ros2.md").read_text()


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.file.stem)
def test_the_parameter_file_and_the_pages_table_are_current(node):
    """``python -m tools.parameters`` writes them."""
    text, table = node.file.read_text(), markdown_table(node)
    assert text == yaml_file(node)
    values = yaml.safe_load(text)["/**"]["ros__parameters"]
    for name, each in node.declarations.items():
        assert each.check(values[name]) == each.default
    assert table in node.page.read_text()
    rows = table.splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(values) == list(node.declarations)
    assert all(row.count(" | ") == 4 for row in rows)


@pytest.mark.parametrize("topic", [*interface.INPUTS, *interface.OUTPUTS], ids=lambda t: t.name)
def test_the_page_has_every_topic(topic):
    reliability = "reliable" if topic.qos.reliable else "best effort"
    qos = f"{reliability}, keep {topic.qos.depth}" + (", latched" if topic.qos.latched else "")
    assert f"| `{topic.name}` | `{topic.type}` | {qos} | {topic.description} |" in PAGE


@pytest.mark.parametrize("name", ["nearest_wrist.py", "nearest_wrist.cpp"])
def test_the_planner_page_shows_the_examples_as_they_are(name):
    example = (ROOT / "examples" / name).read_text()
    assert example in (ROOT / "docs" / "planner.md").read_text()


def test_package_xml_names_every_ros_package_that_is_imported():
    manifest = ET.parse(ROOT / "package.xml").getroot()  # noqa: S314 - our own file
    named = {e.text for e in manifest if e.tag.endswith("depend")}
    types = {topic.type.split("/")[0] for topic in (*interface.INPUTS, *interface.OUTPUTS)}
    sources = [*ROOT.glob("bodypose3d_ros/hosts/ros2/*.py"), *ROOT.glob("launch/*.py")]
    imports = {
        name
        for source in sources
        for name in re.findall(r"^(?:from|import) (\w+)", source.read_text(), re.MULTILINE)
    }
    ros = {"diagnostic_updater", "launch", "launch_ros", "rcl_interfaces", "rclpy", "tf2_ros"}
    ros |= {"ament_index_python", "rosidl_runtime_py"}
    assert imports & ros == ros  # else this test looks in the wrong place
    # diagnostic_updater brings its message; ours are made here.
    assert (imports & ros | types) - named <= {"diagnostic_msgs", "bodypose3d_ros"}


def test_versions_agree():
    version = ET.parse(ROOT / "package.xml").findtext("version")  # noqa: S314 - our own file
    assert version == __version__


def test_rviz_shows_what_the_node_publishes():
    config = yaml.safe_load((ROOT / "rviz" / "bodypose3d.rviz").read_text())
    displays = {d["Name"]: d for d in config["Visualization Manager"]["Displays"]}
    assert set(displays) == {"Grid", "People", "Frames", "Joint frames", "Overlay", "Camera"}
    for name, topic in (
        ("People", interface.MARKERS),
        ("Overlay", interface.OVERLAY),
        ("Camera", interface.IMAGE),  # remapped by the launch file, as the node's
    ):
        shown = displays[name]["Topic"]
        assert shown["Value"] == topic.name.replace("~", "bodypose3d")
        assert (shown["Reliability Policy"] == "Reliable") == topic.qos.reliable
    assert set(displays["Camera"]["Visibility"]) - {"Value"} == set(displays) - {"Camera"}


def test_the_security_policy_lets_the_node_hear_and_say_what_it_does_and_no_more():
    """Besides what every node of rclpy has: parameters, logs, the clock, its life cycle."""
    policy = ET.parse(ROOT / "config" / "sros2_policy.xml")  # noqa: S314 - our own
    enclaves = policy.getroot().iter("enclave")
    heard, said = {}, {}
    for enclave in enclaves:
        heard[enclave.get("path")], said[enclave.get("path")] = (
            {t.text for topics in enclave.iter("topics") if topics.get(what) for t in topics}
            for what in ("subscribe", "publish")
        )
    names = {topic.name for topic in interface.INPUTS}
    assert heard["/bodypose3d"] == names | {"/tf", "/clock", "/parameter_events"}
    names = {topic.name for topic in interface.OUTPUTS}
    assert said["/bodypose3d"] == names | {"~/transition_event", "/parameter_events", "/rosout"}
    assert said["/film_camera"] - {"/tf_static", "/parameter_events", "/rosout"} == {
        "image", "image/compressed", "camera_info", "depth", "depth_camera_info",
    }  # fmt: skip
    assert said["/bodypose3d_listener"] == {"/parameter_events", "/rosout"}
    own = {
        topic.name.replace("~", node)
        for topic in interface.OUTPUTS
        for node in ("/bodypose3d", "/bodypose3d_fusion")
    }
    assert heard["/bodypose3d_listener"] <= own | {"/tf_static", "/clock", "/parameter_events"}

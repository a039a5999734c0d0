"""Our message types without ROS 2: defined by msg/, described to DDS as ROS 2 describes them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore

from bodypose3d_ros.body.skeleton import JOINTS
from bodypose3d_ros.errors import InputError
from bodypose3d_ros.wire import typestore

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("distro", typestore.DISTROS)
def test_every_distro_knows_our_messages(distro):
    types = typestore.ros_types(distro)
    names = {f"bodypose3d_ros/msg/{path.stem}" for path in (ROOT / "msg").glob("*.msg")}
    assert names == {name for name in types.types if name.startswith("bodypose3d_ros/")}
    assert names


def test_constants_of_the_message_are_the_joints_of_the_skeleton():
    pose = typestore.ros_types().types["bodypose3d_ros/msg/Pose3D"]
    assert [getattr(pose, name.upper()) for name in JOINTS] == list(range(34))


def test_distros_differ_where_ros_does():
    """rmw_dds_common's gid had 24 bytes up to Humble and has 16 since Iron."""
    gid = "rmw_dds_common/msg/Gid"
    sizes = {d: typestore.ros_types(d).fielddefs[gid][1][0][1][1][1] for d in typestore.DISTROS}
    assert sizes == {"humble": 24, "iron": 16, "jazzy": 16, "kilted": 16, "lyrical": 16}


def test_char_is_uint8_as_in_ros_2():
    """Else the type hash of whatever holds a char is not ROS 2's own."""
    types = typestore.ros_types("jazzy")
    assert "'char'" not in repr([fields for _, fields in types.fielddefs.values()])
    stock = get_typestore(Stores.ROS2_JAZZY)
    header = "std_msgs/msg/Header"
    assert types.hash_rihs01(header) == stock.hash_rihs01(header)
    info = "rmw_dds_common/msg/ParticipantEntitiesInfo"
    assert types.hash_rihs01(info) != stock.hash_rihs01(info)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("std_msgs/msg/Header", "f49fb3ae2cf070f793645ff749683ac6b06203e41c891e17701b1cb597ce6a01"),
        (
            "rmw_dds_common/msg/ParticipantEntitiesInfo",
            "91a0593bacdcc50ea9bdcf849a938b128412cc1ea821245c663bcd26f83c295e",
        ),
        (
            "vision_msgs/msg/Detection2DArray",
            "214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968",
        ),
    ],
)
def test_type_hashes_are_those_of_ros_2_jazzy(name, digest):
    """As rosidl_generator_type_description of Jazzy has computed them (REP 2016)."""
    assert typestore.ros_types("jazzy").hash_rihs01(name) == f"RIHS01_{digest}"


def test_an_unknown_distro_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="'foxy' is not one of humble, iron, jazzy, kilted"):
        typestore.ros_types("foxy")


def test_a_detection_array_round_trips():
    types = typestore.ros_types()
    t = {name.rsplit("/")[-1]: cls for name, cls in types.types.items() if "vision_msgs" in name}
    header = types.types["std_msgs/msg/Header"](
        types.types["builtin_interfaces/msg/Time"](1, 2), "camera"
    )
    box = t["BoundingBox2D"](t["Pose2D"](t["Point2D"](3.0, 4.0), 0.5), 6.0, 7.0)
    array = t["Detection2DArray"](header, [t["Detection2D"](header, [], box, "one")])
    cdr = types.serialize_cdr(array, array.__msgtype__)
    again = types.deserialize_cdr(cdr, array.__msgtype__)
    assert again.detections[0].bbox == box
    assert np.frombuffer(cdr[-4:], np.uint8).tolist() == [111, 110, 101, 0]  # "one", the last field


def test_pip_installs_the_definitions_and_films_as_data_of_the_package_without_a_warning(tmp_path):
    pytest.importorskip("setuptools", minversion="77", reason="what pyproject.toml builds with")
    build = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", tmp_path / "lib"]
    answer = subprocess.run(
        [*build, "egg_info", "--egg-base", tmp_path],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "Warning" not in answer.stderr
    installed = tmp_path / "lib" / "bodypose3d_ros"
    for source in (ROOT / "msg").glob("*.msg"):
        assert (installed / "share" / "msg" / source.name).read_text() == source.read_text()
    assert (installed / "wire" / "typestore.py").exists()
    assert (installed / "data" / "one_person.mp4").exists()

"""The cameras of a rig file: their places, a node each, and the node that fuses them.

Without cameras: films:="cell_front cell_left" plays films of one rig as its cameras, each in a
namespace of its name.
"""

from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from ament_index_python.packages import get_package_share_path
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

SHARE = get_package_share_path("bodypose3d_ros")

ARGUMENTS = (
    ("rig", "", "The rig file, as bodypose3d calibrate-rig writes it."),
    ("films", "", "Films that play as the cameras, instead of a rig file: cell_front cell_left."),
    ("film_rate", "0.0", "Hz at which they play, by leaving images out; 0: their own."),
    ("image", "/{camera}/image_raw", "Each camera's image topic; camera_info lies beside it."),
    ("image_transport", "raw", "raw or compressed."),
    ("places", "true", "Tell TF where the rig file has the cameras; false: somebody else does."),
    ("floor", "false", "Whether people stand on z = 0 of the fixed frame."),
    ("nodes", "true", "A node for each camera; false: they run on other machines."),
    ("params_file", str(SHARE / "config" / "bodypose3d.yaml"), "The cameras' nodes' parameters."),
    ("fusion_params_file", str(SHARE / "config" / "bodypose3d_fusion.yaml"), "The fusion node's."),
    ("use_sim_time", "false", "Take the time from /clock."),
    ("rviz", "false", "Open RViz beside it."),
)


def generate_launch_description() -> LaunchDescription:
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=about)
        for name, default, about in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_nodes)])


def _nodes(context: LaunchContext) -> list[Node]:
    chosen = {name: LaunchConfiguration(name).perform(context) for name, _, _ in ARGUMENTS}
    films = chosen["films"].split()
    if films:  # which tell TF themselves where they were taken
        cameras, fixed_frame = dict.fromkeys(films), "world"
        chosen["places"] = "false"
    elif not chosen["rig"]:
        raise ValueError("say rig:=FILE, which bodypose3d calibrate-rig writes, or films:=...")
    else:
        rig = yaml.safe_load(Path(chosen["rig"]).read_text(encoding="utf-8"))
        if not isinstance(rig, dict) or not {"cameras", "fixed_frame"} <= rig.keys():
            raise ValueError(f"{chosen['rig']}: is no rig file, with fixed_frame and cameras")
        cameras, fixed_frame = rig["cameras"], rig["fixed_frame"]
    time = {"use_sim_time": chosen["use_sim_time"].lower() == "true"}
    started = [_film_camera(name, chosen) for name in films]
    if chosen["places"].lower() == "true":
        started += [_place(name, stands, fixed_frame) for name, stands in cameras.items()]
    if chosen["nodes"].lower() == "true":
        floor = fixed_frame if chosen["floor"].lower() == "true" else ""
        started += [_camera_node(name, chosen, time, floor) for name in cameras]
    info = str(PurePosixPath(chosen["image"]).with_name("camera_info"))
    fusion = Node(
        package="bodypose3d_ros",
        executable="bodypose3d_fusion",
        name="bodypose3d_fusion",
        parameters=[
            chosen["fusion_params_file"],
            {
                **time,
                "cameras": list(cameras),
                "fixed_frame": fixed_frame,
                "camera_info_topic": info,
            },
        ],
        output="screen",
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(SHARE / "rviz" / "bodypose3d.rviz"), "-f", fixed_frame],
        parameters=[time],
        remappings=[("bodypose3d/markers", "/bodypose3d_fusion/markers")],
        condition=IfCondition(chosen["rviz"]),
    )
    return [*started, fusion, rviz]


def _film_camera(name: str, chosen: dict[str, str]) -> Node:
    image = chosen["image"].replace("{camera}", name)
    return Node(
        package="bodypose3d_ros",
        executable="film_camera",
        namespace=name,
        parameters=[{"film": name, "rate": float(chosen["film_rate"])}],
        remappings=[
            ("image", image),
            ("image/compressed", f"{image}/compressed"),
            ("camera_info", str(PurePosixPath(image).with_name("camera_info"))),
        ],
        output="screen",
    )


def _place(name: str, stands: dict[str, Any], fixed_frame: str) -> Node:
    frame = stands.get("frame", f"{name}_optical_frame")
    numbers = zip(
        ("--x", "--y", "--z", "--qx", "--qy", "--qz", "--qw"),
        (*stands["translation"], *stands["rotation"]),
        strict=True,
    )
    return Node(
        package="tf2_ros",
        executable="static_transform_publisher",
        namespace=name,
        arguments=[
            *(str(each) for pair in numbers for each in pair),
            *("--frame-id", fixed_frame, "--child-frame-id", frame),
        ],
    )


def _camera_node(name: str, chosen: dict[str, str], time: dict[str, bool], floor: str) -> Node:
    image = chosen["image"].replace("{camera}", name)
    return Node(
        package="bodypose3d_ros",
        executable="bodypose3d_node",
        name="bodypose3d",
        namespace=name,
        parameters=[
            chosen["params_file"],
            {
                **time,
                "tracking": False,
                "image_transport": chosen["image_transport"],
                **({"floor_frame": floor} if floor else {}),
            },
        ],
        remappings=[
            ("image", image),
            ("image/compressed", f"{image}/compressed"),
            ("camera_info", str(PurePosixPath(image).with_name("camera_info"))),
        ],
        output="screen",
    )

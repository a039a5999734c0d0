"""The node on a camera's topics, and RViz if wanted."""

from pathlib import PurePosixPath

from ament_index_python.packages import get_package_share_path
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

SHARE = get_package_share_path("bodypose3d_ros")

ARGUMENTS = (
    ("image", "image", "The camera's image topic; its JPEG is looked for beside it."),
    ("camera_info", "", "Its calibration; empty: camera_info beside the image."),
    ("detections", "detections", "Detection2DArray topic, read when use_detections is set."),
    ("namespace", "", "Of the node."),
    ("params_file", str(SHARE / "config" / "bodypose3d.yaml"), "Its parameters."),
    ("image_transport", "raw", "raw or compressed; goes before the parameters file."),
    ("target_frame", "", "The frame of poses and TF; goes before the parameters file when set."),
    ("use_sim_time", "false", "Take the time from /clock."),
    ("log_level", "info", "debug, info, warn, error or fatal."),
    ("outputs", "", "What else tells who is there: people points cloud collision_objects ..."),
    ("outputs_frame", "", "The frame of those outputs; empty: that of the poses."),
    ("rviz", "false", "Open RViz beside it."),
    ("fixed_frame", "", "RViz's, z up; empty: target_frame, else camera_link."),
)


def generate_launch_description() -> LaunchDescription:
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=about)
        for name, default, about in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_nodes)])


def _nodes(context: LaunchContext) -> list[Node]:
    chosen = {name: LaunchConfiguration(name).perform(context) for name, _, _ in ARGUMENTS}
    image = chosen["image"]
    # image_transport's convention: the calibration lies beside the image.
    camera_info = chosen["camera_info"] or str(PurePosixPath(image).with_name("camera_info"))
    use_sim_time = chosen["use_sim_time"].lower() == "true"
    parameters: dict[str, object] = {
        "use_sim_time": use_sim_time,
        "image_transport": chosen["image_transport"],
    }
    if chosen["target_frame"]:
        parameters["target_frame"] = chosen["target_frame"]
    node = Node(
        package="bodypose3d_ros",
        executable="bodypose3d_node",
        name="bodypose3d",
        namespace=chosen["namespace"],
        parameters=[chosen["params_file"], parameters],
        remappings=[
            ("image", image),
            ("image/compressed", f"{image}/compressed"),
            ("camera_info", camera_info),
            ("detections", chosen["detections"]),
        ],
        arguments=["--ros-args", "--log-level", f"bodypose3d:={chosen['log_level']}"],
        output="screen",
    )
    fixed_frame = chosen["fixed_frame"] or chosen["target_frame"] or "camera_link"
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        namespace=chosen["namespace"],
        arguments=["-d", str(SHARE / "rviz" / "bodypose3d.rviz"), "-f", fixed_frame],
        parameters=[{"use_sim_time": use_sim_time}],
        condition=IfCondition(chosen["rviz"]),
    )
    bridge = Node(
        package="bodypose3d_ros",
        executable="bodypose3d_bridge",
        name="bodypose3d_bridge",
        namespace=chosen["namespace"],
        parameters=[
            {
                "use_sim_time": use_sim_time,
                "outputs": chosen["outputs"].split() or [""],
                "frame": chosen["outputs_frame"],
            }
        ],
        remappings=[("poses", "bodypose3d/poses"), ("image", image)],
        output="screen",
    )
    return [node, rviz, *([bridge] if chosen["outputs"] else [])]

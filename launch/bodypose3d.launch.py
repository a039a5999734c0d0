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
    ("depth", "depth", "Depth topic, registered to the image, read when depth_transport is set."),
    ("depth_camera_info", "depth_camera_info", "The depth images' calibration, if of their own."),
    ("depth_transport", "", "none, raw or compressedDepth."),
    ("target_frame", "", "The frame of poses and TF."),
    ("fixed_frame", "", "The frame people are tracked in, odom or map where the robot moves."),
    ("floor_frame", "", "A frame whose z = 0 people stand on."),
    ("tf_prefix", "", "What TF frames begin with, where several nodes send some."),
    ("use_sim_time", "false", "Take the time from /clock."),
    ("log_level", "info", "debug, info, warn, error or fatal."),
    ("outputs", "", "What else tells who is there: people points cloud collision_objects ..."),
    ("outputs_frame", "", "The frame of those outputs; empty: that of the poses."),
    ("rviz", "false", "Open RViz beside it."),
    ("rviz_frame", "", "RViz's, z up; empty: target_frame, else camera_link."),
)
# These go before the parameters file when they are set.
PARAMETERS = ("depth_transport", "target_frame", "fixed_frame", "floor_frame", "tf_prefix")


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
    parameters |= {name: chosen[name] for name in PARAMETERS if chosen[name]}
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
            ("depth", chosen["depth"]),
            ("depth/compressedDepth", f"{chosen['depth']}/compressedDepth"),
            ("depth_camera_info", chosen["depth_camera_info"]),
        ],
        arguments=["--ros-args", "--log-level", f"bodypose3d:={chosen['log_level']}"],
        output="screen",
    )
    rviz_frame = chosen["rviz_frame"] or chosen["target_frame"] or "camera_link"
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        namespace=chosen["namespace"],
        arguments=["-d", str(SHARE / "rviz" / "bodypose3d.rviz"), "-f", rviz_frame],
        parameters=[{"use_sim_time": use_sim_time}],
        remappings=[("image", image), ("camera_info", camera_info)],
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

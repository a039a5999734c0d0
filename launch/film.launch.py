"""Everything without a camera: one of the project's films plays as one."""

from ament_index_python.packages import get_package_share_path
from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    SetEnvironmentVariable,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

SHARE = get_package_share_path("bodypose3d_ros")
HERE = SHARE / "launch"
# Its shared memory holds half of a 640x480 image unless told otherwise (docs/ros2.md).
FAST_DDS = str(SHARE / "config" / "fastdds.xml")


def generate_launch_description() -> LaunchDescription:
    # The other arguments (rviz, namespace, target_frame, ...) are bodypose3d.launch.py's.
    film = DeclareLaunchArgument("film", default_value="one_person", description="Which one.")
    rate = DeclareLaunchArgument("rate", default_value="0.0", description="Hz; 0: its own.")
    # Of Fast DDS before and since Jazzy; whoever has profiles of their own keeps them.
    memory = [
        SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=FAST_DDS))
        for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
    ]
    camera = Node(
        package="bodypose3d_ros",
        executable="film_camera",
        namespace="camera",
        parameters=[
            {
                "film": LaunchConfiguration("film"),
                "rate": ParameterValue(LaunchConfiguration("rate"), value_type=float),
            }
        ],
        remappings=[
            ("image", "image_raw"),
            ("image/compressed", "image_raw/compressed"),
            ("depth", "depth/image_raw"),
            ("depth_camera_info", "depth/camera_info"),
        ],
        output="screen",
    )
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(HERE / "bodypose3d.launch.py")),
        launch_arguments={
            "image": "/camera/image_raw",
            "depth": "/camera/depth/image_raw",  # read with depth_transport:=raw
            "depth_camera_info": "/camera/depth/camera_info",
            "rviz_frame": "world",
        }.items(),
    )
    return LaunchDescription([film, rate, *memory, camera, node])

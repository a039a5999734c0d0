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

HERE = get_package_share_path("bodypose3d_ros") / "launch"


def generate_launch_description() -> LaunchDescription:
    # The other arguments (rviz, namespace, target_frame, ...) are bodypose3d.launch.py's.
    film = DeclareLaunchArgument("film", default_value="one_person", description="Which one.")
    rate = DeclareLaunchArgument("rate", default_value="0.0", description="Hz; 0: its own.")
    # Fast DDS' shared memory holds half of a 640x480 image unless told otherwise (docs/ros2.md).
    memory = SetEnvironmentVariable(
        "FASTDDS_BUILTIN_TRANSPORTS",
        EnvironmentVariable(
            "FASTDDS_BUILTIN_TRANSPORTS",
            default_value="LARGE_DATA?max_msg_size=1MB&sockets_size=4MB&non_blocking=true",
        ),
    )
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
        remappings=[("image", "image_raw"), ("image/compressed", "image_raw/compressed")],
        output="screen",
    )
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(HERE / "bodypose3d.launch.py")),
        launch_arguments={"image": "/camera/image_raw", "fixed_frame": "world"}.items(),
    )
    return LaunchDescription([film, rate, memory, camera, node])

"""An Intel RealSense camera (package realsense2_camera, 4.55.1 or later) and the node."""

from ament_index_python.packages import get_package_share_path
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

IMAGE = "/camera/camera/color/image_raw"


def generate_launch_description() -> LaunchDescription:
    # The arguments are those of the two files included: rviz, namespace, ...
    camera = get_package_share_path("realsense2_camera") / "launch" / "rs_launch.py"
    node = get_package_share_path("bodypose3d_ros") / "launch" / "bodypose3d.launch.py"
    return LaunchDescription(
        [
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(camera)),
                launch_arguments={
                    "camera_namespace": "camera",
                    "camera_name": "camera",
                    "enable_depth": "false",
                }.items(),
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(node)),
                launch_arguments={"image": IMAGE}.items(),
            ),
        ]
    )

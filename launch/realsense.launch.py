"""An Intel RealSense camera (package realsense2_camera, 4.55.1 or later) and the node."""

from ament_index_python.packages import get_package_share_path
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

CAMERA = "/camera/camera"
IMAGE = f"{CAMERA}/color/image_raw"
# Depth as the colour camera would see it: the driver's align_depth.
DEPTH = f"{CAMERA}/aligned_depth_to_color"


def generate_launch_description() -> LaunchDescription:
    # The other arguments are those of the two files included: rviz, namespace, ...
    use_depth = DeclareLaunchArgument(
        "use_depth", default_value="true", description="Take metres from the depth camera."
    )
    return LaunchDescription([use_depth, OpaqueFunction(function=_camera_and_node)])


def _camera_and_node(context: LaunchContext) -> list[IncludeLaunchDescription]:
    use_depth = LaunchConfiguration("use_depth").perform(context).lower()
    camera = get_package_share_path("realsense2_camera") / "launch" / "rs_launch.py"
    node = get_package_share_path("bodypose3d_ros") / "launch" / "bodypose3d.launch.py"
    depth = {
        "depth": f"{DEPTH}/image_raw",
        "depth_camera_info": f"{DEPTH}/camera_info",
        "depth_transport": "raw",
    }
    return [
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(camera)),
            launch_arguments={
                "camera_namespace": "camera",
                "camera_name": "camera",
                "enable_depth": use_depth,
                "align_depth.enable": use_depth,
                "enable_sync": use_depth,
            }.items(),
        ),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(node)),
            launch_arguments={"image": IMAGE, **(depth if use_depth == "true" else {})}.items(),
        ),
    ]

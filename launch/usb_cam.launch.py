"""A USB camera (package usb_cam) and the node."""

from ament_index_python.packages import get_package_share_path
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

HERE = get_package_share_path("bodypose3d_ros") / "launch"

ARGUMENTS = (
    ("video_device", "/dev/video0", "Which camera."),
    ("width", "640", "Pixels."),
    ("height", "480", "Pixels."),
    ("framerate", "30.0", "Hz."),
    ("camera_info_url", "", "Its calibration, file:///...; without one, set hfov."),
)


def generate_launch_description() -> LaunchDescription:
    # The other arguments (rviz, namespace, params_file, ...) are bodypose3d.launch.py's.
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=about)
        for name, default, about in ARGUMENTS
    ]
    camera = Node(
        package="usb_cam",
        executable="usb_cam_node_exe",
        namespace="camera",
        parameters=[
            {
                "video_device": LaunchConfiguration("video_device"),
                "image_width": ParameterValue(LaunchConfiguration("width"), value_type=int),
                "image_height": ParameterValue(LaunchConfiguration("height"), value_type=int),
                "framerate": ParameterValue(LaunchConfiguration("framerate"), value_type=float),
                "camera_info_url": ParameterValue(
                    LaunchConfiguration("camera_info_url"), value_type=str
                ),
                "frame_id": "camera_optical_frame",
            }
        ],
        output="screen",
    )
    # REP 103: an optical frame looks along z, the camera's own along x.
    optical_frame = Node(
        package="tf2_ros",
        executable="static_transform_publisher",
        arguments=[
            *("--frame-id", "camera_link", "--child-frame-id", "camera_optical_frame"),
            *("--roll", "-1.5707963", "--yaw", "-1.5707963"),
        ],
    )
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(HERE / "bodypose3d.launch.py")),
        launch_arguments={"image": "/camera/image_raw"}.items(),
    )
    return LaunchDescription([*declared, camera, optical_frame, node])

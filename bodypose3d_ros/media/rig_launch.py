"""A launch file that tells TF where a rig's cameras stand."""

from __future__ import annotations

from pathlib import Path

from .outputs import writing
from .rig import Rig

_HEAD = '''"""Where the cameras stand, as `bodypose3d calibrate-rig` found it."""

from launch import LaunchDescription
from launch_ros.actions import Node


def generate_launch_description():
    return LaunchDescription([
'''
_NODE = """        Node(package='tf2_ros', executable='static_transform_publisher', arguments=[
            '--x', '{:.6f}', '--y', '{:.6f}', '--z', '{:.6f}',
            '--qx', '{:.8f}', '--qy', '{:.8f}', '--qz', '{:.8f}', '--qw', '{:.8f}',
            '--frame-id', {!r}, '--child-frame-id', {!r},
        ]),
"""


def write(rig: Rig, path: Path) -> None:
    """Write a static_transform_publisher for each camera, from the fixed frame to its optical one.

    Raises:
        WriteError: The file cannot be written.
    """
    nodes = [
        _NODE.format(*camera.translation, *camera.rotation, rig.fixed_frame, camera.optical_frame)
        for camera in rig.cameras
    ]
    with writing(path):
        path.write_text(_HEAD + "".join(nodes) + "    ])\n", encoding="utf-8")

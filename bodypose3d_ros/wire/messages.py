"""People to ROS messages: one code for rclpy's classes and for rosbags' dataclasses.

Both build a message from keyword arguments; which classes they are is the caller's to say. Poses,
their markers and their frames are bytes (``pose_cdr``, ``markers_cdr``, ``tf_cdr``).
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..body.camera import Camera

Array = NDArray[np.float64]
Message = Any
"""An instance of either host's message classes."""
Lookup = Callable[[str], Any]
"""From a full name like ``geometry_msgs/msg/Point`` to the host's class."""

_TYPES = {
    "Alive": "bodypose3d_ros/msg/Alive",
    "Time": "builtin_interfaces/msg/Time",
    "Header": "std_msgs/msg/Header",
    "Quaternion": "geometry_msgs/msg/Quaternion",
    "Transform": "geometry_msgs/msg/Transform",
    "TransformStamped": "geometry_msgs/msg/TransformStamped",
    "Vector3": "geometry_msgs/msg/Vector3",
    "CameraInfo": "sensor_msgs/msg/CameraInfo",
    "CompressedImage": "sensor_msgs/msg/CompressedImage",
    "Image": "sensor_msgs/msg/Image",
    "RegionOfInterest": "sensor_msgs/msg/RegionOfInterest",
    "TFMessage": "tf2_msgs/msg/TFMessage",
}


class Messages:
    """Builds every other message this package publishes, in one host's classes."""

    def __init__(self, lookup: Lookup) -> None:
        self._make = SimpleNamespace(**{short: lookup(name) for short, name in _TYPES.items()})

    def header(self, stamp: int, frame_id: str) -> Message:
        """A header; ``stamp`` in nanoseconds."""
        time = self._make.Time(sec=stamp // 10**9, nanosec=stamp % 10**9)
        return self._make.Header(stamp=time, frame_id=frame_id)

    def alive(self, header: Message, state: int, age: float, reason: str) -> Message:
        """An ``Alive``; ``age`` in seconds."""
        return self._make.Alive(header=header, state=state, age=age, reason=reason)

    def transform(self, header: Message, child: str, place: Array) -> Message:
        """A ``TFMessage``: ``place`` (4, 4) is from the frame ``child`` to the header's, metres."""
        turn = Rotation.from_matrix(place[:3, :3]).as_quat(canonical=True)
        transform = self._make.Transform(
            translation=self._make.Vector3(**dict(zip("xyz", place[:3, 3].tolist(), strict=True))),
            rotation=self._make.Quaternion(**dict(zip("xyzw", turn.tolist(), strict=True))),
        )
        stamped = self._make.TransformStamped(
            header=header, child_frame_id=child, transform=transform
        )
        return self._make.TFMessage(transforms=[stamped])

    def camera_info(self, camera: Camera, header: Message) -> Message:
        """The ``CameraInfo`` of a camera whose images are whole and not binned."""
        projection = np.zeros((3, 4))
        projection[:, :3] = camera.matrix
        return self._make.CameraInfo(
            header=header,
            height=camera.height,
            width=camera.width,
            distortion_model=camera.distortion_model,
            d=camera.distortion,
            k=camera.matrix.ravel(),
            r=np.eye(3).ravel(),
            p=projection.ravel(),
            binning_x=0,
            binning_y=0,
            roi=self._make.RegionOfInterest(
                x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
            ),
        )

    def image(self, image: NDArray[np.uint8], header: Message) -> Message:
        """An ``Image`` from a BGR array (H, W, 3)."""
        return self._image(image, "bgr8", header)

    def depth_image(self, millimetres: NDArray[np.uint16], header: Message) -> Message:
        """An ``Image`` of depths (H, W), 0 where unknown: 16UC1, as REP 118 has it."""
        return self._image(millimetres.astype("<u2", copy=False), "16UC1", header)

    def _image(self, pixels: NDArray[Any], encoding: str, header: Message) -> Message:
        height, width = pixels.shape[:2]
        return self._make.Image(
            header=header,
            height=height,
            width=width,
            encoding=encoding,
            is_bigendian=0,
            step=pixels[:1].nbytes,
            data=np.ascontiguousarray(pixels).view(np.uint8).ravel(),
        )

    def compressed_image(self, content: NDArray[np.uint8], header: Message) -> Message:
        """A ``CompressedImage`` from a JPEG file's bytes (n,)."""
        return self._make.CompressedImage(header=header, format="bgr8; jpeg", data=content)

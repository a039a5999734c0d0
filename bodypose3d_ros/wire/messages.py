"""People to ROS messages: one code for rclpy's classes and for rosbags' dataclasses.

Both build a message from keyword arguments; which classes they are is the caller's to say. Poses
go out as bytes (``pose_cdr``); here they are only read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..body.camera import Camera
from ..body.people import STATE_COASTING, STATE_NAMES, Bodies, select
from ..body.skeleton import INDEX, JOINTS, LIMBS, SIDE_COLORS, SIDES, known

Array = NDArray[np.float64]
Message = Any
"""An instance of either host's message classes."""
Lookup = Callable[[str], Any]
"""From a full name like ``geometry_msgs/msg/Point`` to the host's class."""

_JOINT_DIAMETER = 0.05
_LIMB_WIDTH = 0.025
_TEXT_HEIGHT = 0.18
_TEXT_ABOVE = 0.50
_AXIS_WIDTH = 0.008
_AXIS_COLOR = (1.0, 1.0, 0.4, 0.4)
_IN_95 = 2.795
"""Standard deviations to the surface of the ellipsoid that holds 95 %: chi-squared of 3 degrees."""
_FADED = 0.35
"""Of the opacity of who is seen has who is only predicted."""
_SPHERE_LIST, _LINE_LIST, _TEXT_VIEW_FACING = 7, 5, 9  # visualization_msgs/Marker
_ADD, _DELETE, _DELETE_ALL = 0, 2, 3
_RGB = np.array([SIDE_COLORS[int(side)] for side in SIDES])
_PELVIS, _NECK = INDEX["pelvis"], INDEX["neck"]
_ENDS = [
    INDEX[name]
    for name in ("pelvis", "nose", "left_wrist", "right_wrist", "left_ankle", "right_ankle")
]
"""The joints whose covariance is shown: more would hide the skeleton."""

_TYPES = {
    "Alive": "bodypose3d_ros/msg/Alive",
    "Time": "builtin_interfaces/msg/Time",
    "Duration": "builtin_interfaces/msg/Duration",
    "Header": "std_msgs/msg/Header",
    "ColorRGBA": "std_msgs/msg/ColorRGBA",
    "Point": "geometry_msgs/msg/Point",
    "Pose": "geometry_msgs/msg/Pose",
    "Quaternion": "geometry_msgs/msg/Quaternion",
    "Transform": "geometry_msgs/msg/Transform",
    "TransformStamped": "geometry_msgs/msg/TransformStamped",
    "Vector3": "geometry_msgs/msg/Vector3",
    "CameraInfo": "sensor_msgs/msg/CameraInfo",
    "CompressedImage": "sensor_msgs/msg/CompressedImage",
    "Image": "sensor_msgs/msg/Image",
    "RegionOfInterest": "sensor_msgs/msg/RegionOfInterest",
    "Marker": "visualization_msgs/msg/Marker",
    "MarkerArray": "visualization_msgs/msg/MarkerArray",
    "MeshFile": "visualization_msgs/msg/MeshFile",
    "UVCoordinate": "visualization_msgs/msg/UVCoordinate",
    "TFMessage": "tf2_msgs/msg/TFMessage",
}


@dataclass(frozen=True)
class _Shape:
    """What a marker shows."""

    kind: int
    size: float = 0.0
    points: Array = field(default_factory=lambda: np.zeros((0, 3)))
    colors: Array = field(default_factory=lambda: np.zeros((0, 4)))
    text: str = ""
    at: Sequence[float] = (0.0, 0.0, 0.0)


_NO_SHAPE = _Shape(_SPHERE_LIST)


def bodies_of(array: Message) -> Bodies:
    """The people of a ``Pose3DArray``, of any host's class: those that ``PoseCdr`` laid out."""
    poses = array.poses
    joints = [pose.joints for pose in poses]

    def gather(read: Callable[[Message], object], *shape: int) -> Array:
        values = [[read(joint) for joint in person] for person in joints]
        return np.array(values, np.float64).reshape(len(poses), len(JOINTS), *shape)

    covariance = gather(lambda j: j.position_covariance, 3, 3)
    return Bodies(
        joints=gather(lambda j: (j.position.x, j.position.y, j.position.z), 3),
        pixels=gather(lambda j: (j.u, j.v), 2),
        confidence=gather(lambda j: j.confidence),
        score=np.array([pose.confidence for pose in poses], np.float64),
        scale_source=np.array([pose.scale_source for pose in poses], np.uint8),
        track_id=np.array([pose.track_id for pose in poses], np.uint32),
        state=np.array([pose.state for pose in poses], np.uint8),
        velocity=gather(lambda j: (j.velocity.x, j.velocity.y, j.velocity.z), 3),
        covariance=np.where(covariance[..., :1, :1] < 0, np.nan, covariance),
        log_size=np.array([pose.log_size for pose in poses], np.float64),
        size_sigma=np.array([pose.size_sigma for pose in poses], np.float64),
    )


class Messages:
    """Builds every message this package publishes but poses, in one host's classes."""

    def __init__(self, lookup: Lookup) -> None:
        self._make = SimpleNamespace(**{short: lookup(name) for short, name in _TYPES.items()})

    def header(self, stamp: int, frame_id: str) -> Message:
        """A header; ``stamp`` in nanoseconds."""
        time = self._make.Time(sec=stamp // 10**9, nanosec=stamp % 10**9)
        return self._make.Header(stamp=time, frame_id=frame_id)

    def alive(self, header: Message, state: int, age: float, reason: str) -> Message:
        """An ``Alive``; ``age`` in seconds."""
        return self._make.Alive(header=header, state=state, age=age, reason=reason)

    def transform(
        self, header: Message, child: str, xyz: Sequence[float], xyzw: Sequence[float]
    ) -> Message:
        """A ``TFMessage`` of one frame: where ``child`` is in the header's frame."""
        return self._make.TFMessage(transforms=[self._transform(header, child, xyz, xyzw)])

    def _transform(
        self, header: Message, child: str, xyz: Sequence[float], xyzw: Sequence[float]
    ) -> Message:
        return self._make.TransformStamped(
            header=header,
            child_frame_id=child,
            transform=self._make.Transform(
                translation=self._vector(xyz), rotation=self._quaternion(xyzw)
            ),
        )

    def markers(
        self, bodies: Bodies, header: Message, ended: Iterable[int] = (), lifetime: int = 0
    ) -> Message:
        """A ``MarkerArray`` for RViz: spheres, limbs, id and covariances of everybody.

        The fainter, the less confident; who is not seen but predicted is fainter still, and says
        so. Covariances are the axes of the ellipsoids that hold 95 %, at pelvis, nose, wrists and
        ankles.

        Args:
            bodies: People.
            header: The image's, with the frame that the joints are in.
            ended: Of ``marker_ids``, those whose markers are to be deleted.
            lifetime: Nanoseconds after which RViz takes the markers away by itself; 0: never.
        """
        there = known(bodies.joints).any(axis=1)
        bodies, identities = select(bodies, there), marker_ids(bodies)[there]
        markers = [
            self._marker(header, namespace, int(identity), shape, lifetime=lifetime)
            for n, identity in enumerate(identities)
            for namespace, shape in _shapes(bodies, n).items()
        ]
        markers += [
            self._marker(header, namespace, identity, _NO_SHAPE, _DELETE)
            for identity in ended
            for namespace in _NAMESPACES
        ]
        return self._make.MarkerArray(markers=markers)

    def no_markers(self, header: Message) -> Message:
        """A ``MarkerArray`` that takes everything off the display."""
        nothing = self._marker(header, "", 0, _NO_SHAPE, _DELETE_ALL)
        return self._make.MarkerArray(markers=[nothing])

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
        height, width = image.shape[:2]
        return self._make.Image(
            header=header,
            height=height,
            width=width,
            encoding="bgr8",
            is_bigendian=0,
            step=3 * width,
            data=np.ascontiguousarray(image).ravel(),
        )

    def depth_image(self, millimetres: NDArray[np.uint16], header: Message) -> Message:
        """An ``Image`` of depths (H, W), 0 where unknown: 16UC1, as REP 118 has it."""
        height, width = millimetres.shape
        return self._make.Image(
            header=header,
            height=height,
            width=width,
            encoding="16UC1",
            is_bigendian=0,
            step=2 * width,
            data=np.ascontiguousarray(millimetres, "<u2").view(np.uint8).ravel(),
        )

    def compressed_image(self, content: NDArray[np.uint8], header: Message) -> Message:
        """A ``CompressedImage`` from a JPEG file's bytes (n,)."""
        return self._make.CompressedImage(header=header, format="bgr8; jpeg", data=content)

    def _marker(
        self,
        header: Message,
        namespace: str,
        identity: int,
        shape: _Shape,
        action: int = _ADD,
        lifetime: int = 0,
    ) -> Message:
        pose = self._make.Pose(
            position=self._point(shape.at),
            orientation=self._quaternion((0.0, 0.0, 0.0, 1.0)),
        )
        return self._make.Marker(
            header=header,
            ns=namespace,
            id=identity,
            type=shape.kind,
            action=action,
            pose=pose,
            scale=self._vector((shape.size,) * 3),
            color=self._color((1.0, 1.0, 1.0, 1.0)),
            lifetime=self._make.Duration(sec=lifetime // 10**9, nanosec=lifetime % 10**9),
            frame_locked=False,
            points=[self._point(p) for p in shape.points.tolist()],
            colors=[self._color(c) for c in shape.colors.tolist()],
            texture_resource="",
            texture=self._make.CompressedImage(header=header, format="", data=_NO_BYTES),
            uv_coordinates=[],
            text=shape.text,
            mesh_resource="",
            mesh_file=self._make.MeshFile(filename="", data=_NO_BYTES),
            mesh_use_embedded_materials=False,
        )

    def _point(self, xyz: Sequence[float]) -> Message:
        return self._make.Point(x=xyz[0], y=xyz[1], z=xyz[2])

    def _vector(self, xyz: Sequence[float]) -> Message:
        return self._make.Vector3(x=xyz[0], y=xyz[1], z=xyz[2])

    def _quaternion(self, xyzw: Sequence[float]) -> Message:
        return self._make.Quaternion(x=xyzw[0], y=xyzw[1], z=xyzw[2], w=xyzw[3])

    def _color(self, rgba: Sequence[float]) -> Message:
        return self._make.ColorRGBA(r=rgba[0], g=rgba[1], b=rgba[2], a=rgba[3])


_NO_BYTES = np.zeros(0, np.uint8)
_NAMESPACES = ("joints", "limbs", "ids", "covariances")


def marker_ids(bodies: Bodies) -> NDArray[np.int64]:
    """(N,) what RViz knows people by: the track's id, or the place in the image's list."""
    tracked = bodies.track_id > 0
    return np.where(tracked, bodies.track_id, np.arange(1, len(bodies) + 1)).astype(np.int64)


def _shapes(bodies: Bodies, n: int) -> dict[str, _Shape]:
    """What is shown of one person in each namespace."""
    joints = bodies.joints[n]
    is_known = known(joints)
    limbs = LIMBS[is_known[LIMBS].all(axis=1)].ravel()
    opacity = np.clip(bodies.confidence[n], 0.15, 1)
    if bodies.state[n] == STATE_COASTING:
        opacity = opacity * _FADED
    colors = np.column_stack([_RGB, opacity])
    # A limb takes the side and the confidence of its child.
    limb_colors = colors[np.repeat(limbs[1::2], 2)]
    name = str(bodies.track_id[n] or "")
    if bodies.state[n] == STATE_COASTING:
        name = f"{name} {STATE_NAMES[STATE_COASTING]}"
    axes = _axes(joints[_ENDS], bodies.covariance[n, _ENDS])
    shapes = (
        _Shape(_SPHERE_LIST, _JOINT_DIAMETER, joints[is_known], colors[is_known]),
        _Shape(_LINE_LIST, _LIMB_WIDTH, joints[limbs], limb_colors),
        _Shape(_TEXT_VIEW_FACING, _TEXT_HEIGHT, text=name, at=_above(joints)),
        _Shape(_LINE_LIST, _AXIS_WIDTH, axes, np.tile(_AXIS_COLOR, (len(axes), 1))),
    )
    return dict(zip(_NAMESPACES, shapes, strict=True))


def _axes(places: Array, covariances: Array) -> Array:
    """(6 M, 3) both ends of the three axes of M known joints' ellipsoids."""
    is_known = known(places) & known(covariances.reshape(-1, 9))
    variances, directions = np.linalg.eigh(covariances[is_known])
    axes = directions * _IN_95 * np.sqrt(np.maximum(variances, 0))[:, None]
    ends = axes.swapaxes(1, 2)[:, :, None] * np.array([[-1.0], [1.0]])
    return np.asarray((places[is_known][:, None, None] + ends).reshape(-1, 3))


def _above(joints: Array) -> list[float]:
    """Where the label goes: on from the spine, over the head, whatever frame the joints are in."""
    neck, spine = joints[_NECK], joints[_NECK] - joints[_PELVIS]
    place = neck + spine / np.linalg.norm(spine) * _TEXT_ABOVE
    x, y, z = place if known(place) else joints[known(joints)].mean(axis=0)
    return [float(x), float(y), float(z)]

"""Poses as they go over the wire, straight from the batch: no object per joint.

Joints are most of what the node sends. ``Joint3D`` has a fixed layout, so everybody's joints are
one numpy array whose bytes are those of CDR, for either host and for recordings. Building rclpy's
or rosbags' objects instead takes ten times as long.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..body.people import Bodies
from ..body.skeleton import JOINT_COUNT, known
from ..errors import InputError
from .cdr import ENCAPSULATION, aligned, following, header

Array = NDArray[np.float64]

ARRAY_TYPE = "bodypose3d_ros/msg/Pose3DArray"
POSE_TYPE = "bodypose3d_ros/msg/Pose3D"

# Fields of Pose3D.msg after its header, up to the joints, which begin on a multiple of 8.
_POSE = np.dtype(
    [
        ("track_id", "<u4"),
        ("state", "u1"),
        ("scale_source", "u1"),
        ("padding", "V2"),
        ("confidence", "<f4"),
        ("log_size", "<f4"),
        ("size_sigma", "<f4"),
        ("x_offset", "<u4"),
        ("y_offset", "<u4"),
        ("height", "<u4"),
        ("width", "<u4"),
        ("do_rectify", "?"),
    ]
)
# Fields of Joint3D.msg; the padding is before the next joint.
_JOINT = np.dtype(
    [
        ("position", "<f8", 3),
        ("orientation", "<f8", 4),
        ("velocity", "<f8", 3),
        ("position_covariance", "<f8", 9),
        ("velocity_covariance", "<f8", 9),
        ("pixel", "<f4", 2),
        ("confidence", "<f4"),
        ("padding", "V4"),
    ]
)
_IDENTITY = (0, 0, 0, 1)
_UNKNOWN_COVARIANCE = (-1, *[0] * 8)


class PoseCdr:
    """Everybody of one image, ready to be sent together or one at a time."""

    def __init__(
        self, bodies: Bodies, stamp: int, frame_id: str, image_size: tuple[int, int]
    ) -> None:
        """Lay the people out.

        Args:
            bodies: Tracked people.
            stamp: The image's, in nanoseconds.
            frame_id: The frame that the joints are in.
            image_size: Width and height of the raw image, which the roi stays within.
        """
        self._header = header(stamp, frame_id)
        self._poses = _poses(bodies, image_size)
        self._joints = _joints(bodies)

    def array(self) -> bytes:
        """A ``Pose3DArray``."""
        message = self._header + struct.pack("<I", len(self._poses))
        for person in range(len(self._poses)):
            message = self._appended(message, person)
        return ENCAPSULATION + message

    def pose(self, person: int) -> bytes:
        """The ``Pose3D`` of one of the people."""
        return ENCAPSULATION + self._appended(b"", person)

    def _appended(self, message: bytes, person: int) -> bytes:
        message = aligned(message + self._header + self._poses[person].tobytes(), 8)
        joints: bytes = self._joints[person].tobytes()
        return message + joints[: -_JOINT["padding"].itemsize]


@dataclass(frozen=True)
class Poses:
    """A ``Pose3DArray`` as it came over the wire."""

    stamp: int
    """Nanoseconds: the image's."""
    frame_id: str
    """The frame that the joints are in."""
    bodies: Bodies
    roi: NDArray[np.int64]
    """(N, 4) x, y, width and height of each person in the raw image."""


def read(cdr: bytes) -> Poses:
    """The ``Pose3DArray`` that ``PoseCdr`` laid out, or any other writer of little-endian CDR.

    Raises:
        InputError: It is not such a message, or not all of it.
    """
    if cdr[:2] != ENCAPSULATION[:2]:
        raise InputError("the poses are not little-endian CDR: which program publishes them?")
    message = cdr[len(ENCAPSULATION) :]
    try:
        stamp, frame_id, at = _read_header(message, 0)
        (count,) = struct.unpack_from("<I", message, at := following(at, 4))
        at += 4
        if count * JOINT_COUNT * _JOINT.itemsize > len(message) + count * _JOINT.itemsize:
            raise ValueError(f"it says {count} people and has {len(message)} bytes")
        poses, joints = np.zeros(count, _POSE), np.zeros((count, JOINT_COUNT), _JOINT)
        for person in range(count):
            *_, at = _read_header(message, following(at, 4))
            poses[person : person + 1] = np.frombuffer(message, _POSE, 1, at := following(at, 4))
            at = following(at + _POSE.itemsize, 8)
            size = joints[person].nbytes - _JOINT["padding"].itemsize
            if len(message) < at + size:
                raise ValueError("its end is missing")
            padded = message[at : at + size] + bytes(_JOINT["padding"].itemsize)
            joints[person], at = np.frombuffer(padded, _JOINT), at + size
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"the message is not a Pose3DArray, or of another version of bodypose3d_ros: {error}"
        ) from error
    roi = np.stack([poses[n] for n in ("x_offset", "y_offset", "width", "height")], -1)
    return Poses(stamp, frame_id, _bodies(poses, joints), roi.astype(np.int64))


def _read_header(message: bytes, at: int) -> tuple[int, str, int]:
    """Stamp, frame and where the header ends."""
    sec, nanosec, length = struct.unpack_from("<iII", message, at)
    end = at + 12 + length
    if length < 1 or end > len(message):
        raise ValueError("its header is not one")
    return sec * 10**9 + nanosec, message[at + 12 : end - 1].decode(), end


def _bodies(poses: NDArray[np.void], joints: NDArray[np.void]) -> Bodies:
    with np.errstate(invalid="ignore"):  # some bytes are NaNs that signal
        pixels, confidence = (joints[n].astype(np.float64) for n in ("pixel", "confidence"))
    bodies = Bodies(
        joints=joints["position"].copy(),
        pixels=pixels,
        confidence=confidence,
        score=poses["confidence"].astype(np.float64),
        scale_source=poses["scale_source"].copy(),
        track_id=poses["track_id"].copy(),
        state=poses["state"].copy(),
        velocity=joints["velocity"].copy(),
        covariance=_known(joints["position_covariance"]),
        velocity_covariance=_known(joints["velocity_covariance"]),
        log_size=poses["log_size"].astype(np.float64),
        size_sigma=poses["size_sigma"].astype(np.float64),
    )
    # A cached property: what was sent need not be computed again.
    vars(bodies)["orientation"] = joints["orientation"].copy()
    return bodies


def _poses(bodies: Bodies, image_size: tuple[int, int]) -> NDArray[np.void]:
    """(N,) of _POSE."""
    finite = np.isfinite(bodies.pixels)
    low = np.floor(np.where(finite, bodies.pixels, np.inf).min(axis=1))
    high = np.ceil(np.where(finite, bodies.pixels, -np.inf).max(axis=1)) + 1
    low, high = np.clip(low, 0, image_size), np.clip(high, 0, image_size)
    poses = np.zeros(len(bodies), _POSE)
    poses["track_id"] = bodies.track_id
    poses["state"] = bodies.state
    poses["scale_source"] = bodies.scale_source
    poses["confidence"] = bodies.score
    poses["log_size"] = bodies.log_size
    poses["size_sigma"] = bodies.size_sigma
    seen = finite.any(axis=(1, 2))  # who is only predicted has no part in the image
    poses["x_offset"], poses["y_offset"] = np.where(seen, low.T, 0)
    poses["width"], poses["height"] = np.maximum(high - low, 0).T
    return poses


def _joints(bodies: Bodies) -> NDArray[np.void]:
    """(N, 34) of _JOINT."""
    joints = np.zeros(bodies.confidence.shape, _JOINT)
    joints["position"] = bodies.joints
    joints["orientation"] = np.where(known(bodies.joints)[..., None], bodies.orientation, _IDENTITY)
    joints["velocity"] = bodies.velocity
    joints["position_covariance"] = _numbers(bodies.covariance)
    joints["velocity_covariance"] = _numbers(bodies.velocity_covariance)
    joints["pixel"] = bodies.pixels
    joints["confidence"] = bodies.confidence
    return joints


def _numbers(covariance: Array) -> Array:
    """(N, 34, 9) covariances as a message has them."""
    numbers = covariance.reshape(*covariance.shape[:2], 9)
    return np.where(known(numbers)[..., None], numbers, _UNKNOWN_COVARIANCE)


def _known(numbers: Array) -> Array:
    """(N, 34, 3, 3) covariances out of a message, NaN where unknown."""
    return np.where(numbers[..., :1] < 0, np.nan, numbers).reshape(*numbers.shape[:2], 3, 3)

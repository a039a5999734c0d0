"""REP 155 (ROS4HRI): bodies as ``hri_msgs`` topics and TF frames, for hri_rviz and pyhri."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...body.angles import ANGLE_NAMES, angles
from ...body.orientation import matrices
from ...body.people import Bodies
from ...body.skeleton import INDEX, known
from ..cdr import ENCAPSULATION, aligned, header, text
from ..messages import Message
from ..pose_cdr import Poses
from ..tf_cdr import TF_TYPE, frames
from . import Make, Ready, Sent

Array = NDArray[np.float64]
TRACKED = "/humans/bodies/tracked"
URDF = "urdf"
"""Each body's description, latched."""
_BODY = "/humans/bodies/{id}/"
_TF = "/tf"

_PELVIS = INDEX["pelvis"]
_SKELETON_TYPE = "hri_msgs/msg/Skeleton2D"
# Skeleton2D.msg's order.
_SKELETON = [
    INDEX[name]
    for name in (
        "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder",
        "left_elbow", "left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip",
        "left_knee", "left_ankle", "left_eye", "right_eye", "left_ear", "right_ear",
    )
]  # fmt: skip
# REP 155's links, by our joints: the root apart, all of them children of ``body_<id>``.
_LINKS = {
    "waist": "pelvis",
    "torso": "torso",
    "head": "nose",
    **{
        f"{side[0]}_{name}": f"{side}_{name}"
        for side in ("left", "right")
        for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    },
}
_ROOT = "body"
_FRAMES = (_ROOT, *_LINKS)
_JOINTS_OF_LINKS = [INDEX[name] for name in _LINKS.values()]


def body_id(track_id: int) -> str:
    """A body's id as REP 155 wants it: short, of letters and digits, good in a topic's name."""
    return f"b{track_id:04d}"


class Pictures(Protocol):
    """What people are cut out of."""

    size: tuple[int, int]
    """The raw image's width and height; (0, 0) while not known."""

    def __call__(self, stamp: int) -> NDArray[np.uint8] | None:
        """The BGR image (H, W, 3) of a stamp, or None where it is not there."""


class Listeners(Protocol):
    """Who reads what is said of bodies."""

    def describe(self, body: str) -> str | None:
        """The URDF of a body who has come, by its id; None: there is none."""

    def wanted(self, topic: str) -> bool:
        """Whether somebody reads a topic, or nobody can yet: it appears with its first message."""


class Humans:
    """Tells who is tracked, and for each of them what ROS4HRI's listeners read."""

    def __init__(self, make: Make, pictures: Pictures, listeners: Listeners) -> None:
        """Take what is needed besides poses."""
        self.ended: tuple[str, ...] = ()
        self._tracked: list[str] = []
        self._make = make
        self._pictures = pictures
        self._listeners = listeners
        make.type(_SKELETON_TYPE)  # missing packages are told when the output is made

    def __call__(self, poses: Poses) -> list[Sent]:
        """Who is tracked, then each body's topics and frames."""
        ids = [body_id(identity) for identity in poses.bodies.track_id.tolist()]
        # Without tracking all are of one id.
        new = [identity for identity in dict.fromkeys(ids) if identity not in self._tracked]
        self._now_tracked(ids)
        tracked = self._ids(self._make.header(poses.stamp, poses.frame_id), ids)
        sent: list[Sent] = [(TRACKED, tracked), *self._described(new)]
        head = header(poses.stamp, poses.frame_id)
        picture = self._pictures(poses.stamp) if ids else None
        skeletons = _skeletons(poses.bodies, self._pictures.size)
        for n, identity in enumerate(ids):
            messages = [
                *self._image(poses, n, skeletons[n], picture, head),
                *_place(poses.bodies, n, head),
            ]
            sent += [(_BODY.format(id=identity) + name, message) for name, message in messages]
        sent += self._turned(poses.bodies, ids, head)
        if known(poses.bodies.joints[:, _PELVIS]).any():
            sent.append((_TF, Ready(TF_TYPE, _frames(poses, ids))))
        return sent

    def silent(self, now: int) -> list[Sent]:
        """Nobody is tracked any more: listeners drop the bodies."""
        self._now_tracked([])
        return [(TRACKED, self._ids(self._make.header(now, ""), []))]

    def _now_tracked(self, ids: list[str]) -> None:
        gone = [identity for identity in self._tracked if identity not in ids]
        self.ended, self._tracked = tuple(_BODY.format(id=i) for i in gone), ids

    def _ids(self, header: Message, ids: list[str]) -> Message:
        return self._make.type("hri_msgs/msg/IdsList")(header=header, ids=ids)

    def _described(self, new: list[str]) -> list[Sent]:
        """The URDFs of bodies who have come: latched, so they are sent once."""
        urdfs = [(identity, self._listeners.describe(identity)) for identity in new]
        return [
            (_BODY.format(id=identity) + URDF, self._make.filled("std_msgs/msg/String", data=urdf))
            for identity, urdf in urdfs
            if urdf is not None
        ]

    def _image(
        self,
        poses: Poses,
        n: int,
        skeleton: Array,
        picture: NDArray[np.uint8] | None,
        head: bytes,
    ) -> list[Sent]:
        """What is about the picture: in parts of its size, so its size has to be known.

        The stamp is the image's; so is the frame, which poses in another frame do not name.
        """
        width, height = self._pictures.size
        if not width or not height:
            return []
        x, y, w, h = poses.roi[n].tolist()
        corners = (x / width, y / height, (x + w) / width, (y + h) / height)
        region = _laid(head, [*corners, poses.bodies.score[n]], "<f4")
        sent: list[Sent] = [
            ("roi", Ready("hri_msgs/msg/NormalizedRegionOfInterest2D", region)),
            ("skeleton2d", Ready(_SKELETON_TYPE, _laid(head, skeleton, "<f4"))),
        ]
        if picture is not None and w and h:
            cut = np.ascontiguousarray(picture[y : y + h, x : x + w])
            at = self._make.header(poses.stamp, poses.frame_id)
            sent.append(("cropped", self._cropped(cut, at)))
        return sent

    def _turned(self, bodies: Bodies, ids: list[str], head: bytes) -> list[Sent]:
        """The angles of bodies that somebody reads: they take longer than all else of a body."""
        topics = [_BODY.format(id=identity) + "joint_states" for identity in ids]
        read = [n for n, topic in enumerate(topics) if self._listeners.wanted(topic)]
        if not read:
            return []
        turned = angles(bodies.joints[read], bodies.orientation[read])
        return [
            (topics[n], _joint_states(each, ids[n], head))
            for n, each in zip(read, turned, strict=True)
        ]

    def _cropped(self, cut: NDArray[np.uint8], header: Message) -> Message:
        height, width = cut.shape[:2]
        return self._make.type("sensor_msgs/msg/Image")(
            header=header,
            height=height,
            width=width,
            encoding="bgr8",
            is_bigendian=0,
            step=3 * width,
            data=cut.ravel(),
        )


def _laid(head: bytes, numbers: ArrayLike, dtype: str = "<f8") -> bytes:
    """A message of a header and numbers."""
    values = np.asarray(numbers, dtype)
    return ENCAPSULATION + aligned(head, values.itemsize) + values.tobytes()


def _skeletons(bodies: Bodies, size: tuple[int, int]) -> Array:
    """(N, 18, 3) x and y in parts of the image's size, and confidence."""
    pixels, confidence = bodies.pixels[:, _SKELETON], bodies.confidence[:, _SKELETON]
    points = np.clip(pixels / np.maximum(size, 1), 0, 1)
    # REP 155 has no unknown point: one without confidence stands in the corner.
    seen = known(pixels)[..., None]
    return np.where(seen, np.concatenate([points, confidence[..., None]], axis=2), 0)


def _place(bodies: Bodies, n: int, head: bytes) -> list[Sent]:
    pelvis, velocity = bodies.joints[n, _PELVIS], bodies.velocity[n, _PELVIS]
    sent: list[Sent] = []
    if known(pelvis):
        sent.append(("position", Ready("geometry_msgs/msg/PointStamped", _laid(head, pelvis))))
    if known(velocity):
        twist = _laid(head, [*velocity, 0, 0, 0])  # how fast they turn is not known
        sent.append(("velocity", Ready("geometry_msgs/msg/TwistStamped", twist)))
    return sent


def _joint_states(turned: Array, identity: str, head: bytes) -> Ready:
    """The known angles, under human_description's names."""
    which = np.flatnonzero(np.isfinite(turned))
    count = struct.pack("<I", len(which))
    message = head + count + _names(identity, tuple(which.tolist())) + count
    if len(which):
        message = aligned(message, 8) + turned[which].astype("<f8").tobytes()
    nothing = struct.pack("<II", 0, 0)  # neither velocities nor efforts
    return Ready("sensor_msgs/msg/JointState", ENCAPSULATION + message + nothing)


@lru_cache(256)
def _names(identity: str, which: tuple[int, ...]) -> bytes:
    """The names of a body's angles, one string after the other."""
    return b"".join(text(f"{ANGLE_NAMES[n]}_{identity}") for n in which)


def _frames(poses: Poses, ids: list[str]) -> bytes:
    """The root of each body in the frame of the poses, REP 155's links in the root."""
    bodies = poses.bodies
    roots, pelvis = bodies.orientation[:, _PELVIS], bodies.joints[:, _PELVIS]
    offsets = (bodies.joints[:, _JOINTS_OF_LINKS] - pelvis[:, None]) @ matrices(roots)
    places = np.concatenate([pelvis[:, None], offsets], axis=1)
    turns = _within(roots[:, None], bodies.orientation[:, _JOINTS_OF_LINKS])
    turns = np.concatenate([roots[:, None], turns], axis=1)
    people, links = np.nonzero(known(places))  # none is where the root is not
    names = [(ids[n], _FRAMES[m]) for n, m in zip(people.tolist(), links.tolist(), strict=True)]
    children = [f"{name}_{identity}" for identity, name in names]
    parents = [
        poses.frame_id if name == _ROOT else f"{_ROOT}_{identity}" for identity, name in names
    ]
    return frames(poses.stamp, parents, children, places[people, links], turns[people, links])


def _within(parent: Array, child: Array) -> Array:
    """(N, M, 4) quaternions, x y z w, of frames given in the same frame as their parent's."""
    back = parent * (-1, -1, -1, 1)
    (x, y, z, w), (a, b, c, d) = back.transpose(2, 0, 1), child.transpose(2, 0, 1)
    return np.stack(
        [
            w * a + x * d + y * c - z * b,
            w * b - x * c + y * d + z * a,
            w * c + x * b - y * a + z * d,
            w * d - x * a - y * b - z * c,
        ],
        -1,
    )

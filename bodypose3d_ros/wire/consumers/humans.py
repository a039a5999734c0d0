"""REP 155 (ROS4HRI): bodies as ``hri_msgs`` topics and TF frames, for hri_rviz and pyhri."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...body.angles import ANGLE_NAMES, angles
from ...body.orientation import matrices
from ...body.people import Bodies
from ...body.skeleton import INDEX, known
from ..cdr import Pieces, array, joined, number, numbers, sequence, string
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
_REGION_TYPE = "hri_msgs/msg/NormalizedRegionOfInterest2D"
_REGION = ("xmin", "ymin", "xmax", "ymax", "c")
_POINT_TYPE = "geometry_msgs/msg/PointStamped"
_TWIST_TYPE = "geometry_msgs/msg/TwistStamped"
_STATE_TYPE = "sensor_msgs/msg/JointState"
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
        make.fields(_SKELETON_TYPE)  # missing packages are told when the output is made

    def __call__(self, poses: Poses) -> list[Sent]:
        """Who is tracked, then each body's topics and frames."""
        ids = [body_id(identity) for identity in poses.bodies.track_id.tolist()]
        # Without tracking all are of one id.
        new = [identity for identity in dict.fromkeys(ids) if identity not in self._tracked]
        self._now_tracked(ids)
        head = self._make.header(poses.stamp, poses.frame_id)
        sent: list[Sent] = [(TRACKED, self._ids(head, ids)), *self._described(new)]
        about = [*self._in_image(poses, head), *self._placed(poses.bodies, head)]
        sent += [(_BODY.format(id=ids[n]) + name, message) for n, name, message in about]
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

    def _ids(self, head: Pieces, ids: list[str]) -> Ready:
        return self._make("hri_msgs/msg/IdsList", header=head, ids=sequence([*map(string, ids)]))

    def _described(self, new: list[str]) -> list[Sent]:
        """The URDFs of bodies who have come: latched, so they are sent once."""
        urdfs = [(identity, self._listeners.describe(identity)) for identity in new]
        return [
            (_BODY.format(id=identity) + URDF, self._make("std_msgs/msg/String", data=string(urdf)))
            for identity, urdf in urdfs
            if urdf is not None
        ]

    def _in_image(self, poses: Poses, head: Pieces) -> Iterator[tuple[int, str, Ready]]:
        """What is about the picture: in parts of its size, so its size has to be known.

        The stamp is the image's; so is the frame, which poses in another frame do not name.
        """
        width, height = self._pictures.size
        if not width or not height or not len(poses.bodies):
            return
        picture = self._pictures(poses.stamp)
        skeletons = _skeletons(poses.bodies, self._pictures.size).astype("<f4")
        regions = _regions(poses, self._pictures.size).astype("<f4")
        for n, (x, y, w, h) in enumerate(poses.roi.tolist()):
            region = dict(zip(_REGION, map(numbers, regions[n, :, None]), strict=True))
            yield n, "roi", self._make(_REGION_TYPE, header=head, **region)
            skeleton = numbers(skeletons[n])
            yield n, "skeleton2d", self._make(_SKELETON_TYPE, header=head, skeleton=skeleton)
            if picture is not None and w and h:
                yield n, "cropped", self._cropped(picture[y : y + h, x : x + w], head)

    def _placed(self, bodies: Bodies, head: Pieces) -> Iterator[tuple[int, str, Ready]]:
        """Where the known pelvises are, and how they move."""
        pelvis, velocity = bodies.joints[:, _PELVIS], bodies.velocity[:, _PELVIS]
        for n in np.flatnonzero(known(pelvis)).tolist():
            point = numbers(pelvis[n])
            yield n, "position", self._make(_POINT_TYPE, header=head, point=point)
        twists = np.concatenate([velocity, np.zeros_like(velocity)], axis=1)
        for n in np.flatnonzero(known(velocity)).tolist():  # how fast they turn is not known
            twist = numbers(twists[n])
            yield n, "velocity", self._make(_TWIST_TYPE, header=head, twist=twist)

    def _turned(self, bodies: Bodies, ids: list[str], head: Pieces) -> list[Sent]:
        """The angles of bodies that somebody reads: they take longer than all else of a body."""
        topics = [_BODY.format(id=identity) + "joint_states" for identity in ids]
        read = [n for n, topic in enumerate(topics) if self._listeners.wanted(topic)]
        if not read:
            return []
        turned = angles(bodies.joints[read], bodies.orientation[read])
        return [
            (topics[n], self._joint_states(each, ids[n], head))
            for n, each in zip(read, turned, strict=True)
        ]

    def _joint_states(self, turned: Array, identity: str, head: Pieces) -> Ready:
        """The known angles, under human_description's names."""
        which = np.flatnonzero(np.isfinite(turned))
        names = _names(identity, tuple(which.tolist()))
        position = array(turned[which])
        return self._make(_STATE_TYPE, header=head, name=names, position=position)

    def _cropped(self, cut: NDArray[np.uint8], head: Pieces) -> Ready:
        height, width = cut.shape[:2]
        return self._make(
            "sensor_msgs/msg/Image",
            header=head,
            height=number(height, "I"),
            width=number(width, "I"),
            encoding=string("bgr8"),
            step=number(3 * width, "I"),
            data=array(cut.ravel()),
        )


def _regions(poses: Poses, size: tuple[int, int]) -> Array:
    """(N, 5) first and last x and y in parts of the image's size, and confidence."""
    low, high = poses.roi[:, :2], poses.roi[:, :2] + poses.roi[:, 2:]
    return np.column_stack([low / size, high / size, poses.bodies.score])


def _skeletons(bodies: Bodies, size: tuple[int, int]) -> Array:
    """(N, 18, 3) x and y in parts of the image's size, and confidence."""
    pixels, confidence = bodies.pixels[:, _SKELETON], bodies.confidence[:, _SKELETON]
    points = np.clip(pixels / np.maximum(size, 1), 0, 1)
    # REP 155 has no unknown point: one without confidence stands in the corner.
    seen = known(pixels)[..., None]
    return np.where(seen, np.concatenate([points, confidence[..., None]], axis=2), 0)


@lru_cache(256)
def _names(identity: str, which: tuple[int, ...]) -> Pieces:
    """The names of a body's angles."""
    return joined(sequence([string(f"{ANGLE_NAMES[n]}_{identity}") for n in which]))


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
    turns = [
        w * a + x * d + y * c - z * b,
        w * b - x * c + y * d + z * a,
        w * c + x * b - y * a + z * d,
        w * d - x * a - y * b - z * c,
    ]
    return np.array(turns).transpose(1, 2, 0)

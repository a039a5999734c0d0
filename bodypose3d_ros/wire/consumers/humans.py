"""REP 155 (ROS4HRI): bodies as ``hri_msgs`` topics and TF frames, for hri_rviz and pyhri."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ...body.angles import ANGLE_NAMES, angles
from ...body.skeleton import INDEX, known
from ..cdr import ENCAPSULATION
from ..cdr import header as cdr_header
from ..messages import Message
from ..pose_cdr import Poses
from ..tf_cdr import TF_TYPE, frames
from . import Make, Ready, Sent

Array = NDArray[np.float64]
Picture = Callable[[int], NDArray[np.uint8] | None]
"""The BGR image (H, W, 3) of a stamp, or None where it is not there."""

TRACKED = "/humans/bodies/tracked"
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


class Humans:
    """Tells who is tracked, and for each of them what ROS4HRI's listeners read."""

    def __init__(self, make: Make, picture: Picture, size: Callable[[], tuple[int, int]]) -> None:
        """Take what is needed of the image.

        Args:
            make: Makes messages.
            picture: Gives the image that people are cut out of.
            size: The raw image's width and height; (0, 0) while not known.
        """
        self.ended: tuple[str, ...] = ()
        self._tracked: list[str] = []
        self._make = make
        self._picture = picture
        self._size = size
        make.type(_SKELETON_TYPE)  # missing packages are told when the output is made

    def __call__(self, poses: Poses) -> list[Sent]:
        """Who is tracked, then each body's topics and frames."""
        ids = [body_id(identity) for identity in poses.bodies.track_id.tolist()]
        self._now_tracked(ids)
        header = self._make.header(poses.stamp, poses.frame_id)
        sent: list[Sent] = [(TRACKED, self._ids(header, ids))]
        picture = self._picture(poses.stamp) if ids else None
        turned = angles(poses.bodies.joints, poses.bodies.orientation)
        for n, identity in enumerate(ids):
            topic = _BODY.format(id=identity)
            messages = [
                *self._image(poses, n, picture),
                *self._place(poses, n, header),
                ("joint_states", self._joint_states(turned[n], identity, header)),
            ]
            sent += [(topic + name, message) for name, message in messages]
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

    def _image(self, poses: Poses, n: int, picture: NDArray[np.uint8] | None) -> list[Sent]:
        """What is about the picture: in parts of its size, so its size has to be known."""
        width, height = self._size()
        if not width or not height:
            return []
        # The stamp is the image's; so is the frame, which poses in another frame do not name.
        header = self._make.header(poses.stamp, poses.frame_id)
        x, y, w, h = poses.roi[n].tolist()
        region = self._make.type("hri_msgs/msg/NormalizedRegionOfInterest2D")(
            header=header,
            xmin=x / width,
            ymin=y / height,
            xmax=(x + w) / width,
            ymax=(y + h) / height,
            c=float(poses.bodies.score[n]),
        )
        skeleton = Ready(_SKELETON_TYPE, _skeleton(poses, n, self._size()))
        sent: list[Sent] = [("roi", region), ("skeleton2d", skeleton)]
        if picture is not None and w and h:
            cut = np.ascontiguousarray(picture[y : y + h, x : x + w])
            sent.append(("cropped", self._cropped(cut, header)))
        return sent

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

    def _place(self, poses: Poses, n: int, header: Message) -> list[tuple[str, Message]]:
        pelvis, velocity = poses.bodies.joints[n, _PELVIS], poses.bodies.velocity[n, _PELVIS]
        sent = []
        if known(pelvis):
            stamped = self._make.type("geometry_msgs/msg/PointStamped")
            sent.append(("position", stamped(header=header, point=self._make.point(pelvis))))
        if known(velocity):
            twist = self._make.type("geometry_msgs/msg/Twist")(
                linear=self._make.vector(velocity), angular=self._make.vector((0, 0, 0))
            )
            stamped = self._make.type("geometry_msgs/msg/TwistStamped")
            sent.append(("velocity", stamped(header=header, twist=twist)))
        return sent

    def _joint_states(self, turned: Array, identity: str, header: Message) -> Message:
        """The known angles, under human_description's names."""
        is_known = np.isfinite(turned)
        none = np.zeros(0)
        return self._make.type("sensor_msgs/msg/JointState")(
            header=header,
            name=[f"{ANGLE_NAMES[n]}_{identity}" for n in np.flatnonzero(is_known)],
            position=turned[is_known],
            velocity=none,
            effort=none,
        )


def _skeleton(poses: Poses, n: int, size: tuple[int, int]) -> bytes:
    """A ``Skeleton2D``: x, y and confidence of 18 points, in parts of the image's size."""
    pixels, confidence = poses.bodies.pixels[n, _SKELETON], poses.bodies.confidence[n, _SKELETON]
    # REP 155 has no unknown point: one without confidence stands in the corner.
    points = np.zeros((len(_SKELETON), 3), "<f4")
    seen = known(pixels)
    points[seen, :2], points[seen, 2] = np.clip(pixels[seen] / size, 0, 1), confidence[seen]
    return ENCAPSULATION + cdr_header(poses.stamp, poses.frame_id) + points.tobytes()


def _frames(poses: Poses, ids: list[str]) -> bytes:
    """The root of each body in the frame of the poses, REP 155's links in the root."""
    bodies = poses.bodies
    roots, pelvis = bodies.orientation[:, _PELVIS], bodies.joints[:, _PELVIS]
    back = Rotation.from_quat(roots).inv().as_matrix()
    offsets = bodies.joints[:, _JOINTS_OF_LINKS] - pelvis[:, None]
    places = np.concatenate([pelvis[:, None], np.einsum("nij,nlj->nli", back, offsets)], axis=1)
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

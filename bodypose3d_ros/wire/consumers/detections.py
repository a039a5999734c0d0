"""``vision_msgs/Detection3DArray``: a box around everybody, with id and covariance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...body.people import Bodies, select
from ...body.skeleton import INDEX, known
from ..cdr import Pieces, number, numbers, sequence, string
from ..pose_cdr import Poses
from . import Make, Sent

Array = NDArray[np.float64]

TOPIC = "detections_3d"
CLASS = "person"
_TYPE = "vision_msgs/msg/Detection3DArray"
_PELVIS = INDEX["pelvis"]


class Detections:
    """Boxes that hold the known joints; the pose of the hypothesis is the pelvis'."""

    def __init__(self, make: Make) -> None:
        self.ended: tuple[str, ...] = ()
        self._make = make
        make.fields(_TYPE)  # missing packages are told when the output is made

    def __call__(self, poses: Poses) -> list[Sent]:
        """Everybody, also when nobody is there."""
        head = self._make.header(poses.stamp, poses.frame_id)
        bodies = select(poses.bodies, known(poses.bodies.joints).any(axis=1))
        boxes = _boxes(bodies)
        pelvises = _pelvises(bodies, boxes)
        each = zip(bodies.track_id.tolist(), bodies.score, boxes, pelvises, strict=True)
        found = [self._one(head, *one) for one in each]
        return [(TOPIC, self._make(_TYPE, header=head, detections=sequence(found)))]

    def silent(self, now: int) -> list[Sent]:
        """Nothing."""
        return []

    def _one(self, head: Pieces, identity: int, score: float, box: Array, pelvis: Array) -> Pieces:
        part = self._make.part
        hypothesis = part(
            "vision_msgs/msg/ObjectHypothesis",
            class_id=string(CLASS),
            score=number(score, "d"),
        )
        result = part(
            "vision_msgs/msg/ObjectHypothesisWithPose", hypothesis=hypothesis, pose=numbers(pelvis)
        )
        return part(
            "vision_msgs/msg/Detection3D",
            header=head,
            results=sequence([result]),
            bbox=numbers(box),
            id=string(str(identity)),
        )


def _boxes(bodies: Bodies) -> Array:
    """(N, 10) a ``BoundingBox3D`` each: the center's pose, and the size."""
    joints = bodies.joints
    low, high = np.fmin.reduce(joints, axis=1), np.fmax.reduce(joints, axis=1)
    boxes = np.zeros((len(joints), 10))
    boxes[:, :3], boxes[:, 6], boxes[:, 7:] = (low + high) / 2, 1, high - low
    return boxes


def _pelvises(bodies: Bodies, boxes: Array) -> Array:
    """(N, 43) a ``PoseWithCovariance`` each: of the pelvis or, unknown, of the box' center."""
    pelvis, spread = bodies.joints[:, [_PELVIS]], bodies.covariance[:, _PELVIS]
    poses = np.zeros((len(boxes), 43))
    poses[:, :3] = np.where(known(pelvis), pelvis[:, 0], boxes[:, :3])
    poses[:, 6] = 1
    covariance = np.zeros((len(boxes), 6, 6))
    covariance[:, :3, :3] = np.where(np.isfinite(spread), spread, 0)
    poses[:, 7:] = covariance.reshape(-1, 36)
    return poses

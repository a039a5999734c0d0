"""``vision_msgs/Detection3DArray``: a box around everybody, with id and covariance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...body.people import Bodies
from ...body.skeleton import INDEX, known
from ..messages import Message
from ..pose_cdr import Poses
from . import Make, Sent

TOPIC = "detections_3d"
CLASS = "person"
_PELVIS = INDEX["pelvis"]


class Detections:
    """Boxes that hold the known joints; the pose of the hypothesis is the pelvis'."""

    def __init__(self, make: Make) -> None:
        self.ended: tuple[str, ...] = ()
        self._make = make
        names = ("Detection3DArray", "Detection3D", "BoundingBox3D", "ObjectHypothesis")
        self._array, self._detection, self._box, self._hypothesis = (
            make.type(f"vision_msgs/msg/{name}") for name in names
        )
        self._result = make.type("vision_msgs/msg/ObjectHypothesisWithPose")
        self._pose = make.type("geometry_msgs/msg/PoseWithCovariance")

    def __call__(self, poses: Poses) -> list[Sent]:
        """Everybody, also when nobody is there."""
        header = self._make.header(poses.stamp, poses.frame_id)
        there = known(poses.bodies.joints)
        seen = np.flatnonzero(there.any(axis=1)).tolist()
        found = [self._one(poses.bodies, n, there[n], header) for n in seen]
        return [(TOPIC, self._array(header=header, detections=found))]

    def silent(self, now: int) -> list[Sent]:
        """Nothing."""
        return []

    def _one(self, bodies: Bodies, n: int, there: NDArray[np.bool_], header: Message) -> Message:
        joints = bodies.joints[n, there]
        low, high = joints.min(axis=0), joints.max(axis=0)
        center = (low + high) / 2
        spread, covariance = bodies.covariance[n, _PELVIS], np.zeros((6, 6))
        covariance[:3, :3] = np.where(np.isfinite(spread), spread, 0)
        where = self._pose(
            pose=self._make.pose(bodies.joints[n, _PELVIS] if there[_PELVIS] else center),
            covariance=covariance.ravel(),
        )
        hypothesis = self._hypothesis(class_id=CLASS, score=float(bodies.score[n]))
        return self._detection(
            header=header,
            results=[self._result(hypothesis=hypothesis, pose=where)],
            bbox=self._box(center=self._make.pose(center), size=self._make.vector(high - low)),
            id=str(bodies.track_id[n]),
        )

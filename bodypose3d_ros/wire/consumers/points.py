"""``geometry_msgs/PoseArray``: joints as bare points, for speed-and-separation monitors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...body.skeleton import INDEX, JOINTS, known
from ..cdr import array
from ..pose_cdr import Poses
from . import Make, Sent

TOPIC = "points"
_TYPE = "geometry_msgs/msg/PoseArray"


class Points:
    """The known joints of everybody in one list; never NaN, which stops a robot."""

    def __init__(self, make: Make, joints: Sequence[str] = ()) -> None:
        """``joints`` are those to send; none named: all of them."""
        self.ended: tuple[str, ...] = ()
        self._make = make
        self._joints = [INDEX[name] for name in joints or JOINTS]

    def __call__(self, poses: Poses) -> list[Sent]:
        """Everybody's joints, also when nobody is there."""
        joints = poses.bodies.joints[:, self._joints].reshape(-1, 3)
        joints = joints[known(joints)]
        numbers = np.zeros((len(joints), 7), "<f8")
        numbers[:, :3], numbers[:, 6] = joints, 1  # upright: x y z w of no rotation
        head = self._make.header(poses.stamp, poses.frame_id)
        return [(TOPIC, self._make(_TYPE, header=head, poses=array(numbers)))]

    def silent(self, now: int) -> list[Sent]:
        """Nothing. ssm_safety_ros then forgets everybody: pair it with the node's ``alive``."""
        return []

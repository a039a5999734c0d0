"""``geometry_msgs/PoseArray``: joints as bare points, for speed-and-separation monitors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...body.skeleton import INDEX, JOINTS, known
from ..pose_cdr import Poses
from . import Make, Sent

TOPIC = "points"


class Points:
    """The known joints of everybody in one list; never NaN, which stops a robot."""

    def __init__(self, make: Make, joints: Sequence[str] = ()) -> None:
        """``joints`` are those to send; none named: all of them."""
        self.ended: tuple[str, ...] = ()
        self._make = make
        self._joints = [INDEX[name] for name in joints or JOINTS]
        self._array = make.type("geometry_msgs/msg/PoseArray")

    def __call__(self, poses: Poses) -> list[Sent]:
        """Everybody's joints, also when nobody is there."""
        joints = poses.bodies.joints[:, self._joints].reshape(-1, 3)
        places = [self._make.pose(xyz) for xyz in joints[known(joints)].astype(np.float64)]
        header = self._make.header(poses.stamp, poses.frame_id)
        return [(TOPIC, self._array(header=header, poses=places))]

    def silent(self, now: int) -> list[Sent]:
        """Nothing. ssm_safety_ros then forgets everybody: pair it with the node's ``alive``."""
        return []

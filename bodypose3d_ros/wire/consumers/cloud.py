"""``sensor_msgs/PointCloud2``: people's skins as points, for collision monitors and costmaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...body.people import Bodies
from ...body.shape import SIGMAS, capsules
from ..cdr import elements, number, sequence, string
from ..pose_cdr import Poses
from . import Make, Ready, Sent

TOPIC = "cloud"
SPACING = 0.05
"""Metres between points along a limb."""

_FLOAT32 = 7  # sensor_msgs/PointField

# Corners and faces of a cube as unit vectors: where on the skin points are put.
_CORNERS = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / np.sqrt(3)
_DIRECTIONS = np.concatenate([np.eye(3), -np.eye(3), _CORNERS])


class Cloud:
    """Points every few centimetres along limbs and on their skin, where it may be.

    Away from the limb by the body's radius and three standard deviations of the joint in that
    direction: the cloud reaches farther along the view, where one camera knows less.
    """

    def __init__(self, make: Make, spacing: float = SPACING) -> None:
        self.ended: tuple[str, ...] = ()
        self._make = make
        self._spacing = spacing

    def __call__(self, poses: Poses) -> list[Sent]:
        """A cloud for every image, also an empty one: collision_monitor stops without."""
        return [(TOPIC, point_cloud(self._make, poses, points(poses.bodies, self._spacing)))]

    def silent(self, now: int) -> list[Sent]:
        """Nothing: without a cloud collision_monitor stops the robot, which is right."""
        return []


def point_cloud(make: Make, poses: Poses, xyz: NDArray[np.float32]) -> Ready:
    """A ``PointCloud2`` of points (P, 3) in metres, in the frame of poses and of their time."""
    data = xyz.astype("<f4", copy=False).tobytes()
    fields = [
        make.part(
            "sensor_msgs/msg/PointField",
            name=string(name),
            offset=number(4 * n, "I"),
            datatype=number(_FLOAT32, "B"),
            count=number(1, "I"),
        )
        for n, name in enumerate("xyz")
    ]
    return make(
        "sensor_msgs/msg/PointCloud2",
        header=make.header(poses.stamp, poses.frame_id),
        height=number(1, "I"),
        width=number(len(xyz), "I"),
        fields=sequence(fields),
        point_step=number(12, "I"),
        row_step=number(len(data), "I"),
        data=elements(len(data), ((1, data),)),
        is_dense=number(True, "?"),
    )


def points(bodies: Bodies, spacing: float = SPACING) -> NDArray[np.float32]:
    """(P, 3) metres: everybody limb by limb, each one's axis, and its skin in each direction.

    Of single precision, as clouds have them.
    """
    limbs = capsules(bodies.joints, bodies.covariance)
    a, b = limbs.ends[:, 0], limbs.ends[:, 1]
    steps = np.ceil(np.linalg.norm(b - a, axis=1) / spacing).astype(int) + 1
    limb = np.repeat(np.arange(len(steps)), steps)
    first = np.cumsum(steps) - steps
    along = (np.arange(len(limb)) - first[limb]) / np.maximum(steps - 1, 1)[limb]
    along = along.astype(np.float32)[:, None, None]
    # The ellipsoid's point farthest in a direction u is C u / sqrt(u^T C u).
    toward = limbs.covariance @ _DIRECTIONS.T
    variance = (_DIRECTIONS.T * toward).sum(axis=2)
    spread = toward.swapaxes(2, 3) / np.sqrt(np.maximum(variance, 1e-12))[..., None]
    away = limbs.radius[:, None, None, None] * _DIRECTIONS + SIGMAS * spread
    # Of either end, the joint itself and the skin around it; points lie in between.
    ends = np.concatenate([limbs.ends[:, :, None], limbs.ends[:, :, None] + away], axis=2)
    ends = ends.astype(np.float32)
    start, length = ends[:, 0], ends[:, 1] - ends[:, 0]
    return np.asarray(start[limb] + along * length[limb]).reshape(-1, 3)

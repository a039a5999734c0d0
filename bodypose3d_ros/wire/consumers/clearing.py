"""``sensor_msgs/PointCloud2``: nobody, all around, for costmaps that forget only what is seen past.

Nav2's obstacle layer keeps every cell that a cloud has marked until a ray goes through it to a
farther point: who has walked on leaves a wall behind, and an empty cloud has no rays. These are the
rays: marked by ``cloud`` and cleared by this one, a layer of its own holds the people of the last
image and nobody else.
"""

from __future__ import annotations

import numpy as np

from ..pose_cdr import Poses
from . import Make, Sent
from .cloud import point_cloud

TOPIC = "clearing"
FAR = 10_000.0
"""Metres: so far away, the same points lie all around wherever in the frame the rays begin. Layers
cut rays off where they themselves end."""
RAYS = 3600
"""A tenth of a degree apart: they leave out no cell of 5 cm within 14 m to each side. The lines to
two cells in the corner of such a square are 1 / (2 * 280) rad apart."""


class Clearing:
    """The same points for every image, in a circle about the z axis of the frame they are in.

    The poses have to be in a frame whose z is up.
    """

    def __init__(self, make: Make) -> None:
        self.ended: tuple[str, ...] = ()
        self._make = make
        turns = 2 * np.pi * np.arange(RAYS) / RAYS
        circle = FAR * np.stack([np.cos(turns), np.sin(turns), 0 * turns], -1)
        self._circle = circle.astype(np.float32)

    def __call__(self, poses: Poses) -> list[Sent]:
        """The rays for every image that somebody has been looked for in."""
        return [(TOPIC, point_cloud(self._make, poses, self._circle))]

    def silent(self, now: int) -> list[Sent]:
        """Nothing: people stay in the costmap where they were seen last."""
        return []

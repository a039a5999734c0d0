"""The floor people stand on, as a camera sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

TILT_SIGMA = math.radians(0.5)
"""Radians; how well a mounting is known that was measured with care."""
HEIGHT_SIGMA = 0.01
"""Metres; as of a tape measure."""
SURE = 2.0
"""Standard deviations by which a floor has to be off to be said to be told wrongly."""
UNUSED = (
    "no feet were in view, or they are where nobody of a likely size would stand on it: are the "
    "camera's height and pitch (positive looks down), or the floor's frame, right?"
)
"""Why nobody's metres rest on a floor that was told."""
_STRAIGHT_DOWN = 0.99


@dataclass(frozen=True)
class Floor:
    """A plane: the height of a point p over it is ``height + up . p``."""

    up: NDArray[np.float64]
    """(3,) unit vector in the optical frame, away from the floor."""
    height: float
    """Of the camera above the floor, metres."""
    tilt_sigma: float = TILT_SIGMA
    """Standard deviation of ``up`` about either horizontal axis, radians."""
    height_sigma: float = HEIGHT_SIGMA
    """Standard deviation of ``height``, metres."""

    @classmethod
    def from_mounting(cls, height: float, pitch: float = 0.0, roll: float = 0.0) -> Floor:
        """The floor below a camera that is mounted at a height and tilted.

        Args:
            height: Of the camera above the floor, metres.
            pitch: Degrees by which it looks down.
            roll: Degrees by which "up" leans to the right in the image.
        """
        down, right = math.radians(pitch), math.radians(roll)
        up = [
            math.cos(down) * math.sin(right),
            -math.cos(down) * math.cos(right),
            -math.sin(down),
        ]
        return cls(np.array(up), height)

    @classmethod
    def of_frame(cls, place: NDArray[np.float64], name: str) -> Floor:
        """The floor z = 0 of a frame.

        Args:
            place: (4, 4) from the optical frame to that frame.
            name: The frame's.

        Raises:
            InputError: The camera is below it.
        """
        height = float(place[2, 3])
        if height <= 0:
            raise InputError(
                f"the camera is {-height:.2f} m below z = 0 of {name!r}: is that the floor?"
            )
        return cls(np.array(place[2, :3]), height)

    @property
    def pitch_axis(self) -> NDArray[np.float64]:
        """(3,) unit vector about which ``up`` turns in the image of a camera that looks down."""
        right = np.array([-self.up[1], self.up[0], 0.0])
        length = float(np.linalg.norm(right))
        return right / length if length > 1 - _STRAIGHT_DOWN else np.array([1.0, 0.0, 0.0])

    @property
    def place(self) -> NDArray[np.float64]:
        """(4, 4) from the optical frame to one on the floor below the camera: x ahead, z up."""
        ahead = np.array([0.0, 0.0, 1.0])
        if abs(self.up @ ahead) > _STRAIGHT_DOWN:
            ahead = np.array([0.0, -1.0, 0.0])  # then ahead is where the image's upper edge is
        ahead = ahead - (self.up @ ahead) * self.up
        ahead /= np.linalg.norm(ahead)
        place = np.eye(4)
        place[:3, :3] = ahead, np.cross(self.up, ahead), self.up
        place[2, 3] = self.height
        return place


LEVEL = Floor(np.array([0.0, -1.0, 0.0]), 0.0)
"""As far as nothing tells how a camera is mounted: its own height, were it level."""

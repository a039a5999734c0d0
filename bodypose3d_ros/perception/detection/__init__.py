"""Who is where in the image: what detectors find, for the pose networks to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...engines import Engine

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Boxes:
    """N upright boxes, each just around a person."""

    corners: Array
    """(N, 4) x0, y0, x1, y1 in pixels."""
    score: Array
    """(N,) 0 to 1."""

    def __len__(self) -> int:
        return len(self.score)


@dataclass(frozen=True)
class HipCircles:
    """N circles about the middle of a person's hips that just hold the person."""

    center: Array
    """(N, 2) pixels."""
    radius: Array
    """(N,) pixels."""
    rotation: Array
    """(N,) radians, clockwise in the image; 0 when the person is upright."""
    score: Array
    """(N,) 0 to 1."""

    def __len__(self) -> int:
        return len(self.score)

    @classmethod
    def from_points(cls, center: Array, edge: Array, score: NDArray[np.floating]) -> HipCircles:
        """From (N, 2) middles and (N, 2) points on the circle that lie up the person."""
        up = edge - center
        radius = np.hypot(up[:, 0], up[:, 1])
        rotation = np.arctan2(up[:, 0], -up[:, 1])
        return cls(center, radius, rotation, np.asarray(score, np.float64))


Found = Boxes | HipCircles
"""What a detector finds; ``PoseModel.regions`` says what its network makes of it."""


class Detector(Protocol):
    """A detection network with what comes before and after it."""

    engine: Engine

    def areas(self, width: int, height: int) -> NDArray[np.int64]:
        """The parts (T, 4) x, y, width, height of an image in which, together, it finds everybody.

        A search may go round them over several frames.
        """

    def detect(self, image: NDArray[np.uint8], areas: NDArray[np.int64]) -> Found:
        """Find people in some areas of an image, (H, W, 3) BGR, best first.

        A person seen in several areas may be there several times.

        Raises:
            EngineError: The network could not be run.
        """

    def close(self) -> None:
        """Give the engine's memory back."""

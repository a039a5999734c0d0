"""What each pose network needs and gives."""

from __future__ import annotations

from typing import Protocol

from ...body.people import Frame, Keypoints, Regions
from ...engines import Engine


class PoseModel(Protocol):
    """A pose network with what comes before and after it."""

    engine: Engine
    sure_score: float
    """From this score on somebody newly found is a person; who is followed stays one longer."""

    def estimate(self, frame: Frame, regions: Regions) -> Keypoints:
        """Find the keypoints of the person in each region, all regions as one batch.

        Raises:
            EngineError: The network could not be run, or gave nonsense.
        """

    def close(self) -> None:
        """Give the engine's memory back."""

"""What each pose network needs and gives."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...body.people import Frame, Keypoints, Regions
from ...engines import Engine, Tensors
from ...errors import OutputError
from ..detection import Found, HipCircles
from ..lifting.shape_model import ShapeModel

Array = NDArray[np.float64]


class PoseModel(Protocol):
    """A pose network with what comes before and after it."""

    engine: Engine
    shape: ShapeModel
    """What is known of the sizes it believes in and of its errors."""
    sure_score: float
    """From this score on somebody newly found is a person; who is followed stays one longer."""

    def estimate(self, frame: Frame, regions: Regions) -> Keypoints:
        """Find the keypoints of the person in each region, all regions as one batch.

        Raises:
            EngineError: The network could not be run.
            OutputError: It gave NaN or infinity.
        """

    def close(self) -> None:
        """Give the engine's memory back."""


def regions_of(found: Found) -> Regions:
    """Where a pose network looks for the people that were found, before any margin of its own.

    A circle about the hips becomes the turned square about it, a box stays what it is.
    """
    if isinstance(found, HipCircles):
        side = 2 * found.radius
        return Regions(found.center, np.stack([side, side], -1), found.rotation, found.score)
    return Regions.from_boxes(found.corners, found.score)


def check_finite(answer: Tensors, names: Collection[str]) -> None:
    """Refuse an answer of no numbers: of comparisons with them nobody would come out, silently.

    Raises:
        OutputError: One of the outputs named holds NaN or infinity.
    """
    wrong = [name for name in names if not np.isfinite(answer[name]).all()]
    if wrong:
        raise OutputError(
            f"the network gave NaN or infinity in {', '.join(wrong)}: this image is left out. "
            "If it happens again and again, build the engine in full precision"
        )


def in_image(pixels: Array, frame: Frame) -> NDArray[np.bool_]:
    """(N, M) whether points (N, M, 2) lie in the image; those outside are guesses."""
    height, width = frame.image.shape[:2]
    return np.asarray(((pixels >= -0.5) & (pixels < (width - 0.5, height - 0.5))).all(axis=2))

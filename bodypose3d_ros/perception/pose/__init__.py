"""What each pose network needs and gives."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...body.people import Frame, Keypoints, Regions
from ...engines import Engine
from ..detection import Found, HipCircles
from ..lifting.shape_model import ShapeModel
from ..settings import setting

Array = NDArray[np.float64]


# Eyes and ears, the highest joints, lie 0.064 of the stature below the crown (Drillis and Contini
# 1966), toes and fingertips end where the joints do: a region is that much larger than its joints.
_BEYOND_JOINTS = 0.07


class PoseModel(Protocol):
    """A pose network with what comes before and after it.

    ``simcc.SimCC`` is the shortest one there is. What it gives in ``Keypoints`` decides how metres
    are found: ``world``, ``depth``, ``xyz``, or none of them for a network that knows pixels only.
    """

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
        size = (2 * found.radius)[:, None].repeat(2, axis=1)
        return Regions(found.center, size, found.rotation, found.score)
    return Regions.from_boxes(found.corners, found.score)


def around(pixels: Array, regions: Regions, score: Array) -> Regions:
    """Upright regions about keypoints (N, 34, 2); the old region for a person without any."""
    unknown = np.isnan(pixels)
    nobody = np.asarray(unknown.all(axis=(1, 2)))[:, None]
    low = np.where(nobody, 0, np.where(unknown, np.inf, pixels).min(axis=1))
    high = np.where(nobody, 0, np.where(unknown, -np.inf, pixels).max(axis=1))
    size = high - low
    size += 2 * _BEYOND_JOINTS * size.max(axis=1, keepdims=True, initial=0)
    return Regions(
        np.where(nobody, regions.center, (low + high) / 2),
        np.where(nobody, regions.size, size),
        np.zeros(len(regions)),
        score,
    )


def person_height() -> Any:  # noqa: ANN401 - a field, as setting makes it
    """The setting ``person_height`` of networks that give metres of a mean person."""
    return setting(
        0.0,
        "How tall the people are; 0: as the network's mean person.",
        unit="m",
        minimum=0.0,
        maximum=2.7,
    )


def channels() -> Any:  # noqa: ANN401 - likewise
    """The setting ``channels`` of networks that come as a user's file."""
    return setting(
        "auto",
        "The order of colours that a network's file was trained with; auto: BGR for BodyPose3DNet, "
        "RGB for SimCC.",
        choices=("auto", "BGR", "RGB"),
    )


def least_confidence() -> Any:  # noqa: ANN401 - likewise
    """The setting ``min_confidence`` of the same networks."""
    return setting(
        0.3, "Joints that BodyPose3DNet or SimCC is less sure of are unknown.", minimum=0.0,
        maximum=1.0,
    )  # fmt: skip

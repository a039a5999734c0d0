"""A depth image: how far what each of its pixels shows is from the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .camera import Camera


@dataclass(frozen=True)
class DepthImage:
    """Depths registered to an image: seen from where that was taken, of any resolution."""

    values: NDArray[np.float32]
    """(H, W) metres along z of the image's optical frame, NaN where unknown."""
    camera: Camera
    """Of the depth image's own pixels."""

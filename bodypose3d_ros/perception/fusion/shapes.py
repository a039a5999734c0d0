"""Bodies as views have them: where each joint is, and what is wrong with all of them at once.

A view's body is a shape that a network made up: as a whole it is too large or too small, and so too
far or too near, and it leans, turns or is flat along the view. Keypoints stay where they are in the
image: all of it moves joints along their rays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...body.skeleton import known
from ..lifting.median import median
from ..tracking.symmetric import without
from .association import TRUNK, Sightings

Array = NDArray[np.float64]

SIZE_ERROR = 0.035
"""Standard deviation of the logarithm of the size that crossing views give somebody: theirs differ
by it, as a shape is a little larger from the side than from the front."""
_SUREST = 1e-3
SLANT = 0.15
"""Standard deviation of how much deeper a shape has what lies a metre from its trunk, in every
direction: 0.1 up the body and 0.25 sideways in the project's cell, in one with other people and
cameras, and on a real film of four cameras."""


@dataclass(frozen=True)
class Shapes:
    """N people as V views have them."""

    joints: Array
    """(V, N, 34, 3) metres in the fixed frame, NaN where a view does not see a joint."""
    covariance: Array
    """(V, N, 34, 3, 3) square metres, of each joint without what is wrong with the whole."""
    shared: Array
    """(V, N, 34, 3, K) metres by which joints move with each of K errors that all joints of a view
    share, by one standard deviation of it."""

    @classmethod
    def of(cls, sightings: Sightings, centers: Array, log_size: Array) -> Shapes:
        """People as large as they are known to be, and so as far from each view.

        Args:
            sightings: V views of N people.
            centers: (V, 3) where the cameras are.
            log_size: (N,) logarithm of the size over that of the views' network, as crossing views
                have found it; NaN where it is unknown.
        """
        center = centers[:, None, None]
        rays = sightings.joints - center
        size = sightings.size_sigma[..., None, None] * rays
        change, sigma = _resized(sightings, log_size)
        joints = center + rays * np.exp(change)[..., None, None]
        rays = joints - center
        grown = sigma[..., None, None] * rays
        off = joints - joints[:, :, TRUNK].mean(axis=2, keepdims=True)
        unit = rays / np.linalg.norm(rays, axis=3, keepdims=True)
        slant = np.where(sightings.measured, 0, SLANT)[..., None, None, None]
        return cls(
            joints,
            without(sightings.covariance, np.nan_to_num(size)),
            np.nan_to_num(
                np.concatenate(
                    [grown[..., None], slant * unit[..., :, None] * off[..., None, :]], axis=4
                )
            ),
        )


def _resized(sightings: Sightings, log_size: Array) -> tuple[Array, Array]:
    """(V, N) by how much larger people are than each view has them, and the standard deviation.

    What crossing views have found and what the floor, or a depth camera, tells a view are fused by
    information; what a network believes of everybody's size is no news then.
    """
    sigma = sightings.size_sigma
    own = np.where(sightings.told, 1 / np.maximum(sigma, _SUREST) ** 2, 0)
    found = np.isfinite(log_size) & np.isfinite(sigma)
    total = own + 1 / SIZE_ERROR**2
    change = (log_size - sightings.log_size) / SIZE_ERROR**2 / total
    known_sigma = np.minimum(np.sqrt(1 / total), sigma)
    return np.where(found, change, 0), np.where(found, known_sigma, sigma)


def sizes(sightings: Sightings, centers: Array, joints: Array) -> Array:
    """(N,) logarithm of how much larger people (N, 34, 3) are than their views' network has them.

    NaN where fewer than two views see somebody: one cannot tell large from far.
    """
    centers = centers[:, None, None]
    far = np.linalg.norm(joints[None, :, TRUNK] - centers, axis=3)
    ratio = np.log(far / np.linalg.norm(sightings.joints[:, :, TRUNK] - centers, axis=3))
    ratio += sightings.log_size[..., None]
    several = known(ratio).sum(axis=0) >= 2
    middle = median(ratio.transpose(1, 0, 2).reshape(len(joints), ratio.shape[0] * len(TRUNK)))
    return np.where(several, middle, np.nan)

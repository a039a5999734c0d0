"""Whether somebody newly found is anybody: looked at again, a person stays where he is.

A pose network finds a body in whatever it is shown: in an animal, a flower, a post. Its own score
hardly tells these from people. But what it makes up depends on how it is shown: looked at again a
little differently, and in a mirror, such a body has its limbs elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...body.people import Frame, Keypoints, Regions, select
from ...body.skeleton import LIMB_JOINTS, MIRRORED
from ..lifting.median import median
from . import PoseModel
from .duplicates import MIN_SCORE, size_of

Array = NDArray[np.float64]

MAX_DOUBT = 0.075
"""Somebody newly found of whom there is more doubt is nobody."""
DETECTOR_DOUBT, NETWORK_DOUBT = 0.07, 0.1
"""What a detector and a pose network that are not sure at all weigh, in parts of a person's size.

Of 32 bodies that were nobody, in pictures of animals, flowers, cups and machines and in a film with
posts, 28 are left out so, and 17 by the difference of limbs alone. Of 151 people 3 are, until the
search meets them again, and of 88 people cut in half by the image's edge 4.
"""


def look_in_mirror(pose: PoseModel, frame: Frame, regions: Regions) -> Keypoints:
    """What a network sees in the mirrored image, told as if it had not been mirrored.

    No metres of a network that wants the camera: it is the wrong one, which moves no keypoint.
    """
    last = frame.image.shape[1] - 1
    mirror = replace(frame, image=np.ascontiguousarray(frame.image[:, ::-1]))
    there = replace(
        regions, center=regions.center * (-1, 1) + (last, 0), rotation=-regions.rotation
    )
    seen = pose.estimate(mirror, there)
    return Keypoints(
        pixels=(seen.pixels * (-1, 1) + (last, 0))[:, MIRRORED],
        confidence=seen.confidence[:, MIRRORED],
        score=seen.score,
        regions=regions,
        following=regions,
        world=None if seen.world is None else (seen.world * (-1, 1, 1))[:, MIRRORED],
    )


def confirmed(pose: PoseModel, frame: Frame, keypoints: Keypoints) -> Keypoints:
    """Those of the people that a network has seen who are somebody, as it sees them again.

    Raises:
        EngineError: The network could not be run.
    """
    again = pose.estimate(frame, keypoints.following)
    mirrored = look_in_mirror(pose, frame, keypoints.following)
    score = np.minimum(again.score, mirrored.score)
    doubt = difference(again, mirrored)
    doubt += DETECTOR_DOUBT * (1 - keypoints.regions.score) + NETWORK_DOUBT * (1 - score)
    return select(again, (score >= MIN_SCORE) & (doubt <= MAX_DOUBT))


def difference(one: Keypoints, other: Keypoints) -> Array:
    """(N,) how far two looks put the same people's limbs apart, in parts of their size.

    The median over the limb joints that both know, over all joints where there are none of those;
    infinite for whom no joint is known to both. Which side is the left one may differ: seen from
    behind a person is often taken for one who faces the camera, and the mirror decides otherwise.
    """
    size = np.maximum(size_of(one), 1e-9)
    as_told = _median_apart(one.pixels, other.pixels)
    sides_swapped = _median_apart(one.pixels, other.pixels[:, MIRRORED])
    return np.asarray(np.minimum(as_told, sides_swapped) / size)


def _median_apart(one: Array, other: Array) -> Array:
    """(N,) pixels between joints (N, 34, 2) of one name; infinite where none is known to both."""
    apart = np.linalg.norm(one - other, axis=2)
    limbs = apart[:, LIMB_JOINTS]
    middle = np.where(np.isfinite(limbs).any(axis=1), median(limbs), median(apart))
    return np.where(np.isfinite(middle), middle, np.inf)

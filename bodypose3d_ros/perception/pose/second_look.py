"""Whether somebody newly found is anybody: looked at again, a person stays where he is.

A pose network finds a body in whatever it is shown: in an animal, a flower, a post. Its own score
hardly tells these from people. But what it makes up depends on how it is shown: looked at again a
little differently, and in a mirror, such a body has its limbs elsewhere. And a detector that takes
something for a person among other things often does not where it is shown that alone.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ...body.people import Frame, Image, Keypoints, Regions, select
from ...body.skeleton import LIMB_JOINTS, MIRRORED
from ..detection import Detector
from ..lifting.median import median
from . import PoseModel, regions_of
from .duplicates import MIN_SCORE, lies_on, same_place, size_of

Array = NDArray[np.float64]

MAX_DOUBT = 0.1
"""Somebody newly found of whom there is more doubt is nobody."""
DETECTOR_DOUBT, ALONE_DOUBT, NETWORK_DOUBT = 0.07, 0.05, 0.1
"""What a detector, the same one shown him alone, and a pose network that are not sure at all weigh,
in parts of a person's size.

Of 60 bodies that were nobody, in photographs of animals, flowers, fruit, toys and streets and on
people, 50 are left out so, and 9 of 120 people. These were chosen on; of as many other photographs'
45 nobodies 43 are left out, and 15 of 141 people. Without the look alone, and with 0.075 at most,
it was 45 and 11, and 38 and 16.
"""
LEAST_JOINTS = 5
"""Of whom fewer are in the image, nothing tells: a face has so many."""
_AROUND = 1.3
"""So many times as wide as the person is the area in which he is shown alone."""


def look_in_mirror(pose: PoseModel, frame: Frame, regions: Regions) -> Keypoints:
    """What a network sees in the mirrored image, told as if it had not been mirrored.

    No metres of a network that wants the camera: it is the wrong one, which moves no keypoint.
    """
    last = frame.image.shape[1] - 1
    mirror = replace(frame, image=np.asarray(cv2.flip(frame.image, 1), np.uint8))
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


def without_slid(pose: PoseModel, frame: Frame, people: Keypoints) -> Keypoints:
    """Those of the people, the surest first, who have not slid onto who hides them.

    Who is followed behind somebody else is still found there when nothing of him is to be seen: on
    that one's arm at last, where he stays. The mirror does not show him.

    Raises:
        EngineError: A network could not be run.
    """
    this, surer = np.tril_indices(len(people), -1)
    pixels, size = people.pixels, size_of(people)
    on = lies_on(pixels[this], size[this], pixels[surer], size[surer])
    lying = np.isin(np.arange(len(people)), this[on])
    if not lying.any():
        return people
    mirrored = look_in_mirror(pose, frame, select(people.following, lying))
    left = ~lying
    left[lying] = mirrored.score >= MIN_SCORE
    return select(people, left)


def look_alone(detector: Detector, image: Image, regions: Regions) -> Array:
    """(N,) the score of whom a detector finds where each region fills the area it is shown."""
    if not len(regions):
        return np.zeros(0)
    side = np.maximum(regions.size.max(axis=1) * _AROUND, 1)
    corner = regions.center - side[:, None] / 2
    areas = np.concatenate([corner, side[:, None], side[:, None]], axis=1).round().astype(np.int64)
    found = regions_of(detector.detect(image, areas))
    score = np.where(same_place(regions, found), found.score, 0)
    return np.asarray(score.max(axis=1, initial=0))


def confirmed(
    pose: PoseModel, detector: Detector, frame: Frame, keypoints: Keypoints, searched: Image
) -> Keypoints:
    """Those of the people that a network has seen who are somebody, as it sees them again.

    Args:
        pose: The network.
        detector: What found them.
        frame: The image and its camera.
        keypoints: How the network has seen them.
        searched: The image as the detector was shown it, without those who are known.

    Raises:
        EngineError: A network could not be run.
    """
    again = pose.estimate(frame, keypoints.following)
    doubt = DETECTOR_DOUBT * (1 - keypoints.regions.score) + NETWORK_DOUBT * (1 - again.score)
    enough = (again.confidence > 0).sum(axis=1) >= LEAST_JOINTS
    doubt[~enough | (again.score < MIN_SCORE)] = np.inf
    again, doubt = _left(again, doubt)

    mirrored = look_in_mirror(pose, frame, again.regions)
    doubt += difference(again, mirrored) + NETWORK_DOUBT * (again.score - mirrored.score).clip(0)
    doubt[mirrored.score < MIN_SCORE] = np.inf
    again, doubt = _left(again, doubt)

    decides = doubt > MAX_DOUBT - ALONE_DOUBT
    alone = look_alone(detector, searched, select(again.following, decides))
    doubt[decides] += ALONE_DOUBT * (1 - alone)
    return _left(again, doubt)[0]


def _left(people: Keypoints, doubt: Array) -> tuple[Keypoints, Array]:
    """Those of N people who may be somebody: the others need not be looked at again."""
    left = doubt <= MAX_DOUBT
    return select(people, left), doubt[left]


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

"""How much room a body takes around its joints: capsules along the limbs.

Radii are those of large people, so that nobody sticks out: about the 95th percentile of men in
ANSUR II (Gordon et al. 2014, 2012 Anthropometric Survey of U.S. Army Personnel, NATICK/TR-15/007),
a circumference over 2 pi or half a breadth, rounded up to half a centimetre. Clothes are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .skeleton import INDEX, known

Array = NDArray[np.float64]

_MIDDLE = (
    ("pelvis", "torso", 0.17),  # waist and chest: half of chest breadth and depth
    ("torso", "neck", 0.17),
    ("neck", "nose", 0.09),  # neck circumference; the chin
    ("left_ear", "right_ear", 0.15),  # from the ears to the top of the head
    ("left_hip", "right_hip", 0.14),  # half of hip breadth beyond the joints, the buttocks
    ("left_shoulder", "right_shoulder", 0.10),  # half of what is broader than the joints
)
_SIDE = (
    ("shoulder", "elbow", 0.07),  # biceps, flexed
    ("elbow", "wrist", 0.06),  # forearm, flexed
    ("wrist", "index_knuckle", 0.12),  # fingers, wherever they point
    ("wrist", "pinky_knuckle", 0.12),
    ("shoulder", "hip", 0.12),  # the side of the trunk
    ("hip", "knee", 0.12),  # thigh
    ("knee", "ankle", 0.075),  # calf
    ("ankle", "heel", 0.08),
    ("ankle", "big_toe", 0.10),  # foot breadth: the small toe, which not every network tells
)
SIGMAS = 3.0
"""Standard deviations of the joints that shapes to keep clear of are grown by. Two hold three
quarters of the truths in three dimensions, 2.8 hold 95 %; all joints of a person at once take three
(``python -m benchmarks.keep_clear``)."""

_TABLE = (
    *_MIDDLE,
    *((f"{s}_{a}", f"{s}_{b}", radius) for s in ("left", "right") for a, b, radius in _SIDE),
)

SEGMENTS: NDArray[np.intp] = np.array([(INDEX[a], INDEX[b]) for a, b, _ in _TABLE])
"""(24, 2) the joints that each capsule connects."""
RADII: Array = np.array([radius for _, _, radius in _TABLE])
"""(24,) metres from the line between the joints to the skin."""


@dataclass(frozen=True)
class Capsules:
    """The capsules, of everybody one after the other, whose two joints are known."""

    segment: NDArray[np.intp]
    """(C,) rows of SEGMENTS."""
    ends: Array
    """(C, 2, 3) metres."""
    covariance: Array
    """(C, 2, 3, 3) square metres of the ends; zero where unknown."""
    radius: Array
    """(C,) metres, of the body alone."""

    def grown(self, sigmas: float) -> Array:
        """(C,) radii that hold the limb wherever its ends are, within so many deviations."""
        spread = np.sqrt(np.maximum(np.linalg.eigvalsh(self.covariance)[..., -1], 0))
        return np.asarray(self.radius + sigmas * spread.max(axis=1, initial=0))


def capsules(joints: Array, covariance: Array) -> Capsules:
    """Where people's limbs are.

    Args:
        joints: (N, 34, 3) metres, NaN where unknown.
        covariance: (N, 34, 3, 3) square metres, NaN where unknown.
    """
    person, segment = np.nonzero(known(joints)[:, SEGMENTS].all(axis=2))
    person, ends = person[:, None], SEGMENTS[segment]
    spread = covariance[person, ends]
    spread = np.where(np.isfinite(spread), spread, 0)
    return Capsules(segment, joints[person, ends], spread, RADII[segment])

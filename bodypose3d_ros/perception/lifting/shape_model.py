"""What a network's bodies are like: how large it believes people are, and how wrong its joints.

An error of a joint has three parts: across its ray (from the keypoint in the image), along its ray
(from the depth of the shape), and the size of the whole person, which all joints of a view share
and which is kept apart (``Bodies.size_sigma``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...body.skeleton import INDEX, JOINT_COUNT, JOINTS, MEAN_STATURE
from ...errors import InputError

Array = NDArray[np.float64]


def _by_joint(**values: float) -> Array:
    """(34,) a value a joint, by the joint's name without its side."""
    return np.array([values[name.removeprefix("left_").removeprefix("right_")] for name in JOINTS])


def _by_side(**left: tuple[float, float, float]) -> Array:
    """(34, 3) of which the mirror image is the opposite, by the left or middle joint's name.

    In a mirror x changes its sign, and left and right their places: both sides have one x, and
    opposite y and z, which in the middle are 0.
    """
    values = np.zeros((JOINT_COUNT, 3))
    for joint, name in enumerate(JOINTS):
        x, y, z = left.get(name.removeprefix("left_").removeprefix("right_"), (0.0, 0.0, 0.0))
        sign = name.startswith("left_") - name.startswith("right_")
        values[joint] = x, sign * y, sign * z
    return values


_HEAD = np.array([name.endswith(("nose", "eye", "ear")) for name in JOINTS])
_FOOT = np.array([name.endswith(("ankle", "heel", "big_toe")) for name in JOINTS])
LEAST_HEIGHT = 0.3
"""Metres: nobody is smaller."""
STATURE_SIGMA = 0.025
"""Standard deviation of the logarithm of the size of people whose stature is known: how much the
network's belief changes with the pose (0.010 to 0.028 on the project's films)."""


@dataclass(frozen=True)
class ShapeModel:
    """What is known of one network's errors, found by ``python -m benchmarks.fit_noise``."""

    size_factor: float = 1.0
    """People are this much larger than the network believes."""
    size_sigma: float = 0.08
    """Standard deviation of the logarithm of a person's size, after ``size_factor``."""
    stature: float = MEAN_STATURE
    """Metres: how tall somebody is whose size is ``size_factor``."""
    limbs: float = 0.0
    """How long the network draws limbs, of ``skeleton.MEAN_LENGTHS``; 0: it draws none, or their
    lengths say nothing of the person's size."""
    raise_hips: float = 0.0
    """How far up the trunk the hips and the pelvis are moved to the hip joints, in trunks."""
    asymmetry: Array = field(default_factory=_by_side)
    """(34, 3) metres in the upright crop, x right, y down, z away: by how much everybody is drawn
    otherwise than from a mirror, to be taken off ``Keypoints.world`` (``benchmarks.mirror``)."""
    across: Array = field(default_factory=lambda: np.full(JOINT_COUNT, 0.03))
    """(34,) metres: standard deviation of a joint on each axis across its ray."""
    along: Array = field(default_factory=lambda: np.full(JOINT_COUNT, 0.12))
    """(34,) metres: standard deviation along the ray, from the depth of the shape."""
    doubt: float = 1.0
    """Both grow by the factor exp(doubt (1 - confidence)) for a joint that is not sure."""
    pixel: float = 1.0
    """Pixels: least standard deviation in the image, however large the person is in it."""

    @cached_property
    def of_feet(self) -> tuple[float, float]:
        """Metres: ``across`` and ``along`` of ankles, heels and big toes, on average."""
        return float(self.across[_FOOT].mean()), float(self.along[_FOOT].mean())

    def of_height(self, metres: float) -> ShapeModel:
        """The same network among people who are so tall; 0: nobody says how tall.

        By the size that the network believes in, not by the limbs it draws: those are flattened
        along the view.

        Raises:
            InputError: Nobody is so small.
        """
        if not metres:
            return self
        if metres < LEAST_HEIGHT:
            raise InputError(f"person_height: {metres:g} m is no person's height")
        return replace(
            self,
            size_factor=self.size_factor * metres / self.stature,
            size_sigma=STATURE_SIGMA,
            stature=metres,
        )


BLAZEPOSE_FULL = ShapeModel(
    size_factor=1.03,
    size_sigma=0.05,
    stature=1.70,
    limbs=0.945,
    raise_hips=0.10,
    across=_by_joint(
        pelvis=0.036, hip=0.040, torso=0.020, neck=0.025, shoulder=0.026, elbow=0.030, wrist=0.035,
        knee=0.030, ankle=0.042, heel=0.040, big_toe=0.042, small_toe=0.05, nose=0.026, eye=0.024,
        ear=0.026, pinky_knuckle=0.045, index_knuckle=0.040, thumb_tip=0.045, middle_tip=0.05,
    ),
    along=_by_joint(
        pelvis=0.060, hip=0.068, torso=0.040, neck=0.035, shoulder=0.048, elbow=0.100, wrist=0.135,
        knee=0.110, ankle=0.135, heel=0.125, big_toe=0.155, small_toe=0.16, nose=0.060, eye=0.062,
        ear=0.055, pinky_knuckle=0.155, index_knuckle=0.150, thumb_tip=0.145, middle_tip=0.16,
    ),
)  # fmt: skip
"""BlazePose full. Stature: people of 1.79 and 1.68 m in the project's films are drawn 0.92 and
0.985 times as large as they are, as if all were 1.65 m, times ``size_factor``. Limbs: the mean of
twenty people and views of the films, the cell and the real film. Size factor, its
spread and the hips: eight calibrated photographs of motion-capture studios and three rendered
bodies. Errors: the larger of what ``benchmarks.fit_noise`` finds on the project's films and of the
same on a real film of a man on a treadmill, from four calibrated cameras, whose joints were
triangulated."""

BLAZEPOSE_LITE_SHAPE = replace(BLAZEPOSE_FULL, size_factor=1.04, limbs=0.939)
BLAZEPOSE_HEAVY_SHAPE = replace(
    BLAZEPOSE_FULL,
    size_factor=1.085,
    limbs=0.907,
    asymmetry=_by_side(
        pelvis=(0.001, 0, 0), hip=(0.001, 0.006, 0.020), torso=(0.006, 0, 0), neck=(0.012, 0, 0),
        shoulder=(0.015, 0.030, -0.033), elbow=(0.022, -0.010, -0.008), wrist=(0.008, 0, 0.041),
        knee=(0.019, 0.037, 0.001), ankle=(0.016, 0.016, 0.008), heel=(0.004, 0.018, 0.031),
        big_toe=(-0.005, 0.023, 0.036), nose=(-0.013, 0, 0), eye=(0, 0.004, 0.018),
        ear=(0.008, -0.022, -0.007), pinky_knuckle=(0.012, 0.001, 0.066),
        index_knuckle=(0.014, 0.013, 0.067), thumb_tip=(0.013, 0.012, 0.048),
    ),
    along=np.where(_HEAD, 0.13, BLAZEPOSE_FULL.along),
)  # fmt: skip
"""Lite draws the same people 0.994 and heavy 0.960 times as large as full does: means over three of
the project's films and a film of four calibrated cameras, 0.97 to 1.02 and 0.94 to 0.98. That makes
1.036 and 1.073; heavy's is raised to 1.085, between what the pelvis' error asks for on the five
films (least at 1.10), in the cell (1.075), and on the real film (1.085). Heavy bends heads forward
or back: they lie 0.15 m from where they should along the ray on the films, 0.11 in the cell and on
the real film (full: 0.06, 0.15 and 0.09). Asymmetry: ``python -m benchmarks.mirror --model
blazepose-heavy``. Whoever it looks at, from before, behind or the side,
heavy draws left knees 7 cm lower beside right ones, left shoulders 7 cm nearer and left wrists 8 cm
farther away; on the film of four cameras the same, to 5 mm. Full's asymmetry is a third of that,
and taken off gains nothing; lite's is less."""

FLAT = ShapeModel(
    size_factor=1.05,
    size_sigma=0.12,
    across=BLAZEPOSE_FULL.across,
    along=_by_joint(
        pelvis=0.07, hip=0.09, torso=0.06, neck=0.07, shoulder=0.13, elbow=0.18, wrist=0.24,
        knee=0.15, ankle=0.16, heel=0.16, big_toe=0.20, small_toe=0.20, nose=0.15, eye=0.13,
        ear=0.10, pinky_knuckle=0.26, index_knuckle=0.26, thumb_tip=0.26, middle_tip=0.27,
    ),
)  # fmt: skip
"""Bodies that ``flat.lift_flat`` makes of keypoints alone: ``python -m benchmarks.keypoints
--errors`` on the project's films, of BlazePose's keypoints, and a fifth to a third more, for on the
films nobody sits, bends or reaches towards the camera. Across the ray as BlazePose. The size of who
is guessed at is 0.94 to 1.04 of ``size_factor``, 3 to 6 % about it there; twice that is stated."""

TRUNK = np.array([INDEX["pelvis"], INDEX["left_hip"], INDEX["right_hip"]])
"""The joints that ``raise_hips`` moves."""

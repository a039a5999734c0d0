"""Where every joint is, how fast it moves and how sure that is: a Kalman filter a joint, batched.

What a network gets wrong about a joint has three parts. Most of it stays as long as somebody is
seen from one side: no image tells of it, and it is added when a position's covariance is asked for,
so that seeing somebody for long makes nobody surer than a view can be. Some comes and goes within a
few frames (wobble), and a little is new in every frame (white). The state of a joint is its
position and velocity in the fixed frame and the wobble. The motion is of constant velocity with
white acceleration (Bar-Shalom, Li and Kirubarajan 2001, section 6.2.2), the wobble a first-order
Gauss-Markov process (section 4.7). A joint at rest is taken to stay so until it is seen to start,
and one that is fast to be free to turn.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...body.skeleton import JOINT_COUNT, JOINTS, known
from .symmetric import inverse

Array = NDArray[np.float64]

WHITE = 0.15
"""The part of a measured covariance that is new in every frame."""
WOBBLE = 0.6
"""The part that comes and goes; the rest stays. ``python -m benchmarks.fit_noise`` tells how much
of the errors is another one after some time: 0.06 of the variance after a frame, 0.2 to 0.3 from a
quarter of a second on. Twice that is taken: joints at rest tremble less so, and what several
cameras see, fused, needs it (swept on the films, those of the cell, a real film and films that
were not looked at before)."""
PERSISTENCE = 0.2
"""Seconds after which a wobble is another one."""
START_SPEED = 1.0
"""Metres a second: standard deviation of a new person's velocity on each axis."""
OUTLIER = 16.0
"""Squared Mahalanobis distance from which a joint's measurement loses weight: of 3 degrees of
freedom, one in a thousand true ones lies beyond."""

_OWN_WAY = 0.25
# Seconds for which a limb that nobody sees goes on as it went.
_CORE = [JOINTS.index(name) for name in ("pelvis", "torso", "neck")]
_AGILE = ("wrist", "knuckle", "tip", "toe", "heel", "ankle")
_TRUNK = ("pelvis", "torso", "neck", "hip", "shoulder")


def _by_group(agile: float, trunk: float, other: float) -> Array:
    """(34,) a value for hands and feet, for the trunk, and for what is between them."""
    return np.array(
        [
            agile if any(part in name for part in _AGILE)
            else trunk if any(part in name for part in _TRUNK)
            else other
            for name in JOINTS
        ]
    )  # fmt: skip


ACCELERATION: Array = _by_group(agile=8.0, trunk=0.15, other=1.5)
"""(34,) m^2/s^3: spectral density of the white acceleration of each joint that moves at ``BRISK``.
It grows with the speed's square: who stands goes on standing, who walks speeds up and turns."""
FOUND: Array = np.array([0.8 if name.endswith(("elbow", "knee")) else 0.5 for name in JOINTS])
"""(34,) the part that is found of the noise that the filter takes: of what wobbles, which is taken
twice, and of accelerations, since it is their ratio to that on which the gain depends. A filter
that takes twice all noise has the right gain and twice the covariance. Elbows and knees bend faster
than the density allows that keeps them steady: with a half, 83 to 92 % of their velocities lay in
their ellipsoids in nine films and views, and 79 to 87 % in the four views of a real film, which was
not looked at when 0.8 was chosen: then 91 to 97, and 90 to 97 %."""
BRISK = 0.4
"""Metres a second."""
WILD: Array = _by_group(agile=1.0, trunk=20.0, other=1.0)
"""(34,) how many times that density is the most. A trunk that is followed closely only while it
walks neither trembles at rest nor comes behind when it speeds up."""
CALM = 0.02
"""The part of the density that is left at rest. The less, the less joints tremble, and the later
they are followed."""
STARTLING = 2.0
"""Squared Mahalanobis distance of a measurement that shows a joint at rest to have started: then it
accelerates as one that moves."""


@dataclass(frozen=True)
class Motion:
    """T people's joints: mean and covariance of position (0:3), velocity (3:6), wobble (6:9)."""

    mean: Array
    """(T, 34, 9); NaN where a joint is not known."""
    covariance: Array
    """(T, 34, 9, 9), without what stays wrong."""
    measured: Array
    """(T, 34, 3, 3) square metres: the covariance with which each joint was seen last."""
    surprise: Array
    """(T, 34) squared Mahalanobis distance from where it was expected to where it was seen last."""

    def __len__(self) -> int:
        return len(self.mean)

    @classmethod
    def nobody(cls) -> Motion:
        """Nobody at all."""
        joints = (0, JOINT_COUNT)
        return cls(*(np.zeros((*joints, *rest)) for rest in ((9,), (9, 9), (3, 3), ())))

    @property
    def position(self) -> Array:
        """(T, 34, 3) metres, NaN where unknown."""
        return self.mean[..., :3]

    @property
    def velocity(self) -> Array:
        """(T, 34, 3) metres a second, NaN where unknown."""
        return self.mean[..., 3:6]

    @property
    def heading(self) -> Array:
        """(T, 3) metres a second, of the trunk; 0 where it is not known."""
        trunk = self.velocity[:, _CORE]
        there = known(trunk)[..., None]
        return np.asarray(np.where(there, trunk, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1))

    @property
    def position_covariance(self) -> Array:
        """(T, 34, 3, 3) square metres, with what stays wrong."""
        return self.covariance[..., :3, :3] + (1 - WHITE - WOBBLE) * self.measured

    @property
    def velocity_covariance(self) -> Array:
        """(T, 34, 3, 3) m^2/s^2, of errors as they are found."""
        return FOUND[:, None, None] * self.covariance[..., 3:6, 3:6]

    def select(self, index: Any) -> Motion:  # noqa: ANN401 - whatever numpy indexes with
        """Some of the people."""
        return Motion(*(getattr(self, each.name)[index] for each in fields(self)))

    def joined(self, other: Motion) -> Motion:
        """These people and others."""
        parts = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Motion(*(np.concatenate(pair) for pair in parts))


def start(joints: Array, measured: Array) -> Motion:
    """People seen for the first time.

    Args:
        joints: (T, 34, 3) metres, NaN where unknown.
        measured: (T, 34, 3, 3) their covariance.
    """
    people = len(joints)
    wobble = WOBBLE * measured
    mean = np.zeros((people, JOINT_COUNT, 9))
    mean[..., :3] = joints
    mean[~known(joints)] = np.nan
    covariance = np.zeros((people, JOINT_COUNT, 9, 9))
    covariance[..., :3, :3] = wobble + WHITE * measured
    covariance[..., 3:6, 3:6] = START_SPEED**2 * np.eye(3)
    covariance[..., 6:, 6:] = wobble
    covariance[..., :3, 6:] = covariance[..., 6:, :3] = -wobble
    return Motion(mean, covariance, measured, np.zeros((people, JOINT_COUNT)))


def settle(motion: Motion, unseen: NDArray[np.bool_], seconds: float) -> Motion:
    """Joints (T, 34) that nobody sees go more and more as the trunk does, not on their own way."""
    if not unseen.any():
        return motion
    share = np.where(unseen, np.exp(-seconds / _OWN_WAY), 1)[..., None]
    mean = motion.mean.copy()
    mean[..., 3:6] = share * motion.velocity + (1 - share) * motion.heading[:, None]
    return replace(motion, mean=mean)


def forget(motion: Motion, joints: NDArray[np.bool_]) -> Motion:
    """Joints (T, 34) become unknown; seen again, they start where they are."""
    if not joints.any():
        return motion
    return replace(motion, mean=np.where(joints[..., None], np.nan, motion.mean))


def predict(motion: Motion, seconds: float, unseen: NDArray[np.bool_]) -> Motion:
    """The same people so much later.

    Args:
        motion: T people.
        seconds: How much later.
        unseen: (T, 34) joints that nobody sees: they may have started since.
    """
    step = transition(seconds)
    mean = motion.mean @ step.T
    covariance = step @ motion.covariance @ step.T
    restless = _restlessness(motion)
    density = ACCELERATION * np.where(unseen, np.maximum(restless, 1), restless)
    # Each axis is accelerated on its own: a view of the diagonals of the 3x3 blocks.
    axes = np.einsum("tjxaya->tjxya", covariance.reshape(*density.shape, 3, 3, 3, 3))
    axes[..., :2, :2, :] += (density[..., None, None] * _accelerated(seconds))[..., None]
    covariance[..., 6:, 6:] += (1 - step[-1, -1] ** 2) * WOBBLE * motion.measured
    return replace(motion, mean=mean, covariance=covariance)


def transition(seconds: float) -> Array:
    """(9, 9) of position, velocity and wobble after a time: x + v t, v, and the wobble's decay."""
    step = np.eye(9)
    axis = np.arange(3)
    step[axis, 3 + axis] = seconds
    step[6 + axis, 6 + axis] = np.exp(-seconds / PERSISTENCE)
    return step


def _accelerated(seconds: float) -> Array:
    """(2, 2) covariance of position and velocity after white acceleration of density 1."""
    return np.array([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]])


def _restlessness(motion: Motion) -> Array:
    """(T, 34) how many times its density each joint accelerates, at its speed or as it starts."""
    squared_speed = np.einsum("tjx,tjx->tj", motion.velocity, motion.velocity)
    moving = squared_speed / BRISK**2 + (motion.surprise / STARTLING) ** 2
    return np.where(np.isfinite(moving), np.clip(moving, CALM, WILD), 1)


def update(motion: Motion, joints: Array, measured: Array) -> Motion:
    """What is known after the same people, row by row, are seen now.

    A joint far from where it can be loses weight (an M-estimator's, Huber 1964, on the Mahalanobis
    distance). One that was unknown starts where it is seen.

    Args:
        motion: T people.
        joints: (T, 34, 3) metres, NaN where unknown.
        measured: (T, 34, 3, 3) their covariance.
    """
    here = known(joints)
    fresh = here & ~known(motion.position)
    if fresh.any():
        motion = _begun(motion, start(joints, measured), fresh)
    surprise = np.where(here[..., None], joints - motion.position - motion.mean[..., 6:], 0)
    across = motion.covariance[..., :3] + motion.covariance[..., 6:]
    spread = across[..., :3, :] + across[..., 6:, :] + WHITE * measured
    spread = np.where(here[..., None, None], spread, np.eye(3))
    weight = inverse(spread)
    distance = (surprise[..., None, :] @ weight @ surprise[..., None])[..., 0, 0]
    gain = across @ weight
    gain *= (here * np.minimum(1, np.sqrt(OUTLIER / np.maximum(distance, 1e-12))))[..., None, None]
    mean = motion.mean + (gain @ surprise[..., None])[..., 0]
    # Joseph's form would cost twice as much: with a gain at most the optimal one, this is safe.
    covariance = motion.covariance - gain @ across.swapaxes(-1, -2)
    covariance = (covariance + covariance.swapaxes(-1, -2)) / 2
    measured = np.where(here[..., None, None], measured, motion.measured)
    return Motion(mean, covariance, measured, np.where(here, distance, 0))


def _begun(motion: Motion, started: Motion, fresh: NDArray[np.bool_]) -> Motion:
    """With joints (T, 34) started that are seen for the first time."""
    mean, covariance = motion.mean.copy(), motion.covariance.copy()
    mean[fresh], covariance[fresh] = started.mean[fresh], started.covariance[fresh]
    return replace(motion, mean=mean, covariance=covariance)

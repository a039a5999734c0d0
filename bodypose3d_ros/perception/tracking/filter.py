"""Where every joint is, how fast it moves and how sure that is: a Kalman filter a joint, batched.

The state of a joint is its position and velocity in the fixed frame and, for every view (camera),
the error that this view makes for a while: a network that takes a shoulder for 3 cm nearer than it
is does so in the next frame, too. The motion is of constant velocity with white acceleration
(Bar-Shalom, Li and Kirubarajan 2001, section 6.2.2), the errors are first-order Gauss-Markov
processes (section 4.7). So seeing somebody for long from one side makes nobody surer than that
view can be, and rays of several views that cross are a triangulation. A joint at rest is taken to
stay so until it is seen to start, so that it trembles less.
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
"""The part of a measured covariance that is new in every frame; the rest persists.
``python -m benchmarks.fit_noise`` finds 0.06; more is taken since joints at rest tremble less so
(swept with ``PERSISTENCE`` and ``ACCELERATION`` on the films and a real film: speeds, lag)."""
PERSISTENCE = 0.3
"""Seconds after which a view's error is another one."""
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


def _agility(name: str) -> float:
    if any(part in name for part in _AGILE):
        return 8.0
    return 0.3 if any(part in name for part in _TRUNK) else 1.5


ACCELERATION: Array = np.array([_agility(name) for name in JOINTS])
"""(34,) m^2/s^3: spectral density of the white acceleration of each joint while it moves."""
BRISK = 0.4
"""Metres a second: a slower joint accelerates less, its density falls with the speed's square. Who
stands goes on standing, who walks speeds up and turns."""
STARTLING = 2.0
"""Squared Mahalanobis distance of a measurement that shows a joint at rest to have started: then it
accelerates as one that moves."""
CALM = 0.02
"""The part of the density that is left at rest. The less, the less joints tremble, and the later
they are followed: of somebody who goes off at 1 m/s all at once 7 cm are missing after 0.2 s across
the view, 4 cm after half a second; 2 cm and 1 cm if nobody were taken to rest."""


@dataclass(frozen=True)
class Motion:
    """T people's joints: mean and covariance of position (0:3), velocity (3:6) and views (6:)."""

    mean: Array
    """(T, 34, 6 + 3 V); NaN where a joint is not known."""
    covariance: Array
    """(T, 34, 6 + 3 V, 6 + 3 V)."""
    errors: Array
    """(T, 34, V, 3, 3) square metres: how wrong each view is when it is left alone."""
    surprise: Array
    """(T, 34) squared Mahalanobis distance from where it was expected to where it was seen last."""

    def __len__(self) -> int:
        return len(self.mean)

    @classmethod
    def nobody(cls, views: int = 1) -> Motion:
        """Nobody, seen from so many cameras."""
        size = 6 + 3 * views
        return cls(
            np.zeros((0, JOINT_COUNT, size)),
            np.zeros((0, JOINT_COUNT, size, size)),
            np.zeros((0, JOINT_COUNT, views, 3, 3)),
            np.zeros((0, JOINT_COUNT)),
        )

    @property
    def views(self) -> int:
        """How many cameras the errors are kept of."""
        return int(self.errors.shape[2])

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
        """(T, 34, 3, 3) square metres."""
        return self.covariance[..., :3, :3]

    def select(self, index: Any) -> Motion:  # noqa: ANN401 - whatever numpy indexes with
        """Some of the people."""
        return Motion(*(getattr(self, each.name)[index] for each in fields(self)))

    def joined(self, other: Motion) -> Motion:
        """These people and others."""
        parts = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Motion(*(np.concatenate(pair) for pair in parts))


@dataclass(frozen=True)
class Measured:
    """T people as one view sees them in the fixed frame, row by row those of a ``Motion``."""

    position: Array
    """(T, 34, 3) metres, NaN where unknown."""
    covariance: Array
    """(T, 34, 3, 3) square metres."""
    view: int = 0

    @property
    def noise(self) -> Array:
        """The covariance of what is new in every frame."""
        return self.covariance * WHITE

    @property
    def error(self) -> Array:
        """The covariance of what persists."""
        return self.covariance * (1 - WHITE)


def start(measured: Measured, views: int) -> Motion:
    """People seen for the first time."""
    size = 6 + 3 * views
    people = len(measured.position)
    mean = np.zeros((people, JOINT_COUNT, size))
    mean[..., :3] = measured.position
    covariance = np.zeros((people, JOINT_COUNT, size, size))
    errors = np.zeros((people, JOINT_COUNT, views, 3, 3))
    own = slice(6 + 3 * measured.view, 9 + 3 * measured.view)
    covariance[..., :3, :3] = measured.covariance
    covariance[..., 3:6, 3:6] = START_SPEED**2 * np.eye(3)
    covariance[..., own, own] = errors[:, :, measured.view] = measured.error
    covariance[..., :3, own] = covariance[..., own, :3] = -measured.error
    mean[~known(measured.position)] = np.nan
    return Motion(mean, covariance, errors, np.zeros((people, JOINT_COUNT)))


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
    decay = np.exp(-seconds / PERSISTENCE)
    mean, covariance = motion.mean.copy(), motion.covariance.copy()
    # x + v t and the errors' decay, as the matrix F of x -> F x and P -> F P F^T.
    mean[..., :3] += seconds * mean[..., 3:6]
    mean[..., 6:] *= decay
    covariance[..., :3, :] += seconds * covariance[..., 3:6, :]
    covariance[..., :3] += seconds * covariance[..., 3:6]
    covariance[..., 6:, :] *= decay
    covariance[..., 6:] *= decay
    density = ACCELERATION * np.where(unseen, 1, _restlessness(motion))
    axis = np.arange(3)
    for row, column, share in (
        (axis, axis, seconds**3 / 3),
        (axis, axis + 3, seconds**2 / 2),
        (axis + 3, axis, seconds**2 / 2),
        (axis + 3, axis + 3, seconds),
    ):
        covariance[..., row, column] += share * density[..., None]
    for view in range(motion.views):
        own = slice(6 + 3 * view, 9 + 3 * view)
        covariance[..., own, own] += (1 - decay**2) * motion.errors[:, :, view]
    return replace(motion, mean=mean, covariance=covariance)


def _restlessness(motion: Motion) -> Array:
    """(T, 34) the part of its acceleration that each joint has, at its speed or when it starts."""
    moving = (motion.velocity**2).sum(axis=2) / BRISK**2 + (motion.surprise / STARTLING) ** 2
    return np.where(np.isfinite(moving), np.clip(moving, CALM, 1), 1)


def update(motion: Motion, measured: Measured) -> Motion:
    """What is known after one view has seen the same people now.

    A joint far from where it can be loses weight (an M-estimator's, Huber 1964, on the Mahalanobis
    distance). One that was unknown starts where it is seen.
    """
    motion = _begun(motion, measured)
    own = slice(6 + 3 * measured.view, 9 + 3 * measured.view)
    seen = known(measured.position)
    expected = motion.position + motion.mean[..., own]
    surprise = np.where(seen[..., None], measured.position - expected, 0)
    across = motion.covariance[..., :3] + motion.covariance[..., own]
    spread = across[..., :3, :] + across[..., own, :] + measured.noise
    spread[~seen] = np.eye(3)
    weight = inverse(spread)
    distance = (surprise[..., None, :] @ weight @ surprise[..., None])[..., 0, 0]
    gain = across @ weight
    gain *= (seen * np.minimum(1, np.sqrt(OUTLIER / np.maximum(distance, 1e-12))))[..., None, None]
    mean = motion.mean + (gain @ surprise[..., None])[..., 0]
    # Joseph's form would cost twice as much: with a gain at most the optimal one, this is safe.
    covariance = motion.covariance - gain @ across.swapaxes(-1, -2)
    covariance = (covariance + covariance.swapaxes(-1, -2)) / 2
    errors = motion.errors.copy()
    errors[:, :, measured.view][seen] = measured.error[seen]
    return Motion(mean, covariance, errors, np.where(seen, distance, 0))


def _begun(motion: Motion, measured: Measured) -> Motion:
    """With joints started that are seen for the first time, by anybody or by this view."""
    seen = known(measured.position)
    fresh = seen & ~known(motion.position)
    mean, covariance = motion.mean.copy(), motion.covariance.copy()
    if fresh.any():
        started = start(measured, motion.views)
        mean[fresh], covariance[fresh] = started.mean[fresh], started.covariance[fresh]
    own = slice(6 + 3 * measured.view, 9 + 3 * measured.view)
    new_view = seen & ~fresh & ~motion.errors[:, :, measured.view].any(axis=(2, 3))
    if new_view.any():
        rows = covariance[new_view]
        rows[:, own, own] = measured.error[new_view]
        covariance[new_view] = rows
    return replace(motion, mean=mean, covariance=covariance)

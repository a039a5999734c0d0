"""What people did, told by what came after, too: for recordings, whose future is known.

The filter's states are gone over once more from the last to the first (Rauch and others
1965; Bar-Shalom, Li and Kirubarajan 2001, section 8.6), with the transition and the noise that the
filter took. Who is who, sizes, and what was measured of a joint stay as they were. So that a film
may have any length, a moment is told by what comes up to a second or two after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...body.people import Bodies
from ...body.skeleton import known
from .filter import FOUND, WHITE, WOBBLE, Motion, transition
from .tracks import Step
from .viewpoint import STEADY, size_covariance

Array = NDArray[np.float64]
ItemT = TypeVar("ItemT")

LAG = 1.0
"""Seconds that come after a moment before it is told, twice as many at most. What comes later
changes nothing: ``one_person``'s pelvis at rest seems to move at 0.095 m/s to the filter, 0.080,
0.052, 0.042 and 0.040 by what comes a quarter, half a second, a second and the whole film after."""
_VARIES = WHITE + WOBBLE


def smoothed(steps: Sequence[Step]) -> list[Motion]:
    """The states after each of some steps, in their order, by all of them.

    A joint that was unknown between two of them is told by its own side of the gap.
    """
    told = [steps[-1].motion]
    for step, after in zip(steps[-2::-1], steps[:0:-1], strict=True):
        told.append(_looked_back(step, after, told[-1]))
    return told[::-1]


def _looked_back(step: Step, after: Step, told: Motion) -> Motion:
    """The states after a step by what is told of those after the next one."""
    ours, theirs = np.nonzero(step.track_id[:, None] == after.track_id)
    motion, later = step.motion.select(ours), told.select(theirs)
    expected = after.expected.select(theirs)
    goes_on = known(motion.position) & known(expected.position)
    each, every = goes_on[..., None], goes_on[..., None, None]
    spread = np.where(every, expected.covariance, np.eye(9))
    carried = transition((after.now.stamp - step.now.stamp) / 1e9) @ motion.covariance
    # P F' S^-1 by its transpose, since P and S are symmetric.
    gain = np.linalg.solve(spread, np.where(every, carried, 0)).swapaxes(-1, -2)
    off = np.where(each, later.mean - expected.mean, 0)
    narrower = gain @ np.where(every, later.covariance - spread, 0) @ gain.swapaxes(-1, -2)
    mean, covariance = step.motion.mean.copy(), step.motion.covariance.copy()
    mean[ours] += (gain @ off[..., None])[..., 0]
    covariance[ours] += (narrower + narrower.swapaxes(-1, -2)) / 2
    return replace(step.motion, mean=mean, covariance=covariance)


def stated(bodies: Bodies, step: Step, told: Motion) -> Bodies:
    """What was published of a step, with positions and velocities as they are told by now.

    What was unknown stays so. Of what varies the filter takes twice as much as is found
    (``filter.FOUND``). A filter may leave it so: it is never said to be surer than it is. What is
    smoothed would be said to be surer than it is, of what stays wrong.
    """
    if not len(bodies):
        return bodies
    row = np.argmax(bodies.track_id[:, None] == step.track_id, axis=1)
    motion, center, drift = told.select(row), step.now.center, step.now.drift
    there, moves = known(bodies.joints)[..., None], known(bodies.velocity)[..., None]
    joints = np.where(there, motion.position, np.nan)
    velocity = np.where(moves, motion.velocity, np.nan)
    found = FOUND[:, None, None]
    position_covariance = found * motion.covariance[..., :3, :3]
    position_covariance += (1 - found * _VARIES) * motion.measured
    of_size = STEADY * step.size_sigma[row] ** 2
    return replace(
        bodies,
        joints=joints,
        velocity=velocity,
        covariance=position_covariance + size_covariance(joints, center, of_size),
        velocity_covariance=motion.velocity_covariance + size_covariance(velocity, drift, of_size),
    )


class Smoother(Generic[ItemT]):
    """Gives people back smoothed, a second or two later, with whatever came with them."""

    def __init__(self) -> None:
        self._waiting: list[tuple[ItemT, Bodies, Step | None]] = []

    def add(self, item: ItemT, bodies: Bodies, step: Step | None) -> list[tuple[ItemT, Bodies]]:
        """Take in one image's people.

        Args:
            item: Comes back with them.
            bodies: As the tracker, or the fusion, published them.
            step: The tracker's; None where it has none, and they stay as they are.

        Returns:
            Who can be told by now, in the order in which they came.
        """
        stamps = [each.now.stamp for _, _, each in self._waiting if each is not None]
        # When the time jumps back everybody is new: nothing that comes tells of what was.
        before = self.rest() if step and stamps and step.now.stamp < stamps[-1] else []
        self._waiting.append((item, bodies, step))
        if before or not step or not stamps or step.now.stamp - stamps[0] < 2 * LAG * 1e9:
            return before
        return self._told(step.now.stamp - round(LAG * 1e9))

    def rest(self) -> list[tuple[ItemT, Bodies]]:
        """Those who are left, when nothing more is to come."""
        return self._told(None)

    def _told(self, until: int | None) -> list[tuple[ItemT, Bodies]]:
        """Those up to a time, and whom nothing can tell of; None: everybody."""
        steps = [step for _, _, step in self._waiting if step is not None]
        told = iter(smoothed(steps) if steps else [])
        ready = []
        for item, bodies, step in self._waiting:
            if step is not None:
                if until is not None and step.now.stamp > until:
                    break
                bodies = stated(bodies, step, next(told))
            ready.append((item, bodies))
        del self._waiting[: len(ready)]
        return ready

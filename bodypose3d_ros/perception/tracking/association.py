"""Who of those seen is who of those known, and whose left is whose right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ...body.people import Bodies
from ...body.skeleton import INDEX, JOINT_COUNT, JOINTS, MIRRORED, known
from ..lifting.occlusion import corners
from .filter import Motion
from .symmetric import inverse

Array = NDArray[np.float64]
Pairs = NDArray[np.intp]
"""(M, 2) a track and a person seen in each row."""

_CORE = [INDEX["pelvis"], INDEX["torso"], INDEX["neck"]]
"""The joints that tell people apart: on nobody's left or right, and steady."""
FARTHEST = 9.0
"""Squared Mahalanobis distance a degree of freedom beyond which it is somebody else."""
SAME_PLACE = 0.2
"""Or so much of the person's height in the image, joint by joint on average, in the next frame:
who has not moved in the image is the same, whatever the depth."""
ANOTHER = (0.1, 0.5)
"""Part of the distance, and that a second: who is seen nearer or farther by more, with somebody in
the way, is somebody else, into whose image the network slid when the one it followed was hidden.
The same people's distance differs by less than 0.06 from an image to the next on all films and on
a real one (full and lite, 30 and 60 Hz; 0.11 and 0.15 at 10 Hz), those slides' by 0.16 to 0.25."""
IN_THE_WAY = 0.2
"""So much of two people's boxes in common: of somebody blurred, bent or behind a post the distance
changes by as much as in a slide (11 of 14 times in 805 images of streets and a basketball hall)."""
_IMAGE_WEIGHT = 0.5
"""Of a whole height in the image, against ``FARTHEST``."""
STRIDE = (0.3, 1.0)
"""Metres, and metres a second: how far from where they were expected people are the same."""


def _swapped(*parts: str) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    left = [n for n in JOINTS if n.startswith("left_") and any(p in n for p in parts)]
    return (
        np.array([INDEX[n] for n in left]),
        np.array([INDEX[n.replace("left_", "right_")] for n in left]),
    )


SIDES = (
    _swapped("shoulder", "elbow", "wrist", "knuckle", "tip"),
    _swapped("hip", "knee", "ankle", "heel", "toe"),
    _swapped("eye", "ear"),
)
"""Joints of the left and of the right, for what networks swap at once: arms, legs, head."""


_MEMBERS = np.zeros((len(SIDES), JOINT_COUNT), bool)
for _group, (_left, _right) in enumerate(SIDES):
    _MEMBERS[_group, _left] = _MEMBERS[_group, _right] = True
_OF_GROUPS = _MEMBERS.T.astype(np.float64)
_WAYS = np.stack([np.arange(JOINT_COUNT), MIRRORED])
"""(2, 34) joints as they are seen, and with left and right exchanged."""


def match(
    motion: Motion, seen: Bodies, before: Array, another: NDArray[np.bool_] | None = None
) -> Pairs:
    """Tracks and people so that all in all least has happened (Hungarian).

    Args:
        motion: The tracks, predicted to now.
        seen: (N) people.
        before: (T, 34, 2) the tracks in the image a moment ago, NaN where unknown.
        another: (T, N) who cannot be whom, whatever else; None: everybody can.
    """
    if not len(motion) or not len(seen):
        return np.zeros((0, 2), np.intp)
    far = _mahalanobis(motion, seen) / FARTHEST
    moved = _moved(before, seen.pixels)  # nobody is in an image when views are fused
    cost = np.minimum(far, 2) + np.minimum(moved / _IMAGE_WEIGHT, 2)
    allowed = (far < 1) | (moved < SAME_PLACE)
    return _assigned(cost, allowed if another is None else allowed & ~another)


def crowded(overlap: Array) -> NDArray[np.bool_]:
    """(T, N) whether somebody else, too, is where that person is and that track was.

    Args:
        overlap: (T, N) what tracks and people have in common in the image.
    """
    there = overlap > IN_THE_WAY
    return np.asarray(there & (there.sum(axis=1, keepdims=True) > 1))


def another(before: Array, seconds: Array, seen: Array) -> NDArray[np.bool_]:
    """(T, N) who is too near or too far for who was hidden a moment ago.

    Args:
        before: (T,) metres at which the tracks should be now, were they of the network's size;
            NaN where that is unknown.
        seconds: (T,) since they were seen.
        seen: (N,) metres at which people would be; NaN for who is in no image.
    """
    apart = np.abs(np.log(seen / before[:, None]))
    return np.asarray(apart > ANOTHER[0] + ANOTHER[1] * np.abs(seconds[:, None]))


def match_returning(place: Array, seconds: Array, seen: Array) -> Pairs:
    """Tracks unseen for a while and people who can have come from there.

    Args:
        place: (T, 3) metres where they are expected.
        seconds: (T,) how long ago.
        seen: (N, 3) metres, newcomers.
    """
    if not len(place) or not len(seen):
        return np.zeros((0, 2), np.intp)
    reach = STRIDE[0] + STRIDE[1] * seconds[:, None]
    apart = np.linalg.norm(place[:, None] - seen[None], axis=2)
    return _assigned(np.nan_to_num(apart, nan=1e3), apart < reach)


def swapped(motion: Motion, seen: Bodies) -> NDArray[np.bool_]:
    """(T, 3) whether arms, legs, head fit much better with left and right exchanged.

    Both are rows of the same people: as far as they move from one frame to the next, limbs do not
    change sides.
    """
    # Across the view decides: what a shape's depth says of left and right is least sure.
    expected = np.einsum("tjii->tj", motion.position_covariance)
    measured = np.einsum("tjii->tj", seen.covariance)
    apart = motion.position[:, None] - seen.joints[:, _WAYS]
    squared = np.einsum("twjx,twjx->twj", apart, apart)
    share = squared / (expected[:, None] + measured[:, _WAYS])
    there = np.isfinite(share)
    # (T, 2, 3) means over the joints of arms, legs, head.
    means = (np.where(there, share, 0) @ _OF_GROUPS) / np.maximum(there @ _OF_GROUPS, 1)
    straight, crossed = means[:, 0], means[:, 1]
    return np.asarray((crossed < straight / 4) & (straight > 1))


def joints_of(groups: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(T, 34) the joints of arms, legs, head (T, 3)."""
    return np.asarray(groups @ _MEMBERS, np.bool_)


def exchanged(bodies: Bodies, groups: NDArray[np.bool_]) -> Bodies:
    """Bodies with left and right of arms, legs, head (N, 3) exchanged."""
    if not groups.any():
        return bodies
    order = np.where(joints_of(groups), MIRRORED, np.arange(JOINT_COUNT))
    rows = np.arange(len(bodies))[:, None]
    names = ("joints", "pixels", "confidence", "covariance")
    return replace(bodies, **{name: getattr(bodies, name)[rows, order] for name in names})


def _mahalanobis(motion: Motion, seen: Bodies) -> Array:
    """(T, N) mean squared distance of the core's joints a degree of freedom; inf without any."""
    apart = seen.joints[:, _CORE] - motion.position[:, None, _CORE]
    expected = motion.position_covariance[:, None, _CORE]
    spread = seen.covariance[:, _CORE] + expected  # (T, N, 3, 3, 3)
    there = known(apart)
    apart = np.where(there[..., None], apart, 0)
    spread = np.where(there[..., None, None], spread, np.eye(3))
    squared = (apart[..., None, :] @ inverse(spread) @ apart[..., None])[..., 0, 0]
    count = there.sum(axis=2)
    return np.where(count > 0, squared.sum(axis=2) / np.maximum(3 * count, 1), np.inf)


def _moved(before: Array, now: Array) -> Array:
    """(T, N) mean distance of joints in the image, in heights of the person; inf without any."""
    apart = now - before[:, None]
    distance = np.sqrt(np.einsum("tnjx,tnjx->tnj", apart, apart))
    common = np.isfinite(distance)
    count = common.sum(axis=2)
    mean = np.where(common, distance, 0).sum(axis=2) / np.maximum(count, 1)
    low, high = corners(now)
    height = np.fmax(np.fmax.reduce(high - low, axis=1), 1.0)
    return np.where(count > 0, mean / height, np.inf)


def _assigned(cost: Array, allowed: NDArray[np.bool_]) -> Pairs:
    rows, columns = linear_sum_assignment(np.where(allowed, cost, 1e6))
    kept = allowed[rows, columns]
    return np.array([rows[kept], columns[kept]]).T

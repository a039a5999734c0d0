"""Of all the bodies a network found, those that are really different people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...body.people import Keypoints, Regions
from ...body.skeleton import INDEX, LIMBS

Array = NDArray[np.float64]

MIN_SCORE = 0.5
SAME_JOINT = 0.15
"""Nearer than this part of the smaller person's size, two joints of one name are the same."""
MAX_COVERED = 0.5
"""A body of which more joints belong to people kept already is one of them, or made of several."""
SAME_FACE = 0.06
"""People whose faces are nearer than this part of the smaller one's size share one face."""
ON_BONE = 0.075
"""A joint nearer to somebody's bone than this part of the smaller one's size lies on him: 0.3 of a
trunk, of which four make a size. Of the larger one's it would leave out who passes behind him."""
MAX_ON_BONES = 0.7
"""A body with so many of its joints on somebody else's is a second skeleton of his."""
SAME_CENTER, SAME_SIZE = 0.3, 0.6
"""A region within this part of another's size, and of at least this part of it, is the same one."""
_FACE = [INDEX[name] for name in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")]


def certainty(keypoints: Keypoints) -> Array:
    """(N,) how sure everything about a person is, 0 to 1: of two skeletons the better one's."""
    known = np.maximum((keypoints.confidence > 0).sum(axis=1), 1)
    joints = keypoints.confidence.sum(axis=1) / known
    return np.asarray(keypoints.regions.score * keypoints.score * joints)


def distinct(
    keypoints: Keypoints,
    rank: Array,
    min_score: Array,
    newcomer: NDArray[np.bool_] | None = None,
) -> NDArray[np.intp]:
    """Indices of the people to keep, best rank first.

    Taken in order of rank, a body is left out when the network doubts it, when it has the face of
    a person kept already (a half-sized skeleton on the upper body), or when its joints are
    mostly those of people kept already: the same person again, or a chimera with the head of one
    and the legs of another. A newcomer must not lie on the body of anybody kept, either.

    Args:
        keypoints: N candidates.
        rank: (N,) which of two that exclude each other stays: the higher.
        min_score: (N,) the network's least score for a person.
        newcomer: (N,) who must not lie on anybody kept; of people who cross, one may.
    """
    pixels, size = keypoints.pixels, size_of(keypoints)
    kept: list[int] = []
    for candidate in np.argsort(-rank, kind="stable"):
        known = keypoints.confidence[candidate] > 0
        if not keypoints.score[candidate] >= min_score[candidate] or not known.any():
            continue
        if not kept:
            kept.append(int(candidate))
            continue
        offsets = pixels[kept] - pixels[candidate]
        scale = np.minimum(size[kept], size[candidate])[:, None]
        distance = np.linalg.norm(offsets, axis=2) / np.maximum(scale, 1e-9)
        distance = np.where(np.isfinite(distance), distance, np.inf)
        covered = (distance.min(axis=0, initial=np.inf) < SAME_JOINT)[known]
        shares_face = (distance[:, _FACE].mean(axis=1) < SAME_FACE).any()
        if covered.mean() > MAX_COVERED or shares_face:
            continue
        one = slice(candidate, candidate + 1)
        if newcomer is None or not (
            newcomer[candidate]
            and on_bodies(pixels[one], size[one], pixels[kept], size[kept]).any()
        ):
            kept.append(int(candidate))
    return np.array(kept, np.intp)


def size_of(keypoints: Keypoints) -> Array:
    """(N,) how large people are in the image, in pixels."""
    return np.asarray(keypoints.following.size.max(axis=1, initial=0))


def same_place(regions: Regions, others: Regions) -> NDArray[np.bool_]:
    """(N, M) whether two regions are of one person: near each other, and of about one size."""
    size, others_size = regions.size.max(axis=1)[:, None], others.size.max(axis=1)[None]
    smaller, larger = np.minimum(size, others_size), np.maximum(size, others_size)
    apart = np.linalg.norm(regions.center[:, None] - others.center[None], axis=2)
    return np.asarray((apart < SAME_CENTER * smaller) & (smaller > SAME_SIZE * larger))


def on_bodies(pixels: Array, size: Array, others: Array, others_size: Array) -> NDArray[np.bool_]:
    """Whether people lie on the body of one of some others: ``lies_on``.

    Args:
        pixels: (N, 34, 2) joints, NaN where unknown.
        size: (N,) pixels.
        others: (M, 34, 2) joints of those others.
        others_size: (M,) pixels.

    Returns:
        (N,)
    """
    one, other = np.indices((len(pixels), len(others))).reshape(2, -1)
    on = lies_on(pixels[one], size[one], others[other], others_size[other])
    return np.asarray(on.reshape(len(pixels), len(others)).any(axis=1))


def lies_on(pixels: Array, size: Array, others: Array, others_size: Array) -> NDArray[np.bool_]:
    """(K,) whether people lie each on the body of another, whichever joint where.

    A second skeleton on one person is often turned by half a turn, or another size: its joints are
    nowhere near those of their names, but most are near the bones.

    Args:
        pixels: (K, 34, 2) joints, NaN where unknown.
        size: (K,) pixels.
        others: (K, 34, 2) joints of the others.
        others_size: (K,) pixels.
    """
    reach = ON_BONE * np.minimum(size, others_size)[:, None]
    most = MAX_ON_BONES * np.maximum(np.isfinite(pixels[..., 0]).sum(axis=1), 1)
    # Whose joints are not even where the other is lie on none of his bones.
    low, high = np.fmin.reduce(others, axis=1), np.fmax.reduce(others, axis=1)
    beside = (pixels < (low - reach)[:, None]) | (pixels > (high + reach)[:, None])
    on = np.asarray(np.isfinite(pixels[..., 0]) & ~beside.any(axis=2))
    on = np.asarray(on.sum(axis=1) >= most)
    if on.any():
        near = _to_bones(pixels[on], others[on]) < reach[on]
        on[on] = near.sum(axis=1) >= most[on]
    return on


def _to_bones(points: Array, bodies: Array) -> Array:
    """(K, 34) pixels from each point (K, 34, 2) to the nearest bone of its body (K, 34, 2)."""
    start, end = bodies[:, None, LIMBS[:, 0]], bodies[:, None, LIMBS[:, 1]]
    along = end - start
    offset = points[:, :, None] - start
    share = (offset * along).sum(axis=-1) / np.maximum((along**2).sum(axis=-1), 1e-9)
    apart = np.linalg.norm(offset - share.clip(0, 1)[..., None] * along, axis=-1)
    return np.asarray(np.where(np.isfinite(apart), apart, np.inf).min(axis=-1))

"""Of all the bodies a network found, those that are really different people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...body.people import Keypoints
from ...body.skeleton import INDEX

MIN_SCORE = 0.5
SAME_JOINT = 0.15
"""Nearer than this part of the smaller person's size, two joints of one name are the same."""
MAX_COVERED = 0.5
"""A body of which more joints belong to people kept already is one of them, or made of several."""
SAME_FACE = 0.06
"""People whose faces are nearer than this part of the smaller one's size share one face."""
_FACE = [INDEX[name] for name in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")]


def distinct(
    keypoints: Keypoints, rank: NDArray[np.float64], min_score: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Indices of the people to keep, best rank first.

    Taken in order of rank, a body is left out when the network doubts it, when it has the face of
    a person kept already (a half-sized skeleton on the upper body), or when its joints are
    mostly those of people kept already: the same person again, or a chimera with the head of one
    and the legs of another.

    Args:
        keypoints: N candidates.
        rank: (N,) which of two that exclude each other stays: the higher.
        min_score: (N,) the network's least score for a person.
    """
    size = keypoints.following.size.max(axis=1, initial=0)
    kept: list[int] = []
    for candidate in np.argsort(-rank, kind="stable"):
        known = keypoints.confidence[candidate] > 0
        if not keypoints.score[candidate] >= min_score[candidate] or not known.any():
            continue
        if not kept:
            kept.append(int(candidate))
            continue
        offsets = keypoints.pixels[kept] - keypoints.pixels[candidate]
        scale = np.minimum(size[kept], size[candidate])[:, None]
        distance = np.linalg.norm(offsets, axis=2) / np.maximum(scale, 1e-9)
        distance = np.where(np.isfinite(distance), distance, np.inf)
        covered = (distance.min(axis=0, initial=np.inf) < SAME_JOINT)[known]
        shares_face = (distance[:, _FACE].mean(axis=1) < SAME_FACE).any()
        if covered.mean() <= MAX_COVERED and not shares_face:
            kept.append(int(candidate))
    return np.array(kept, np.intp)

"""BlazePose's detector, over tiles of the image so that it finds more than one person.

On a whole image the network answers with the most prominent person only; on a tile it answers
with the most prominent one there. Steps and constants follow MediaPipe's graph
pose_detection_cpu.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from ...engines import Engine, Tensors, models
from ...errors import OutputError
from ..contract import check_finite
from ..crop import as_input, cut, image_from_crop
from . import HipCircles

Array = NDArray[np.float64]

INPUT = 224
CANDIDATES = 2254
LIKELIEST = "likeliest_anchors"
"""What a network gives that tells of its likeliest candidates alone: which they are."""
MIN_SCORE = 0.5
_VALUE_RANGE = models.BLAZEPOSE.parts[0].value_range
_MIN_IOU = 0.3
_UNLIKELY = -1000.0
"""A logit of nobody."""
_STRIDES = ((8, 2), (16, 2), (32, 6))
"""Pixels a cell, anchors a cell."""
_LONGEST_ROW = 16
"""Squares that lie side by side at most: with 640 of them an image of 640x1 pixels takes 13 GB."""


class BlazePoseDetector:
    """The detection network, its anchors and the search over tiles."""

    def __init__(self, engine: Engine, min_score: float = MIN_SCORE) -> None:
        self.engine = engine
        self._min_logit = np.log(min_score / (1 - min_score))
        self._anchors = _anchors()

    def areas(self, width: int, height: int) -> NDArray[np.int64]:
        """Tiles (T, 4) x, y, width, height that find everybody; the whole image comes first."""
        return tiles(width, height)

    def detect(self, image: NDArray[np.uint8], areas: NDArray[np.int64]) -> HipCircles:
        """Find people in some tiles of an image, all tiles as one batch.

        Args:
            image: (H, W, 3) BGR.
            areas: (T, 4) x, y, width, height in pixels.

        Returns:
            Circles, best first; a person seen in several tiles is there several times.

        Raises:
            EngineError: The network could not be run.
            OutputError: It gave NaN or infinity.
        """
        center = areas[:, :2] + areas[:, 2:] / 2
        side = areas[:, 2:].max(axis=1)
        to_image = image_from_crop(
            center, np.stack([side, side], -1), np.zeros(len(areas)), (INPUT, INPUT)
        )
        crops = cut(image, to_image, (INPUT, INPUT), cv2.BORDER_CONSTANT)
        tensor = as_input(self.engine.inputs[0], crops, _VALUE_RANGE)
        answer = self.engine.infer({"input": tensor})
        if LIKELIEST in answer:
            answer = _spread(answer)
        check_finite(answer, ("boxes", "scores"))
        found = [
            self._decode(boxes, scores[:, 0], origin, scale)
            for boxes, scores, origin, scale in zip(
                answer["boxes"], answer["scores"], center - side[:, None] / 2, side, strict=True
            )
        ]
        points = np.concatenate([points for points, _ in found])
        scores = np.concatenate([scores for _, scores in found])
        best_first = np.argsort(-scores, kind="stable")
        return HipCircles.from_points(
            points[best_first, 0], points[best_first, 1], scores[best_first]
        )

    def close(self) -> None:
        """Give the engine's memory back."""
        self.engine.close()

    def _decode(
        self,
        boxes: NDArray[np.float32],
        logits: NDArray[np.float32],
        origin: Array,
        scale: float,
    ) -> tuple[Array, Array]:
        """One tile's answers (2254, 12), (2254,) to points (K, 2, 2) in the image, scores (K,)."""
        likely = np.flatnonzero(logits >= self._min_logit)
        likely = likely[np.argsort(-logits[likely], kind="stable")]
        scores, anchors = expit(logits[likely].astype(np.float64)), self._anchors[likely]
        raw = boxes[likely].astype(np.float64) / INPUT
        middle, half = raw[:, :2] + anchors, raw[:, 2:4] / 2
        corners = np.concatenate([middle - half, middle + half], axis=1)
        # Keypoint 0 is the middle of the hips, 1 the point above it that sets size and rotation.
        keypoints = raw[:, 4:8].reshape(-1, 2, 2) + anchors[:, None]
        kept, kept_scores = _weighted_suppression(corners, keypoints.reshape(-1, 4), scores)
        return kept.reshape(-1, 2, 2) * scale + origin, kept_scores


def _spread(answer: Tensors) -> Tensors:
    """The boxes and scores of all candidates, those not told of nobody's.

    On a server the network tells of the likeliest alone (``engines/likeliest.py``).

    Raises:
        OutputError: A candidate is none.
    """
    which = answer[LIKELIEST]
    if (which < 0).any() or (which >= CANDIDATES).any():
        raise OutputError("the network gave a candidate that it has not: this image is left out")
    boxes = np.zeros((len(which), CANDIDATES, 12), np.float32)
    scores = np.full((len(which), CANDIDATES, 1), _UNLIKELY, np.float32)
    np.put_along_axis(boxes, which, answer["likeliest_boxes"], axis=1)
    np.put_along_axis(scores, which, answer["likeliest_scores"], axis=1)
    return {"boxes": boxes, "scores": scores}


@cache
def tiles(width: int, height: int) -> NDArray[np.int64]:
    """The tiles (T, 4) x, y, width, height that find everybody: the whole image comes first.

    The whole image, squares of the short side at half overlap, and two rows of four squares of
    0.6 of it: on photographs with up to five people each is the most prominent one in some tile.
    Of images longer than ``_LONGEST_ROW`` times their short side the squares are oblongs.
    """
    short, long = min(width, height), max(width, height)
    side = max(short, -(-long // _LONGEST_ROW))
    count = max(2, int(np.ceil((long - side) / (side / 2))) + 1)
    offsets = np.linspace(0, long - side, count).astype(int)
    squares = [(o, 0, side, short) if width >= height else (0, o, short, side) for o in offsets]
    small = max(int(short * 0.6), 1)
    columns = np.linspace(0, width - small, 4).astype(int)
    rows = [(x, y, small, small) for y in (0, height - small) for x in columns]
    return np.array([(0, 0, width, height), *squares, *rows], np.int64)


def _weighted_suppression(boxes: Array, values: Array, scores: Array) -> tuple[Array, Array]:
    """MediaPipe's weighted non-maximum suppression: overlapping answers are averaged.

    Args:
        boxes: (M, 4) corners, best first.
        values: (M, V) what is averaged, weighted by score.
        scores: (M,) falling.

    Returns:
        (K, V) averages and (K,) the best score of each.
    """
    kept, kept_scores = [], []
    left = np.arange(len(boxes))
    while len(left):
        near = _iou(boxes[left[0]], boxes[left]) > _MIN_IOU
        near[0] = True  # a box of no area does not even overlap itself
        weights = scores[left[near]]
        kept.append(weights @ values[left[near]] / weights.sum())
        kept_scores.append(scores[left[0]])
        left = left[~near]
    return np.array(kept).reshape(-1, values.shape[1]), np.array(kept_scores)


def _iou(box: Array, boxes: Array) -> Array:
    overlap = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.clip(overlap, 0, None).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - shared
    return np.asarray(shared / np.maximum(union, 1e-12))


def _anchors() -> Array:
    """(2254, 2) centres in 0..1 of the input."""
    centers = []
    for stride, per_cell in _STRIDES:
        cells = -(-INPUT // stride)
        y, x = np.mgrid[:cells, :cells]
        centers.append(
            np.repeat(np.stack([x.ravel() + 0.5, y.ravel() + 0.5], 1) / cells, per_cell, axis=0)
        )
    return np.concatenate(centers)

"""Person detectors of a user's own that give boxes: YOLOX, RTMDet, PeopleNet.

Contracts follow what the projects export: YOLOX (Ge et al. 2021, arXiv 2107.08430), RTMDet (Lyu et
al. 2022, arXiv 2212.07784) as MMDeploy exports it with its suppression, NVIDIA's PeopleNet
(DetectNet_v2). Of classes the first one is the person.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...engines import Engine, TensorInfo, Tensors
from ..contract import check_finite, check_kind, image_size
from ..crop import cut, image_from_crop, standardised, to_tensor
from . import Boxes

Array = NDArray[np.float64]
Size = tuple[int, int]
"""Width and height of a network's input."""

MIN_SCORE = 0.4
MAX_OVERLAP = 0.45
"""Intersection over union from which two boxes are of one person."""
_STRIDES = (8, 16, 32)
_PAD = 114
"""The grey beside an image that is not of the input's shape."""
_PEOPLENET_UNIT = 35.0
"""Pixels: what PeopleNet measures boxes in."""


@dataclass(frozen=True)
class Contract:
    """What a kind of detector wants and gives."""

    tensor: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    """BGR crops (T, H, W, 3) to its input."""
    decode: Callable[[Tensors, Size], tuple[Array, Array]]
    """Its outputs to corners (T, M, 4) in pixels of the input and scores (T, M)."""
    differences: Callable[[tuple[TensorInfo, ...], Size], list[str]]
    """What is wrong with its outputs, a phrase each."""
    stretched: bool = False
    """The image is stretched to the input's shape, not fitted into it beside grey."""


class BoxDetector:
    """A detection network, what it is shown, and its boxes without those of the same person."""

    def __init__(self, engine: Engine, contract: Contract) -> None:
        """Take a network that has been loaded.

        Raises:
            ModelError: It is of another kind; the message says what differs.
        """
        differences = check_contract(contract, engine.inputs, engine.outputs)
        check_kind("a detector of that kind", differences)
        self.engine = engine
        self._contract = contract
        self._input, self._size = engine.inputs[0].name, image_size(engine.inputs[0])

    def areas(self, width: int, height: int) -> NDArray[np.int64]:
        """The whole image (1, 4): these networks find everybody in it."""
        return np.array([(0, 0, width, height)], np.int64)

    def detect(self, image: NDArray[np.uint8], areas: NDArray[np.int64]) -> Boxes:
        """Find people in some areas of an image, (H, W, 3) BGR, best first.

        Raises:
            EngineError: The network could not be run.
            OutputError: It gave NaN or infinity.
        """
        shown = self._shown(areas[:, 2:].astype(np.float64))
        to_image = image_from_crop(
            areas[:, :2] + shown / 2, shown, np.zeros(len(areas)), self._size
        )
        crops = cut(image, to_image, self._size, cv2.BORDER_CONSTANT, _PAD)
        answer = self.engine.infer({self._input: self._contract.tensor(crops)})
        check_finite(answer, answer.keys())
        corners, scores = self._contract.decode(answer, self._size)
        corners = corners * np.tile(shown / self._size, 2)[:, None]
        corners += np.tile(areas[:, :2], 2)[:, None]
        # Some networks draw boxes beyond the image, where nobody is seen.
        corners = corners.clip(0, np.tile(image.shape[1::-1], 2))
        found = [suppressed(*area) for area in zip(corners, scores, strict=True)]
        boxes, score = (np.concatenate(part) for part in zip(*found, strict=True))
        best_first = np.argsort(-score, kind="stable")
        return Boxes(boxes[best_first], score[best_first])

    def close(self) -> None:
        """Give the engine's memory back."""
        self.engine.close()

    def _shown(self, areas: Array) -> Array:
        """(T, 2) how much of the image, from an area's corner on, the network is shown."""
        if self._contract.stretched:
            return areas
        return np.asarray((areas / self._size).max(axis=1, keepdims=True) * self._size)


def suppressed(corners: Array, scores: Array) -> tuple[Array, Array]:
    """Boxes (M, 4) of which none overlaps a surer one much, and their scores (M,)."""
    sure = np.flatnonzero((scores >= MIN_SCORE) & (corners[:, 2:] > corners[:, :2]).all(axis=1))
    corners, scores = corners[sure], scores[sure]
    sized = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(sized.tolist(), scores.tolist(), MIN_SCORE, MAX_OVERLAP)
    index = np.asarray(kept, np.intp).ravel()
    return corners[index], scores[index]


def _yolox(answer: Tensors, size: Size) -> tuple[Array, Array]:
    """Cells of three grids: middle and logarithm of the size in cells, object, classes."""
    (raw,) = (tensor.astype(np.float64) for tensor in answer.values())
    origin, stride = cells(size)
    middle = (raw[..., :2] + origin) * stride
    half = np.exp(raw[..., 2:4].clip(max=20)) * stride / 2
    return np.concatenate([middle - half, middle + half], axis=2), raw[..., 4] * raw[..., 5]


def cells(size: Size) -> tuple[Array, Array]:
    """YOLOX's cells: (A, 2) column and row in a grid, (A, 1) pixels of a side, small ones first."""
    origins, strides = [], []
    for stride in _STRIDES:
        row, column = np.mgrid[: size[1] // stride, : size[0] // stride]
        origins.append(np.stack([column.ravel(), row.ravel()], 1).astype(np.float64))
        strides.append(np.full((row.size, 1), float(stride)))
    return np.concatenate(origins), np.concatenate(strides)


def _yolox_differences(outputs: tuple[TensorInfo, ...], size: Size) -> list[str]:
    count = len(cells(size)[0])
    if len(outputs) == 1 and len(shape := outputs[0].shape) == 3 and shape[1] in (count, None):
        return [] if shape[2] is None or shape[2] > 5 else [f"a cell has {shape[2]} numbers, not 6"]
    return [f"it has not one output of N, {count} cells, 5 + classes"]


def _rtmdet(answer: Tensors, size: Size) -> tuple[Array, Array]:
    """Corners and score of each box, and a class apart."""
    boxes = answer["dets"].astype(np.float64)
    return boxes[..., :4], np.where(answer["labels"] == 0, boxes[..., 4], 0)


def _rtmdet_differences(outputs: tuple[TensorInfo, ...], size: Size) -> list[str]:
    names = {each.name for each in outputs}
    missing = [f"output {name} is missing" for name in ("dets", "labels") if name not in names]
    return missing or [
        f"output dets has {each.shape[2]} numbers a box, not 5"
        for each in outputs
        if each.name == "dets" and each.shape[2:] not in ((5,), (None,))
    ]


def _peoplenet(answer: Tensors, size: Size) -> tuple[Array, Array]:
    """A grid of scores, and of distances from each cell's middle to the four sides."""
    score = _named(answer, "cov")[:, 0].astype(np.float64)
    sides = _named(answer, "bbox")[:, :4].astype(np.float64)
    rows, columns = score.shape[1:]
    row, column = np.mgrid[:rows, :columns]
    middle = np.stack([column * (size[0] / columns), row * (size[1] / rows)]) + 0.5
    low = middle - sides[:, :2] * _PEOPLENET_UNIT
    high = middle + sides[:, 2:] * _PEOPLENET_UNIT
    corners = np.concatenate([low, high], axis=1)
    count = len(score)
    return corners.reshape(count, 4, -1).transpose(0, 2, 1), score.reshape(count, -1)


def _named(answer: Tensors, part: str) -> NDArray[np.float32]:
    return next(tensor for name, tensor in answer.items() if part in name)


def _peoplenet_differences(outputs: tuple[TensorInfo, ...], size: Size) -> list[str]:
    return [
        f"it has no output *{part}* of N, channels, rows, columns"
        for part in ("cov", "bbox")
        if not any(part in each.name and len(each.shape) == 4 for each in outputs)
    ]


def check_contract(
    contract: Contract, inputs: tuple[TensorInfo, ...], outputs: tuple[TensorInfo, ...]
) -> list[str]:
    """What differs between a network's tensors and those of a kind of detector, a phrase each."""
    if len(inputs) == 1:
        (image,) = inputs
        colours, height, width = (*image.shape[1:], None, None, None)[:3]
        if colours == 3 and height and width and image.dtype == np.float32:
            return contract.differences(outputs, image_size(image))
    return ["it has not one input, float32 of N, 3, height, width of one size"]


def _bgr(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32)


def _rtmdet_tensor(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.ascontiguousarray(standardised(crops)[:, ::-1])


CONTRACTS = {
    "yolox": Contract(_bgr, _yolox, _yolox_differences),
    "rtmdet": Contract(_rtmdet_tensor, _rtmdet, _rtmdet_differences),
    "peoplenet": Contract(
        lambda crops: to_tensor(crops, (0, 1)), _peoplenet, _peoplenet_differences, stretched=True
    ),
}
"""By their names, the kinds that a user may bring."""

"""Any 2D network with SimCC outputs, as RTMPose has them: keypoints in pixels, and nothing besides.

Contract, crop and decoding follow MMPose's top-down models (Jiang et al. 2023, RTMPose, arXiv
2303.07399; Li et al. 2022, SimCC, arXiv 2107.03332) as MMDeploy exports them. The keypoints are
those of COCO (17), of Halpe's body and feet (26), or of COCO-WholeBody (133; Jin et al. 2020, arXiv
2007.11858).

It is also the shortest example of a network of one's own: what ``PoseModel`` asks for, and no
more.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...body.people import Frame, Keypoints, Regions
from ...body.skeleton import means_of
from ...engines import Engine, TensorInfo, Tensors
from ..contract import check_finite, check_kind, image_size
from ..crop import apply, cut, image_from_crop, standardised
from ..lifting.shape_model import FLAT, ShapeModel
from ..settings import checked, declared
from . import around, channels, least_confidence
from .duplicates import MIN_SCORE

Array = NDArray[np.float64]

MARGIN = 1.25
"""How much larger than the person the crop is."""
OUTPUTS = ("simcc_x", "simcc_y")

_COCO = {
    "nose": 0, "left_eye": 1, "right_eye": 2, "left_ear": 3, "right_ear": 4, "left_shoulder": 5,
    "right_shoulder": 6, "left_elbow": 7, "right_elbow": 8, "left_wrist": 9, "right_wrist": 10,
    "left_hip": 11, "right_hip": 12, "left_knee": 13, "right_knee": 14, "left_ankle": 15,
    "right_ankle": 16,
}  # fmt: skip
_HALPE = {
    "left_big_toe": 20, "right_big_toe": 21, "left_small_toe": 22, "right_small_toe": 23,
    "left_heel": 24, "right_heel": 25,
}  # fmt: skip
_WHOLE_BODY = {
    "left_big_toe": 17, "left_small_toe": 18, "left_heel": 19,
    "right_big_toe": 20, "right_small_toe": 21, "right_heel": 22,
    "left_thumb_tip": 95, "left_index_knuckle": 96, "left_middle_tip": 103,
    "left_pinky_knuckle": 108, "right_thumb_tip": 116, "right_index_knuckle": 117,
    "right_middle_tip": 124, "right_pinky_knuckle": 129,
}  # fmt: skip


WEIGHTS = {
    17: means_of(_COCO, 17),
    26: means_of(_COCO | _HALPE, 26),
    133: means_of(_COCO | _WHOLE_BODY, 133),
}
"""By how many keypoints a network has: each of the 34 joints as a mean of them."""


@dataclass(frozen=True)
class Settings:
    """What may be chosen about the network's input and the reading of its output.

    Raises:
        InputError: A value is not one of those possible.
    """

    channels: str = channels()
    min_confidence: float = least_confidence()

    def __post_init__(self) -> None:
        checked(declared(Settings), vars(self))


class SimCC:
    """The network, its crops and what is read out of its two outputs."""

    sure_score = MIN_SCORE

    def __init__(
        self, engine: Engine, settings: Settings | None = None, shape: ShapeModel = FLAT
    ) -> None:
        """Take a network that has been loaded.

        Raises:
            ModelError: It is another network; the message says what differs.
        """
        check_kind("a SimCC network", check_contract(engine.inputs, engine.outputs))
        self.engine = engine
        self.settings = settings or Settings()
        self.shape = shape
        self._input = engine.inputs[0].name
        self._size = image_size(engine.inputs[0])
        x = next(each for each in engine.outputs if each.name == OUTPUTS[0])
        self._weights = WEIGHTS[int(x.shape[1] or 0)]
        self._given = self._weights.any(axis=1)
        # (34, 4) the keypoints each joint is made of, repeated where they are fewer than four.
        self._sources = np.array([np.resize(np.flatnonzero(row), 4) for row in self._weights])

    def estimate(self, frame: Frame, regions: Regions) -> Keypoints:
        """Find the keypoints of the person in each region, all regions as one batch.

        Raises:
            EngineError: The network could not be run.
            OutputError: It gave NaN or infinity.
        """
        size = crops_of(regions, self._size)
        to_image = image_from_crop(regions.center, size, regions.rotation, self._size)
        crops = cut(frame.image, to_image, self._size, cv2.BORDER_CONSTANT)
        tensor = standardised(crops)
        if self.settings.channels == "BGR":
            tensor = np.ascontiguousarray(tensor[:, ::-1])
        in_crop, value = decode(self.engine.infer({self._input: tensor}), self._size)
        pixels = apply(to_image, in_crop)
        value *= frame.camera.in_image(pixels)

        confidence = np.where(self._given, value[:, self._sources].min(axis=2), 0)
        unknown = (confidence < self.settings.min_confidence) | (confidence == 0)
        joints = np.asarray(self._weights @ pixels)
        joints[unknown] = np.nan
        score = np.median(value[:, : len(_COCO)], axis=1)
        return Keypoints(
            pixels=joints,
            confidence=np.where(unknown, 0, confidence),
            score=score,
            regions=regions,
            following=around(joints, regions, score),
        )

    def close(self) -> None:
        """Give the engine's memory back."""
        self.engine.close()


def crops_of(regions: Regions, size: tuple[int, int]) -> Array:
    """(N, 2) pixels of the image: regions with a margin, of the shape of a network's crop."""
    width, height = size
    tall = np.maximum(regions.size[:, 1], regions.size[:, 0] * height / width) * MARGIN
    return np.stack([tall * width / height, tall], -1).clip(1)


def decode(answer: Tensors, size: tuple[int, int]) -> tuple[Array, Array]:
    """Where the two distributions of each keypoint are highest.

    Args:
        answer: ``simcc_x`` (N, K, X) and ``simcc_y`` (N, K, Y).
        size: The crop's width and height; X and Y are a multiple of them, twice mostly.

    Returns:
        (N, K, 2) pixels of the crop, and (N, K) the lower of the two values there, 0 to 1.

    Raises:
        OutputError: There is NaN or infinity in them.
    """
    check_finite(answer, OUTPUTS)
    both = [answer[name].astype(np.float64) for name in OUTPUTS]
    points = [
        each.argmax(axis=2) * (side / each.shape[2]) for each, side in zip(both, size, strict=True)
    ]
    values = [each.max(axis=2, initial=0) for each in both]
    return np.stack(points, -1), np.minimum(*values).clip(0, 1)


def check_contract(inputs: tuple[TensorInfo, ...], outputs: tuple[TensorInfo, ...]) -> list[str]:
    """What differs between a network's tensors and those of a SimCC network, a phrase each."""
    if len(inputs) != 1:
        return [f"it has {len(inputs)} inputs, not one"]
    (image,) = inputs
    if image.dtype != np.float32 or len(image.shape) != 4 or image.shape[1] != 3:
        return [f"input {image.name} is not float32 of shape N, 3, height, width"]
    if None in image.shape[2:]:
        return [f"the height and width of input {image.name} are free: export it for one size"]
    found = {tensor.name: tensor for tensor in outputs}
    if missing := [name for name in OUTPUTS if name not in found]:
        return [f"output {name} is missing" for name in missing]
    differences = []
    for name, side in zip(OUTPUTS, image_size(image), strict=True):
        shape = found[name].shape
        if len(shape) != 3 or shape[1] not in WEIGHTS:
            kinds = ", ".join(map(str, WEIGHTS))
            differences.append(f"output {name} is not of N, keypoints ({kinds}), places")
        elif not shape[2] or shape[2] % side:
            differences.append(f"output {name} has {shape[2]} places for a side of {side}")
    if not differences and found[OUTPUTS[0]].shape[1] != found[OUTPUTS[1]].shape[1]:
        differences.append("its outputs have different numbers of keypoints")
    return differences

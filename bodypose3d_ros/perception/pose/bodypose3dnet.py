"""NVIDIA's BodyPose3DNet: 34 keypoints, their relative depths, and metres of its own.

Tensors, crop and constants follow NVIDIA's model card and the DeepStream reference application for
it. Millimetres exist in this file alone, between the network and the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...body.camera import Camera
from ...body.people import Frame, Keypoints, Regions
from ...body.skeleton import (
    JOINT_COUNT,
    LENGTH_SLOT_COUNT,
    LENGTH_SLOTS,
    MEAN_LENGTHS,
    MEAN_STATURE,
    NORMALISED_LENGTHS,
    known,
)
from ...engines import Engine, TensorInfo, Tensors
from ...errors import InputError
from ..contract import check_finite, check_kind
from ..crop import apply, cut, image_from_crop, to_tensor
from ..lifting.shape_model import LEAST_HEIGHT, ShapeModel
from ..settings import checked, declared, setting
from . import around, channels, least_confidence, person_height
from .duplicates import MIN_SCORE

Array = NDArray[np.float64]

CROP = (192, 256)
"""Width and height of the crop."""
MARGIN = 1.25
"""How much larger than the person the reference's box is, before it is made square."""
INPUTS: dict[str, tuple[int, ...]] = {
    "input0": (3, CROP[1], CROP[0]),
    "k_inv": (3, 3),
    "t_form_inv": (3, 3),
    "scale_normalized_mean_limb_lengths": (LENGTH_SLOT_COUNT,),
    "mean_limb_lengths": (LENGTH_SLOT_COUNT,),
}
OUTPUTS: dict[str, tuple[int, ...]] = {
    "pose2d": (JOINT_COUNT, 3),
    "pose2d_org_img": (JOINT_COUNT, 3),
    "pose25d": (JOINT_COUNT, 4),
    "pose3d": (JOINT_COUNT, 3),
}
"""Names and shapes without the batch dimension; all are float32."""

# Where a lens is looked at to fit a pinhole camera to it: points of the square -1..1, which is the
# middle half of the region. Most limbs are there, and it is the median limb that decides.
_LENS_GRID = np.stack(np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 5)), -1).reshape(-1, 2)
_LENS_SQUARE = CROP[0] / MARGIN / 4
_CROP_FROM_LENS = np.array(
    [[_LENS_SQUARE, 0, CROP[0] / 2], [0, _LENS_SQUARE, CROP[1] / 2], [0, 0, 1]]
)
_MILLIMETRES = 1000


@dataclass(frozen=True)
class Settings:
    """What may be chosen about the network's input and the reading of its output.

    Raises:
        InputError: A value is not one of those possible.
    """

    lift: str = setting(
        "reference",
        "How BodyPose3DNet's answer becomes metres: reference (relative depths and limb lengths) "
        "or network (its own metres).",
        choices=("reference", "network"),
    )
    person_height: float = person_height()
    channels: str = channels()
    value_low: float = setting(
        0.0, "What black becomes at BodyPose3DNet's input.", minimum=-255.0, maximum=255.0
    )
    value_high: float = setting(
        1.0, "What white becomes at BodyPose3DNet's input.", minimum=-255.0, maximum=255.0
    )
    min_confidence: float = least_confidence()

    def __post_init__(self) -> None:
        checked(declared(Settings), vars(self))
        if self.person_height and self.person_height < LEAST_HEIGHT:
            raise InputError(f"person_height: {self.person_height:g} m is no person's height")

    @property
    def limb_lengths(self) -> Array:
        """(17,) metres."""
        return MEAN_LENGTHS * ((self.person_height or MEAN_STATURE) / MEAN_STATURE)


class BodyPose3DNet:
    """The network, its crops, its five inputs and what is read out of its four outputs."""

    sure_score = MIN_SCORE

    def __init__(
        self,
        engine: Engine,
        settings: Settings | None = None,
        shape: ShapeModel = ShapeModel(),  # noqa: B008 - it is frozen
    ) -> None:
        """Take a network that has been loaded.

        Raises:
            ModelError: It is another network; the message says what differs.
        """
        check_kind("BodyPose3DNet", check_contract(engine.inputs, engine.outputs))
        self.engine = engine
        self.settings = settings or Settings()
        self.shape = shape
        self._lengths = {
            "scale_normalized_mean_limb_lengths": _slots(NORMALISED_LENGTHS),
            "mean_limb_lengths": _slots(self.settings.limb_lengths * _MILLIMETRES),
        }

    def estimate(self, frame: Frame, regions: Regions) -> Keypoints:
        """Find the 34 joints of the person in each region, all regions as one batch.

        Raises:
            EngineError: The network could not be run.
            OutputError: It gave NaN or infinity.
        """
        to_image = crop_transforms(regions)
        crops = cut(frame.image, to_image, CROP, cv2.BORDER_CONSTANT)
        if self.settings.channels != "RGB":
            crops = crops[..., ::-1]  # to_tensor turns the order round
        inputs = {
            "input0": to_tensor(crops, (self.settings.value_low, self.settings.value_high)),
            "k_inv": pinholes(frame.camera, to_image).astype(np.float32),
            "t_form_inv": to_image.astype(np.float32),
            **{name: np.tile(row, (len(regions), 1)) for name, row in self._lengths.items()},
        }
        answer = self.engine.infer(inputs)
        # Only what is read: in half precision the outputs in millimetres may well overflow.
        read = ("pose25d", "pose3d") if self.settings.lift == "network" else ("pose25d",)
        check_finite(answer, read)
        return self._read(answer, frame, to_image, regions)

    def close(self) -> None:
        """Give the engine's memory back."""
        self.engine.close()

    def _read(self, answer: Tensors, frame: Frame, to_image: Array, regions: Regions) -> Keypoints:
        pose25d = answer["pose25d"].astype(np.float64)
        confidence: Array = np.clip(pose25d[..., 3], 0, 1)
        # pose2d_org_img would be the same, were it not computed in half precision by some engines.
        pixels = apply(to_image, pose25d[..., :2])
        unknown = (confidence < self.settings.min_confidence) | (confidence == 0)
        unknown |= ~frame.camera.in_image(pixels)
        pixels[unknown] = np.nan
        score = np.median(confidence, axis=1)
        depth = xyz = None
        if self.settings.lift == "network":
            xyz = _onto_rays(answer["pose3d"] / _MILLIMETRES, pixels, frame.camera)
        else:
            depth = np.where(unknown, np.nan, pose25d[..., 2])
        return Keypoints(
            pixels=pixels,
            confidence=np.where(unknown, 0, confidence),
            score=score,
            regions=regions,
            following=around(pixels, regions, score),
            depth=depth,
            xyz=xyz,
            limb_lengths=np.tile(self.settings.limb_lengths, (len(regions), 1)),
        )


def check_contract(inputs: tuple[TensorInfo, ...], outputs: tuple[TensorInfo, ...]) -> list[str]:
    """What differs between a network's tensors and BodyPose3DNet's, a phrase each."""
    return [
        *_differences("input", {tensor.name: tensor for tensor in inputs}, INPUTS),
        *_differences("output", {tensor.name: tensor for tensor in outputs}, OUTPUTS),
        # What it gives besides is not asked for; what it wants besides cannot be given.
        *(f"input {tensor.name} is not known" for tensor in inputs if tensor.name not in INPUTS),
    ]


def crop_transforms(regions: Regions) -> Array:
    """(N, 3, 3) from crop pixels to image pixels, the reference's crop about each region.

    The upright box about the region is enlarged, made square by its longer side, then heightened to
    the crop's shape.
    """
    cos, sin = np.abs(np.cos(regions.rotation)), np.abs(np.sin(regions.rotation))
    width, height = regions.size.T
    box = np.stack([width * cos + height * sin, width * sin + height * cos], -1)
    side = np.maximum(box.max(axis=1, initial=0) * MARGIN, 1)
    size = np.stack([side, side * CROP[1] / CROP[0]], -1)
    return image_from_crop(regions.center, size, np.zeros(len(regions)), CROP)


def pinholes(camera: Camera, to_image: Array) -> Array:
    """(N, 3, 3) for each crop, from pixels to rays with z = 1: what the network gets as ``k_inv``.

    Without distortion it is the inverse of K. The network knows no lenses, so with distortion it is
    the affine map that fits the lens best in the middle of the region, by least squares.

    Args:
        camera: The camera that took the image.
        to_image: (N, 3, 3) from crop pixels to image pixels.
    """
    k_inv = np.tile(camera.k_inv, (len(to_image), 1, 1))
    if not camera.distorted:
        return k_inv
    from_lens = to_image @ _CROP_FROM_LENS
    pixels = apply(from_lens, _LENS_GRID)
    rays = camera.rays(pixels)
    seen = np.isfinite(rays).all(axis=2, keepdims=True)
    # Solved for the correction to K's inverse: it stays zero where too few points decide.
    correction = np.where(seen, rays - apply(camera.k_inv, pixels), 0)
    rows = np.concatenate([_LENS_GRID, np.ones((len(_LENS_GRID), 1))], axis=1) * seen
    fitted = np.linalg.pinv(rows) @ correction
    k_inv[:, :2] += fitted.transpose(0, 2, 1) @ np.linalg.inv(from_lens)
    return k_inv


def _onto_rays(joints: Array, pixels: Array, camera: Camera) -> Array:
    """The network's metres (N, 34, 3), NaN where the pixels are unknown.

    With distortion each joint goes onto its own undistorted ray at the network's depth.
    """
    if camera.distorted:
        depth = joints[..., 2:]
        joints = np.concatenate([camera.rays(pixels) * depth, depth], axis=2)
    usable = np.asarray(known(pixels) & known(joints) & (joints[..., 2] > 0))
    return np.where(usable[..., None], joints, np.nan)


def _slots(lengths: Array) -> NDArray[np.float32]:
    """(17,) lengths in the 36 slots that the network has for them."""
    slots = np.zeros(LENGTH_SLOT_COUNT, np.float32)
    slots[LENGTH_SLOTS] = lengths
    return slots


def _differences(
    kind: str, found: dict[str, TensorInfo], expected: dict[str, tuple[int, ...]]
) -> list[str]:
    differences = []
    for name, shape in expected.items():
        if name not in found:
            differences.append(f"{kind} {name} is missing")
            continue
        tensor = found[name]
        if tensor.dtype != np.float32:
            differences.append(f"{kind} {name} is {tensor.dtype}, not float32")
        sizes = zip(tensor.shape[1:], shape, strict=False)
        if len(tensor.shape) != len(shape) + 1 or any(a not in (None, b) for a, b in sizes):
            differences.append(
                f"{kind} {name} has shape {_shape(tensor.shape)}, not {_shape((None, *shape))}"
            )
    return differences


def _shape(shape: tuple[int | None, ...]) -> str:
    return "x".join("N" if size is None else str(size) for size in shape)

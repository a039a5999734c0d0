"""Cut people out of an image the way a network wants them: one affine transform a person."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ..engines import TensorInfo

Array = NDArray[np.float64]

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Of red, green and blue, 0 to 255: ImageNet's, by which OpenMMLab's networks normalise."""


def image_from_crop(
    center: Array, size: Array, rotation: Array, crop_size: tuple[int, int]
) -> Array:
    """Transforms (N, 3, 3) from crop pixels to image pixels, corners to corners.

    Args:
        center: (N, 2) middle of each rectangle in image pixels.
        size: (N, 2) its width and height in image pixels.
        rotation: (N,) radians, clockwise in the image.
        crop_size: Width and height of the crop in pixels.
    """
    cos, sin, scale = np.cos(rotation), np.sin(rotation), size / crop_size
    transforms = np.zeros((len(center), 3, 3))
    transforms[:, 0, 0] = transforms[:, 1, 1] = cos
    transforms[:, 0, 1], transforms[:, 1, 0] = -sin, sin
    transforms[:, :2, :2] *= scale[:, None]
    transforms[:, :2, 2] = center - transforms[:, :2, :2] @ np.divide(crop_size, 2)
    transforms[:, 2, 2] = 1
    return transforms


def apply(transforms: Array, points: Array) -> Array:
    """Points (..., M, 2) through affine transforms (..., 3, 3)."""
    linear, shift = transforms[..., :2, :2], transforms[..., None, :2, 2]
    return np.asarray(points @ linear.swapaxes(-1, -2) + shift)


def cut(
    image: NDArray[np.uint8],
    transforms: Array,
    crop_size: tuple[int, int],
    border: int,
    grey: int = 0,
) -> NDArray[np.uint8]:
    """Crops (N, height, width, 3) of an image, bilinear.

    Args:
        image: (H, W, 3).
        transforms: (N, 3, 3) from crop pixels to image pixels.
        crop_size: Width and height of the crops in pixels.
        border: OpenCV's border mode for what lies outside the image.
        grey: What lies there in the mode BORDER_CONSTANT.
    """
    # These are affine, but warpAffine rounds coordinates more coarsely than warpPerspective, which
    # MediaPipe uses: 0.03 % of a person's height instead of 0.006 % away from it, no faster.
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crops = np.empty((len(transforms), crop_size[1], crop_size[0], 3), np.uint8)
    for crop, transform in zip(crops, transforms, strict=True):
        cv2.warpPerspective(image, transform, crop_size, crop, flags, border, [grey] * 3)
    return crops


def as_input(
    tensor: TensorInfo, crops: NDArray[np.uint8], value_range: Sequence[float]
) -> NDArray[np.float32] | NDArray[np.uint8]:
    """BGR crops (N, H, W, 3) as an input takes them: ``to_tensor``, or RGB (N, 3, H, W) in bytes.

    What takes bytes brings them into its value range itself (``engines/pixels.py``).
    """
    if tensor.dtype == np.uint8:
        return np.ascontiguousarray(_planes(crops))
    return to_tensor(crops, value_range)


def to_tensor(crops: NDArray[np.uint8], value_range: Sequence[float]) -> NDArray[np.float32]:
    """BGR crops (N, H, W, 3) of 0..255 to RGB (N, 3, H, W) in the value range (low, high)."""
    low, high = value_range
    tensor = np.empty((len(crops), 3, *crops.shape[1:3]), np.float32)
    np.multiply(_planes(crops), np.float32((high - low) / 255), out=tensor)
    if low:
        tensor += np.float32(low)
    return tensor


def standardised(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """BGR crops (N, H, W, 3) to RGB (N, 3, H, W), each colour less ``MEAN``, over ``STD``."""
    shift, scale = (np.asarray(each, np.float32)[:, None, None] for each in (MEAN, STD))
    tensor = _planes(crops).astype(np.float32)
    tensor -= shift
    tensor /= scale
    return np.ascontiguousarray(tensor)


def _planes(crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """BGR crops (N, H, W, 3) seen as RGB (N, 3, H, W)."""
    return crops[..., ::-1].transpose(0, 3, 1, 2)

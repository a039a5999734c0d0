"""Depth images of messages as metres (H, W) of float32, NaN where unknown."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

Depths = NDArray[np.float32]

MILLIMETRE = 0.001
"""Metres in a unit of 16UC1 (REP 118)."""

# compressed_depth_image_transport: an enumeration and the two parameters of its quantisation.
_HEADER = np.dtype([("format", "<i4"), ("a", "<f4"), ("b", "<f4")])


def from_message(message: Any) -> Depths:  # noqa: ANN401 - either host's Image or CompressedImage
    """Decode a depth image: 16UC1 in millimetres, 32FC1 in metres (REP 118), compressedDepth.

    Raises:
        InputError: The message holds no depth image, or not the one it says it does.
    """
    if hasattr(message, "format"):
        return _compressed(str(message.format), np.frombuffer(message.data, np.uint8))
    kind = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}.get(message.encoding)
    if kind is None:
        raise InputError(
            f"{message.encoding!r} is no depth image: choose a topic of 16UC1 or 32FC1 images"
        )
    dtype = np.dtype(kind).newbyteorder(">" if message.is_bigendian else "<")
    width, height = int(message.width), int(message.height)
    step = int(message.step) or width * dtype.itemsize
    data = np.frombuffer(message.data, np.uint8)
    if step < width * dtype.itemsize or len(data) < step * height or not width * height:
        raise InputError(
            f"the depth image of {width}x{height} {message.encoding} pixels holds {len(data)} "
            f"bytes in rows of {step}: its publisher is at fault"
        )
    rows = data[: step * height].reshape(height, step)[:, : width * dtype.itemsize]
    return in_metres(np.ascontiguousarray(rows).view(dtype))


def in_metres(values: NDArray[Any], unit: float = MILLIMETRE) -> Depths:
    """Whole numbers of a unit, or metres, as metres; 0, infinity and less than nothing as NaN."""
    scale = unit if np.issubdtype(values.dtype, np.integer) else 1.0
    metres = values.astype(np.float32) * np.float32(scale)
    return np.where(np.isfinite(metres) & (metres > 0), metres, np.float32(np.nan))


def decode_png(content: NDArray[np.uint8], name: str) -> NDArray[np.uint16]:
    """The whole numbers (H, W) of a PNG file of 16 bits.

    Args:
        content: Its bytes.
        name: What to call it in an error.

    Raises:
        InputError: It is no such file.
    """
    try:
        values = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if len(content) else None
    except cv2.error as error:
        raise InputError(f"{name} cannot be decoded: {error.err}") from error
    if values is None or values.dtype != np.uint16 or values.ndim != 2:
        raise InputError(f"{name} is no PNG of 16 bit depths, or a damaged one")
    return np.asarray(values, np.uint16)


def _compressed(name: str, content: NDArray[np.uint8]) -> Depths:
    if "compressedDepth" not in name:
        return in_metres(decode_png(content, f"the compressed image ({name})"))
    if "rvl" in name.lower():
        raise InputError(
            f"{name!r} cannot be read: set the publisher's compressedDepth format to png, or "
            "record the raw depth image"
        )
    head, png = content[: _HEADER.itemsize], content[_HEADER.itemsize :]
    values = decode_png(png, f"the compressed depth image ({name})")
    if not name.startswith("32FC1"):
        return in_metres(values)
    quantised = head.view(_HEADER)[0]
    # Parameters of nonsense, zeros among them, give no number: unknown, as the pixels without one.
    with np.errstate(all="ignore"):
        metres = quantised["a"] / (values.astype(np.float32) - quantised["b"])
    return in_metres(np.where(values == 0, np.nan, metres))

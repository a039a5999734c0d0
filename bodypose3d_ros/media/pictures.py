"""Picture files as BGR arrays (H, W, 3) of uint8."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..body.people import Image
from ..errors import InputError
from ..wire.images import decode
from .video import opencv_name

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".jp2")
FOREIGN = (".heic", ".heif")
"""Of pictures that are common and that OpenCV does not read."""

# ISO 14496-12 boxes begin with their length and name; HEIF's brands by ISO 23008-12.
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def read(path: Path) -> Image:
    """Read a picture file.

    Raises:
        InputError: It cannot be read or is not a picture.
    """
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    head = content[:12].tobytes()
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        raise InputError(
            f"{path}: is a HEIC picture, which OpenCV does not read: convert it, for example with  "
            f"heif-convert {path.name} {path.stem}.jpg"
        )
    return decode(content, str(path))


def check(path: Path) -> None:
    """Find out before long work, by how it begins, whether a file is a picture.

    Raises:
        InputError: It cannot be read or is not a picture.
    """
    with opencv_name(path, path.suffix) as name:
        if not cv2.haveImageReader(name):
            read(path)  # says why not


def count(path: Path) -> int:
    """How many pictures a file holds: pages of a TIFF, frames of an animation."""
    with opencv_name(path, path.suffix) as name:
        return int(cv2.imcount(name))

"""Depth images of files and recordings, for the images they belong to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..body.camera import Camera
from ..body.depth import DepthImage
from ..errors import InputError
from ..wire.depth import MILLIMETRE, Depths, decode_png, in_metres
from ..wire.stamps import stamp_of

TOLERANCE = 50_000_000
"""Nanoseconds by which an image and its depth image may be apart: a frame at 20 Hz."""

_AHEAD = 4 * TOLERANCE  # messages may come in another order than they were taken in


@dataclass(frozen=True)
class DepthFolder:
    """A folder of 16 bit PNG files, one for each image, in the images' order."""

    path: Path
    files: tuple[Path, ...]
    unit: float
    """Metres."""

    @classmethod
    def open(cls, path: Path, unit: float = MILLIMETRE) -> DepthFolder:
        """Look what is in a folder.

        Raises:
            InputError: There is no PNG file in it.
        """
        files = tuple(sorted(path.glob("*.png")))
        if not files:
            raise InputError(f"{path}: there are no PNG files of depths in this folder")
        return cls(path, files, unit)

    def check_count(self, count: int) -> None:
        """Refuse depths of other images.

        Raises:
            InputError: There is not one for each of so many images.
        """
        if count != len(self.files):
            raise InputError(
                f"{self.path}: holds {len(self.files)} depth images for {count} images: which "
                "belongs to which cannot be told"
            )

    def of(self, number: int, camera: Camera) -> DepthImage:
        """The depths of an image, from 0, that a camera took.

        Raises:
            InputError: There is none, it cannot be read, or is of another camera.
        """
        if number >= len(self.files):
            self.check_count(number + 1)
        file = self.files[number]
        try:
            content = np.fromfile(file, np.uint8)
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror})") from error
        return registered(in_metres(decode_png(content, str(file)), self.unit), camera)


def registered(values: Depths, camera: Camera) -> DepthImage:
    """Depths as seen by the camera of the image they belong to, of whatever resolution.

    Raises:
        CameraError: Another camera has seen them: their image has other proportions.
    """
    return DepthImage(values, camera.resized(values.shape[1], values.shape[0]))


class ByStamp:
    """Messages in order of time, asked for by the stamp of what they belong to."""

    def __init__(self, messages: Iterable[Any]) -> None:
        self._coming: Iterator[Any] = iter(messages)
        self._near: deque[tuple[int, Any]] = deque()

    def nearest(self, stamp: int) -> Any | None:  # noqa: ANN401 - a message
        """The message whose stamp is nearest, or None where none is within ``TOLERANCE``.

        Args:
            stamp: Nanoseconds; never much less than the time before.
        """
        while not self._near or self._near[-1][0] <= stamp + _AHEAD:
            message = next(self._coming, None)
            if message is None:
                break
            self._near.append((stamp_of(message), message))
        while self._near and self._near[0][0] < stamp - TOLERANCE:
            self._near.popleft()
        apart = [abs(other - stamp) for other, _ in self._near]
        if not apart or min(apart) > TOLERANCE:
            return None
        return self._near[apart.index(min(apart))][1]

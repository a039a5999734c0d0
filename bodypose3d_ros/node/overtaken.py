"""Images that never came here: a newer one took their place in the middleware."""

from __future__ import annotations

from collections import deque

# Two seconds of a camera of 30 Hz, one image in work of a camera ten times as fast.
_REMEMBERED = 64


class Overtaken:
    """Counts them by their CameraInfos, which drivers send with each image and its stamp.

    Middlewares keep the newest image and do not tell of those before it; CameraInfos are small and
    all of them are taken. Stamps of a CameraInfo that are no image's tell nothing.
    """

    def __init__(self) -> None:
        self.count = 0
        self._images: deque[int] = deque(maxlen=_REMEMBERED)
        self._told: deque[int] = deque(maxlen=_REMEMBERED)
        """Of CameraInfos newer than the last one whose image has come."""

    def image(self, stamp: int) -> None:
        """One has come; nanoseconds."""
        self._images.append(stamp)
        self._compare()

    def camera_info(self, stamp: int) -> None:
        """One has come, before or after its image."""
        self._told.append(stamp)
        self._compare()

    def _compare(self) -> None:
        both = [stamp for stamp in self._told if stamp in self._images]
        if not both:
            return
        newest = max(both)
        before = {stamp for stamp in self._told if stamp < newest}
        self.count += len(before.difference(self._images))
        self._told = deque((s for s in self._told if s > newest), maxlen=_REMEMBERED)

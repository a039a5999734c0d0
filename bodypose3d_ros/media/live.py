"""Cameras that are there now: this machine's own (V4L2), and streams on the network."""

from __future__ import annotations

import logging
import re
import threading
import time

import cv2
import numpy as np

from ..body.people import Image
from ..errors import InputError

_DEVICE = re.compile(r"/dev/video\d+")
_ADDRESS = re.compile(r"(\w+)://?([^/@]*@)?(.*)")  # as a path it has one slash
_ANSWER_MS = 3000  # a stream that says nothing for so long is gone
_RETRY_S = 1.0
_OLDEST_NS = 1_000_000_000  # a driver's time that is further off is of another clock

_log = logging.getLogger("bodypose3d.camera")


def is_live(source: str) -> bool:
    """Whether that is a camera, and no file: a V4L2 device or the address of a stream."""
    return bool(_DEVICE.fullmatch(source) or _ADDRESS.fullmatch(source))


def without_password(source: str) -> str:
    """A camera's address as it may be shown."""
    return _ADDRESS.sub(r"\1://\3", source)


class LiveCamera:
    """The newest image of a camera, which is tried again every second when it is lost.

    A thread reads all images, since each waits its turn in the driver or the network; whoever takes
    them slower than they come gets the newest.
    """

    def __init__(self, source: str, size: tuple[int, int] | None = None) -> None:
        """Open it.

        Args:
            source: As ``is_live`` has it.
            size: Width and height that a device is asked for; what a stream has it has.

        Raises:
            InputError: There is no such camera, or it gives no images.
        """
        self.name = without_password(source)
        self._source = source
        self._size = size
        self._newest: tuple[int, Image] | None = None
        self._changed = threading.Condition()
        self._closed = False
        capture = self._open()
        if capture is None:
            raise InputError(
                f"{self.name}: gives no images: is it there, does another program use it, may this "
                "user (the group video), is the address right?"
            )
        self._thread = threading.Thread(target=self._run, args=(capture,), daemon=True)
        self._thread.start()

    def next(self, seconds: float) -> tuple[int, Image] | None:
        """The newest image that was not taken yet, waited for so long; none: there is none.

        Returns:
            The time in nanoseconds at which it was taken, as far as the driver says so, else at
            which it came here; the image, BGR.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None, seconds)
            newest, self._newest = self._newest, None
            return newest

    def close(self) -> None:
        """Let go of it, when the image that is being waited for has come or will not."""
        self._closed = True
        self._thread.join()

    def __enter__(self) -> LiveCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> cv2.VideoCapture | None:
        if _DEVICE.fullmatch(self._source):
            capture = cv2.VideoCapture(self._source, cv2.CAP_V4L2)
            if self._size is not None:
                capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._size[0])
                capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size[1])
        else:
            patience = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
            settings = [number for what in patience for number in (what, _ANSWER_MS)]
            capture = cv2.VideoCapture(self._source, cv2.CAP_FFMPEG, settings)
        if capture.isOpened():
            return capture
        capture.release()
        return None

    def _run(self, capture: cv2.VideoCapture | None) -> None:
        while not self._closed:
            if capture is None:
                time.sleep(_RETRY_S)
                capture = self._open()
                if capture is not None:
                    _log.warning("%s: gives images again", self.name)
                continue
            there, image = capture.read()
            if there:
                with self._changed:
                    self._newest = _taken(capture), np.asarray(image, np.uint8)
                    self._changed.notify()
            else:
                _log.warning("%s: gives no images any more; tried again every second", self.name)
                capture.release()
                capture = None
        if capture is not None:
            capture.release()


def _taken(capture: cv2.VideoCapture) -> int:
    """When the last image was taken: V4L2 stamps buffers by the monotonic clock."""
    now = time.time_ns()
    if capture.getBackendName() != "V4L2":
        return now
    age = time.monotonic_ns() - round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
    return now - age if 0 <= age < _OLDEST_NS else now

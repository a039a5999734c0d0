"""Film files, in and out: frame by frame, at the file's own times."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

import cv2
import numpy as np

from ..body.people import Image
from ..errors import InputError, WriteError

SUFFIXES = (
    *(".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".gif"),
    *(".mjpeg", ".mjpg", ".wmv", ".3gp", ".flv", ".ogv"),
)

_CODEC = "mp4v"
# MPEG-4 counts time in at most 65535 ticks a second, OpenCV the rate in hundredths.
_SLOWEST, _FASTEST = 0.01, 600.0
_USUAL_RATE = 30.0  # of a film that does not say its own
_RATES = 1e-4, 1e6  # frames a second; what a file says beyond them is damage
_LONGEST_MS = 1e11  # three years: later times are damage, too
_LONGEST_GAP = 100  # frames in a row that cannot be read, after which a film is at its end


class Video:
    """A film file, frame by frame."""

    def __init__(self, path: Path) -> None:
        """Look into it.

        Raises:
            InputError: It is not a film that OpenCV can read.
        """
        self.path = path
        if not path.is_file():
            raise InputError(f"{path}: there is no such file")
        with _capture(path) as capture:
            rate, count = (
                capture.get(what) for what in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT)
            )
            self.rate = float(rate) if _RATES[0] <= rate <= _RATES[1] else _USUAL_RATE
            """Frames a second."""
            self.count = int(count) if math.isfinite(count) and count > 0 else 0
            """As the file says or, where it does not, as its length and rate; 0 if unknown."""

    def frames(self) -> Iterator[tuple[int, Image | str]]:
        """Each frame with its time in nanoseconds from the film's start.

        Where a frame is damaged, or the film ends earlier than it says, a text says so instead,
        at the time of the last frame before.

        Raises:
            InputError: There is no frame in it.
        """
        stamp, read, missing = 0, 0, 0
        interval = round(1e9 / self.rate)
        with _capture(self.path) as capture:
            while missing < _LONGEST_GAP:
                there, image = capture.read()
                if not there:
                    missing += 1
                    continue
                lost = f"a frame after {stamp / 1e9:.3f} s is damaged"
                yield from ((stamp, lost) for _ in range(missing))
                at = capture.get(cv2.CAP_PROP_POS_MSEC)
                own = round(at * 1e6) if 0 <= at <= _LONGEST_MS else 0
                # Times that stand still are none: the rate is all that is known then.
                stamp = own if own > stamp or not read else stamp + interval
                read, missing = read + 1, 0
                yield stamp, np.asarray(image, np.uint8)
        if read == 0:
            raise InputError(f"{self.path}: holds no picture: it is empty or damaged")
        # The count may be an estimate, and damaged frames are told already: time decides, too.
        if read < self.count and stamp + 1.5 * interval < self.count * interval:
            end, says = (stamp + interval) / 1e9, self.count * interval / 1e9
            yield stamp, f"the film ends at {end:.3f} s, though it says that it has {says:.3f} s"


class VideoWriter:
    """An MP4 film, under whatever name; without a single frame there is no file."""

    def __init__(self, path: Path, rate: float) -> None:
        """Nothing is written before the first frame, which says how large the film is.

        Args:
            path: The file, replaced if it is there.
            rate: Frames a second, as far as MPEG-4 can say it.
        """
        self._path = path
        self._rate = min(max(round(rate, 2), _SLOWEST), _FASTEST)
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._count = 0
        self._open = ExitStack()
        path.unlink(missing_ok=True)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(check=error is None)

    def write(self, image: Image) -> None:
        """Add a BGR image; one of another size than the first is fitted into it.

        Raises:
            WriteError: The film cannot be begun.
        """
        if self._writer is None:
            self._writer = self._begin(image)
        self._writer.write(_fitted(image, self._size))
        self._count += 1

    def close(self, *, check: bool = True) -> None:
        """End the film.

        Args:
            check: Look whether all of it is there: OpenCV does not say when a disk is full.

        Raises:
            WriteError: It is not.
        """
        if self._writer is None:
            return
        self._writer.release()
        self._open.close()
        self._writer = None
        if check and not self._is_whole():
            raise WriteError(f"{self._path}: cannot be written to its end: is the disk full?")

    def _is_whole(self) -> bool:
        try:
            return Video(self._path).count == self._count
        except InputError:
            return False

    def _begin(self, image: Image) -> cv2.VideoWriter:
        self._size = (image.shape[1], image.shape[0])
        name = self._open.enter_context(opencv_name(self._path, ".mp4"))
        writer = cv2.VideoWriter(name, cv2.VideoWriter.fourcc(*_CODEC), self._rate, self._size)
        if not writer.isOpened():
            size = f"{self._size[0]}x{self._size[1]}"
            raise WriteError(f"{self._path}: no film of {size} pixels can be written there")
        return writer


@contextmanager
def _capture(path: Path) -> Iterator[cv2.VideoCapture]:
    with opencv_name(path, path.suffix) as name:
        capture = cv2.VideoCapture(name)
        try:
            if not capture.isOpened():
                raise InputError(
                    f"{path}: is not a film that OpenCV can read, or is cut off: convert it, for "
                    f"example with  ffmpeg -i {path.name} film.mp4"
                )
            yield capture
        finally:
            capture.release()


@contextmanager
def opencv_name(path: Path, suffix: str) -> Iterator[str]:
    """A name for OpenCV, which takes UTF-8 only and the format of a film from its suffix."""
    if path.suffix == suffix and str(path).isascii():
        yield str(path)
        return
    with TemporaryDirectory() as folder:
        link = Path(folder) / f"film{suffix}"
        link.symlink_to(path.absolute())
        yield str(link)


def _fitted(image: Image, size: tuple[int, int]) -> Image:
    """The whole image in the middle of one of another size, black around it."""
    width, height = size
    scale = min(width / image.shape[1], height / image.shape[0])
    if image.shape[:2] == (height, width):
        return image
    inner = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    canvas = np.zeros((height, width, 3), np.uint8)
    x, y = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas[y : y + inner[1], x : x + inner[0]] = cv2.resize(image, inner)
    return canvas

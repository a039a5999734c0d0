"""Images of any origin as BGR arrays (H, W, 3) of uint8: messages, picture files, films."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

Image = NDArray[np.uint8]

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".jp2")
VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".ts")

_JPEG_QUALITY = 90


def from_message(message: Any) -> Image:  # noqa: ANN401 - either host's Image or CompressedImage
    """Decode a ``sensor_msgs/Image`` or ``CompressedImage`` of any encoding.

    Grey, Bayer, YUV, RGBA and 16 bit images are converted; 16 bits keep their upper eight.

    Raises:
        InputError: The message does not hold the image it says it does.
    """
    if hasattr(message, "format"):
        return decode(np.frombuffer(message.data, np.uint8), "the compressed image")
    # Imported here so that a machine with ROS 2 and without rosbags can still read files.
    from rosbags.image import ImageError, image_to_cvimage

    try:
        image = image_to_cvimage(_packed(message), "bgr8")
    except ImageError as error:
        raise InputError(f"image encoding {message.encoding!r} cannot be used: {error}") from error
    except (TypeError, ValueError, cv2.error) as error:
        raise InputError(
            f"the image of {message.width}x{message.height} {message.encoding} pixels holds "
            f"{len(message.data)} bytes in rows of {message.step}: its publisher is at fault"
        ) from error
    if image.size == 0:
        raise InputError("the image has no pixels: its publisher is at fault")
    return np.ascontiguousarray(image, np.uint8)


def decode(content: NDArray[np.uint8], name: str) -> Image:
    """Decode a picture file's bytes (n,).

    Args:
        content: The bytes.
        name: What to call it in an error.

    Raises:
        InputError: It is empty, truncated or not a picture.
    """
    if not len(content):
        raise InputError(f"{name} is empty")
    if _is_truncated_jpeg(content.tobytes()):
        raise InputError(f"{name} is a damaged picture: the end of the file is missing")
    try:
        image = cv2.imdecode(content, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise InputError(f"{name} cannot be decoded: {error.err}") from error
    if image is None:
        raise InputError(f"{name} is not a picture, or a damaged one")
    return np.asarray(image, np.uint8)


def read(path: Path) -> Image:
    """Read a picture file.

    Raises:
        InputError: It cannot be read or is not a picture.
    """
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    return decode(content, str(path))


def encode_jpeg(image: Image) -> NDArray[np.uint8]:
    """A BGR image as a JPEG file's bytes (n,)."""
    return np.asarray(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1])


class Video:
    """A film file, frame by frame."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            InputError: It is not a film that OpenCV can read.
        """
        self.path = path
        if not path.is_file():
            raise InputError(f"{path}: there is no such file")
        self._capture = cv2.VideoCapture(str(path))
        self.rate = float(self._capture.get(cv2.CAP_PROP_FPS)) or 30.0
        """Frames a second."""
        self.count = max(int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        """As the file says; 0 when it does not."""
        if not self._capture.isOpened():
            raise InputError(
                f"{path}: is not a film that OpenCV can read: convert it, for example with  "
                f"ffmpeg -i {path.name} film.mp4"
            )

    def frames(self) -> Iterator[tuple[int, Image]]:
        """Each frame with its time in nanoseconds from the film's start.

        Raises:
            InputError: There is no frame in it.
        """
        index = 0
        try:
            while True:
                there, image = self._capture.read()
                if not there:
                    break
                yield round(index * 1e9 / self.rate), np.asarray(image, np.uint8)
                index += 1
        finally:
            self._capture.release()
        if index == 0:
            raise InputError(f"{self.path}: holds no picture: it is empty or damaged")


def _is_truncated_jpeg(content: bytes) -> bool:
    """OpenCV 4 fills what is missing with grey. A whole file's last scan is followed by its end."""
    start, scan, end = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
    return content.startswith(start) and content.rfind(end) < content.rfind(scan)


def _packed(message: Any) -> Any:  # noqa: ANN401 - either host's Image
    """The message without the padding that some cameras add to rows, which rosbags overlooks."""
    from rosbags.image.image import to_cvtype

    depth, _, _, channels = to_cvtype(message.encoding)
    row = message.width * channels * depth // 8
    if message.step in (0, row) or message.encoding in ("nv12", "nv21"):
        return message
    data = np.frombuffer(message.data, np.uint8)
    if message.step < row or len(data) < message.step * message.height:
        raise ValueError("rows are shorter than the image is wide")
    rows = data[: message.step * message.height].reshape(message.height, message.step)
    return _Packed(message, np.ascontiguousarray(rows[:, :row]))


class _Packed:
    """An image message whose rows follow each other without padding."""

    def __init__(self, message: Any, data: NDArray[np.uint8]) -> None:  # noqa: ANN401
        self.width, self.height, self.encoding = message.width, message.height, message.encoding
        self.is_bigendian, self.step, self.data = message.is_bigendian, data.shape[1], data

"""Images of messages as BGR arrays (H, W, 3) of uint8, and back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body.people import Image
from ..errors import ImageError

VIDEO_FORMATS = ("h264", "h265", "hevc", "av1", "vp8", "vp9", "theora", "ffmpeg")
"""Formats of a CompressedImage that hold a film's packets, not pictures."""

_JPEG_QUALITY = 90

# Chroma at half the size: the planes follow each other in one array of height * 3 / 2 rows.
_PLANAR = {
    "nv12": cv2.COLOR_YUV2BGR_NV12,
    "nv21": cv2.COLOR_YUV2BGR_NV21,
    "i420": cv2.COLOR_YUV2BGR_I420,
    "yuv420p": cv2.COLOR_YUV2BGR_I420,
    "yv12": cv2.COLOR_YUV2BGR_YV12,
}
_CHROMA_IN_PLANES = ("i420", "yuv420p", "yv12")

# What OpenCV's names of plain arrays mean as pictures; others, as 32FC3, have no white.
_PLAIN = {"8UC1": "mono8", "8UC3": "bgr8", "8UC4": "bgra8", "16UC3": "bgr16", "16UC4": "bgra16"}


def from_message(message: Any) -> Image:  # noqa: ANN401 - either host's Image or CompressedImage
    """Decode a ``sensor_msgs/Image`` or ``CompressedImage`` of any encoding.

    Grey, Bayer, YUV, RGBA and 16 bit images are converted; 16 bits keep their upper eight.

    Raises:
        ImageError: The message does not hold the image it says it does, or none that is a picture.
    """
    if hasattr(message, "format"):
        _check_format(str(message.format))
        return decode(np.frombuffer(message.data, np.uint8), "the compressed image")
    # Imported here so that a machine with ROS 2 and without rosbags can still read files.
    from rosbags.image import ImageError as RosbagsError
    from rosbags.image import image_to_cvimage

    planar = _PLANAR.get(message.encoding.lower())
    try:
        if planar is not None:
            image = cv2.cvtColor(_planes(message), planar)
        else:
            image = image_to_cvimage(_packed(message), "bgr8")
    except RosbagsError as error:
        raise ImageError(f"image encoding {message.encoding!r} cannot be used: {error}") from error
    except (TypeError, ValueError, cv2.error) as error:
        raise ImageError(
            f"the image of {message.width}x{message.height} {message.encoding} pixels holds "
            f"{len(message.data)} bytes in rows of {message.step}: its publisher is at fault"
        ) from error
    if image.size == 0:
        raise ImageError("the image has no pixels: its publisher is at fault")
    return np.ascontiguousarray(image, np.uint8)


def decode(content: NDArray[np.uint8], name: str) -> Image:
    """Decode a picture file's bytes (n,).

    Args:
        content: The bytes.
        name: What to call it in an error.

    Raises:
        ImageError: It is empty, truncated or not a picture.
    """
    if not len(content):
        raise ImageError(f"{name} is empty")
    if _is_truncated_jpeg(content.tobytes()):
        raise ImageError(f"{name} is a damaged picture: the end of the file is missing")
    try:
        image = cv2.imdecode(content, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ImageError(f"{name} cannot be decoded: {error.err}") from error
    if image is None:
        raise ImageError(f"{name} is not a picture, or a damaged one")
    return np.asarray(image, np.uint8)


def encode_jpeg(image: Image) -> NDArray[np.uint8]:
    """A BGR image as a JPEG file's bytes (n,)."""
    return np.asarray(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1])


def _check_format(name: str) -> None:
    """Refuse what travels as a CompressedImage and is no picture."""
    if "compressedDepth" in name:
        raise ImageError("compressedDepth is a depth image: choose the colour image's topic")
    if any(video in name.lower() for video in VIDEO_FORMATS):
        raise ImageError(
            f"{name!r} is a film's packets, of which none is a picture by itself: republish them, "
            "for example with  ros2 run image_transport republish --ros-args "
            "-p in_transport:=ffmpeg -p out_transport:=raw"
        )


def _is_truncated_jpeg(content: bytes) -> bool:
    """Whether a JPEG ends before its end marker, which OpenCV 4 would fill with grey.

    What follows the end, as the film of a motion photo, does not count (ITU-T T.81, B.1.1).
    """
    if not content.startswith(b"\xff\xd8"):
        return False
    at = 2
    while (at := content.find(b"\xff", at)) >= 0 and at + 1 < len(content):
        marker = content[at + 1]
        if marker == 0xD9:  # end of image
            return False
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:  # data, or a marker by itself
            at += 2
        else:  # a segment, which says how long it is
            at += 2 + max(int.from_bytes(content[at + 2 : at + 4], "big"), 2)
    return True


def _planes(message: Any) -> NDArray[np.uint8]:  # noqa: ANN401 - either host's Image
    """(H * 3 / 2, W) luma and chroma of a planar YUV image, without the padding of its rows."""
    width, height = int(message.width), int(message.height)
    step = int(message.step) or width
    data = np.frombuffer(message.data, np.uint8)
    if step < width or height % 2 or width % 2 or len(data) < step * height * 3 // 2:
        raise ValueError("rows or planes are shorter than the image")
    luma, chroma = np.split(data[: step * height * 3 // 2], [step * height])
    if message.encoding.lower() in _CHROMA_IN_PLANES:
        chroma = chroma.reshape(height, step // 2)[:, : width // 2]
    else:
        chroma = chroma.reshape(height // 2, step)[:, :width]
    luma = luma.reshape(height, step)[:, :width]
    return np.concatenate([luma, chroma.reshape(height // 2, width)])


def _packed(message: Any) -> Any:  # noqa: ANN401 - either host's Image
    """The message without the padding that some cameras add to rows, which rosbags overlooks."""
    from rosbags.image import ImageFormatError
    from rosbags.image.image import to_cvtype

    encoding = _PLAIN.get(message.encoding, message.encoding)
    depth, kind, _, channels = to_cvtype(encoding)
    if kind < 0:
        raise ImageFormatError(
            f"it says numbers, not what is black and white; use one of {', '.join(_PLAIN)}"
        )
    row = message.width * channels * depth // 8
    step = int(message.step) or row
    data = np.frombuffer(message.data, np.uint8)
    if step < row or len(data) < step * message.height:
        raise ValueError("rows are shorter than the image is wide")
    rows = data[: step * message.height].reshape(message.height, step)
    return SimpleNamespace(
        width=message.width,
        height=message.height,
        encoding=encoding,
        is_bigendian=message.is_bigendian,
        step=row,
        data=np.ascontiguousarray(rows[:, :row]),
    )

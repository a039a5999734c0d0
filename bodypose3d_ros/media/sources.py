"""What people hand in on the command line, as frames: pictures, folders, films, recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..body.camera import Camera
from ..body.people import Frame
from ..errors import InputError
from ..wire import images
from .recording import Recorded, Recording, is_recording

_FRAME_ID = "camera_optical_frame"
_PICTURE_INTERVAL = 1_000_000_000  # pictures have no time of their own: one a second


@dataclass(frozen=True)
class CameraChoice:
    """Which camera took pictures and films, which do not say so themselves."""

    calibration: Path | None = None
    hfov: float | None = None
    rectified: bool = False

    def of(self, width: int, height: int) -> Camera:
        """The camera of images of that size.

        Raises:
            CameraError: The calibration cannot be used, or is for another size.
            InputError: Nothing was chosen.
        """
        if self.calibration is not None:
            camera = Camera.from_yaml(self.calibration, rectified=self.rectified)
            camera.check_size(width, height)
            return camera
        if self.hfov is not None:
            return Camera.from_hfov(width, height, self.hfov)
        raise InputError(
            "its camera is not known: give a camera_calibration file with --camera, or an "
            "approximate horizontal field of view with --hfov (60 suits most webcams)"
        )


@dataclass(frozen=True)
class Topics:
    """Which topics of a recording are meant, where it holds several cameras."""

    image: str | None = None
    info: str | None = None


@dataclass(frozen=True)
class Source:
    """One thing handed in."""

    path: Path
    sequence: bool
    """Whether its frames follow each other in time."""
    count: int
    """How many frames, as far as it says; 0 where it does not."""
    rate: float
    """Frames a second."""
    frames: Callable[[], Iterator[Frame | Recorded | tuple[Recorded, Frame]]]
    """Frames in order; of a recording every message, images with their frame."""


def expand(paths: list[Path]) -> list[Path]:
    """Folders of pictures and films become what is in them; recordings stay as they are.

    Raises:
        InputError: A folder holds nothing that can be used.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir() or is_recording(path):
            found.append(path)
            continue
        inside = sorted(p for p in path.iterdir() if _kind(p) is not None)
        if not inside:
            raise InputError(f"{path}: there are no pictures, films or recordings in this folder")
        found += inside
    return found


def open_source(path: Path, cameras: CameraChoice, topics: Topics, index: int = 0) -> Source:
    """Make frames of one path.

    Args:
        path: A picture, film or recording.
        cameras: The camera of pictures and films; of recordings where it is given.
        topics: Which topics of a recording.
        index: Which source this is, from 0: the second that a picture is stamped with.

    Raises:
        InputError: It cannot be used.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder")
    if is_recording(path):
        return _recording(path, cameras, topics)
    if path.suffix.lower() in images.VIDEOS:
        video = images.Video(path)
        return Source(path, True, video.count, video.rate, partial(_video, video, cameras))
    return Source(path, False, 1, 1.0, partial(_picture, path, cameras, index))


def _kind(path: Path) -> str | None:
    if is_recording(path):
        return "recording"
    return path.suffix.lower() if path.suffix.lower() in images.PICTURES + images.VIDEOS else None


def _picture(path: Path, cameras: CameraChoice, index: int) -> Iterator[Frame]:
    image = images.read(path)
    yield _frame(path, image, cameras, index * _PICTURE_INTERVAL)


def _video(video: images.Video, cameras: CameraChoice) -> Iterator[Frame]:
    for stamp, image in video.frames():
        yield _frame(video.path, image, cameras, stamp)


def _frame(path: Path, image: images.Image, cameras: CameraChoice, stamp: int) -> Frame:
    try:
        camera = cameras.of(image.shape[1], image.shape[0])
    except InputError as error:
        raise type(error)(f"{path}: {error}") from error
    return Frame(image, camera, stamp, _FRAME_ID, path.name)


def _recording(path: Path, cameras: CameraChoice, topics: Topics) -> Source:
    given = cameras.calibration is not None or cameras.hfov is not None
    recording = Recording(
        path,
        image_topic=topics.image,
        info_topic=topics.info,
        rectified=cameras.rectified,
        camera_of=cameras.of if given else None,
    )

    def messages() -> Iterator[Recorded | tuple[Recorded, Frame]]:
        with recording:
            yield from recording.messages()

    return Source(path, True, recording.count, recording.rate, messages)

"""What people hand in on the command line, as frames: pictures, folders, films, recordings."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..body.camera import Camera
from ..body.floor import Floor
from ..body.people import Frame, Image
from ..errors import InputError, printable
from . import pictures, video
from .depth import DepthFolder
from .film import all_names
from .live import LiveCamera, is_live, without_password
from .recording import Item, Recording, is_recording

_log = logging.getLogger(__name__)

_ROS1 = ".bag"
_FRAME_ID = "camera_optical_frame"
_PICTURE_INTERVAL = 1_000_000_000  # pictures have no time of their own: one a second
_LIVE_S = 0.05
_UNKNOWN = (
    "its camera is not known: give a camera_calibration file with --camera, or an approximate "
    "horizontal field of view with --hfov (60 suits most webcams)"
)


@dataclass(frozen=True)
class CameraChoice:
    """Which camera took pictures and films, which do not say so themselves."""

    calibration: Path | None = None
    hfov: float | None = None
    rectified: bool = False

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height that the calibration is for; None: there is none.

        Raises:
            CameraError: It cannot be used.
        """
        if self.calibration is None:
            return None
        camera = Camera.from_yaml(self.calibration, rectified=self.rectified)
        return camera.width, camera.height

    def check(self, path: Path) -> None:
        """Find out before long work whether the camera of a picture or film is known.

        Raises:
            CameraError: The calibration cannot be used.
            InputError: Nothing was chosen.
        """
        if self.size is None and self.hfov is None:
            raise InputError(f"{path}: {_UNKNOWN}")

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
        raise InputError(_UNKNOWN)


@dataclass(frozen=True)
class Topics:
    """Which topics of a recording are meant, where it holds several cameras."""

    image: str | None = None
    info: str | None = None
    depth: str | None = None
    """Depth images that are registered to the images."""


@dataclass(frozen=True)
class Scene:
    """What is known of what is before the camera, beside its images."""

    floor: Floor | None = None
    depths: DepthFolder | None = None
    """Of pictures, or of one film."""


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
    items: Callable[[], Iterator[Item]]
    """Begins what it gives, in order of time."""


def is_sequence(path: Path) -> bool:
    """Whether what a path gives follows each other in time: a film or a recording."""
    return is_recording(path) or path.suffix.lower() in video.SUFFIXES


def expand(paths: list[Path]) -> list[Path]:
    """Folders of pictures and films become what is in them; recordings stay as they are.

    Raises:
        InputError: A folder cannot be read, or holds nothing that can be used.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir() or is_recording(path):
            found.append(path)
            continue
        try:
            inside = sorted(each for each in path.iterdir() if _is_source(each))
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        if not inside:
            raise InputError(f"{path}: there are no pictures, films or recordings in this folder")
        found += inside
    return found


def labels(paths: list[Path]) -> list[str]:
    """A name for each path that no other one has: as much of its end as that takes."""
    parts = [path.absolute().parts for path in paths]
    distinct = set(parts)
    names: list[str] = ["" for _ in paths]
    for length in range(1, max(map(len, parts), default=0) + 1):
        ends = Counter(each[-length:] for each in distinct)
        for index, each in enumerate(parts):
            if not names[index] and ends[each[-length:]] == 1:
                names[index] = printable("/".join(each[-length:]))
    # The same path can be handed in twice, and two unprintable names may look the same.
    times: Counter[str] = Counter()
    for index, name in enumerate(names):
        times[name] += 1
        if times[name] > 1:
            names[index] = f"{name} ({times[name]})"
    return names


def open_source(
    path: Path,
    cameras: CameraChoice,
    topics: Topics,
    index: int = 0,
    label: str | None = None,
    scene: Scene | None = None,
) -> Source:
    """Look into one path, and make frames of it.

    Args:
        path: A picture, film or recording.
        cameras: The camera of pictures and films; of recordings where it is given.
        topics: Which topics of a recording.
        index: Which source this is, from 0: the second that a picture is stamped with.
        label: What its frames say they come from; its name if not given.
        scene: What else is known.

    Raises:
        InputError: It cannot be used.
    """
    source = _open(path, cameras, topics, index, label or printable(path.name))
    if scene is None:
        return source
    if source.sequence and scene.depths and len(scene.depths.files) != source.count:
        _log.warning(
            "%s: holds %d depth images, %s says that it has %d",
            *(scene.depths.path, len(scene.depths.files), path, source.count),
        )
    first = 0 if source.sequence else index
    return replace(source, items=partial(_seen, source.items, scene, first))


def _open(path: Path, cameras: CameraChoice, topics: Topics, index: int, name: str) -> Source:
    if not path.exists() and str(path) in all_names():
        raise InputError(
            f"{path}: is a film of this package: make a recording of it with  "
            f"bodypose3d film to-bag {path} FOLDER"
        )
    if is_live(str(path)):
        raise InputError(
            f"{without_password(str(path))}: is a camera, which has no end: `bodypose3d play` "
            "sends its images to `bodypose3d node`"
        )
    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder")
    if path.is_dir() and not is_recording(path):
        raise InputError(f"{path}: is a folder, and no recording: it has no metadata.yaml")
    suffix = path.suffix.lower()
    if suffix == _ROS1:
        raise InputError(
            f"{path}: is a ROS 1 recording: convert it with  "
            f"rosbags-convert --src {path} --dst {path.stem}"
        )
    if is_recording(path):
        return _recording(path, cameras, topics, name)
    if suffix in video.SUFFIXES:
        film = video.Video(path)
        return Source(path, True, film.count, film.rate, partial(_video, film, cameras, name))
    pictures.check(path)
    return Source(path, False, 1, 1.0, partial(_picture, path, cameras, index, name))


def _seen(items: Callable[[], Iterator[Item]], scene: Scene, first: int) -> Iterator[Item]:
    """Items with all that is known of the scene; a damaged image has its depth image, too."""
    for number, item in enumerate(items(), first):
        if item.frame is None:
            yield item
            continue
        depth = item.frame.depth
        if scene.depths is not None:
            depth = scene.depths.of(number, item.frame.camera)
        yield replace(item, frame=replace(item.frame, depth=depth, floor=scene.floor))


def _is_source(path: Path) -> bool:
    # What cannot be read, but is meant, is told by name when it is opened.
    suffixes = (*pictures.SUFFIXES, *pictures.FOREIGN, *video.SUFFIXES, _ROS1)
    return is_recording(path) or path.suffix.lower() in suffixes


def _picture(path: Path, cameras: CameraChoice, index: int, name: str) -> Iterator[Item]:
    image = pictures.read(path)
    camera = _camera(path, image, cameras)
    yield Item(Frame(image, camera, index * _PICTURE_INTERVAL, _FRAME_ID, name))
    if (count := pictures.count(path)) > 1:
        yield Item(problem=f"holds {count} pictures, of which only the first is looked at")


def _video(film: video.Video, cameras: CameraChoice, name: str) -> Iterator[Item]:
    camera: Camera | None = None  # a calibration takes as long to read as an image to be looked at
    for stamp, image in film.frames():
        if isinstance(image, str):
            yield Item(problem=image)
            continue
        if camera is None or image.shape[:2] != (camera.height, camera.width):
            camera = _camera(film.path, image, cameras)
        yield Item(Frame(image, camera, stamp, _FRAME_ID, name))


def live(camera: LiveCamera, cameras: CameraChoice, running: Callable[[], bool]) -> Iterator[Frame]:
    """The newest frame of a camera, again and again.

    Args:
        camera: That one.
        cameras: What it is calibrated as.
        running: Asked between images, and every twentieth of a second; false ends it.
    """
    calibrated: Camera | None = None
    while running():
        if (taken := camera.next(_LIVE_S)) is None:
            continue
        stamp, image = taken
        if calibrated is None or image.shape[:2] != (calibrated.height, calibrated.width):
            calibrated = _camera(camera.name, image, cameras)
        yield Frame(image, calibrated, stamp, _FRAME_ID, camera.name)


def _camera(name: Path | str, image: Image, cameras: CameraChoice) -> Camera:
    try:
        return cameras.of(image.shape[1], image.shape[0])
    except InputError as error:
        raise type(error)(f"{name}: {error}") from error


def _recording(path: Path, cameras: CameraChoice, topics: Topics, name: str) -> Source:
    given = cameras.calibration is not None or cameras.hfov is not None
    recording = Recording(
        path,
        image_topic=topics.image,
        info_topic=topics.info,
        depth_topic=topics.depth,
        rectified=cameras.rectified,
        camera_of=cameras.of if given else None,
        guessed=cameras.calibration is None,
        name=name,
    )
    return Source(path, True, recording.count, recording.rate, recording.items)

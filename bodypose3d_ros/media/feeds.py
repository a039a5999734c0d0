"""The images of a rig's cameras on one clock: what they show at the same moment comes together."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..body.people import Frame
from ..errors import InputError
from .recording import Item, Recording, image_topics, is_recording
from .rig import Rig, RigCamera, place_of
from .sources import CameraChoice, Topics, expand, is_sequence, open_source

Array = NDArray[np.float64]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Feed:
    """One camera of a rig and its images in order of time."""

    camera: RigCamera
    count: int
    """How many images, as far as is known; 0 where it is not."""
    rate: float
    """Images a second."""
    frames: Callable[[], Iterator[Frame]]
    """Begins its images, with the camera's place and stamps of the common clock."""


def of_films(
    rig: Rig, paths: Sequence[Path], times: Sequence[Path] = (), rate: float | None = None
) -> list[Feed]:
    """The films or folders of pictures of a rig's cameras.

    Images with equal numbers are simultaneous, unless times are given.

    Args:
        rig: The cameras.
        paths: A film or a folder of pictures for each, in the rig's order.
        times: A text file for each: a line an image, seconds on a common clock.
        rate: Images a second, for pictures or instead of what the films say.

    Raises:
        InputError: They do not belong together; the message says what is missing.
    """
    names = ", ".join(camera.name for camera in rig.cameras)
    if len(paths) != len(rig):
        raise InputError(
            f"the rig has {len(rig)} cameras ({names}), here are {len(paths)} films: give one for "
            "each, in this order"
        )
    if times and len(times) != len(paths):
        raise InputError(f"give --times once for each of {names}, in this order, or not at all")
    if times:
        stamps = [read_times(path) for path in times]
        return [
            _feed(camera, path, [*own], _rate(own))
            for camera, path, own in zip(rig.cameras, paths, stamps, strict=True)
        ]
    rates = {path: rate or _own_rate(path) for path in paths}
    if len({round(each, 2) for each in rates.values()}) > 1:
        said = ", ".join(f"{path.name} {each:g} Hz" for path, each in rates.items())
        raise InputError(
            f"the films have several rates ({said}), so images with equal numbers are not "
            "simultaneous: say when each was taken with --times"
        )
    common = next(iter(rates.values()))
    return [
        _feed(camera, path, None, common) for camera, path in zip(rig.cameras, paths, strict=True)
    ]


def of_recording(path: Path, rig: Rig | None = None) -> tuple[Rig, list[Feed]]:
    """The cameras of one recording, where a rig has them, or else /tf_static.

    Without a rig the fixed frame is the one that all of them hang from. CameraInfo is the
    recording's in any case.

    Args:
        path: The recording.
        rig: Its cameras are those whose optical frame the images bear; others are left out.

    Raises:
        InputError: There are fewer than two cameras, or where one stands is not known.
    """
    seen = _seen(path)
    if rig is not None:
        return rig, _feeds(path, seen, rig)
    hangs_from = {
        str(each.child_frame_id): (str(each.header.frame_id), _place(each.transform))
        for each in next(iter(seen.values()))[0].static_transforms()
    }
    placed = [_in_root(path, frame_id, hangs_from) for frame_id in seen]
    roots = sorted({root for root, _ in placed})
    if len(roots) > 1:
        raise InputError(
            f"{path}: /tf_static does not say how the cameras stand to each other: they hang from "
            f"{', '.join(roots)}. Give a rig file before it: calibrate-rig writes one"
        )
    cameras = [
        RigCamera(_name(frame_id, seen), frame.camera, place, frame=frame_id)
        for (frame_id, (_, frame)), (_, place) in zip(seen.items(), placed, strict=True)
    ]
    found = Rig(roots[0], tuple(cameras))
    return found, _feeds(path, seen, found)


def unplaced(path: Path, fixed_frame: str) -> tuple[Rig, list[Feed]]:
    """The cameras of one recording, whose places in the fixed frame are still to be found.

    Raises:
        InputError: There are fewer than two cameras.
    """
    seen = _seen(path)
    cameras = [
        RigCamera(_name(frame_id, seen), frame.camera, np.eye(4), frame=frame_id)
        for frame_id, (_, frame) in seen.items()
    ]
    found = Rig(fixed_frame, tuple(cameras))
    return found, _feeds(path, seen, found)


def instants(feeds: Sequence[Feed]) -> Iterator[tuple[int, dict[str, Frame]]]:
    """Every moment at which a camera took an image: the stamp, and the images by camera."""
    named = [_named(feed) for feed in feeds]
    merged = heapq.merge(*named, key=lambda each: each[1].stamp)
    for stamp, together in groupby(merged, key=lambda each: each[1].stamp):
        yield stamp, dict(together)


def read_times(path: Path) -> list[int]:
    """Stamps in nanoseconds from a text file of seconds, a line each.

    Raises:
        InputError: It cannot be read, or time does not go on in it.
    """
    try:
        lines = path.read_text(encoding="utf-8").split()
        stamps = [round(float(line) * 1e9) for line in lines]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, OverflowError) as error:
        raise InputError(f"{path}: is not a list of seconds, a line an image ({error})") from error
    if not stamps:
        raise InputError(f"{path}: holds no times")
    for line, (before, after) in enumerate(pairwise(stamps), 2):
        if after <= before:
            raise InputError(f"{path}: line {line} is not later than the line before it")
    return stamps


def _rate(stamps: Sequence[int]) -> float:
    """Images a second, of nanoseconds that increase."""
    return (len(stamps) - 1) * 1e9 / (stamps[-1] - stamps[0]) if len(stamps) > 1 else 1.0


def _own_rate(path: Path) -> float:
    if path.is_dir():
        raise InputError(
            f"{path}: pictures do not say when they were taken: give --film-rate or --times"
        )
    if not is_sequence(path) or is_recording(path):
        raise InputError(f"{path}: is neither a film nor a folder of pictures")
    return open_source(path, CameraChoice(), Topics()).rate


def _feed(camera: RigCamera, path: Path, stamps: list[int] | None, rate: float) -> Feed:
    files = expand([path])
    choice = CameraChoice(camera.calibration)
    sources = [open_source(file, choice, Topics(), index) for index, file in enumerate(files)]
    count = sum(source.count for source in sources)

    def stamp(number: int, _: Frame) -> int:
        if stamps is None:
            return round(number * 1e9 / rate)
        if number >= len(stamps):
            raise InputError(f"{path}: has more images than the {len(stamps)} times given")
        return stamps[number]

    def frames() -> Iterator[Frame]:
        items = chain.from_iterable(source.items() for source in sources)
        yield from _placed(path, camera, items, stamp)

    return Feed(camera, count, rate, frames)


def _recorded(path: Path, camera: RigCamera, recording: Recording) -> Iterator[Frame]:
    return _placed(path, camera, recording.items(), lambda _, frame: frame.stamp)


def _seen(path: Path) -> dict[str, tuple[Recording, Frame]]:
    """Each camera's images and the first of them, by its frame."""
    recordings = [Recording(path, image_topic=topic) for topic in image_topics(path)]
    recordings = [each for each in recordings if not each.is_depth]
    if len(recordings) < 2:
        raise InputError(f"{path}: holds images of {len(recordings)} cameras: it takes two")
    seen: dict[str, tuple[Recording, Frame]] = {}
    for each in recordings:
        frame = _first_frame(each)
        if frame.frame_id in seen:
            other, _ = seen[frame.frame_id]
            raise InputError(
                f"{path}: {other.image_topic} and {each.image_topic} are of one frame, "
                f"{frame.frame_id!r}: give each camera's driver an optical frame of its own"
            )
        seen[frame.frame_id] = each, frame
    return seen


def _name(frame_id: str, others: Collection[str]) -> str:
    """Of a camera: its optical frame's, without what all of those end in, if no other has it."""
    name = _without_ending(frame_id)
    return frame_id if name in others else name


def _without_ending(frame_id: str) -> str:
    return frame_id.removesuffix("_optical_frame")


def _feeds(path: Path, seen: Mapping[str, tuple[Recording, Frame]], rig: Rig) -> list[Feed]:
    here = {_without_ending(frame_id): each for frame_id, (each, _) in seen.items()}
    here |= {frame_id: each for frame_id, (each, _) in seen.items()}
    frames = [each.optical_frame for each in rig.cameras]
    keys = [each if each in here else _without_ending(each) for each in frames]
    if missing := [n for n, key in enumerate(keys) if key not in here]:
        names = ", ".join(rig.cameras[n].name for n in missing)
        raise InputError(
            f"{path}: has no images of the rig's {names}: theirs bear the frame "
            f"{frames[missing[0]]}; here are {', '.join(seen)}"
        )
    recordings = [(camera, here[key]) for camera, key in zip(rig.cameras, keys, strict=True)]
    return [
        Feed(camera, each.count, each.rate, partial(_recorded, path, camera, each))
        for camera, each in recordings
    ]


def _first_frame(recording: Recording) -> Frame:
    for item in recording.items():
        if item.frame is not None:
            return item.frame
    raise InputError(f"{recording.path}: no image of {recording.image_topic} can be used")


def _place(transform: Any) -> Array:  # noqa: ANN401 - a geometry_msgs/Transform
    t, q = transform.translation, transform.rotation
    return place_of([t.x, t.y, t.z], [q.x, q.y, q.z, q.w])


def _in_root(
    path: Path, frame: str, hangs_from: Mapping[str, tuple[str, Array]]
) -> tuple[str, Array]:
    """The frame at the top, and the matrix (4, 4) from a frame to it."""
    place, passed = np.eye(4), set()
    while frame in hangs_from:
        if frame in passed:
            raise InputError(f"{path}: /tf_static goes round in a circle at {frame}")
        passed.add(frame)
        frame, matrix = hangs_from[frame]
        place = matrix @ place
    return frame, place


def _placed(
    path: Path, camera: RigCamera, items: Iterator[Item], stamp: Callable[[int, Frame], int]
) -> Iterator[Frame]:
    """Images that can be used, with the camera's place and a stamp; of others it is said.

    ``stamp`` tells it from the image's number, those that cannot be used counted, and the image.
    """
    lost, problem = 0, ""
    for number, item in enumerate(items):
        if item.frame is not None:
            yield replace(
                item.frame,
                stamp=stamp(number, item.frame),
                frame_id=camera.optical_frame,
                source=camera.name,
                place=camera.place,
            )
        elif item.problem:
            lost, problem = lost + 1, item.problem
            if lost == 1:
                _log.warning("%s: %s", path, problem)
    if lost > 1:
        _log.warning("%s: %d frames could not be used; the last: %s", path, lost, problem)


def _named(feed: Feed) -> Iterator[tuple[str, Frame]]:
    for frame in feed.frames():
        yield feed.camera.name, frame

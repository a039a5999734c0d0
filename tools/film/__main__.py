"""``python -m tools.film [NAME ...]``: render the films into the package's data folder."""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import zipfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import IO

import cv2
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from bodypose3d_ros.media import film

from .assets import Assets
from .films import SCRIPTS, SIZE
from .joints import Joints, visibility
from .person import Look, Person
from .scene import Picture, Room

DEPTH_STEP = 4
"""Depth is kept for every fourth pixel, as the coarser depth cameras give it."""
_PROCESSES = 2
_CRF = 27


@cache
def person(look: Look) -> Person:
    """Somebody dressed, who may be in several films, made once in each process."""
    return Person(Assets(), look)


@cache
def stage(name: str) -> tuple[list[Person], Room]:
    """The people and the room of a film, made once in each process."""
    script = SCRIPTS[name]
    return [person(look) for look in script.looks], Room(script.view(), script.walls)


def render(name: str, frame: int) -> tuple[Picture, NDArray[np.float64], NDArray[np.uint8]]:
    """One frame: the picture, the joints (P, 34, 3) in the world, and their visibility (P, 34)."""
    script, (cast, room) = SCRIPTS[name], stage(name)
    posed = script.move(cast, script.time(frame))
    picture = room.render(posed, frame)
    joints = np.stack([Joints(person.body)(p) for person, p in zip(cast, posed, strict=True)])
    seen = room.view.camera.project(room.view.to_camera(joints))
    inside = np.asarray(room.view.camera.in_image(seen).any(axis=1))
    return picture, joints, visibility(joints, picture, room.view, present=inside)


def fingerprint(picture: Picture) -> str:
    """SHA-256 of a frame before the film's compression: image and depth."""
    depth = _millimetres(picture.depth)
    return hashlib.sha256(picture.image.tobytes() + depth.tobytes()).hexdigest()


def make(name: str, folder: Path) -> None:
    """Render one film: its .mp4, .truth.npz, perhaps .depth.zip, and .frames.json for the tests."""
    script = SCRIPTS[name]
    with ProcessPoolExecutor(_PROCESSES) as pool:
        rendering = pool.map(render, [name] * script.frames, range(script.frames))
        frames = list(track(rendering, f"rendering {name}", script.frames))
    pictures, joints, seen = zip(*frames, strict=True)
    _write_video(folder / f"{name}.mp4", script.rate, (picture.image for picture in pictures))
    _write_truth(folder / f"{name}.truth.npz", name, np.stack(joints), np.stack(seen))
    if script.has_depth:
        _write_depth(folder / f"{name}.depth.zip", name, pictures)
    prints = [fingerprint(picture) for picture in pictures]
    (folder / f"{name}.frames.json").write_text(json.dumps(prints, indent=0) + "\n")


def _write_video(path: Path, rate: float, images: Iterable[NDArray[np.uint8]]) -> None:
    """H.264 of one thread and no time stamps: the same bytes on every run."""
    size = f"{SIZE[0]}x{SIZE[1]}"
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error",
        "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", size, "-r", str(rate), "-i", "-",
        "-c:v", "libx264", "-preset", "veryslow", "-crf", str(_CRF), "-pix_fmt", "yuv420p",
        "-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact",
        "-movflags", "+faststart", str(path),
    ]  # fmt: skip
    content = b"".join(np.ascontiguousarray(image).tobytes() for image in images)
    subprocess.run(command, input=content, check=True)


def _write_truth(
    path: Path, name: str, joints: NDArray[np.float64], seen: NDArray[np.uint8]
) -> None:
    script, view = SCRIPTS[name], SCRIPTS[name].view()
    arrays: Mapping[str, NDArray[np.generic]] = {
        "joints": np.where((seen == film.ABSENT)[..., None], np.nan, joints).astype(np.float32),
        "visibility": seen,
        "matrix": view.camera.matrix,
        "distortion": view.camera.distortion,
        "size": np.array(SIZE),
        "rotation": view.rotation,
        "translation": view.translation,
        "height": np.array(script.tripod.height),
        "tilt": np.array(script.tripod.tilt),
        "rate": np.array(script.rate),
        "start": np.array(script.start),
    }
    with _Reproducible(path) as archive:
        for key, values in arrays.items():
            archive.write_array(f"{key}.npy", values)


def _write_depth(path: Path, name: str, pictures: tuple[Picture, ...]) -> None:
    """The empty room once, and for each frame only what people cover."""
    room = _millimetres(stage(name)[1].render([], 0).depth)
    with _Reproducible(path) as archive:
        archive.write_png("room.png", room)
        for frame, picture in enumerate(pictures):
            people = np.where(picture.person >= 0, picture.depth, 0)
            archive.write_png(f"{frame:03}.png", _millimetres(people))


def _millimetres(depth: NDArray[np.float64]) -> NDArray[np.uint16]:
    start = DEPTH_STEP // 2
    return np.rint(depth[start::DEPTH_STEP, start::DEPTH_STEP] * 1000).astype(np.uint16)


class _Reproducible:
    """A zip file without the time it was made."""

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path, "w")

    def __enter__(self) -> _Reproducible:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def write_array(self, name: str, values: NDArray[np.generic]) -> None:
        with self._open(name, zipfile.ZIP_DEFLATED) as file:
            np.lib.format.write_array(file, np.ascontiguousarray(values), version=(1, 0))

    def write_png(self, name: str, values: NDArray[np.uint16]) -> None:
        with self._open(name, zipfile.ZIP_STORED) as file:
            file.write(cv2.imencode(".png", values, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes())

    def _open(self, name: str, compression: int) -> IO[bytes]:
        info = zipfile.ZipInfo(name)  # 1980, the earliest a zip file knows
        info.compress_type = compression
        return self._archive.open(info, "w")


def main() -> None:
    """Render the films asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCRIPTS))
    parser.add_argument("--out", type=Path, default=film.FOLDER)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or SCRIPTS:
        make(name, arguments.out)
        total = sum(path.stat().st_size for path in arguments.out.glob(f"{name}.*"))
        print(f"{name}: {total / 1024:.0f} KiB")


if __name__ == "__main__":
    main()

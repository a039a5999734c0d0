"""TensorRT engines as files: built once for a GPU, a TensorRT, a network and a precision, and kept.

An engine lies in a folder of its own under the cache: ``model.engine``, TensorRT's own file, and
``built.json``, what it was built of. The folder's name is a hash of all that. A folder appears
whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import EngineError, ModelError
from . import cuda, versions
from .models import cache_folder

ENGINE_FILE = "model.engine"
RECORD_FILE = "built.json"

_log = logging.getLogger(__name__)
_HASH_DIGITS = 16


@dataclass(frozen=True)
class BuildOptions:
    """What may be chosen when an engine is built."""

    fp16: bool = True
    max_batch: int = 8
    """The most that one run takes; engines are fastest for half of it."""


@dataclass(frozen=True)
class Built:
    """What an engine was built of."""

    tensorrt: str
    gpu: str
    network: str
    """The ONNX file's name."""
    network_sha256: str
    fp16: bool
    max_batch: int

    @property
    def folder(self) -> Path:
        """Where such an engine is kept."""
        facts = {name: value for name, value in asdict(self).items() if name != "network"}
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        return engines_folder() / f"{Path(self.network).stem}-{digest[:_HASH_DIGITS]}"


@dataclass(frozen=True)
class Plan:
    """An engine as TensorRT serialised it, and what it was built of."""

    content: bytes
    built: Built


def engines_folder() -> Path:
    """Where engines are kept."""
    return cache_folder() / "engines"


def obtain(path: Path, options: BuildOptions) -> Plan:
    """The engine of an ONNX file for this machine, from the cache or built now.

    Building takes from tens of seconds to minutes.

    Raises:
        ModelError: The file is not a network that TensorRT can read.
        EngineError: TensorRT, the driver or the GPU is missing, building failed, or the cache may
            be written to by others.
    """
    tensorrt, gpu = versions.import_tensorrt(), cuda.device()
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    built = Built(
        tensorrt.__version__, gpu.name, path.name, digest, options.fp16, options.max_batch
    )
    if (built.folder / RECORD_FILE).is_file():
        try:
            return read(built.folder)
        except ModelError as error:
            _log.warning("%s; it is built again", error)
    _log.warning("building a TensorRT engine of %s for %s: minutes", path.name, gpu.name)
    start = time.monotonic()
    with gpu.current():
        plan = Plan(_build(tensorrt, path, content, options), built)
    _keep(plan)
    _log.warning("built in %.0f s, kept in %s", time.monotonic() - start, built.folder)
    return plan


def read(folder: Path) -> Plan:
    """An engine from its folder.

    Raises:
        ModelError: It is damaged, or was not written by ``obtain``.
        EngineError: Others than its user can write to it.
    """
    # An engine runs whatever its file says: nobody else may have had a hand in it.
    for file in (folder / ENGINE_FILE, folder / RECORD_FILE):
        check_ownership(file)
    record = read_record(folder)
    content = (folder / ENGINE_FILE).read_bytes()
    if hashlib.sha256(content).hexdigest() != record["engine_sha256"]:
        raise ModelError(f"{folder / ENGINE_FILE}: is truncated or was changed")
    return Plan(content, Built(**record["built"]))


def read_record(folder: Path) -> dict[str, Any]:
    """What ``built.json`` says.

    Raises:
        ModelError: It is missing or damaged.
    """
    file = folder / RECORD_FILE
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        Built(**record["built"])
        return {"built": record["built"], "engine_sha256": str(record["engine_sha256"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{folder}: is not an engine that this program built ({error!r}): build one with  "
            "bodypose3d engine build MODEL"
        ) from error


def discard(built: Built) -> None:
    """Remove an engine from the cache."""
    shutil.rmtree(built.folder, ignore_errors=True)


def check_ownership(path: Path) -> None:
    """Refuse a file that another user could have written or replaced, as ssh does with its keys.

    Raises:
        EngineError: It, or a folder above it, belongs to or can be written by somebody else.
    """
    path = path.resolve()
    for place in (path, *path.parents):
        status = place.stat()
        if status.st_uid not in (0, os.getuid()):
            raise EngineError(
                f"{place}: belongs to another user, who could put a program into an engine: "
                f"chown {os.getuid()} {place}, or set BODYPOSE3D_CACHE to a folder of yours"
            )
        others_write = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        shared = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        if others_write and not shared:
            raise EngineError(
                f"{place}: other users can write to it and could put a program into an engine: "
                f"chmod go-w {place}"
            )


def _build(tensorrt: ModuleType, path: Path, content: bytes, options: BuildOptions) -> bytes:
    logger = versions.create_logger(tensorrt)
    try:
        builder = tensorrt.Builder(logger)
    except TypeError as error:  # what pybind11 makes of a constructor that gives nothing
        raise EngineError(
            f"TensorRT cannot start: {logger.last_error}. The driver may be too old for it"
        ) from error
    network = versions.create_network(tensorrt, builder)
    if options.fp16 and versions.half_precision_is_in_the_network(tensorrt):
        content = _half(path, content)
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(content, str(path)):
        reasons = [parser.get_error(i).desc() for i in range(parser.num_errors)]
        raise ModelError(
            f"{path}: TensorRT cannot read it ({'; '.join(reasons) or logger.last_error}): it is "
            "damaged, or uses what TensorRT does not know; try --engine onnxruntime"
        )
    config = builder.create_builder_config()
    versions.set_precision(tensorrt, config, options.fp16)
    if profile := _profile(builder, network, options.max_batch):
        config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError(f"{path}: TensorRT could not build an engine: {logger.last_error}")
    return bytes(plan)


def _half(path: Path, content: bytes) -> bytes:
    import onnx
    from google.protobuf.message import DecodeError

    from .precision import half_precision

    try:
        model = onnx.load_from_string(content)
        onnx.load_external_data_for_model(model, str(path.parent))
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, OSError) as error:
        raise ModelError(
            f"{path}: is not an ONNX file, or a damaged one: fetch or export it again"
        ) from error
    return bytes(half_precision(model).SerializeToString())


def _profile(builder: Any, network: Any, max_batch: int) -> Any:  # noqa: ANN401 - no types
    """Batches of one to ``max_batch``; None for a network whose batch is fixed."""
    profile = builder.create_optimization_profile()
    free = False
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        batch, *rest = tensor.shape
        if -1 in rest:
            raise ModelError(f"input {tensor.name} has free dimensions besides the batch")
        if batch == -1:
            free = True
            sizes = (1, max(max_batch // 2, 1), max_batch)
            profile.set_shape(tensor.name, *((size, *rest) for size in sizes))
    return profile if free else None


def _keep(plan: Plan) -> None:
    folder = plan.built.folder
    digest = hashlib.sha256(plan.content).hexdigest()
    record = {"built": asdict(plan.built), "engine_sha256": digest}
    try:
        engines_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        check_ownership(engines_folder())
        with tempfile.TemporaryDirectory(prefix=".building-", dir=engines_folder()) as scratch:
            made = Path(scratch) / "made"
            made.mkdir(mode=0o700)
            for name, content in (
                (ENGINE_FILE, plan.content),
                (RECORD_FILE, json.dumps(record, indent=2).encode()),
            ):
                (made / name).write_bytes(content)
                (made / name).chmod(0o600)
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # another process was faster with the same engine
                made.rename(folder)
    except OSError as error:
        raise EngineError(
            f"{folder}: the engine cannot be kept ({error.strerror}): make room, or set "
            "BODYPOSE3D_CACHE to a folder that can be written to"
        ) from error

"""TensorRT engines as files: built once for a GPU, a TensorRT, a network and a precision, and kept.

An engine lies in a folder of its own under the cache: ``model.engine``, TensorRT's own file, and
``built.json``, what it was built of. The folder's name is a hash of all that. A folder appears
whole or not at all. Beside them lie timing caches, what TensorRT measured of single layers on a
GPU: the next engine of a similar network is built in a fraction of the time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import EngineError, ModelError
from . import cuda, versions
from .cache import (
    can_keep_engines,
    check_ownership,
    engines_folder,
    say_not_kept,
    scratch_folder,
)
from .load import MAX_BATCH

ENGINE_FILE = "model.engine"
RECORD_FILE = "built.json"

_log = logging.getLogger(__name__)
_HASH_DIGITS = 16


@dataclass(frozen=True)
class BuildOptions:
    """What may be chosen when an engine is built."""

    fp16: bool = True
    max_batch: int = MAX_BATCH
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
    kept: bool = True
    """Whether the cache holds it; what it could not keep is built anew at the next start."""


def obtain(path: Path, options: BuildOptions) -> Plan:
    """The engine of an ONNX file for this machine, from the cache or built now.

    Building takes from tens of seconds to minutes. Where it cannot be kept, it is built each time.

    Raises:
        ModelError: The file is not a network that TensorRT can read.
        EngineError: TensorRT, the driver or the GPU is missing, or building failed.
    """
    tensorrt, gpu = versions.import_tensorrt(), cuda.device()
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    built = Built(
        tensorrt.__version__, gpu.name, path.name, digest, options.fp16, options.max_batch
    )
    keeps = can_keep_engines()
    if keeps and (built.folder / RECORD_FILE).is_file():
        try:
            return read(built.folder)
        except (ModelError, EngineError) as error:
            _log.warning("%s; it is built again", error)
    _log.warning("building a TensorRT engine of %s for %s: minutes", path.name, gpu.name)
    start = time.monotonic()
    timings = _timings_file(built) if keeps else None
    with gpu.current():
        made = _build(tensorrt, path, content, options, timings)
    plan = Plan(made, built, kept=keeps and _keep(made, built))
    where = f"kept in {built.folder}" if plan.kept else "not kept"
    _log.warning("built in %.0f s, %s", time.monotonic() - start, where)
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
        why = (
            f"its {RECORD_FILE} cannot be {'read' if isinstance(error, OSError) else 'understood'}"
        )
        raise ModelError(
            f"{folder}: is not an engine that this program built ({why}): build one with  "
            "bodypose3d engine build MODEL"
        ) from error


def discard(built: Built) -> None:
    """Remove an engine from the cache."""
    shutil.rmtree(built.folder, ignore_errors=True)


def _build(
    tensorrt: ModuleType, path: Path, content: bytes, options: BuildOptions, timings: Path | None
) -> bytes:
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
    versions.set_precision(tensorrt, config, network, options.fp16)
    if profile := _profile(builder, network, options.max_batch):
        config.add_optimization_profile(profile)
    if timings is not None:
        _set_timings(config, timings)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError(f"{path}: TensorRT could not build an engine: {logger.last_error}")
    if timings is not None:
        _keep_timings(config, timings)
    return bytes(plan)


def _timings_file(built: Built) -> Path:
    """The timing cache of a TensorRT and a GPU, whatever the network."""
    digest = hashlib.sha256(f"{built.tensorrt} {built.gpu}".encode()).hexdigest()
    return engines_folder() / f"timing-{digest[:_HASH_DIGITS]}.cache"


def _set_timings(config: Any, file: Path) -> None:  # noqa: ANN401 - no types
    """Give the builder what earlier builds measured; what does not fit is left aside."""
    known = b""
    if file.is_file():
        try:
            check_ownership(file)
            known = file.read_bytes()
        except (EngineError, OSError) as error:
            _log.warning("%s; layers are timed anew", error)
    for content in (known, b""):
        cache = config.create_timing_cache(content)
        if cache is not None and config.set_timing_cache(cache, ignore_mismatch=False):
            return
        _log.warning("%s: TensorRT does not take it; layers are timed anew", file)


def _keep_timings(config: Any, file: Path) -> None:  # noqa: ANN401 - no types
    cache = config.get_timing_cache()
    if cache is None:
        return
    try:
        with scratch_folder(".timing-", file.parent) as scratch:
            made = scratch / file.name
            made.write_bytes(bytes(cache.serialize()))
            made.chmod(0o600)
            made.replace(file)
    except OSError as error:
        _log.warning("%s: layer timings are not kept (%s)", file, error.strerror)


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


def _keep(content: bytes, built: Built) -> bool:
    """Put an engine into the cache; whether it is there. Why not is logged."""
    digest = hashlib.sha256(content).hexdigest()
    record = {"built": asdict(built), "engine_sha256": digest}
    try:
        with scratch_folder(".building-", engines_folder()) as scratch:
            made = scratch / "made"
            made.mkdir(mode=0o700)
            for name, written in (
                (ENGINE_FILE, content),
                (RECORD_FILE, json.dumps(record, indent=2).encode()),
            ):
                (made / name).write_bytes(written)
                (made / name).chmod(0o600)
            # Another process may have been faster with the same engine: who has it, keeps it.
            if not _is_kept(built):
                shutil.rmtree(built.folder, ignore_errors=True)
            with suppress(OSError):
                made.rename(built.folder)
    except OSError as error:
        say_not_kept(
            f"{engines_folder()}: {error.strerror}: make room, or set BODYPOSE3D_CACHE to a folder "
            "that can be written to"
        )
        return False
    return _is_kept(built)


def _is_kept(built: Built) -> bool:
    try:
        read(built.folder)
    except (ModelError, EngineError, OSError):
        return False
    return True

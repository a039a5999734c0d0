"""Choosing what runs a network."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path

from ..errors import EngineError, ModelError
from . import Engine

ENGINES = ("auto", "onnxruntime", "tensorrt")
MAX_BATCH = 8
"""People that TensorRT takes at once; more are split."""

_log = logging.getLogger(__name__)
_TENSORRT_MODULES = ("tensorrt", "pycuda")


def load(
    path: Path,
    engine: str = "auto",
    *,
    threads: int = 0,
    fp16: bool = True,
    max_batch: int = MAX_BATCH,
) -> Engine:
    """Load an ONNX file into an engine, and log which one and why.

    ``auto`` takes TensorRT where it is installed and a GPU is there, then ONNX Runtime with CUDA,
    then ONNX Runtime on the CPU; what fails, be it in its first run, is logged and passed over.
    ``onnxruntime`` is ONNX Runtime with the fastest execution provider that it was built with.

    Args:
        path: The ONNX file.
        engine: One of ``ENGINES``.
        threads: For networks on the CPU; 0 takes all cores this process may use.
        fp16: Let TensorRT compute in half precision.
        max_batch: The most that TensorRT takes at once.

    Raises:
        ModelError: The file cannot be used.
        EngineError: The engine is not here or cannot run the file.
    """
    if engine not in ENGINES:
        raise EngineError(f"there is no engine {engine!r}: choose one of {', '.join(ENGINES)}")
    check_file(path)
    if engine == "onnxruntime":
        from .onnxruntime import available_providers

        return _onnxruntime(path, threads, available_providers(), "it was asked for")
    if engine == "tensorrt":
        return _tensorrt(path, fp16, max_batch, "it was asked for")
    if missing := [m for m in _TENSORRT_MODULES if importlib.util.find_spec(m) is None]:
        return _without_tensorrt(path, threads, f"{' and '.join(missing)} not installed")
    try:
        return _tried(_tensorrt(path, fp16, max_batch, "TensorRT and pycuda are installed"))
    except Exception as error:  # noqa: BLE001 - there is a way without, whatever NVIDIA's stack raises
        _log.warning("%s cannot run on TensorRT: %s", path.name, error or repr(error))
        return _without_tensorrt(path, threads, "TensorRT failed")


def _tensorrt(path: Path, fp16: bool, max_batch: int, why: str) -> Engine:
    from .plans import BuildOptions
    from .tensorrt import load_tensorrt

    engine = load_tensorrt(path, BuildOptions(fp16=fp16, max_batch=max_batch))
    _log.info("%s runs on %s: %s", path.name, engine.description, why)
    return engine


def _without_tensorrt(path: Path, threads: int, why: str) -> Engine:
    """ONNX Runtime, with CUDA before the CPU."""
    from .onnxruntime import CPU, CUDA, available_providers

    if CUDA not in available_providers():
        why += ", and ONNX Runtime was built without CUDA"
        return _onnxruntime(path, threads, (CPU,), why)
    try:
        return _tried(_onnxruntime(path, threads, (CUDA, CPU), why))
    except EngineError as error:
        _log.warning("%s cannot run on ONNX Runtime's CUDA: %s", path.name, error)
        return _onnxruntime(path, threads, (CPU,), f"{why}, and CUDA failed")


def _tried(engine: Engine) -> Engine:
    """The engine, if it survives a first run: some failures show only then."""
    try:
        engine.warm_up()
    except Exception:
        engine.close()
        raise
    return engine


def _onnxruntime(path: Path, threads: int, providers: tuple[str, ...], why: str) -> Engine:
    from .onnxruntime import OnnxRuntimeEngine

    engine = OnnxRuntimeEngine(path, threads=threads, providers=providers)
    _log.info("%s runs on %s: %s", path.name, engine.description, why)
    return engine


def check_file(path: Path) -> None:
    """Refuse files that are not networks as they are published.

    Raises:
        ModelError: It is encrypted, an engine, or not there.
    """
    if path.suffix in (".etlt", ".tlt"):
        raise ModelError(
            f"{path}: is an encrypted file of NVIDIA's TAO that only its own tools open: get the "
            "ONNX file of the same model with  bodypose3d models fetch bodypose3dnet-accuracy"
        )
    if path.suffix in (".engine", ".plan", ".trt"):
        raise ModelError(
            f"{path}: a TensorRT engine fits one GPU, one TensorRT version and one model: give the "
            "ONNX file it was made of, its engine is built here and kept"
        )
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file")

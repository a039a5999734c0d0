"""Choosing what runs a network."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ..errors import EngineError, ModelError
from . import Engine

ENGINES = ("auto", "onnxruntime", "tensorrt")
MAX_BATCH = 8
"""People that TensorRT takes at once; more are split."""

_log = logging.getLogger(__name__)
_TENSORRT_MODULES = ("tensorrt", "pycuda")


@dataclass(frozen=True)
class _Loaded:
    """An ONNX file in an engine."""

    path: Path
    engine: Engine
    why: str


def load(path: Path, engine: str = "auto", *, threads: int = 0) -> Engine:
    """Load one ONNX file: see ``load_all``."""
    (loaded,) = load_all([path], engine, threads=threads)
    return loaded


def load_all(paths: Sequence[Path], engine: str = "auto", *, threads: int = 0) -> list[Engine]:
    """Load ONNX files into engines, all or none, and log which ones and why.

    ``auto`` takes TensorRT where it is installed and a GPU is there, then ONNX Runtime with CUDA,
    then ONNX Runtime on the CPU; what fails, be it in its first run, is logged and passed over.
    ``onnxruntime`` is ONNX Runtime with the fastest execution provider that it was built with.

    Args:
        paths: The ONNX files.
        engine: One of ``ENGINES``.
        threads: For networks on the CPU; 0 takes all cores this process may use.

    Raises:
        ModelError: A file cannot be used.
        EngineError: The engine is not here or cannot run a file.
    """
    if engine not in ENGINES:
        raise EngineError(f"there is no engine {engine!r}: choose one of {', '.join(ENGINES)}")
    found: list[_Loaded] = []
    with ExitStack() as undo:
        for path in paths:
            found.append(_load(path, engine, threads))
            undo.callback(found[-1].engine.close)
        undo.pop_all()
    _tell(found)
    return [each.engine for each in found]


def _tell(found: Sequence[_Loaded]) -> None:
    """Log a line for files that run on the same for the same reason."""
    lines: dict[str, list[str]] = {}
    for each in found:
        lines.setdefault(f"{each.engine.description}: {each.why}", []).append(each.path.name)
    for line, names in lines.items():
        _log.info("%s %s on %s", " and ".join(names), "run" if names[1:] else "runs", line)


def _load(path: Path, engine: str, threads: int) -> _Loaded:
    check_file(path)
    if engine == "onnxruntime":
        from .onnxruntime import available_providers

        return _onnxruntime(path, threads, available_providers(), "it was asked for")
    if engine == "tensorrt":
        return _tensorrt(path, "it was asked for")
    if missing := [m for m in _TENSORRT_MODULES if importlib.util.find_spec(m) is None]:
        return _without_tensorrt(path, threads, f"{' and '.join(missing)} not installed")
    try:
        return _tried(_tensorrt(path, "TensorRT and pycuda are installed"))
    except Exception as error:  # noqa: BLE001 - there is a way without, whatever NVIDIA's stack raises
        _log.warning("%s cannot run on TensorRT: %s", path.name, error or repr(error))
        return _without_tensorrt(path, threads, "TensorRT failed")


def _tensorrt(path: Path, why: str) -> _Loaded:
    from .plans import BuildOptions
    from .tensorrt import load_tensorrt

    return _Loaded(path, load_tensorrt(path, BuildOptions()), why)


def _without_tensorrt(path: Path, threads: int, why: str) -> _Loaded:
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


def _tried(loaded: _Loaded) -> _Loaded:
    """What was loaded, if it survives a first run: some failures show only then."""
    try:
        loaded.engine.warm_up()
    except Exception:
        loaded.engine.close()
        raise
    return loaded


def _onnxruntime(path: Path, threads: int, providers: tuple[str, ...], why: str) -> _Loaded:
    from .onnxruntime import OnnxRuntimeEngine

    return _Loaded(path, OnnxRuntimeEngine(path, threads=threads, providers=providers), why)


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

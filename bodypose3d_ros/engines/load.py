"""Choosing what runs a network."""

from __future__ import annotations

from pathlib import Path

from ..errors import EngineError
from . import Engine

ENGINES = ("auto", "onnxruntime", "tensorrt")


def load(path: Path, engine: str = "auto", *, threads: int = 0) -> Engine:
    """Load an ONNX file into an engine.

    Args:
        path: The ONNX file.
        engine: One of ``ENGINES``.
        threads: For networks on the CPU; 0 takes all cores this process may use.

    Raises:
        ModelError: The file cannot be used.
        EngineError: The engine is not here or cannot run the file.
    """
    if engine not in ENGINES:
        raise EngineError(f"there is no engine {engine!r}: choose one of {', '.join(ENGINES)}")
    if engine == "tensorrt":
        raise EngineError("TensorRT is not available yet: use --engine onnxruntime")
    from .onnxruntime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(path, threads=threads)

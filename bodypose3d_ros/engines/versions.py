"""All that differs between TensorRT 8.5 and 11."""

from __future__ import annotations

import importlib
import logging
from types import ModuleType
from typing import Any

from ..errors import EngineError

OLDEST = (8, 5)
_STRONGLY_TYPED = 10
"""From this major version on the network's own types decide what is computed in half precision."""

_log = logging.getLogger("bodypose3d_ros.tensorrt")


def import_tensorrt() -> ModuleType:
    """The installed TensorRT.

    Raises:
        EngineError: There is none, it does not load, or it is too old.
    """
    try:
        tensorrt = importlib.import_module("tensorrt")
    except (ImportError, OSError) as error:
        raise EngineError(
            f"TensorRT does not load ({error}): pip install tensorrt, or on a Jetson "
            "apt install python3-libnvinfer"
        ) from error
    if _version(tensorrt) < OLDEST:
        raise EngineError(
            f"TensorRT {tensorrt.__version__} is too old: {OLDEST[0]}.{OLDEST[1]} is needed, "
            "which comes with JetPack 5.1"
        )
    return tensorrt


def half_precision_is_in_the_network(tensorrt: ModuleType) -> bool:
    """Whether FP16 is written into the network itself; before, it is a flag of the builder."""
    return _version(tensorrt)[0] >= _STRONGLY_TYPED


def create_network(tensorrt: ModuleType, builder: Any) -> Any:  # noqa: ANN401 - no types
    """An empty network: explicit batch, and strongly typed where that exists."""
    flags = tensorrt.NetworkDefinitionCreationFlag
    if _version(tensorrt)[0] < _STRONGLY_TYPED:
        return builder.create_network(1 << int(flags.EXPLICIT_BATCH))
    if _version(tensorrt)[0] == _STRONGLY_TYPED:
        return builder.create_network(1 << int(flags.STRONGLY_TYPED))
    return builder.create_network()  # all networks are strongly typed


def set_precision(tensorrt: ModuleType, config: Any, fp16: bool) -> None:  # noqa: ANN401
    """Flags of the builder's configuration for half or full precision.

    TF32 keeps ten bits of a factor: a pixel of 1280 would be a pixel off after a matrix. Full
    precision is full, therefore.
    """
    config.clear_flag(tensorrt.BuilderFlag.TF32)
    if fp16 and not half_precision_is_in_the_network(tensorrt):
        config.set_flag(tensorrt.BuilderFlag.FP16)


def create_logger(tensorrt: ModuleType) -> Any:  # noqa: ANN401
    """A logger that passes TensorRT's messages on to Python's, and keeps the last error."""
    errors = (tensorrt.ILogger.Severity.INTERNAL_ERROR, tensorrt.ILogger.Severity.ERROR)

    class Logger(tensorrt.ILogger):  # type: ignore[misc, name-defined]  # known at run time only
        last_error = "TensorRT does not say why"

        def __init__(self) -> None:
            tensorrt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:  # noqa: ANN401
            # Its warnings are many, and of interest to developers.
            is_error = severity in errors
            if is_error:
                self.last_error = message
            _log.log(logging.ERROR if is_error else logging.DEBUG, "%s", message)

    return Logger()


def _version(tensorrt: ModuleType) -> tuple[int, int]:
    major, minor, *_ = tensorrt.__version__.split(".")
    return int(major), int(minor)

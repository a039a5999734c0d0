"""All that differs between TensorRT 8.6 and 11."""

from __future__ import annotations

import importlib
import logging
from types import ModuleType
from typing import Any

from ..errors import EngineError
from .precision import Layer, up_to_convolutions

OLDEST = (8, 6)
"""8.5, JetPack 5's, fails with every numpy that this package takes."""
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
            f"TensorRT {tensorrt.__version__} is too old: {OLDEST[0]}.{OLDEST[1]} is needed, or on "
            "a Jetson JetPack 6"
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


def set_precision(tensorrt: ModuleType, config: Any, network: Any, fp16: bool) -> None:  # noqa: ANN401
    """Half or full precision, where the network itself does not say it.

    TF32 keeps ten bits of a factor: a pixel of 1280 would be a pixel off after a matrix. Full
    precision is full, therefore.
    """
    config.clear_flag(tensorrt.BuilderFlag.TF32)
    if not fp16 or half_precision_is_in_the_network(tensorrt):
        return
    config.set_flag(tensorrt.BuilderFlag.FP16)
    config.set_flag(tensorrt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    _keep_geometry_full(tensorrt, network)


def _keep_geometry_full(tensorrt: ModuleType, network: Any) -> None:  # noqa: ANN401
    """Hold every layer after the last convolution to FP32; those before it may be FP16."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    halved = up_to_convolutions([_as_layer(tensorrt, layer) for layer in layers])
    for layer, is_halved in zip(layers, halved, strict=True):
        if not is_halved:
            _hold_to_full(tensorrt, layer)


def _as_layer(tensorrt: ModuleType, layer: Any) -> Layer:  # noqa: ANN401
    kinds = tensorrt.LayerType
    inputs = (layer.get_input(i) for i in range(layer.num_inputs))
    return Layer(
        layer.type in (kinds.CONVOLUTION, kinds.DECONVOLUTION),
        tuple(tensor.name for tensor in inputs if tensor is not None),
        tuple(layer.get_output(i).name for i in range(layer.num_outputs)),
    )


def _hold_to_full(tensorrt: ModuleType, layer: Any) -> None:  # noqa: ANN401
    """Compute in FP32 and give FP32, where the layer computes with real numbers at all."""
    full = tensorrt.float32
    outputs = [layer.get_output(i) for i in range(layer.num_outputs)]
    reals = [i for i, tensor in enumerate(outputs) if tensor.dtype == full]
    kinds = tensorrt.LayerType
    if not reals or layer.type in (kinds.CONSTANT, kinds.SHAPE):
        return
    # Casts compute nothing: held to a precision, those from whole numbers are refused.
    if layer.type not in (kinds.CAST, kinds.IDENTITY):
        layer.precision = full
    for index in reals:
        layer.set_output_type(index, full)


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

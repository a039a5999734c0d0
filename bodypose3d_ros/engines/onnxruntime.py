"""Networks in ONNX Runtime: on any CPU, on a GPU where its CUDA build is installed."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from ..errors import EngineError, ModelError
from . import TensorInfo, Tensors
from .batches import in_batches, nothing, zeros
from .cache import can_keep_engines, engines_folder
from .timed import timed

TENSORRT, CUDA, CPU = "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"
PROVIDERS = (TENSORRT, CUDA, CPU)
"""The execution providers this package knows, the fastest first."""

_log = logging.getLogger(__name__)
_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(uint8)": np.uint8,
}
# InvalidArgument is what an empty file gives; names in a damaged one need be no text.
_UNREADABLE = (
    UnicodeDecodeError,
    failures.InvalidProtobuf,
    failures.InvalidGraph,
    failures.InvalidArgument,
    failures.NoSuchFile,
)
# ValueError is how the Python layer says that an input is missing.
_FAILED = (
    failures.Fail,
    failures.EPFail,
    failures.InvalidArgument,
    failures.RuntimeException,
    failures.NotImplemented,
    ValueError,
)


def available_providers() -> tuple[str, ...]:
    """Those of ``PROVIDERS`` that the installed ONNX Runtime was built with."""
    built_with = ort.get_available_providers()
    return tuple(provider for provider in PROVIDERS if provider in built_with)


class OnnxRuntimeEngine:
    """One ONNX file in an ONNX Runtime session."""

    def __init__(
        self,
        path: Path,
        *,
        providers: tuple[str, ...] = (CPU,),
        threads: int = 0,
    ) -> None:
        """Load a network.

        Args:
            path: The ONNX file.
            providers: ONNX Runtime's execution providers, the preferred one first. One that does
                not start (its CUDA libraries are missing) is passed over with a warning.
            threads: For the CPU; 0 takes all cores this process may use.

        Raises:
            ModelError: The file is missing, damaged or not ONNX.
            EngineError: ONNX Runtime cannot run it.
        """
        threads = threads or len(os.sched_getaffinity(0))
        if not path.is_file():
            raise ModelError(f"{path}: there is no such file")
        try:
            session = ort.InferenceSession(
                path, _options(threads), providers=[_provider(name) for name in providers]
            )
            self.inputs = tuple(map(_info, session.get_inputs()))
            self.outputs = tuple(map(_info, session.get_outputs()))
        except _UNREADABLE as error:
            raise ModelError(
                f"{path}: is not an ONNX file, or a damaged one: fetch or export it again"
            ) from error
        except _FAILED as error:
            raise EngineError(f"{path}: ONNX Runtime cannot run it: {_line(error)}") from error
        self.max_batch = self.inputs[0].shape[0] if self.inputs and self.inputs[0].shape else None
        provider = session.get_providers()[0]
        if provider != providers[0]:
            _log.warning("%s did not start: %s runs %s", providers[0], provider, path.name)
        short = provider.removesuffix("ExecutionProvider")
        where = f"{short}, {threads} threads" if short == "CPU" else short
        self.description = f"ONNX Runtime {ort.__version__} ({where})"
        self._session: ort.InferenceSession | None = session
        self._output_names = [output.name for output in self.outputs]

    @timed
    def infer(self, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """Run a batch of any size; an empty one gives empty outputs without running anything.

        Raises:
            EngineError: ONNX Runtime failed, or the engine is closed.
        """
        if not all(map(len, inputs.values())):
            return nothing(self.outputs)
        if self.max_batch is None:
            return self._run(dict(inputs))
        return in_batches(self._run, inputs, self.max_batch, fixed=True)

    def warm_up(self) -> None:
        """Run once on zeros, so that the first real frame is not the slow one."""
        self.infer(zeros(self.inputs))

    def close(self) -> None:
        """Give the session's memory back. The engine cannot be used afterwards."""
        self._session = None

    def _run(self, inputs: Tensors) -> Tensors:
        if self._session is None:
            raise EngineError("the engine is closed: load the model again")
        try:
            answers = self._session.run(self._output_names, inputs)
        except _FAILED as error:
            raise EngineError(f"ONNX Runtime failed: {_line(error)}") from error
        return dict(zip(self._output_names, answers, strict=True))


def _provider(name: str) -> str | tuple[str, dict[str, str]]:
    """A provider with its options; ONNX Runtime's TensorRT keeps its engines with ours."""
    if name != TENSORRT:
        return name
    folder = engines_folder() / "onnxruntime"
    if not can_keep_engines(folder):
        return name
    return name, {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(folder)}


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning threads would take the cores that the robot's other nodes need between frames.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if _bytes_overflow():
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def _bytes_overflow() -> bool:
    """Whether sums of products in 8 bits overflow silently here, unless ONNX Runtime is slowed.

    So they do on x86 without VNNI (ONNX Runtime's documentation, "Quantize ONNX Models").
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    with suppress(OSError):
        return "vnni" not in Path("/proc/cpuinfo").read_text()
    return True


def _info(node: Any) -> TensorInfo:  # noqa: ANN401 - onnxruntime has no types
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return TensorInfo(node.name, shape, np.dtype(_DTYPES.get(node.type, np.void)))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]

"""Networks in ONNX Runtime: on any CPU, on a GPU where its CUDA build is installed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from ..errors import EngineError, ModelError
from . import TensorInfo

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(uint8)": np.uint8,
}
_UNREADABLE = (failures.InvalidProtobuf, failures.InvalidGraph, failures.NoSuchFile)
_FAILED = (failures.Fail, failures.InvalidArgument, failures.RuntimeException)


class OnnxRuntimeEngine:
    """One ONNX file in an ONNX Runtime session."""

    max_batch: int | None = None

    def __init__(
        self,
        path: Path,
        *,
        providers: tuple[str, ...] = ("CPUExecutionProvider",),
        threads: int = 0,
    ) -> None:
        """Load a network.

        Args:
            path: The ONNX file.
            providers: ONNX Runtime's execution providers, the preferred one first.
            threads: For the CPU; 0 takes all cores this process may use.

        Raises:
            ModelError: The file is missing, damaged or not ONNX.
            EngineError: ONNX Runtime cannot run it.
        """
        threads = threads or len(os.sched_getaffinity(0))
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads would take the cores that the robot's other nodes need between frames.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if not path.is_file():
            raise ModelError(f"{path}: there is no such file")
        try:
            session = ort.InferenceSession(path, options, providers=list(providers))
        except _UNREADABLE as error:
            raise ModelError(
                f"{path}: is not an ONNX file, or a damaged one: fetch or export it again"
            ) from error
        except (*_FAILED, failures.NotImplemented) as error:
            raise EngineError(f"{path}: ONNX Runtime cannot run it: {_line(error)}") from error
        self.inputs = tuple(map(_info, session.get_inputs()))
        self.outputs = tuple(map(_info, session.get_outputs()))
        provider = session.get_providers()[0].removesuffix("ExecutionProvider")
        where = f"{provider}, {threads} threads" if provider == "CPU" else provider
        self.description = f"ONNX Runtime {ort.__version__} ({where})"
        self._session: ort.InferenceSession | None = session
        self._output_names = [output.name for output in self.outputs]

    def infer(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run one batch; an empty batch gives empty outputs without running anything.

        Raises:
            EngineError: ONNX Runtime failed, or the engine is closed.
        """
        if self._session is None:
            raise EngineError("the engine is closed: load the model again")
        if not all(map(len, inputs.values())):
            return {o.name: np.zeros([0, *_sizes(o)[1:]], o.dtype) for o in self.outputs}
        try:
            answers = self._session.run(self._output_names, dict(inputs))
        except _FAILED as error:
            raise EngineError(f"ONNX Runtime failed: {_line(error)}") from error
        return dict(zip(self._output_names, answers, strict=True))

    def warm_up(self) -> None:
        """Run once on zeros, so that the first real frame is not the slow one."""
        self.infer({tensor.name: np.zeros(_sizes(tensor), tensor.dtype) for tensor in self.inputs})

    def close(self) -> None:
        """Give the session's memory back. The engine cannot be used afterwards."""
        self._session = None


def _info(node: Any) -> TensorInfo:  # noqa: ANN401 - onnxruntime has no types
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return TensorInfo(node.name, shape, np.dtype(_DTYPES.get(node.type, np.void)))


def _sizes(tensor: TensorInfo) -> list[int]:
    return [1 if size is None else size for size in tensor.shape]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]

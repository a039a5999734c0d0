"""Networks in TensorRT, through pycuda: TensorRT 8.6 to 11, one way of running."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EngineError
from . import TensorInfo, Tensors, cuda, plans, versions
from .batches import check_inputs, in_batches, nothing, zeros
from .timed import timed

_log = logging.getLogger(__name__)


class PlanRefusedError(EngineError):
    """TensorRT does not take an engine file: it was built elsewhere, or is damaged."""


def load_tensorrt(path: Path, options: plans.BuildOptions) -> TensorRtEngine:
    """Load an ONNX file into TensorRT, from the cache or built now.

    Raises:
        ModelError: The file is not a network that TensorRT can read.
        EngineError: TensorRT, the driver or the GPU is missing, or building failed.
    """
    plan = plans.obtain(path, options)
    try:
        return TensorRtEngine(plan)
    except PlanRefusedError as error:
        _log.warning("%s; it is built again", error)
        plans.discard(plan.built)
        return TensorRtEngine(plans.obtain(path, options))


class TensorRtEngine:
    """One engine on the GPU. Any thread may use it, one at a time."""

    def __init__(self, plan: plans.Plan) -> None:
        """Put the engine onto the GPU, with buffers for its largest batch.

        Raises:
            PlanRefusedError: TensorRT does not take it.
            EngineError: TensorRT or the GPU is missing, or its memory is full.
        """
        self._plan = plan
        self._lock = threading.Lock()
        self._closed = False
        session = _Session(plan)
        self._session: _Session | None = session
        self.inputs, self.outputs = session.inputs, session.outputs
        self.max_batch: int | None = session.max_batch
        built = plan.built
        precision = "FP16" if built.fp16 else "FP32"
        self.description = f"TensorRT {built.tensorrt} {precision} ({built.gpu})"
        self.kept = plan.kept
        """Whether the cache holds the engine, so that the next start need not build it."""
        self.milliseconds: dict[str, float] = {}
        """What the last run took on the GPU: copies in, network, copies out."""

    @timed
    def infer(self, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """Run a batch of any size; an empty one gives empty outputs without running anything.

        After a failure the next call starts anew with fresh buffers.

        Raises:
            EngineError: CUDA or TensorRT failed, or the engine is closed.
        """
        check_inputs(self.inputs, inputs)
        if not all(map(len, inputs.values())):
            return nothing(self.outputs)
        with self._lock:
            session = self._open()
            try:
                answer = in_batches(session.run, inputs, session.max_batch, fixed=session.fixed)
            except EngineError:
                self._drop()
                raise
            self.milliseconds = session.milliseconds
            return answer

    def warm_up(self) -> None:
        """Run once on zeros, so that the first real frame is not the slow one."""
        self.infer(zeros(self.inputs))

    def close(self) -> None:
        """Give the GPU's memory back. The engine cannot be used afterwards."""
        with self._lock:
            self._closed = True
            self._drop()

    def _open(self) -> _Session:
        if self._closed:
            raise EngineError("the engine is closed: load the model again")
        if self._session is None:
            self._session = _Session(self._plan)
        return self._session

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


class _Session:
    """What lies on the GPU: the engine, its execution context, a stream, a buffer a tensor."""

    def __init__(self, plan: plans.Plan) -> None:
        tensorrt = versions.import_tensorrt()
        self._device = cuda.device()
        self._logger = versions.create_logger(tensorrt)
        self.milliseconds: dict[str, float] = {}
        self._batch = 0
        self._runtime: Any = None
        self._engine: Any = None
        self._context: Any = None
        self._stream: Any = None
        self._events: tuple[Any, ...] = ()
        self._buffers: dict[str, cuda.Buffer] = {}
        try:
            with self._device.current() as driver:
                self._engine = self._deserialise(tensorrt, plan)
                self.inputs, self.outputs = _tensors(tensorrt, self._engine)
                self.max_batch, self.fixed = _max_batch(self._engine, self.inputs[0])
                self._context = self._engine.create_execution_context()
                if self._context is None:
                    raise EngineError(
                        f"TensorRT could not prepare the engine ({self._logger.last_error}): the "
                        "GPU's memory may be full; end other programs that use it"
                    )
                self._allocate(driver)
        except EngineError:
            self.close()
            raise

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch that fits."""
        batch = len(inputs[self.inputs[0].name])
        with self._device.current() as driver:
            self._set_batch(batch)
            for tensor in self.inputs:
                self._buffers[tensor.name].host[:batch] = inputs[tensor.name]
            self._events[0].record(self._stream)
            for tensor in self.inputs:
                buffer = self._buffers[tensor.name]
                driver.memcpy_htod_async(buffer.allocation, buffer.host[:batch], self._stream)
            self._events[1].record(self._stream)
            self._done(self._context.execute_async_v3(self._stream.handle), "run the network")
            self._events[2].record(self._stream)
            for tensor in self.outputs:
                buffer = self._buffers[tensor.name]
                driver.memcpy_dtoh_async(buffer.host[:batch], buffer.allocation, self._stream)
            self._events[3].record(self._stream)
            self._stream.synchronize()
            self.milliseconds = self._timed()
            return {o.name: self._buffers[o.name].host[:batch].copy() for o in self.outputs}

    def close(self) -> None:
        """Free everything; a GPU that has failed may refuse even that."""
        try:
            with self._device.current():
                while self._buffers:
                    self._buffers.popitem()[1].free()
                # Destroyed here and now, where the context is current.
                self._context = None
                self._engine = None
                self._runtime = self._stream = None
                self._events = ()
        except EngineError as error:
            _log.warning("GPU memory could not be freed: %s", error)

    def _deserialise(self, tensorrt: ModuleType, plan: plans.Plan) -> Any:  # noqa: ANN401
        try:
            self._runtime = tensorrt.Runtime(self._logger)
        except TypeError as error:  # what pybind11 makes of a constructor that gives nothing
            raise EngineError(
                f"TensorRT cannot start: {self._logger.last_error}. The driver may be too old"
            ) from error
        engine = self._runtime.deserialize_cuda_engine(plan.content)
        if engine is None:
            raise PlanRefusedError(
                f"TensorRT does not take the engine of {plan.built.network} "
                f"({self._logger.last_error})"
            )
        return engine

    def _allocate(self, driver: ModuleType) -> None:
        self._stream = driver.Stream()
        self._events = tuple(driver.Event() for _ in range(4))
        for tensor in (*self.inputs, *self.outputs):
            buffer = cuda.Buffer(driver, tensor.sizes(self.max_batch), tensor.dtype)
            self._buffers[tensor.name] = buffer
            placed = self._context.set_tensor_address(tensor.name, buffer.address)
            self._done(placed, f"place {tensor.name}")

    def _set_batch(self, batch: int) -> None:
        if batch == self._batch:
            return
        for tensor in self.inputs:
            shaped = self._context.set_input_shape(tensor.name, tuple(tensor.sizes(batch)))
            self._done(shaped, f"take a batch of {batch}")
        self._batch = batch

    def _done(self, done: bool, what: str) -> None:
        if not done:
            raise EngineError(f"TensorRT could not {what}: {self._logger.last_error}")

    def _timed(self) -> dict[str, float]:
        start, copied, ran, end = self._events
        return {
            "copies in": start.time_till(copied),
            "network": copied.time_till(ran),
            "copies out": ran.time_till(end),
        }


def _tensors(
    tensorrt: ModuleType,
    engine: Any,  # noqa: ANN401 - no types
) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
    inputs: list[TensorInfo] = []
    outputs: list[TensorInfo] = []
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        batch, *rest = engine.get_tensor_shape(name)
        if -1 in rest:
            raise EngineError(f"{name} has free dimensions besides the batch: not supported")
        dtype = np.dtype(tensorrt.nptype(engine.get_tensor_dtype(name)))
        tensor = TensorInfo(name, (None if batch == -1 else batch, *rest), dtype)
        is_input = engine.get_tensor_mode(name) == tensorrt.TensorIOMode.INPUT
        (inputs if is_input else outputs).append(tensor)
    return tuple(inputs), tuple(outputs)


def _max_batch(engine: Any, tensor: TensorInfo) -> tuple[int, bool]:  # noqa: ANN401 - no types
    """The most that a run takes, and whether it takes exactly that."""
    if tensor.shape[0] is not None:
        return tensor.shape[0], True
    _, _, largest = engine.get_tensor_profile_shape(tensor.name, 0)
    return int(largest[0]), False

"""TensorRT and pycuda as they behave, without a GPU: for tests of what uses them.

Only what the real ones have is here, version by version; calls out of order fail as theirs do.
Written after NVIDIA's Python API documentation of 8.5, 8.6, 10.3 and 11.4 and pycuda's own
source. An engine is its ONNX file behind a line that says what it was built for; "the GPU" is
ONNX Runtime.
"""

from __future__ import annotations

import enum
import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np
import onnx
import onnxruntime

_MAGIC = b"ftrt"


@dataclass
class Machine:
    """The computer that the doubles run on, and what is wrong with it."""

    tensorrt: str = "10.3.0"
    gpu: str = "NVIDIA Orin"
    has_driver_library: bool = True
    has_gpu: bool = True
    driver_too_old: bool = False
    memory: int = 1 << 30
    fail_next_run: str = ""
    """``once``: the next run fails; ``sticky``: and everything after it, as CUDA's worst do."""
    builds: int = 0
    allocated: dict[int, bytearray] = field(default_factory=dict)
    """The GPU's memory by address."""
    pinned: int = 0
    """Bytes of the host's."""
    streams: int = 0
    lost: bool = False

    def install(self, monkeypatch) -> None:
        """Make ``import tensorrt`` and ``import pycuda.driver`` find the doubles."""
        driver = _pycuda(self)
        package = ModuleType("pycuda")
        package.__path__ = []
        package.driver = driver
        monkeypatch.setitem(sys.modules, "pycuda", package)
        if self.has_driver_library:
            monkeypatch.setitem(sys.modules, "pycuda.driver", driver)
        else:
            monkeypatch.setattr("importlib.import_module", _no_libcuda)
        monkeypatch.setitem(sys.modules, "tensorrt", _tensorrt(self, driver))


def _no_libcuda(name):
    if name == "pycuda.driver":
        message = "libcuda.so.1: cannot open shared object file: No such file or directory"
        raise ImportError(message)
    return __import__(name)


# -- pycuda -------------------------------------------------------------------------------------


def _pycuda(machine: Machine) -> ModuleType:
    cuda = ModuleType("pycuda.driver")
    thread = threading.local()

    class Error(Exception):
        pass

    class MemoryError(Error):  # noqa: A001 - pycuda's name
        pass

    class LogicError(Error):
        pass

    class LaunchError(Error):
        pass

    def stack():
        if not hasattr(thread, "contexts"):
            thread.contexts = []
        return thread.contexts

    def need_context(call):
        if not stack():
            raise LogicError(f"{call} failed: invalid device context")
        if machine.lost:
            raise LogicError(f"{call} failed: an illegal memory access was encountered")

    class Context:
        """Of the device; ``retain_primary_context`` does not make it current."""

        def push(self):
            stack().append(self)

        @staticmethod
        def pop():
            if not stack():
                raise LogicError("context::pop failed: invalid device context - cannot pop")
            stack().pop()

    primary = Context()

    class Device:
        def __init__(self, index):
            self.index = index

        @staticmethod
        def count():
            return 1

        def name(self):
            return machine.gpu

        def compute_capability(self):
            return (8, 7)

        def retain_primary_context(self):
            return primary

    class Allocation:
        def __init__(self, address):
            self.address = address

        def __int__(self):
            return self.address

        def free(self):
            need_context("cuMemFree")
            del machine.allocated[self.address]

    class Stream:
        """Work is done when the stream is waited for, not before: as late as on a GPU."""

        def __init__(self):
            need_context("cuStreamCreate")
            self.work: list[Callable[[], None]] = []
            machine.streams += 1
            self.handle = machine.streams
            cuda.streams[self.handle] = self

        def synchronize(self):
            need_context("cuStreamSynchronize")
            work, self.work = self.work, []
            for do in work:
                do()

    class Event:
        def __init__(self):
            need_context("cuEventCreate")
            self.recorded = False

        def record(self, stream):
            stream.work.append(lambda: setattr(self, "recorded", True))

        def time_till(self, other):
            if not (self.recorded and other.recorded):
                raise LogicError("cuEventElapsedTime failed: invalid resource handle")
            return 1.0

    def init():
        if not machine.has_gpu:
            raise Error("cuInit failed: no CUDA-capable device is detected")

    def mem_alloc(size):
        need_context("cuMemAlloc")
        if sum(map(len, machine.allocated.values())) + size > machine.memory:
            raise MemoryError("cuMemAlloc failed: out of memory")
        address = 0x7F0000000000 + 0x10000 * (len(machine.allocated) + 1) * (machine.streams + 1)
        while address in machine.allocated:
            address += 0x100
        machine.allocated[address] = bytearray(size)
        return Allocation(address)

    class PagelockedHostAllocation:
        def __init__(self, array):
            need_context("cuMemHostAlloc")
            self.array, self.__array_interface__ = array, array.__array_interface__
            machine.pinned += array.nbytes

        def free(self):
            need_context("cuMemFreeHost")
            machine.pinned -= self.array.nbytes

    def pagelocked_empty(shape, dtype):
        # Not empty: what was there before.
        return np.asarray(PagelockedHostAllocation(np.full(shape, 77, dtype)))

    def memcpy_htod_async(dest, src, stream):
        need_context("cuMemcpyHtoDAsync")
        if not src.flags.c_contiguous:
            raise ValueError("ndarray is not contiguous")
        memory = machine.allocated[int(dest)]
        stream.work.append(lambda: memory.__setitem__(slice(src.nbytes), src.tobytes()))

    def memcpy_dtoh_async(dest, src, stream):
        need_context("cuMemcpyDtoHAsync")
        memory = machine.allocated[int(src)]

        def copy():
            dest.flat = np.frombuffer(bytes(memory[: dest.nbytes]), dest.dtype)

        stream.work.append(copy)

    for thing in (Error, MemoryError, LogicError, LaunchError, Context, Device, Stream, Event, init,
                  mem_alloc, pagelocked_empty, memcpy_htod_async, memcpy_dtoh_async):  # fmt: skip
        setattr(cuda, thing.__name__, thing)
    cuda.streams = {}
    return cuda


# -- TensorRT -----------------------------------------------------------------------------------


def _tensorrt(machine: Machine, cuda: ModuleType) -> ModuleType:
    trt = ModuleType("tensorrt")
    trt.__version__ = machine.tensorrt
    major = int(machine.tensorrt.split(".")[0])

    class ILogger:
        class Severity(enum.IntEnum):
            INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

        def __init__(self):
            self.initialised = True

    Severity = ILogger.Severity

    class Logger(ILogger):
        pass

    def start(logger):
        assert logger.initialised  # pybind11 refuses a subclass that never called __init__
        if machine.driver_too_old or not machine.has_gpu:
            logger.log(Severity.ERROR, "CUDA initialization failure with error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")

    old = {"EXPLICIT_BATCH": 0}
    flags = {8: old, 10: {**old, "STRONGLY_TYPED": 1}, 11: {**old, "STRONGLY_TYPED": 1}}[major]
    trt.NetworkDefinitionCreationFlag = enum.IntEnum("NetworkDefinitionCreationFlag", flags)
    weak = {} if major >= 11 else {"FP16": 0, "INT8": 1}
    trt.BuilderFlag = enum.IntEnum("BuilderFlag", {**weak, "TF32": 7})
    trt.TensorIOMode = enum.IntEnum("TensorIOMode", {"NONE": 0, "INPUT": 1, "OUTPUT": 2})
    trt.nptype = np.dtype

    class Tensor:
        def __init__(self, value):
            self.name = value.name
            self.shape = tuple(d.dim_value or -1 for d in value.type.tensor_type.shape.dim)

    class Network:
        def __init__(self, flags):
            self.explicit = major >= 10 or bool(flags & 1)
            self.strong = major >= 11 or (major == 10 and bool(flags & 2))
            self.model = None

        @property
        def num_inputs(self):
            return len(self.model.graph.input)

        def get_input(self, index):
            return Tensor(self.model.graph.input[index])

    class ParserError:
        def __init__(self, text):
            self.text = text

        def desc(self):
            return self.text

    class OnnxParser:
        def __init__(self, network, logger):
            self.network, self.errors = network, []

        @property
        def num_errors(self):
            return len(self.errors)

        def get_error(self, index):
            return self.errors[index]

        def parse(self, model, path=None):
            if not self.network.explicit:
                self.errors.append(ParserError("network must be explicit batch"))
                return False
            try:
                self.network.model = onnx.load_from_string(model)
                onnx.checker.check_model(self.network.model)
            except Exception:  # noqa: BLE001 - whatever the parser stumbles over
                self.errors.append(ParserError("Failed to parse the ONNX model."))
                return False
            return True

    class Profile:
        def __init__(self):
            self.shapes = {}

        def set_shape(self, name, smallest, best, largest):
            assert smallest <= best <= largest
            self.shapes[name] = [list(smallest), list(best), list(largest)]

    class Config:
        def __init__(self):
            self.flags, self.profile = {trt.BuilderFlag.TF32}, None

        def set_flag(self, flag):
            self.flags.add(flag)

        def clear_flag(self, flag):
            self.flags.discard(flag)

        def add_optimization_profile(self, profile):
            self.profile = profile
            return 0

    class Builder:
        def __init__(self, logger):
            start(logger)
            self.logger = logger

        def create_network(self, flags=0):
            return Network(flags)

        def create_builder_config(self):
            return Config()

        def create_optimization_profile(self):
            return Profile()

        def build_serialized_network(self, network, config):
            free = [t for t in map(Tensor, network.model.graph.input) if -1 in t.shape]
            if free and (config.profile is None or set(config.profile.shapes) != {
                t.name for t in free}):  # fmt: skip
                self.logger.log(Severity.ERROR, "4: Network has dynamic or shape inputs, but no "
                                "optimization profile has been defined.")  # fmt: skip
                return None
            half = not network.strong and any(f.name == "FP16" for f in config.flags)
            machine.builds += 1
            header = {
                "tensorrt": machine.tensorrt,
                "gpu": machine.gpu,
                "half": half or _computes_in_half(network.model),
                "tf32": trt.BuilderFlag.TF32 in config.flags,
                "profile": config.profile.shapes if free else {},
            }
            content = network.model.SerializeToString()
            return memoryview(_MAGIC + json.dumps(header).encode() + b"\n" + content)

    class Runtime:
        def __init__(self, logger):
            start(logger)
            self.logger = logger

        def deserialize_cuda_engine(self, content):
            head, _, model = bytes(content).partition(b"\n")
            if not head.startswith(_MAGIC):
                self.logger.log(Severity.ERROR, "1: Serialization assertion magicTagRead failed.")
                return None
            header = json.loads(head.removeprefix(_MAGIC))
            if (header["tensorrt"], header["gpu"]) != (machine.tensorrt, machine.gpu):
                self.logger.log(Severity.ERROR, "6: The engine plan file is not compatible with "
                                "this version of TensorRT or this device.")  # fmt: skip
                return None
            return Engine(header, model)

    class Engine:
        def __init__(self, header, model):
            self.header = header
            self.session = onnxruntime.InferenceSession(model)
            self.inputs = {t.name: t for t in self.session.get_inputs()}
            self.outputs = {t.name: t for t in self.session.get_outputs()}
            self.names = [*self.inputs, *self.outputs]

        @property
        def num_io_tensors(self):
            return len(self.names)

        def get_tensor_name(self, index):
            return self.names[index]

        def get_tensor_mode(self, name):
            return trt.TensorIOMode.INPUT if name in self.inputs else trt.TensorIOMode.OUTPUT

        def get_tensor_shape(self, name):
            shape = {**self.inputs, **self.outputs}[name].shape
            return tuple(size if isinstance(size, int) else -1 for size in shape)

        def get_tensor_dtype(self, name):
            return np.float32

        def get_tensor_profile_shape(self, name, profile_index):
            return [tuple(shape) for shape in self.header["profile"][name]]

        def create_execution_context(self):
            return ExecutionContext(self)

    class ExecutionContext:
        def __init__(self, engine):
            self.engine, self.shapes, self.addresses = engine, {}, {}
            for name in engine.inputs:
                if -1 not in engine.get_tensor_shape(name):
                    self.shapes[name] = engine.get_tensor_shape(name)

        def set_input_shape(self, name, shape):
            if name in self.engine.header["profile"]:
                smallest, _, largest = self.engine.header["profile"][name]
                fits = all(a <= b <= c for a, b, c in zip(smallest, shape, largest, strict=True))
            else:
                fits = tuple(shape) == self.engine.get_tensor_shape(name)
            if fits:
                self.shapes[name] = tuple(shape)
            return fits

        def set_tensor_address(self, name, memory):
            assert isinstance(memory, int)
            self.addresses[name] = memory
            return name in self.engine.names

        def execute_async_v3(self, stream_handle):
            if set(self.addresses) != set(self.engine.names):
                return False
            if set(self.shapes) != set(self.engine.inputs):
                return False
            cuda.streams[stream_handle].work.append(self._run)
            return True

        def _run(self):
            if machine.fail_next_run:
                machine.lost = machine.fail_next_run == "sticky"
                machine.fail_next_run = ""
                raise cuda.LaunchError("cuStreamSynchronize failed: unspecified launch failure")
            feed = {}
            for name, shape in self.shapes.items():
                memory = machine.allocated[self.addresses[name]]
                count = int(np.prod(shape))
                feed[name] = np.frombuffer(bytes(memory), np.float32)[:count].reshape(shape)
            answers = self.engine.session.run(list(self.engine.outputs), feed)
            for name, answer in zip(self.engine.outputs, answers, strict=True):
                machine.allocated[self.addresses[name]][: answer.nbytes] = answer.tobytes()

    for thing in (ILogger, Logger, Builder, OnnxParser, Runtime):
        setattr(trt, thing.__name__, thing)
    return trt


def _computes_in_half(model) -> bool:
    return any(node.op_type == "Cast" and node.attribute[0].i == onnx.TensorProto.FLOAT16
               for node in model.graph.node)  # fmt: skip

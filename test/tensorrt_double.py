"""TensorRT and pycuda as they behave, without a GPU: for tests of what uses them.

Only what the real ones have is here, version by version; calls out of order, and calls that need
CUDA without a current context in their thread, fail as theirs do. Written after NVIDIA's Python API
documentation of 8.6, 9.3, 10.3 and 11.4 and pycuda's own source. An engine is its ONNX file behind
a line that says what it was built for; "the GPU" is ONNX Runtime, and what is to be computed in
FP16 is rounded to FP16, weights and every layer's outputs.
"""

from __future__ import annotations

import enum
import functools
import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from bodypose3d_ros.engines import cuda

_MAGIC = b"ftrt"
_TIMES = b"times "


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
    left_behind: list[str] = field(default_factory=list)
    """What was destroyed in a thread without a context, where CUDA cannot free it."""
    timed: list[bytes] = field(default_factory=list)
    """What each build knew of layers' times beforehand."""

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
        # A device retained once is that of one driver.
        monkeypatch.setattr(cuda, "device", functools.cache(cuda.Device))


def _no_libcuda(name):
    if name == "pycuda.driver":
        message = "libcuda.so.1: cannot open shared object file: No such file or directory"
        raise ImportError(message)
    return __import__(name)


# -- pycuda -------------------------------------------------------------------------------------


def _pycuda(machine: Machine) -> ModuleType:
    pycuda = ModuleType("pycuda.driver")
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

    class OnGpu:
        """Is freed on the GPU when Python destroys it."""

        def __del__(self):
            if not stack():
                machine.left_behind.append(type(self).__name__)

    pycuda.need_context, pycuda.OnGpu = need_context, OnGpu
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

    class Stream(OnGpu):
        """Work is done when the stream is waited for, not before: as late as on a GPU."""

        def __init__(self):
            need_context("cuStreamCreate")
            self.work: list[Callable[[], None]] = []
            machine.streams += 1
            self.handle = machine.streams
            pycuda.streams[self.handle] = self

        def synchronize(self):
            need_context("cuStreamSynchronize")
            work, self.work = self.work, []
            for do in work:
                do()

    class Event(OnGpu):
        def __init__(self):
            need_context("cuEventCreate")
            self.recorded = False

        def record(self, stream):
            need_context("cuEventRecord")
            stream.work.append(lambda: setattr(self, "recorded", True))

        def time_till(self, other):
            need_context("cuEventElapsedTime")
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
        setattr(pycuda, thing.__name__, thing)
    pycuda.streams = {}
    return pycuda


# -- TensorRT -----------------------------------------------------------------------------------


def _tensorrt(machine: Machine, pycuda: ModuleType) -> ModuleType:
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
        pycuda.need_context("cudaGetDeviceCount")
        if machine.driver_too_old or not machine.has_gpu:
            logger.log(Severity.ERROR, "CUDA initialization failure with error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")

    flags = {"EXPLICIT_BATCH": 0, **({"STRONGLY_TYPED": 1} if major >= 9 else {})}
    trt.NetworkDefinitionCreationFlag = enum.IntEnum("NetworkDefinitionCreationFlag", flags)
    weak = {"FP16": 0, "INT8": 1, "PREFER_PRECISION_CONSTRAINTS": 10,
            "OBEY_PRECISION_CONSTRAINTS": 11}  # fmt: skip
    trt.BuilderFlag = enum.IntEnum("BuilderFlag", {**({} if major >= 11 else weak), "TF32": 7})
    trt.TensorIOMode = enum.IntEnum("TensorIOMode", {"NONE": 0, "INPUT": 1, "OUTPUT": 2})
    trt.LayerType = enum.IntEnum(
        "LayerType", "CONVOLUTION CAST DECONVOLUTION ELEMENTWISE SHAPE CONSTANT IDENTITY", start=0
    )
    trt.DataType = enum.IntEnum("DataType", "FLOAT HALF INT8 INT32 BOOL INT64", start=0)
    trt.float32, trt.float16 = trt.DataType.FLOAT, trt.DataType.HALF
    dtypes = {TensorProto.FLOAT: trt.float32, TensorProto.FLOAT16: trt.float16,
              TensorProto.BOOL: trt.DataType.BOOL, TensorProto.INT32: trt.DataType.INT32,
              TensorProto.INT64: trt.DataType.INT64 if major >= 10 else trt.DataType.INT32,
              TensorProto.INT8: trt.DataType.INT8}  # fmt: skip
    kinds = {"Conv": trt.LayerType.CONVOLUTION, "ConvTranspose": trt.LayerType.DECONVOLUTION,
             "Cast": trt.LayerType.CAST, "Shape": trt.LayerType.SHAPE,
             "Constant": trt.LayerType.CONSTANT, "Identity": trt.LayerType.IDENTITY}  # fmt: skip

    def nptype(dtype):
        return {trt.float32: np.float32, trt.float16: np.float16}[dtype]

    class Tensor:
        def __init__(self, value):
            self.name = value.name
            self.shape = tuple(d.dim_value or -1 for d in value.type.tensor_type.shape.dim)
            self.dtype = dtypes[value.type.tensor_type.elem_type]

    class Layer:
        """One node of the ONNX file; weights of convolutions are no inputs."""

        def __init__(self, network, node, tensors):
            self.network, self.node, self.tensors = network, node, tensors
            self.type = kinds.get(node.op_type, trt.LayerType.ELEMENTWISE)
            self.full = False
            self.full_outputs = set()

        @property
        def num_inputs(self):
            return len(self.node.input)

        @property
        def num_outputs(self):
            return len(self.node.output)

        def get_input(self, index):
            return self.tensors.get(self.node.input[index])

        def get_output(self, index):
            return self.tensors[self.node.output[index]]

        def set_precision(self, dtype):
            assert dtype == trt.float32
            real = {trt.float32, trt.float16}
            if self.get_output(0).dtype not in real or self.type == trt.LayerType.CAST:
                self.network.refused.append(f"{self.node.name}: cannot use precision Float for "
                                            f"{self.type.name}")  # fmt: skip
            self.full = True

        precision = property(fset=set_precision)

        def set_output_type(self, index, dtype):
            assert dtype == trt.float32
            if self.get_output(index).dtype != trt.float32:
                self.network.refused.append(f"{self.node.name}: output {index} is no Float")
            self.full_outputs.add(index)

    class Network:
        def __init__(self, flags):
            self.explicit = major >= 10 or bool(flags & 1)
            self.strong = major >= 11 or (major >= 9 and bool(flags & 2))
            self.refused = []

        def fill(self, model):
            self.model = onnx.shape_inference.infer_shapes(model, data_prop=True)
            graph = self.model.graph
            values = (*graph.input, *graph.output, *graph.value_info)
            tensors = {v.name: Tensor(v) for v in values}
            self.layers = [Layer(self, node, tensors) for node in graph.node]

        @property
        def num_inputs(self):
            return len(self.model.graph.input)

        def get_input(self, index):
            return Tensor(self.model.graph.input[index])

        @property
        def num_layers(self):
            return len(self.layers)

        def get_layer(self, index):
            if self.strong:
                self.refused.append("layer precisions are not for strongly typed networks")
            return self.layers[index]

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
                loaded = onnx.load_from_string(model)
                onnx.checker.check_model(loaded)
                self.network.fill(loaded)
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

    class TimingCache:
        def __init__(self, content):
            self.content = content

        def serialize(self):
            return memoryview(self.content)

    class Config:
        def __init__(self):
            self.flags, self.profile = {trt.BuilderFlag.TF32}, None
            self.timings = None

        def create_timing_cache(self, serialized_timing_cache):
            content = bytes(serialized_timing_cache)
            return TimingCache(content) if not content or content.startswith(_TIMES) else None

        def set_timing_cache(self, cache, ignore_mismatch):
            if cache.content and not ignore_mismatch and self._here() not in cache.content:
                return False
            self.timings = cache
            return True

        def get_timing_cache(self):
            return self.timings

        def measure(self):
            """Time what is not known yet."""
            if self.timings is None:
                self.timings = TimingCache(b"")
            machine.timed.append(self.timings.content)
            self.timings.content = self.timings.content or _TIMES + self._here()

        def _here(self):
            return f"{machine.tensorrt} {machine.gpu}".encode()

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
            pycuda.need_context("cudaMalloc")
            if why := self._refusal(network, config):
                self.logger.log(Severity.ERROR, why)
                return None
            machine.builds += 1
            config.measure()
            free = any(-1 in Tensor(value).shape for value in network.model.graph.input)
            header = {
                "tensorrt": machine.tensorrt,
                "gpu": machine.gpu,
                "flags": sorted(flag.name for flag in config.flags),
                "half": sorted(self._halves(network, config)),
                "profile": config.profile.shapes if free else {},
            }
            content = network.model.SerializeToString()
            return memoryview(_MAGIC + json.dumps(header).encode() + b"\n" + content)

        def _refusal(self, network, config):
            """What the real builder says when it gives nothing, or nothing."""
            free = [t for t in map(Tensor, network.model.graph.input) if -1 in t.shape]
            if free and (config.profile is None or set(config.profile.shapes) != {
                t.name for t in free}):  # fmt: skip
                return ("4: Network has dynamic or shape inputs, but no optimization profile has "
                        "been defined.")  # fmt: skip
            flags = {flag.name for flag in config.flags}
            if network.strong and flags & {"FP16", "INT8"}:
                return "3: precision flags cannot be set for strongly typed networks"
            if not network.strong and "FP16" not in flags and _made_in_half(network.model):
                return ("4: fp16 precision has been set for a layer or layer output, but fp16 is "
                        "not configured in the builder")  # fmt: skip
            if "INT8" in flags:
                return ("4: Calibration failure occurred with no scaling factors detected. This "
                        "could be due to no int8 calibrator.")  # fmt: skip
            if network.refused:
                return f"3: {network.refused[0]}"
            return None

        def _halves(self, network, config):
            """The names of the tensors that are computed in FP16: as many as may be."""
            flags = {flag.name for flag in config.flags}
            if network.strong or "FP16" not in flags:
                return _made_in_half(network.model)
            obeys = "OBEY_PRECISION_CONSTRAINTS" in flags
            return {
                name
                for layer in network.layers
                for index, name in enumerate(layer.node.output)
                if layer.get_output(index).dtype == trt.float32
                and not (obeys and (layer.full or index in layer.full_outputs))
            }

    class Runtime:
        def __init__(self, logger):
            start(logger)
            self.logger = logger

        def deserialize_cuda_engine(self, content):
            pycuda.need_context("cudaMalloc")
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

    class Engine(pycuda.OnGpu):
        def __init__(self, header, model):
            self.header = header
            self.session = onnxruntime.InferenceSession(_rounded(model, set(header["half"])))
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
            return trt.float32

        def get_tensor_profile_shape(self, name, profile_index):
            return [tuple(shape) for shape in self.header["profile"][name]]

        def create_execution_context(self):
            pycuda.need_context("cudaMalloc")
            return ExecutionContext(self)

    class ExecutionContext(pycuda.OnGpu):
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
            pycuda.need_context("cuLaunchKernel")
            if set(self.addresses) != set(self.engine.names):
                return False
            if set(self.shapes) != set(self.engine.inputs):
                return False
            pycuda.streams[stream_handle].work.append(self._run)
            return True

        def _run(self):
            if machine.fail_next_run:
                machine.lost = machine.fail_next_run == "sticky"
                machine.fail_next_run = ""
                raise pycuda.LaunchError("cuStreamSynchronize failed: unspecified launch failure")
            feed = {}
            for name, shape in self.shapes.items():
                memory = machine.allocated[self.addresses[name]]
                count = int(np.prod(shape))
                feed[name] = np.frombuffer(bytes(memory), np.float32)[:count].reshape(shape)
            answers = self.engine.session.run(list(self.engine.outputs), feed)
            for name, answer in zip(self.engine.outputs, answers, strict=True):
                machine.allocated[self.addresses[name]][: answer.nbytes] = answer.tobytes()

    for thing in (ILogger, Logger, Builder, OnnxParser, Runtime, nptype):
        setattr(trt, thing.__name__, thing)
    return trt


# -- FP16 ---------------------------------------------------------------------------------------


def _made_in_half(model) -> set[str]:
    """The tensors that the network itself has in FP16."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    return {v.name for v in graph.value_info
            if v.type.tensor_type.elem_type == TensorProto.FLOAT16}  # fmt: skip


def _rounded(content: bytes, half: set[str]) -> bytes:
    """A network in FP32 that rounds to FP16 what is computed in it.

    ONNX Runtime itself computes FP16 in FP32 on a CPU, from one end of a chain to the other.
    """
    model = onnx.load_from_string(content)
    graph = model.graph
    del graph.value_info[:]
    in_half = {name for node in graph.node if half & set(node.output) for name in node.input}
    for tensor in graph.initializer:
        is_half = tensor.data_type == TensorProto.FLOAT16
        if is_half or (tensor.data_type == TensorProto.FLOAT and tensor.name in in_half):
            values = numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    nodes = []
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
            if attribute.t.data_type == TensorProto.FLOAT16:
                values = numpy_helper.to_array(attribute.t).astype(np.float32)
                attribute.t.CopyFrom(numpy_helper.from_array(values))
        rounding = []
        for index, name in enumerate(node.output):
            if name in half:
                node.output[index] = f"{name}.exact"
                rounding += [
                    helper.make_node("Cast", [f"{name}.exact"], [f"{name}.fp16"], to=10),
                    helper.make_node("Cast", [f"{name}.fp16"], [name], to=1),
                ]
        nodes += [node, *rounding]
    del graph.node[:]
    graph.node.extend(nodes)
    return model.SerializeToString()

"""A server of KServe's protocol in this process: real gRPC, real networks, faults on request.

It is what Triton is to a client, where Triton itself is not at hand or would not fail to order.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from bodypose3d_ros.engines.onnxruntime import OnnxRuntimeEngine
from tools.triton.server import free_port

WANTED = "pip install 'bodypose3d_ros[test]'"
grpc = pytest.importorskip("grpc", reason=WANTED)
messages = pytest.importorskip("tritonclient.grpc.service_pb2", reason=WANTED)
services = pytest.importorskip("tritonclient.grpc.service_pb2_grpc", reason=WANTED)
types = pytest.importorskip("tritonclient.utils", reason=WANTED)

MAX_BATCH = 8
_LONGEST_S = 60.0  # a thread that nobody lets go would keep Python from ending


class KServeServer(services.GRPCInferenceServiceServicer):
    """ONNX files by name, served on a port of its own that it keeps from start to start."""

    def __init__(self, networks, *, tls=None):
        """``tls``: files of a key and of a certificate, which clients have to show as well."""
        self.engines = {name: OnnxRuntimeEngine(file, threads=1) for name, file in networks.items()}
        self.port = free_port()
        self.url = f"127.0.0.1:{self.port}"
        self.batches = []
        """How many each run had."""
        self.bytes_a_person = []
        """What came of each of them."""
        self.bytes_back = []
        """What went back to each of them."""
        self.answers = threading.Event()
        """Answers wait until it is set."""
        self.answers.set()
        self.spoil = lambda answer: answer
        """What becomes of an answer."""
        self._tls = tls
        self._server = None

    def start(self):
        self._server = grpc.server(
            ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)]
        )
        services.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        if self._tls is None:
            self._server.add_insecure_port(self.url)
        else:
            key, certificate = (file.read_bytes() for file in self._tls)
            known = grpc.ssl_server_credentials([(key, certificate)], certificate, True)
            self._server.add_secure_port(f"localhost:{self.port}", known)
        self._server.start()

    def stop(self):
        self._server.stop(grace=None).wait()

    # -- KServe, version 2, by its own names ------------------------------------------------------

    def ServerMetadata(self, request, context):  # noqa: N802
        return messages.ServerMetadataResponse(name="double", version="1.2.3")

    def ModelMetadata(self, request, context):  # noqa: N802
        engine = self._engine(request.name, context)
        return messages.ModelMetadataResponse(
            name=request.name, inputs=map(_told, engine.inputs), outputs=map(_told, engine.outputs)
        )

    def ModelConfig(self, request, context):  # noqa: N802
        answer = messages.ModelConfigResponse()
        answer.config.max_batch_size = (
            0 if self._engine(request.name, context).max_batch else MAX_BATCH
        )
        return answer

    def ModelInfer(self, request, context):  # noqa: N802
        engine = self._engine(request.model_name, context)
        inputs = {
            told.name: np.frombuffer(raw, types.triton_to_np_dtype(told.datatype)).reshape(
                told.shape
            )
            for told, raw in zip(request.inputs, request.raw_input_contents, strict=True)
        }
        self.batches.append(len(next(iter(inputs.values()))))
        sent = sum(map(len, request.raw_input_contents))
        self.bytes_a_person.append(sent // self.batches[-1])
        self.answers.wait(_LONGEST_S)
        answer = messages.ModelInferResponse(model_name=request.model_name)
        for name, array in engine.infer(inputs).items():
            answer.outputs.add(
                name=name, datatype=types.np_to_triton_dtype(array.dtype), shape=array.shape
            )
            answer.raw_output_contents.append(array.tobytes())
        self.bytes_back.append(sum(map(len, answer.raw_output_contents)) // self.batches[-1])
        return self.spoil(answer)

    def _engine(self, name, context):
        if name not in self.engines:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Request for unknown model: '{name}'")
        return self.engines[name]


@contextmanager
def serving(networks, **options):
    """A server that runs until the end of the block."""
    server = KServeServer(networks, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _told(tensor):
    shape = [-1 if size is None else size for size in tensor.shape]
    return messages.ModelMetadataResponse.TensorMetadata(
        name=tensor.name, datatype=types.np_to_triton_dtype(tensor.dtype), shape=shape
    )

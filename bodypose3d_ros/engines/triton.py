"""Networks on a Triton server: KServe's inference protocol, version 2, over gRPC.

Several robots can share one server's GPU. The server holds the networks (``repository`` writes them
down for it) and tells what they take and give; crops travel to it and answers come back. Every call
is bounded in time, and a connection that was lost is made again as soon as the server is back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import EngineError
from . import TensorInfo, Tensors
from .batches import check_inputs, in_batches, nothing, zeros
from .timed import timed

if TYPE_CHECKING:
    from tritonclient.grpc import InferenceServerClient

TRITON = "triton"
_TLS = "grpcs://"
# The first run of a network on a GPU can take long, and nobody waits for a pose yet.
_START_S = 30.0
_CHANNEL = (
    # A batch of crops is larger than gRPC's 4 MiB.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # gRPC tries again after 1 s, then ever later up to two minutes: poses are to come back sooner.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 500),
    # A new channel makes a new connection, instead of waiting with the one that hangs.
    ("grpc.use_local_subchannel_pool", 1),
)

AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True)
class Server:
    """A Triton server, and how to talk to it."""

    url: str
    """``HOST:PORT`` of its gRPC; ``grpcs://HOST:PORT`` for TLS."""
    timeout: float = 1.0
    """Seconds after which an answer is no longer waited for."""
    root_certificates: Path | None = None
    """PEM file of who signed the server's certificate; None: whom gRPC trusts."""
    certificate: Path | None = None
    """PEM file of our own certificate, where the server wants to know its clients."""
    private_key: Path | None = None
    """PEM file of that certificate's key."""

    @property
    def address(self) -> str:
        """Without how to talk to it."""
        return self.url.removeprefix(_TLS).removeprefix("grpc://")

    def client(self) -> InferenceServerClient:
        """A client; it connects when it is used.

        Raises:
            EngineError: tritonclient is not installed, or the TLS files cannot be used.
        """
        try:
            import grpc
            from tritonclient.grpc import InferenceServerClient
        except ImportError as error:
            raise EngineError(
                f"tritonclient does not load ({error}): pip install 'bodypose3d_ros[triton]'"
            ) from error
        files = (self.root_certificates, self.private_key, self.certificate)
        credentials = None
        if self.url.startswith(_TLS):
            credentials = grpc.ssl_channel_credentials(*map(_content, files))
        elif any(files):
            raise EngineError(
                f"{self.url}: certificates are for TLS only: write {_TLS}{self.address}"
            )
        return InferenceServerClient(self.address, creds=credentials, channel_args=_CHANNEL)


class Connection:
    """The way to a server, of all networks that are asked for there. Any thread may use it.

    Where a cable was pulled whoever waits in vain has it made again for all: the others would wait
    in vain, too, each when it is asked next.
    """

    def __init__(self, server: Server) -> None:
        """Get ready; what ``Server.client`` raises is raised."""
        self.server = server
        self._lock = threading.Lock()
        self._client: InferenceServerClient | None = server.client()

    def ask(
        self, what: str, call: Callable[[InferenceServerClient], AnswerT], timeout: float
    ) -> AnswerT:
        """Ask the server for something.

        Args:
            what: The network that it is about.
            call: Asks, and waits no longer than it may.
            timeout: Seconds that it waits.

        Raises:
            EngineError: It gave no answer.
        """
        from tritonclient.utils import InferenceServerException

        client = self._client
        if client is None:
            raise EngineError("the engine is closed: load the model again")
        try:
            return call(client)
        except InferenceServerException as error:
            status = str(error.status()).removeprefix("StatusCode.")
            if status == "DEADLINE_EXCEEDED":
                self._make_again(client)
            raise EngineError(self._trouble(what, status, str(error.message()), timeout)) from error
        except ValueError as error:  # what gRPC says of a channel that another thread has closed
            raise EngineError(f"{self.server.address}: {error}: it is tried again") from error

    def close(self) -> None:
        """Leave the server. No network can be asked for afterwards."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _make_again(self, client: InferenceServerClient) -> None:
        """Give a connection up. Where a machine vanished, TCP would try it again for minutes."""
        with self._lock:
            if self._client is client:  # no other thread was faster
                self._client = self.server.client()
        client.close()

    def _trouble(self, what: str, status: str, message: str, timeout: float) -> str:
        address = self.server.address
        message = " ".join(message.split())[:300]
        if status == "UNAVAILABLE":
            return (
                f"{address}: no Triton server answers ({message}): is it running, and is that the "
                "port of its gRPC?"
            )
        if status == "DEADLINE_EXCEEDED":
            return (
                f"{address}: {what} has not answered within {timeout:g} s: the server or the "
                "way to it is gone or too slow; triton_timeout says how long to wait"
            )
        if status == "NOT_FOUND":
            return (
                f"{address}: has no network {what} ({message}): export it with  bodypose3d "
                "engine export-triton"
            )
        return f"{address}: {what} failed ({status}: {message})"


class TritonEngine:
    """One network on a server. Any thread may use it."""

    def __init__(self, connection: Connection, name: str) -> None:
        """Ask the server for a network.

        Args:
            connection: The way to where it runs, closed with the engine.
            name: What the server calls it.

        Raises:
            EngineError: The server does not answer, or has no such network.
        """
        self._connection, self._server, self._name = connection, connection.server, name
        try:
            about = self._ask(lambda c: c.get_server_metadata(client_timeout=_START_S), _START_S)
            told = self._ask(
                lambda c: c.get_model_metadata(name, client_timeout=_START_S), _START_S
            )
            config = self._ask(
                lambda c: c.get_model_config(name, client_timeout=_START_S), _START_S
            )
            self.inputs = tuple(map(_info, told.inputs))
            self.outputs = tuple(map(_info, told.outputs))
        except EngineError:
            self.close()
            raise
        self._fixed = not config.config.max_batch_size
        batch = self.inputs[0].shape[0] if self.inputs and self.inputs[0].shape else None
        self.max_batch: int | None = batch if self._fixed else config.config.max_batch_size
        self.description = f"Triton {about.version} at {self._server.address} ({name})"

    @timed
    def infer(self, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """Run a batch of any size; an empty one gives empty outputs without asking the server.

        Raises:
            EngineError: The server is gone, answers too late or with what cannot be an answer, or
                the engine is closed. The next call tries again.
        """
        return self._infer(inputs, self._server.timeout)

    def warm_up(self) -> None:
        """Run once on zeros, so that the first real frame is not the slow one."""
        self._infer(zeros(self.inputs), _START_S)

    def close(self) -> None:
        """Leave the server. No engine of the connection can be used afterwards."""
        self._connection.close()

    def _infer(self, inputs: Mapping[str, NDArray[Any]], timeout: float) -> Tensors:
        check_inputs(self.inputs, inputs)
        if not all(map(len, inputs.values())):
            return nothing(self.outputs)

        def run(batch: Tensors) -> Tensors:
            return self._run(batch, timeout)

        if self.max_batch is None:
            return run(dict(inputs))
        return in_batches(run, inputs, self.max_batch, fixed=self._fixed)

    def _run(self, inputs: Tensors, timeout: float) -> Tensors:
        from tritonclient.grpc import InferRequestedOutput

        wanted = [InferRequestedOutput(tensor.name) for tensor in self.outputs]
        asked = [_input(tensor, inputs[tensor.name]) for tensor in self.inputs]
        answer = self._ask(
            lambda client: client.infer(self._name, asked, outputs=wanted, client_timeout=timeout),
            timeout,
        )
        count = len(next(iter(inputs.values())))
        return {tensor.name: self._output(answer, tensor, count) for tensor in self.outputs}

    def _output(self, answer: Any, tensor: TensorInfo, count: int) -> NDArray[Any]:  # noqa: ANN401 - no types
        """One tensor of an answer, which must be what the server said it would be."""
        try:
            found = answer.as_numpy(tensor.name)
        except ValueError as error:  # numpy's, of bytes that are too many or too few
            raise self._wrong(f"{tensor.name}: {error}") from error
        if found is None:
            raise self._wrong(f"{tensor.name} is missing")
        if list(found.shape) != tensor.sizes(count) or found.dtype != tensor.dtype:
            sizes = "x".join(map(str, found.shape))
            raise self._wrong(f"{tensor.name} is {sizes} {found.dtype}")
        return np.asarray(found)

    def _wrong(self, what: str) -> EngineError:
        return EngineError(
            f"{self._server.address}: {self._name} answers with something else than it was loaded "
            f"for ({what}): was the network replaced? Start the node again"
        )

    def _ask(self, call: Callable[[InferenceServerClient], AnswerT], timeout: float) -> AnswerT:
        return self._connection.ask(self._name, call, timeout)


def _content(file: Path | None) -> bytes | None:
    try:
        return None if file is None else file.read_bytes()
    except OSError as error:
        raise EngineError(f"{file}: cannot be read ({error.strerror})") from error


def _info(tensor: Any) -> TensorInfo:  # noqa: ANN401 - no types
    from tritonclient.utils import triton_to_np_dtype

    shape = tuple(None if size < 0 else int(size) for size in tensor.shape)
    return TensorInfo(tensor.name, shape, np.dtype(triton_to_np_dtype(tensor.datatype)))


def _input(tensor: TensorInfo, array: NDArray[Any]) -> Any:  # noqa: ANN401 - no types
    from tritonclient.grpc import InferInput
    from tritonclient.utils import np_to_triton_dtype

    prepared = InferInput(tensor.name, array.shape, np_to_triton_dtype(tensor.dtype))
    return prepared.set_data_from_numpy(array.astype(tensor.dtype, copy=False))

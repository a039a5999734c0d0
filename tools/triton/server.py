"""Starting and ending Triton's server out of the wheel nvidia-pytriton.

The wheel brings the server and what runs Python in it, which wants numpy below 2: ``make triton``
makes an environment of its own for it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from types import TracebackType

_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_ENVIRONMENT = Path(__file__).parents[2] / ".venv-triton"
_PACKAGES = _ENVIRONMENT / f"lib/python{_PYTHON}/site-packages"
_WHEEL = _PACKAGES / "pytriton/tritonserver"
_BACKEND = Path(__file__).with_name("onnxruntime_backend.py")
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - Linux', where the server puts crops and answers
_START_S = 60.0


class NotHereError(RuntimeError):
    """The server is not on this machine; the message says what brings it."""


class TritonServer:
    """A model repository, served."""

    def __init__(
        self, repository: Path, port: int | None = None, address: str = "127.0.0.1"
    ) -> None:
        """Prepare a server; it starts with ``start``, or a ``with`` block.

        Args:
            repository: What ``bodypose3d engine export-triton`` wrote.
            port: Of its gRPC; None: one that is free.
            address: At which of this machine's addresses; by itself the loopback interface's.

        Raises:
            NotHereError: It is not on this machine.
        """
        if not _stub().is_file():
            raise NotHereError(f"no Triton server for Python {_PYTHON} here: run  make triton")
        self.port = port or free_port()
        self.url = f"{address}:{self.port}"
        self._address = address
        self._repository = repository
        self._scratch = tempfile.TemporaryDirectory(prefix="bodypose3d-triton-")
        self.log = Path(self._scratch.name) / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until every network is ready.

        Raises:
            RuntimeError: It does not; the message has its last words.
        """
        backends = _backends(Path(self._scratch.name) / "backends")
        arguments = [
            f"--model-repository={self._repository}",
            f"--backend-directory={backends}",
            f"--backend-config=python,shm-region-prefix-name={self._shared_memory}",
            f"--grpc-address={self._address}",
            f"--grpc-port={self.port}",
            "--allow-http=false",
            "--allow-metrics=false",
            "--exit-timeout-secs=3",
            # Two that load at once end its Python backend now and then (boost's lock_exception).
            "--model-load-thread-count=1",
        ]
        program = _WHEEL / "bin/tritonserver"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, *arguments], env=_environment(), stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + _START_S
        while b"Started GRPCInferenceService" not in self.log.read_bytes():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                last = self.log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"Triton's server does not start:\n{last}")
            time.sleep(0.05)

    def wait(self) -> None:
        """Wait until it ends."""
        if self._process is not None:
            self._process.wait()

    def kill(self) -> None:
        """End it at once, and those that run Python for it, as a machine that loses its power."""
        if self._process is None:
            return
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        for left in _SHARED_MEMORY.glob(f"*{self._shared_memory}*"):
            left.unlink()

    @property
    def _shared_memory(self) -> str:
        return f"bodypose3d_triton_{os.getpid()}_{self.port}"

    def __enter__(self) -> TritonServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        self._scratch.cleanup()


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _backends(folder: Path) -> Path:
    """The wheel's Python backend with the stub of this Python, and ours of ONNX Runtime."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(_WHEEL / "backends/python", folder / "python")
    shutil.copy(_stub(), folder / "python")
    (folder / "onnxruntime").mkdir()
    shutil.copy(_BACKEND, folder / "onnxruntime/model.py")
    return folder


def _stub() -> Path:
    return _WHEEL / "python_backend_stubs" / _PYTHON / "triton_python_backend_stub"


def _environment() -> dict[str, str]:
    """What makes the server's Python find its environment: whose it is, is told by the PATH."""
    libraries = [str(_PACKAGES / "nvidia_pytriton.libs"), sysconfig.get_config_var("LIBDIR")]
    own = {
        "PATH": f"{_ENVIRONMENT / 'bin'}:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": ":".join([*libraries, os.environ.get("LD_LIBRARY_PATH", "")]),
    }
    return {**os.environ, **own}

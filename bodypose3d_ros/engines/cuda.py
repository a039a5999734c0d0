"""One NVIDIA GPU through pycuda: its context, and memory on both sides of the bus."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EngineError


class Device:
    """The GPU's primary context, which all its users in this process share."""

    def __init__(self, index: int = 0) -> None:
        """Retain the context, without making it current.

        Raises:
            EngineError: pycuda, the driver or the GPU is missing.
        """
        self.driver = _driver()
        try:
            self.driver.init()
            if index >= self.driver.Device.count():
                raise EngineError(f"there is no NVIDIA GPU {index}: use --engine onnxruntime")
            device = self.driver.Device(index)
            self._context = device.retain_primary_context()
        except self.driver.Error as error:
            raise EngineError(
                f"no NVIDIA GPU can be used ({error}): check nvidia-smi, or use --engine "
                "onnxruntime"
            ) from error
        major, minor = device.compute_capability()
        self.name = f"{device.name()} (compute capability {major}.{minor})"

    @contextmanager
    def current(self) -> Iterator[ModuleType]:
        """The context is current in this thread; gives pycuda's driver module.

        What pycuda allocated must be freed in here: elsewhere it would leak.

        Raises:
            EngineError: CUDA failed inside.
        """
        try:
            self._context.push()
            try:
                yield self.driver
            finally:
                self.driver.Context.pop()
        except self.driver.MemoryError as error:
            raise EngineError(
                f"the GPU's memory is full ({error}): build the engine for a smaller batch, or "
                "end other programs that use the GPU"
            ) from error
        except self.driver.Error as error:
            raise EngineError(
                f"CUDA failed ({error}). The next image is tried anew; if that fails too, the "
                "GPU's context is lost: start this program again"
            ) from error


@functools.cache
def device(index: int = 0) -> Device:
    """The GPU of that index, retained once.

    It is never released: pycuda leaves a released primary context current in the thread, and
    releases nothing from another thread.

    Raises:
        EngineError: pycuda, the driver or the GPU is missing.
    """
    return Device(index)


class Buffer:
    """Room for one tensor: pinned in the host's memory, and on the GPU."""

    def __init__(self, driver: ModuleType, shape: list[int], dtype: np.dtype[Any]) -> None:
        # The GPU's first: it is the one that may be full, and nothing is held then.
        self.allocation = driver.mem_alloc(math.prod(shape) * dtype.itemsize)
        self.host: NDArray[Any] = driver.pagelocked_empty(tuple(shape), dtype)

    @property
    def address(self) -> int:
        """On the GPU."""
        return int(self.allocation)

    def free(self) -> None:
        """Free both now: an exception's traceback may hold them until there is no context."""
        self.allocation.free()
        self.host.base.free()  # type: ignore[union-attr]  # pycuda's PagelockedHostAllocation


def _driver() -> ModuleType:
    try:
        return importlib.import_module("pycuda.driver")
    except ImportError as error:
        if "libcuda" in str(error):
            raise EngineError(
                f"the NVIDIA driver is not installed ({error}): use --engine onnxruntime"
            ) from error
        raise EngineError(f"pycuda is not installed ({error}): pip install pycuda") from error

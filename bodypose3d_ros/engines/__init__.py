"""What runs a network: ONNX Runtime anywhere, TensorRT on an NVIDIA GPU, behind one Protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[Any]]
"""Arrays by the names of a network's inputs or outputs."""
ValueRange = tuple[float, float]
"""What the pixel values 0 and 255 become at a network's input."""


@dataclass(frozen=True)
class TensorInfo:
    """One input or output of a network."""

    name: str
    shape: tuple[int | None, ...]
    """None where the dimension is free (the batch)."""
    dtype: np.dtype[Any]

    def sizes(self, batch: int) -> list[int]:
        """The shape of a batch of so many."""
        return [batch if size is None else size for size in self.shape]


class Engine(Protocol):
    """A network, loaded and ready to run."""

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    max_batch: int | None
    """Most that one run of the network takes; None where there is no limit. More is split."""
    description: str
    """Runtime, device and precision in a few words, for logs and diagnostics."""

    def infer(self, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """Run a batch of any size: every input by name, every output by name.

        Raises:
            EngineError: The runtime failed; the message says what to do.
        """

    def warm_up(self) -> None:
        """Run once on zeros, so that the first real frame is not the slow one."""

    def close(self) -> None:
        """Give the runtime's memory back. The engine cannot be used afterwards."""

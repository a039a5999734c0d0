"""Batches of any size through a network that takes only so many at once, checked before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..errors import EngineError
from . import TensorInfo, Tensors


def zeros(tensors: Sequence[TensorInfo], batch: int = 1) -> Tensors:
    """Something to run a network on: so many people, or as many as it takes if that is fixed."""
    return {tensor.name: np.zeros(tensor.sizes(batch), tensor.dtype) for tensor in tensors}


def nothing(outputs: Sequence[TensorInfo]) -> Tensors:
    """What a network gives for an empty batch."""
    return {each.name: np.zeros([0, *each.sizes(1)[1:]], each.dtype) for each in outputs}


def check_inputs(tensors: tuple[TensorInfo, ...], inputs: Mapping[str, np.ndarray]) -> None:
    """Refuse what a network does not take.

    Raises:
        EngineError: An input is missing, has another shape, whatever its batch, or numbers that the
            network's type does not hold: 0.5 for example would be the byte 0.
    """
    for tensor in tensors:
        if tensor.name not in inputs:
            raise EngineError(f"input {tensor.name} is missing")
        given = inputs[tensor.name]
        shape = given.shape
        if list(shape[1:]) != tensor.sizes(0)[1:]:
            raise EngineError(f"input {tensor.name} has shape {shape}, not {tensor.shape}")
        if not np.can_cast(given.dtype, tensor.dtype, "same_kind"):
            raise EngineError(f"input {tensor.name} is {given.dtype}, not {tensor.dtype}")


def in_batches(
    run: Callable[[Tensors], Tensors], inputs: Mapping[str, np.ndarray], size: int, *, fixed: bool
) -> Tensors:
    """Split what is too much for one run, and put the answers together again.

    Args:
        run: Runs one batch.
        inputs: One array or more, batched over their first dimension.
        size: The most that one run takes.
        fixed: The network takes exactly ``size``: the last batch is filled up.
    """
    count = len(next(iter(inputs.values())))
    answers = []
    for start in range(0, count, size):
        part = {name: array[start : start + size] for name, array in inputs.items()}
        held = min(size, count - start)
        if fixed and held < size:
            part = {
                name: np.resize(array, (size, *array.shape[1:])) for name, array in part.items()
            }
        answers.append({name: array[:held] for name, array in run(part).items()})
    if len(answers) == 1:
        return answers[0]
    return {name: _stacked([a[name] for a in answers]) for name in answers[0]}


def _stacked(parts: Sequence[np.ndarray]) -> np.ndarray:
    """One array; where a run gave more than another, boxes for example, zeros are what is missing.

    A detector that suppresses boxes itself gives as many as are left.
    """
    largest = np.max([part.shape[1:] for part in parts], axis=0)
    stacked = np.zeros((sum(map(len, parts)), *largest), parts[0].dtype)
    first = 0
    for part in parts:
        stacked[(slice(first, first + len(part)), *map(slice, part.shape[1:]))] = part
        first += len(part)
    return stacked

"""How long networks ran, for whoever asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from . import Engine, Tensors

EngineT = TypeVar("EngineT", bound=Engine)
Infer = Callable[[EngineT, Mapping[str, Any]], Tensors]


@dataclass
class NetworkTime:
    """The seconds that networks ran."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of all of the process's threads meanwhile."""


# Of each thread its own: threads that share an engine do not count each other's runs.
_asking: ContextVar[tuple[NetworkTime, ...]] = ContextVar("_asking", default=())


@contextmanager
def network_time() -> Iterator[NetworkTime]:
    """Count how long networks run in this thread until the end of the block."""
    spent = NetworkTime()
    token = _asking.set((*_asking.get(), spent))
    try:
        yield spent
    finally:
        _asking.reset(token)


def timed(infer: Infer[EngineT]) -> Infer[EngineT]:
    """Have an engine's ``infer`` counted by ``network_time``."""

    @wraps(infer)
    def counted(engine: EngineT, inputs: Mapping[str, Any]) -> Tensors:
        start, cpu_start = time.perf_counter(), time.process_time()
        try:
            return infer(engine, inputs)
        finally:
            seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
            for spent in _asking.get():
                spent.seconds += seconds
                spent.cpu_seconds += cpu_seconds

    return counted

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
    """Of all of the process's threads meanwhile; 0 where nobody asked for it."""
    thread_seconds: float = 0.0
    """Of those, the processor time of the thread that asked."""
    counts_cpu: bool = False
    """Whether ``cpu_seconds`` is asked for."""


# Of each thread its own: threads that share an engine do not count each other's runs.
_asking: ContextVar[tuple[NetworkTime, ...]] = ContextVar("_asking", default=())


@contextmanager
def network_time(*, apart: bool = False, cpu: bool = False) -> Iterator[NetworkTime]:
    """Count how long networks run in this thread until the end of the block.

    Args:
        apart: Nobody else who asks in this thread counts them: somebody will ``charge`` for them.
        cpu: Count the process's time, too. Not for every frame: while other threads run, as the
            networks' do, reading it takes up to half a millisecond.
    """
    spent = NetworkTime(counts_cpu=cpu)
    token = _asking.set((spent,) if apart else (*_asking.get(), spent))
    try:
        yield spent
    finally:
        _asking.reset(token)


def cpu_is_asked_for() -> bool:
    """Whether anybody in this thread counts the process's time."""
    return any(spent.counts_cpu for spent in _asking.get())


def charge(ran: NetworkTime) -> None:
    """Have a network's run counted in this thread, wherever it ran."""
    for spent in _asking.get():
        spent.seconds += ran.seconds
        spent.cpu_seconds += ran.cpu_seconds
        spent.thread_seconds += ran.thread_seconds


def timed(infer: Infer[EngineT]) -> Infer[EngineT]:
    """Have an engine's ``infer`` counted by ``network_time``."""

    @wraps(infer)
    def counted(engine: EngineT, inputs: Mapping[str, Any]) -> Tensors:
        cpu = cpu_is_asked_for()
        start = _clocks(cpu)
        try:
            return infer(engine, inputs)
        finally:
            wall, process, thread = (
                now - then for now, then in zip(_clocks(cpu), start, strict=True)
            )
            charge(NetworkTime(wall, process, thread))

    return counted


def _clocks(cpu: bool) -> tuple[float, float, float]:
    """Seconds of the fields of NetworkTime."""
    return time.perf_counter(), time.process_time() if cpu else 0.0, time.thread_time()

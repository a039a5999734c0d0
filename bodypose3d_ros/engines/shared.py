"""An engine that many threads ask: those that wait at the same time are answered as one batch.

An engine that hangs can be given up: who waits goes on without it, and what it answers in the end
is nobody's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EngineError
from . import Engine, Tensors
from .timed import NetworkTime, charge, cpu_is_asked_for, network_time


@dataclass(eq=False)
class _Question:
    """A thread's batch, and what became of it."""

    inputs: Mapping[str, NDArray[Any]]
    answer: Tensors = field(default_factory=dict)
    failure: Exception | None = None
    spent: NetworkTime = field(default_factory=lambda: NetworkTime(counts_cpu=cpu_is_asked_for()))
    done: bool = False

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))


class Shared:
    """An engine for several cameras' threads.

    While it runs, threads that ask wait; the first of them then asks for all who wait. So a GPU
    sees the crops of all cameras at once, and nobody waits for more than one run before their own,
    however much the others ask.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.inputs, self.outputs = engine.inputs, engine.outputs
        self.max_batch = engine.max_batch
        self.description = engine.description
        self._waiting: list[_Question] = []
        self._running = False
        self._since = 0.0
        self._given_up = self._closing = False
        self._changed = threading.Condition()

    @property
    def silent_for(self) -> float:
        """Seconds for which the engine has not answered; 0 while nobody asks."""
        return time.monotonic() - self._since if self._running else 0.0

    def give_up(self) -> None:
        """Wait no longer for an answer, and ask no more."""
        with self._changed:
            self._given_up = True
            self._changed.notify_all()

    def infer(self, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """Run a batch of any size, with those of whoever else waits.

        Raises:
            EngineError: The runtime failed, and everybody in the run hears of it; or the engine
                was given up.
        """
        question, asked = _Question(inputs), time.perf_counter()
        if not len(question):
            return self._engine.infer(inputs)
        with self._changed:
            self._waiting.append(question)
            self._changed.wait_for(lambda: question.done or self._given_up or not self._running)
            self._check()
            together: list[_Question] = []
            if not question.done:
                together, self._waiting = self._waiting, []
                self._running, self._since = True, time.monotonic()
        if together:
            question.spent.thread_seconds = self._answer(together)
        question.spent.seconds = time.perf_counter() - asked
        charge(question.spent)
        self._check()
        if question.failure is not None:
            raise question.failure
        return question.answer

    def warm_up(self) -> None:
        """Run once on zeros, so that the first real frame is not the slow one."""
        self._engine.warm_up()

    def close(self) -> None:
        """Give the runtime's memory back. The engine cannot be used afterwards.

        One that is at work is given up, and closed when it answers, which may be never.
        """
        with self._changed:
            self._closing = True
            if self._running:
                self._given_up = True
                self._changed.notify_all()
                return
        self._engine.close()

    def _check(self) -> None:
        if self._given_up:
            raise EngineError("the network did not answer in time and was given up")

    def _answer(self, together: Sequence[_Question]) -> float:
        """Ask the engine once for all, and wake everybody; returns this thread's seconds for it."""
        try:
            cpu = any(each.spent.counts_cpu for each in together)
            with network_time(apart=True, cpu=cpu) as spent:
                answer = self._engine.infer(_joined([each.inputs for each in together]))
            _share_out(spent, together)
            _hand_out(answer, together)
        except Exception as failure:  # noqa: BLE001 - raised again in the threads that asked
            for question in together:
                question.failure = failure
        finally:
            self._wake(together)
        return spent.thread_seconds

    def _wake(self, together: Sequence[_Question]) -> None:
        with self._changed:
            self._running = False
            for question in together:
                question.done = True
            self._changed.notify_all()
        if self._closing:
            self._engine.close()


def _joined(batches: Sequence[Mapping[str, NDArray[Any]]]) -> Mapping[str, NDArray[Any]]:
    if len(batches) == 1:
        return batches[0]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _hand_out(answer: Tensors, together: Sequence[_Question]) -> None:
    """To each its rows."""
    start = 0
    for question in together:
        end = start + len(question)
        question.answer = {name: rows[start:end] for name, rows in answer.items()}
        start = end


def _share_out(spent: NetworkTime, together: Sequence[_Question]) -> None:
    """To each its part of the processor time."""
    every = sum(map(len, together))
    for question in together:
        question.spent.cpu_seconds = spent.cpu_seconds * len(question) / every

"""An engine that many threads ask: one batch of all who wait, to each their own rows."""

import threading
import time

import numpy as np
import pytest

from bodypose3d_ros.engines import TensorInfo
from bodypose3d_ros.engines.shared import Shared
from bodypose3d_ros.engines.timed import network_time, timed
from bodypose3d_ros.errors import EngineError

CPU_SECONDS = 0.02


class Gated:
    """Doubles numbers, once the gate is open; refuses negative ones."""

    inputs = outputs = (TensorInfo("x", (None, 2), np.dtype(np.float32)),)
    max_batch = None
    description = "a gate"

    def __init__(self):
        self.batches, self.begun, self.gate = [], threading.Semaphore(0), threading.Event()
        self.cpu_seconds = 0.0

    @timed
    def infer(self, inputs):
        self.batches.append(len(inputs["x"]))
        self.begun.release()
        if len(inputs["x"]):
            assert self.gate.wait(10)
        self.cpu_seconds += CPU_SECONDS
        if (inputs["x"] < 0).any():
            raise EngineError("negative")
        return {"x": inputs["x"] * 2}


class Asking(threading.Thread):
    """A camera's thread with a batch of its own."""

    def __init__(self, shared, rows, value):
        super().__init__(daemon=True)
        self.shared, self.inputs = shared, {"x": np.full((rows, 2), value, np.float32)}
        self.answer, self.failure, self.spent = None, None, None
        self.start()

    def run(self):
        with network_time(cpu=True) as self.spent:
            try:
                self.answer = self.shared.infer(self.inputs)["x"]
            except EngineError as error:
                self.failure = error


def waiting(shared, count):
    """Wait until so many threads wait for their turn."""
    end = time.monotonic() + 30
    while len(shared._waiting) < count:
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.fixture
def engine():
    return Gated()


def ask_together(engine, *asked):
    """One thread is at work while the others come, whose rows and values are given."""
    shared = Shared(engine)
    first = Asking(shared, 1, 1)
    assert engine.begun.acquire(timeout=30)
    others = []
    for rows, value in asked:
        others.append(Asking(shared, rows, value))
        waiting(shared, len(others))
    engine.gate.set()
    for each in (first, *others):
        each.join(30)
    return [first, *others]


def test_who_waits_is_answered_as_one_batch(engine):
    _, second, third = ask_together(engine, (2, 3), (4, 5))
    assert engine.batches == [1, 6]
    assert second.answer.tolist() == [[6, 6]] * 2
    assert third.answer.tolist() == [[10, 10]] * 4


def test_a_failure_is_heard_by_all_in_the_run_and_by_nobody_after_it(engine):
    first, second, third = ask_together(engine, (1, -1), (1, 2))
    assert first.failure is None
    assert str(second.failure) == str(third.failure) == "negative"
    again = Asking(second.shared, 1, 7)
    again.join(30)
    assert again.answer.tolist() == [[14, 14]]


def test_nobody_at_all_is_answered_at_once_while_it_runs(engine):
    shared = Shared(engine)
    Asking(shared, 1, 1)
    assert engine.begun.acquire(timeout=30)
    nobody = shared.infer({"x": np.zeros((0, 2), np.float32)})
    assert nobody["x"].shape == (0, 2)
    engine.gate.set()


def test_each_pays_for_its_rows(engine, clock):
    """Of a run's processor time; the time that passed is everybody's own."""
    clock.before("engines.timed")
    clock.process_time = lambda: engine.cpu_seconds
    first, second, third = ask_together(engine, (1, 3), (3, 5))
    assert first.spent.cpu_seconds == pytest.approx(CPU_SECONDS)
    assert second.spent.cpu_seconds == pytest.approx(CPU_SECONDS / 4)
    assert third.spent.cpu_seconds == pytest.approx(CPU_SECONDS * 3 / 4)
    assert min(each.spent.seconds for each in (first, second, third)) > 0

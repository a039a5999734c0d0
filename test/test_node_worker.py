"""The worker: the newest item goes first, none piles up."""

import threading

import pytest

from bodypose3d_ros.node.worker import Worker


class Slow:
    """Work that begins and waits until it may go on."""

    def __init__(self):
        self.done = []
        self._begun, self._go_on = threading.Semaphore(0), threading.Event()
        self.worker = Worker(self._work, "test")

    def begun(self):
        assert self._begun.acquire(timeout=5)

    def go_on(self):
        self._go_on.set()

    def _work(self, item):
        self._begun.release()
        self._go_on.wait(5)
        self.done.append(item)


@pytest.fixture
def slow():
    return Slow()


def test_older_waiting_items_make_way_for_newer_ones(slow):
    slow.worker.put(1)
    slow.begun()
    for item in (2, 3, 4):
        slow.worker.put(item)
    slow.go_on()
    slow.begun()
    slow.worker.stop()
    assert slow.done == [1, 4]
    assert slow.worker.dropped == 2


def test_stopping_finishes_what_is_in_work_and_forgets_what_waits(slow):
    slow.worker.put(1)
    slow.begun()
    slow.worker.put(2)
    threading.Timer(0.05, slow.go_on).start()
    slow.worker.stop()
    assert slow.done == [1]
    assert "test" not in {thread.name for thread in threading.enumerate()}


def test_a_defect_in_the_work_comes_to_light():
    def work(item):
        raise ZeroDivisionError(item)

    worker = Worker(work, "test")
    worker.check()
    worker.put(1)
    worker._thread.join(5)
    with pytest.raises(ZeroDivisionError):
        worker.check()
    worker.stop()


def test_it_says_whenever_an_item_could_be_worked_on(slow):
    """So that hosts need not bring what would only be replaced."""
    free = threading.Semaphore(0)
    done = []
    worker = Worker(done.append, "test", free.release)
    for item in (1, 2):
        assert free.acquire(timeout=30)
        assert worker.free
        worker.put(item)
    assert free.acquire(timeout=30)
    assert done == [1, 2]
    worker.stop()
    slow.worker.put(1)
    slow.begun()
    assert not slow.worker.free
    assert not slow.worker.idle
    slow.go_on()


def test_when_it_is_free_an_item_may_be_put_in_its_own_thread():
    """Which is then in work at once, and its thread never idle between."""
    items, idle, done = [1, 2, 3], [], threading.Event()

    def bring():
        idle.append(worker.idle)
        if items:
            worker.put(items.pop())
        else:
            done.set()

    begun, worked = threading.Event(), []
    worker = Worker(worked.append, "test", lambda: begun.wait(30) and bring())
    begun.set()
    assert done.wait(30)
    worker.stop()
    assert worked == [3, 2, 1]
    assert not any(idle)

"""The worker: the newest item goes first, none piles up."""

import threading

import pytest

from bodypose3d_ros.node.worker import Worker


def test_older_waiting_items_make_way_for_newer_ones():
    begun, go_on, done = threading.Event(), threading.Event(), []

    def work(item):
        begun.set()
        go_on.wait(5)
        done.append(item)

    worker = Worker(work, "test")
    worker.put(1)
    assert begun.wait(5)
    for item in (2, 3, 4):  # while 1 is in work
        worker.put(item)
    go_on.set()
    while len(done) < 2:
        pass
    worker.stop()
    assert done == [1, 4]
    assert worker.dropped == 2


def test_stopping_finishes_what_is_in_work_and_forgets_what_waits():
    begun, go_on, done = threading.Event(), threading.Event(), []

    def work(item):
        begun.set()
        go_on.wait(5)
        done.append(item)

    worker = Worker(work, "test")
    worker.put(1)
    assert begun.wait(5)
    worker.put(2)
    threading.Timer(0.05, go_on.set).start()
    worker.stop()
    assert done == [1]
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

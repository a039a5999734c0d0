"""An engine that hangs is told of, given up and loaded again; what it answers later is nobody's."""

import logging
import threading
import time

import numpy as np
import pytest

from bodypose3d_ros.engines.shared import Shared
from bodypose3d_ros.errors import EngineError
from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.diagnostics import ERROR, OK, State
from bodypose3d_ros.node.interface import of_camera
from bodypose3d_ros.wire.stamps import stamp_of
from known_people import KnownPeople, Slow
from node_alone import MESSAGES, STAMP, Node, alive

TIMEOUT = 0.3


class Hanging(Slow):
    """An engine that hangs when it is told to, until it is let go."""

    def __init__(self):
        super().__init__(0)
        self.hangs, self.asked, self.let_go = False, threading.Event(), threading.Event()
        self.closed = False

    def infer(self, inputs):
        if self.hangs:
            self.asked.set()
            assert self.let_go.wait(60)
        return inputs

    def close(self):
        self.closed = True


class Loads:
    """Loads networks whose engine hangs, and then others that work."""

    def __init__(self):
        self.engine, self.loaded = Hanging(), []

    def __call__(self, options):
        people = KnownPeople()
        if not self.loaded:
            people.pose.engine = Shared(self.engine)
            people.close = people.pose.engine.close
        self.loaded.append(people)
        return people


@pytest.fixture
def loads():
    return Loads()


@pytest.fixture
def node(loads, request, clock):
    clock.before("engines.shared")  # so that only what hangs is late
    loads.clock = clock
    node = Node(loads, engine_timeout=TIMEOUT, **getattr(request, "param", {}))
    yield node
    loads.engine.let_go.set()
    node.cameras.cleanup()


def hang(node, loads):
    """An image whose network does not come back."""
    loads.engine.hangs = True
    node.image(stamp=STAMP + 1)
    assert loads.engine.asked.wait(30)
    loads.clock.seconds += 2 * TIMEOUT


def until(node, condition):
    """Ask the node how it is, as hosts do ten times a second."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        node.cameras.tell_alive()
        time.sleep(0.02)


def test_a_network_that_hangs_is_told_of_at_once_and_loaded_again(node, loads):
    node.info()
    node.image()
    node.wait(topics.MARKERS)
    assert node.core.diagnose().level == OK
    hang(node, loads)
    until(node, lambda: node.core._hangs() or len(loads.loaded) > 1)
    if len(loads.loaded) == 1:  # which it says while it waits
        report = node.core.diagnose()
        assert (report.level, report.message[:27]) == (ERROR, "a network has not answered ")
        assert alive(node)[0] == State.BLIND
    until(node, lambda: len(loads.loaded) > 1 and node.core._worker is not None)
    (text,) = (text for level, text in node.host.texts if level == logging.ERROR)
    assert "it is given up and loaded again" in text
    node.image(stamp=STAMP + 2)
    assert stamp_of(node.wait(topics.POSES, 2)) == STAMP + 2
    until(node, lambda: node.core.diagnose().level == OK)
    assert node.core.diagnose().values["images skipped"] == "1"  # the one that was in work


def test_what_it_answers_in_the_end_is_never_published(node, loads):
    node.info()
    hang(node, loads)
    until(node, lambda: len(loads.loaded) > 1 and node.core._worker is not None)
    node.image(stamp=STAMP + 2)
    node.wait(topics.POSES)
    others = {thread for thread in threading.enumerate() if thread.name == "estimation"}
    assert len(others) == 2
    assert not loads.engine.closed
    loads.engine.let_go.set()
    until(node, lambda: loads.engine.closed)  # it is closed when it comes back
    until(node, lambda: sum(thread.is_alive() for thread in others) == 1)
    assert [stamp_of(poses) for poses in node.host.sent[topics.POSES]] == [STAMP + 2]
    assert node.core.diagnose().values["images skipped"] == "1"


@pytest.mark.parametrize("node", [{"cameras": ["front", "left"]}], indirect=True)
def test_cameras_that_wait_for_it_go_on_with_the_new_one(node, loads):
    inputs = node.cameras.inputs()

    def shoot(camera, stamp):
        header = MESSAGES.header(stamp, camera)
        image = MESSAGES.image(np.zeros((48, 64, 3), np.uint8), header)
        inputs[of_camera(topics.IMAGE, camera)](image)

    node.cameras.change({"hfov": 60.0}, running=True)
    loads.engine.hangs = True
    shoot("front", STAMP)
    assert loads.engine.asked.wait(30)
    loads.clock.seconds += 2 * TIMEOUT
    shoot("left", STAMP)
    until(node, lambda: len(loads.loaded) > 1)
    until(node, lambda: all(core._worker is not None for core in node.cameras.cores.values()))
    for camera in ("front", "left"):
        shoot(camera, STAMP + 1)
        assert stamp_of(node.wait(of_camera(topics.POSES, camera))) == STAMP + 1


def test_where_it_cannot_be_loaded_again_the_node_ends(node, loads):
    def gone(options):
        raise EngineError("the GPU is gone")

    node.info()
    hang(node, loads)
    node.cameras._load = gone
    until(node, lambda: node.cameras._failure is not None)
    with pytest.raises(EngineError, match="the GPU is gone"):
        node.cameras.check()


def test_the_node_can_be_stopped_while_it_hangs(node, loads, monkeypatch):
    monkeypatch.setattr("bodypose3d_ros.node.cameras.PATIENCE_S", 0.2)
    node.info()
    hang(node, loads)
    node.cameras.cleanup()
    assert not loads.engine.closed
    loads.engine.let_go.set()
    until(node, lambda: loads.engine.closed)
    assert topics.POSES not in node.host.sent


def test_networks_that_are_loaded_again_too_late_are_not_kept(node, loads):
    """The node was cleaned up meanwhile."""
    loading, go_on = threading.Event(), threading.Event()
    late = KnownPeople()

    def load(options):
        loading.set()
        assert go_on.wait(60)
        return late

    node.info()
    hang(node, loads)
    node.cameras._load = load
    until(node, loading.is_set)
    node.cameras.cleanup()
    go_on.set()
    until(node, lambda: late.closed)
    assert node.core._worker is None

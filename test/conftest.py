"""What tests share."""

import time

import pytest

import node_alone
import ros_network
from tools.standin.graph import Graph


class Clock:
    """Stands still until a test lets time pass, before the modules that it is given to.

    Those look at it instead of ``time``; nothing else in the process does. No two moments are the
    same: whoever looks again sees it a microsecond later.
    """

    def __init__(self, monkeypatch):
        self.seconds = 1000.0
        self._monkeypatch = monkeypatch

    def before(self, module):
        """A module's name within the package: ``node.diagnostics``."""
        self._monkeypatch.setattr(f"bodypose3d_ros.{module}.time", self)

    def monotonic(self):
        self.seconds += 1e-6
        return self.seconds

    def __getattr__(self, name):
        return getattr(time, name)


@pytest.fixture
def clock(monkeypatch):
    """Give it to modules before what they have to do."""
    return Clock(monkeypatch)


@pytest.fixture
def alone():
    """Starts nodes without anything around them: see node_alone."""
    nodes = []

    def starter(**parameters):
        nodes.append(node_alone.Node(**parameters))
        return nodes[-1]

    yield starter
    for node in nodes:
        node.cameras.cleanup()


@pytest.fixture
def squares(tmp_path):
    """Makes a network that gives the squares of what it is given, two numbers a person."""

    def make(batch="N"):
        g = Graph()
        g.op("Mul", "x", "x", name="y")
        return g.save(tmp_path / "squares.onnx", "squares", {"x": (2,)}, {"y": (2,)}, batch)

    return make


@pytest.fixture
def domain(monkeypatch):
    """A ROS domain that no other test uses, on the loopback interface, for this process, too."""
    with ros_network.own_domain() as number:
        for name, value in ros_network.environment(number).items():
            monkeypatch.setenv(name, value)
        yield number


@pytest.fixture
def start(domain):
    """Starts programs in the test's domain and ends them after it."""
    processes = []

    def starter(*command):
        processes.append(ros_network.Process(domain, *command))
        return processes[-1]

    yield starter
    for process in processes:
        if process.returncode is None:
            process.kill()

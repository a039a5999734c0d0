"""What tests share."""

import pytest

import node_alone
import ros_network
from tools.standin.graph import Graph


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

"""One process before several cameras, over DDS: processes on the loopback interface."""

import pytest

from ros_network import PEERS, spin_until

pytest.importorskip("cyclonedds", reason="the DDS host needs cyclonedds (pip install .[dds])")

from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.hosts.dds.names import Names
from bodypose3d_ros.hosts.dds.network import Network
from bodypose3d_ros.hosts.dds.node import Node
from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.diagnostics import OK, State
from bodypose3d_ros.wire.stamps import stamp_of

NODE, REAL_NODE, CAMERA = (
    PEERS / f"{name}.py" for name in ("known_node", "real_node", "known_camera")
)
TWO = ("node", "--host", "dds", "--param", "cameras:=[front, left]")


@pytest.fixture
def graph(domain):
    with Node(Names("tester"), Network.from_environment()) as node:
        yield node


@pytest.fixture
def hear(graph):
    """Collects what a camera's own topic says."""

    def listener(topic, camera=""):
        messages = []
        name = topics.of_camera(topic, camera).name.replace("~", "/bodypose3d")
        graph.create_subscription(topic.type, name, messages.append, topic.qos)
        return messages

    return listener


def told(diagnostics, camera):
    """Level and values of the camera's last status."""
    status = next(
        s for s in diagnostics[-1].status if s.name == f"bodypose3d: {camera}: estimation"
    )
    return status.level, {each.key: each.value for each in status.values}


def test_each_camera_is_answered_at_its_own_rate(start, graph, hear):
    """10 Hz and 30 Hz: every image of both, as fast as they come."""
    start(CAMERA, "--name", "front", "--rate", 10)
    start(CAMERA, "--name", "left", "--rate", 30)
    start(NODE, *TWO)
    front, left = hear(topics.POSES, "front"), hear(topics.POSES, "left")
    spin_until(graph, lambda: len(front) > 1 and len(left) > 1)
    front.clear(), left.clear()
    spin_until(graph, lambda: len(front) >= 15)
    assert {each.header.frame_id for each in front} == {"front"}
    assert {each.header.frame_id for each in left} == {"left"}
    # Three times as many, less what made way for newer ones on a busy machine.
    assert len(left) / len(front) > 1.5


def test_an_engine_that_is_too_slow_is_shared_fairly(start, graph, hear, monkeypatch):
    """30 and 60 Hz where five runs a second are left: a run takes a camera's newest image, both
    cameras' when both wait. So none has more than the other, though one asks twice as often."""
    monkeypatch.setenv("SECONDS_PER_IMAGE", "0.2")
    start(CAMERA, "--name", "front", "--rate", 30)
    start(CAMERA, "--name", "left", "--rate", 60)
    start(NODE, *TWO)
    front, left = hear(topics.POSES, "front"), hear(topics.POSES, "left")
    spin_until(graph, lambda: front and left)
    front.clear(), left.clear()
    spin_until(graph, lambda: len(front) + len(left) >= 24)
    assert 0.6 < len(left) / len(front) < 1.6


def test_a_camera_that_dies_does_not_stop_the_other(start, graph, hear):
    dying = start(CAMERA, "--name", "front")
    start(CAMERA, "--name", "left")
    start(NODE, *TWO, "--param", "stale_after:=0.5")
    left, diagnostics = hear(topics.POSES, "left"), hear(topics.DIAGNOSTICS)
    alive = {camera: hear(topics.ALIVE, camera) for camera in ("front", "left")}
    spin_until(graph, lambda: all(a and a[-1].state == State.OK for a in alive.values()))
    dying.kill()
    spin_until(graph, lambda: alive["front"][-1].state == State.STALE)
    before, stamp = len(left), stamp_of(left[-1])
    spin_until(graph, lambda: len(left) >= before + 10)
    assert stamp_of(left[-1]) > stamp
    alive["left"].clear(), diagnostics.clear()
    spin_until(graph, lambda: State.OK in {each.state for each in alive["left"]})
    spin_until(graph, lambda: diagnostics and told(diagnostics, "front")[0] != OK)
    spin_until(graph, lambda: told(diagnostics, "left")[0] == OK)
    assert int(told(diagnostics, "left")[1]["poses published"]) >= len(left) - 10
    start(CAMERA, "--name", "front")
    spin_until(graph, lambda: alive["front"][-1].state == State.OK)


def test_two_films_of_one_cell_through_the_real_networks(start, graph, hear):
    """Both see the two people of the film, where TF says that the cameras stand."""
    for camera in ("front", "left"):
        start(REAL_NODE, "play", f"cell_{camera}", "--loop", "--speed", 0.3,
              "--remap", f"image:={camera}/image_raw",
              "--remap", f"camera_info:={camera}/camera_info",
              "--remap", f"__node:=film_{camera}")  # fmt: skip
    start(REAL_NODE, *TWO, "--param", "target_frame:=world")
    front, left = hear(topics.POSES, "front"), hear(topics.POSES, "left")
    spin_until(graph, lambda: all(any(len(m.poses) == 2 for m in heard) for heard in (front, left)))
    for heard in (front, left):
        seen = next(message for message in heard if len(message.poses) == 2)
        assert seen.header.frame_id == "world"
        necks = [pose.joints[INDEX["neck"]].position.z for pose in seen.poses]
        assert necks == pytest.approx([1.4, 1.4], abs=0.4)  # metres above the cell's floor

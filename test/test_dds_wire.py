"""The small DDS runtime, between processes, on the loopback interface."""

import pytest

from ros_network import PEERS, spin_until

pytest.importorskip("cyclonedds", reason="the DDS host needs cyclonedds (pip install .[dds])")

from bodypose3d_ros.errors import InputError
from bodypose3d_ros.hosts.dds.names import Names
from bodypose3d_ros.hosts.dds.network import Network
from bodypose3d_ros.hosts.dds.node import Node
from bodypose3d_ros.hosts.dds.types import Types
from bodypose3d_ros.node.qos import DEFAULT, LATCHED, SENSOR_DATA, QosProfile
from mirrored import TYPES, assert_mirrored


@pytest.fixture
def node(domain):
    with Node(Names("tester"), Network.from_environment()) as node:
        yield node


def test_every_type_passes_byte_for_byte(start, node):
    """To another process, there taken apart and built again, and back."""
    assert_mirrored(start(PEERS / "mirror.py", *TYPES), node)


def test_a_late_subscriber_gets_what_was_latched(start, domain, node):
    latched = QosProfile(depth=3, latched=True)
    text = node.types["std_msgs/msg/String"]
    publisher = node.create_publisher("std_msgs/msg/String", "/said", latched)
    for word in ("one", "two", "three", "four"):
        publisher.publish(text(word))
    listener = start(PEERS / "listener.py", "/said", "latched", 3)
    assert [listener.line("heard") for _ in range(3)] == ["heard two", "heard three", "heard four"]


def test_a_mismatch_of_reliability_is_said(start, node, caplog):
    """DDS 1.4, 2.2.3.14: a reliable reader does not match a best effort writer."""
    node.create_publisher("std_msgs/msg/String", "/said", SENSOR_DATA)
    start(PEERS / "listener.py", "/said", "reliable", 1)
    spin_until(node, lambda: "/said: a subscription asks for more than is offered" in caplog.text)
    assert "(reliability)" in caplog.text


def test_a_mismatch_of_durability_is_said(start, node, caplog):
    node.create_publisher("std_msgs/msg/String", "/said", DEFAULT)
    start(PEERS / "listener.py", "/said", "latched", 1)
    spin_until(node, lambda: "(durability)" in caplog.text)


def test_damaged_messages_are_refused_before_they_are_sent(node):
    from cyclonedds.core import DDSException

    publisher = node.create_publisher("std_msgs/msg/String", "/said", DEFAULT)
    with pytest.raises(DDSException):
        publisher.publish_cdr(b"\0\1\0\0\xff\xff\xff\x7fabc\0")


def test_garbage_from_a_peer_is_dropped(start, domain, node):
    """Lengths beyond the end, cut messages, noise and flipped bits, between two good images."""
    stamps, damaged = [], []
    qos = QosProfile(reliable=False, depth=500)
    subscription = node.create_subscription(
        "sensor_msgs/msg/Image", "/image", lambda m: stamps.append(m.header.stamp.sec), qos
    )
    subscription.when_damaged = lambda: damaged.append(1)
    start(PEERS / "vandal.py", "/image")
    spin_until(node, lambda: 2 in stamps)
    assert stamps[0] == 1
    # That garbage arrives at all shows in flipped bits of a stamp, which make another good image.
    assert set(stamps) - {1, 2}
    assert len(stamps) < 50
    before = subscription.refused  # Cyclone leaves most of it out itself
    subscription._hand_over(b"\0\1\0\0\xff\xff\xff\x7fabc\0")
    assert len(damaged) == subscription.refused == before + 1  # each is told of, for diagnostics


def test_a_message_that_who_hears_it_cannot_use_is_dropped_and_the_next_one_heard(node, caplog):
    heard = []

    def hear(message):
        if message.data == "three eyes":
            raise InputError("nobody has three eyes")
        heard.append(message.data)

    node.create_subscription(
        "std_msgs/msg/String", "/said", hear, QosProfile(depth=2, latched=True)
    )
    publisher = node.create_publisher(
        "std_msgs/msg/String", "/said", QosProfile(depth=2, latched=True)
    )
    for word in ("three eyes", "two eyes"):
        publisher.publish(node.types["std_msgs/msg/String"](word))
    spin_until(node, lambda: heard)
    assert heard == ["two eyes"]
    assert "/said: dropped a message: nobody has three eyes" in caplog.text


def test_the_graph_learns_of_a_node_and_its_end(start, domain):
    watcher = start(PEERS / "watcher.py")
    watcher.line("ready")
    peer = start(PEERS / "mirror.py", "std_msgs/msg/String", "sensor_msgs/msg/Image")
    watcher.line("node /mirror")
    peer.line("ready")
    while (ends := watcher.line("ends /mirror")) != "ends /mirror 2 in 2 out":
        assert ends.startswith("ends /mirror")
    peer.stop()
    assert watcher.line("gone") == "gone /mirror"


def test_the_graph_learns_of_a_node_of_humble(start, domain):
    """Humble's graph entries have longer identifiers."""
    watcher = start(PEERS / "watcher.py", "humble")
    watcher.line("ready")
    with Node(Names("older", "/front"), Network.from_environment(), Types("humble")) as node:
        node.create_publisher("std_msgs/msg/String", "/said", LATCHED)
        watcher.line("node /front/older")
    assert watcher.line("gone") == "gone /front/older"

"""Names, network and quality of service as ROS 2 reads them."""

import pytest

pytest.importorskip("cyclonedds", reason="the DDS host needs cyclonedds (pip install .[dds])")

from bodypose3d_ros.errors import InputError
from bodypose3d_ros.hosts.dds.names import Names
from bodypose3d_ros.hosts.dds.network import Network
from bodypose3d_ros.hosts.dds.qos import overrides
from bodypose3d_ros.node import sockets


@pytest.mark.parametrize(
    ("written", "full"),
    [
        ("image", "/front/image"),
        ("/image", "/image"),
        ("~/poses", "/front/watch/poses"),
        ("camera/color/image_raw", "/front/camera/color/image_raw"),
    ],
)
def test_topic_names_are_expanded(written, full):
    assert Names("watch", "/front").topic(written) == full


def test_without_a_namespace_names_begin_at_the_root():
    names = Names("watch")
    assert (names.full_node, names.topic("image")) == ("/watch", "/image")


@pytest.mark.parametrize("rule", ["image:=/camera/raw", "/front/image:=/camera/raw"])
def test_topics_are_remapped_as_written_or_as_expanded(rule):
    assert Names.from_rules("watch", "/front", [rule]).topic("image") == "/camera/raw"


def test_remapping_to_a_relative_name_stays_in_the_namespace():
    assert Names.from_rules("watch", "front", ["image:=raw"]).topic("image") == "/front/raw"


def test_remapping_renames_the_node():
    names = Names.from_rules("watch", "/", ["__node:=guard", "__ns:=/back"])
    assert names.topic("~/poses") == "/back/guard/poses"


@pytest.mark.parametrize("rule", ["image", "image:=", ":=x", "image=x"])
def test_a_rule_that_is_none_is_refused(rule):
    with pytest.raises(InputError, match="is not a remapping rule"):
        Names.from_rules("watch", "/", [rule])


@pytest.mark.parametrize("name", ["", "im age", "9image", "a//b", "a/", "~image"])
def test_a_topic_name_ros_would_refuse_is_refused(name):
    with pytest.raises(InputError, match="cannot be a topic's name"):
        Names("watch").topic(name)


def test_the_environment_of_ros_is_honoured():
    environ = {"ROS_DOMAIN_ID": "7", "ROS_STATIC_PEERS": "robot;10.0.0.2"}
    network = Network.from_environment(environ=environ)
    assert network == Network(7, "SUBNET", None, ("robot", "10.0.0.2"))
    assert 'address="10.0.0.2"' in network.configuration({})


@pytest.mark.parametrize("network", [Network(), Network(0, "LOCALHOST", None, ("10.0.0.2",))])
def test_who_is_away_for_long_is_not_given_up(network):
    """Cyclone's own choice is 30 s for peers that are told, 60 s for those that were met."""
    configuration = network.configuration({})
    for address in ("Initial", "Discovered"):
        assert f"<{address}LocatorPruneDelay>inf<" in configuration


@pytest.mark.parametrize(
    "environ", [{"ROS_LOCALHOST_ONLY": "1"}, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}]
)
def test_a_node_can_be_kept_on_its_machine(environ):
    network = Network.from_environment(environ=environ)
    assert network.on_this_machine
    assert "<AllowMulticast>false</AllowMulticast>" in network.configuration({})


def test_arguments_go_before_the_environment():
    assert Network.from_environment(3, environ={"ROS_DOMAIN_ID": "7"}).domain == 3


def test_cyclones_own_variable_goes_before_everything():
    """Cyclone reads fragments in order, the last one counts."""
    assert Network().configuration({"CYCLONEDDS_URI": "file:///x.xml"}).endswith(",file:///x.xml")


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"ROS_DOMAIN_ID": "home"}, "ROS_DOMAIN_ID is 'home', which is not a number"),
        ({"ROS_DOMAIN_ID": "233"}, "from 0 to 232"),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "HOUSE"}, "'HOUSE' is not one of SUBNET, LOCALHOST"),
    ],
)
def test_an_environment_that_makes_no_sense_is_refused(environ, message):
    with pytest.raises(InputError, match=message):
        Network.from_environment(environ=environ)


def test_quality_of_service_is_overridden_by_the_parameters_of_ros():
    parameters = {
        "qos_overrides./front/image.subscription.reliability": "reliable",
        "qos_overrides./front/image.subscription.depth": 2,
        "qos_overrides./front/image.subscription.history": "keep_last",
        "qos_overrides./bodypose3d/poses.publisher.reliability": "best_effort",
    }
    assert overrides(parameters) == {
        ("/front/image", "subscription"): {"reliable": True, "depth": 2},
        ("/bodypose3d/poses", "publisher"): {"reliable": False},
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("qos_overrides./image.subscription.reliability", "certain"),
        ("qos_overrides./image.subscription.depth", 0),
        ("qos_overrides./image.subscription.history", "keep_all"),
        ("qos_overrides./image.subscription.lifespan", 3),
        ("qos_overrides./image.reliability", "reliable"),
        ("qos_overrides.image.subscription.depth", 1),
    ],
)
def test_quality_of_service_that_cannot_be_had_is_refused(name, value):
    with pytest.raises(InputError, match=f"{name}: {value!r} cannot be had without ROS 2"):
        overrides({name: value})


def test_a_socket_buffer_too_small_is_said_with_the_remedy(monkeypatch):
    monkeypatch.setattr(sockets, "receive_limit", lambda: 212992)
    full_hd = 1920 * 1080 * 3
    warning = sockets.receive_buffer_warning(full_hd)
    assert warning
    assert "sudo sysctl -w net.core.rmem_max=33554432" in warning
    monkeypatch.setattr(sockets, "receive_limit", lambda: 8388608)
    assert sockets.receive_buffer_warning(full_hd) is None

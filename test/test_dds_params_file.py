"""Parameter files mean the same as under ROS 2."""

import pytest

pytest.importorskip("cyclonedds", reason="the DDS host needs cyclonedds (pip install .[dds])")

from bodypose3d_ros.errors import InputError
from bodypose3d_ros.hosts.dds.params_file import read

EVERYBODY = "/**:\n  ros__parameters:\n    hfov: 60.0\n"


def values(tmp_path, text, node="/front/bodypose3d"):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return read(path, node)


@pytest.mark.parametrize(
    "name",
    ["/**", "/*/bodypose3d", "/front/bodypose3d", "/front/*", "/**/bodypose3d", "front/bodypose3d"],
)
def test_a_node_is_named_in_many_ways(tmp_path, name):
    text = f'"{name}":\n  ros__parameters:\n    hfov: 60.0\n'
    assert values(tmp_path, text) == {"hfov": 60.0}


@pytest.mark.parametrize("name", ["/*", "bodypose3d", "/back/bodypose3d", "/front/bodypose"])
def test_other_nodes_values_are_theirs(tmp_path, name):
    text = f'"{name}":\n  ros__parameters:\n    hfov: 60.0\n'
    assert values(tmp_path, text) == {}


def test_namespaces_may_nest_and_groups_are_joined(tmp_path):
    text = """
front:
  bodypose3d:
    ros__parameters:
      qos_overrides:
        /image: {subscription: {depth: 3}}
"""
    assert values(tmp_path, text) == {"qos_overrides./image.subscription.depth": 3}


def test_later_entries_go_before_earlier_ones(tmp_path):
    text = EVERYBODY + "/front/bodypose3d:\n  ros__parameters: {hfov: 70.0, publish_tf: false}\n"
    assert values(tmp_path, text) == {"hfov": 70.0, "publish_tf": False}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n", "names no node"),
        ("a: [\n", "is not a YAML file"),
        ("/**: {ros__parameters: 3}\n", "are not names with values"),
        ("/**: {ros__parameters: &p {again: *p}}\n", "a part of it holds itself"),
        ("&l [*l]\n", "a part of it holds itself"),
    ],
)
def test_what_is_no_parameter_file_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        values(tmp_path, text)


def test_what_is_told_once_may_be_meant_twice(tmp_path):
    text = "/**: {ros__parameters: {a: &both {x: 1}, b: *both}}\n"
    assert values(tmp_path, text) == {"a.x": 1, "b.x": 1}


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.yaml: cannot be read"):
        read(tmp_path / "nowhere.yaml", "/bodypose3d")

"""The node's parameters: one declaration, the same on every host."""

import pytest

from bodypose3d_ros.errors import InputError
from bodypose3d_ros.node.parameters import DECLARATIONS, Parameters


@pytest.mark.parametrize("declaration", DECLARATIONS.values(), ids=DECLARATIONS)
def test_every_parameter_is_documented_and_takes_its_default(declaration):
    assert declaration.description.endswith(".")
    assert declaration.check(declaration.default) == declaration.default


def test_values_become_what_they_are_declared_as():
    changed = Parameters().changed({"hfov": 60, "tf_joints": ["neck", "left_wrist"]})
    assert changed.hfov == 60.0
    assert isinstance(changed.hfov, float)
    assert changed.tf_joints == ("neck", "left_wrist")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("engine", "cuda", "engine: 'cuda' is not one of auto, onnxruntime, tensorrt"),
        ("max_people", 0, "max_people: 0 is not between 1 and 32"),
        ("max_people", 2.0, "max_people: 2.0 is not a integer"),
        ("max_people", True, "max_people: True is not a integer"),
        ("hfov", float("nan"), "hfov: nan is not between 0 and 179"),
        ("publish_tf", "yes", "publish_tf: 'yes' is not a bool"),
        ("tf_joints", ["left_antenna"], "tf_joints: 'left_antenna' is not one of pelvis"),
        ("tf_joints", [3], r"tf_joints: \[3\] is not a string array"),
        ("max_peoples", 3, "no parameter 'max_peoples': did you mean max_people"),
    ],
)
def test_bad_values_are_refused_with_a_reason(name, value, reason):
    with pytest.raises(InputError, match=reason):
        Parameters().changed({name: value})


def test_what_is_read_at_configuration_cannot_change_while_running():
    running = Parameters()
    assert running.changed({"publish_tf": False}, running=True).publish_tf is False
    assert running.changed({"model": "blazepose"}, running=True) == running
    with pytest.raises(InputError, match="model is read when the node is configured"):
        running.changed({"model": "other"}, running=True)

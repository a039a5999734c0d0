"""The node's parameters as rclpy declares them."""

from __future__ import annotations

from collections.abc import Mapping

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from ...errors import InputError
from ...perception.settings import Setting, Value

# Whoever leaves the start to a lifecycle manager says so before the node runs. The others that are
# read at configuration may be set while the node is not configured.
_READ_ONLY = ("autostart",)
_TYPES = {
    bool: Parameter.Type.BOOL,
    int: Parameter.Type.INTEGER,
    float: Parameter.Type.DOUBLE,
    str: Parameter.Type.STRING,
    tuple: Parameter.Type.STRING_ARRAY,
}


def declare(node: Node, declarations: Mapping[str, Setting]) -> dict[str, Value]:
    """Declare every parameter; returns what files and the command line have set.

    Raises:
        InputError: One of them has another type.
    """
    try:
        return {each.name: _declare(node, each) for each in declarations.values()}
    except ParameterException as error:
        raise InputError(str(error)) from error


def declare_optional(node: Node, declarations: Mapping[str, Setting]) -> dict[str, Value]:
    """Declare what has no value unless somebody gives it one; returns what has been set.

    Raises:
        InputError: One of them has another type.
    """
    values = {}
    try:
        for each in declarations.values():
            node.declare_parameter(each.name, _TYPES[each.type], _descriptor(each))
            values[each.name] = node.get_parameter_or(each.name, Parameter(each.name)).value
    except ParameterException as error:
        raise InputError(str(error)) from error
    return {name: value for name, value in values.items() if value is not None}


def without_effect(node: Node) -> list[str]:
    """What files and the command line have set that nobody has declared: misspelt, mostly.

    QoS overrides are declared with their topics, later.
    """
    given: Mapping[str, Parameter] = node._parameter_overrides  # rclpy has no other way to them
    return sorted(
        name
        for name in given
        if not node.has_parameter(name) and not name.startswith("qos_overrides.")
    )


def _declare(node: Node, each: Setting) -> Value:
    value: Value
    if not isinstance(each.default, tuple):
        value = node.declare_parameter(each.name, each.default, _descriptor(each)).value
        return value
    # rclpy would take an empty list for one of bytes.
    kind = Parameter.Type.STRING_ARRAY
    node.declare_parameter(each.name, kind, _descriptor(each))
    unset = Parameter(each.name, kind, list(each.default))
    value = node.get_parameter_or(each.name, unset).value
    if value == unset.value:
        node.set_parameters([unset])
    return value


def _descriptor(each: Setting) -> ParameterDescriptor:
    constraints = []
    if each.choices:
        constraints.append(f"One of: {', '.join(each.choices)}.")
    if each.read_only:
        constraints.append("Read when the node is configured.")
    descriptor = ParameterDescriptor(
        name=each.name,
        description=each.description + (f" In {each.unit}." if each.unit else ""),
        additional_constraints=" ".join(constraints),
        read_only=each.name in _READ_ONLY,
    )
    if each.minimum is not None and each.maximum is not None:
        if each.type is int:
            limits = IntegerRange(from_value=int(each.minimum), to_value=int(each.maximum), step=1)
            descriptor.integer_range = [limits]
        else:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=each.minimum, to_value=each.maximum, step=0.0)
            ]
    return descriptor

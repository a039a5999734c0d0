"""QoS profiles as DDS policies, mapped as rmw_cyclonedds maps them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from cyclonedds.qos import Policy, Qos
from cyclonedds.util import duration

from ...errors import InputError
from ...node.qos import QosProfile

# How long a reliable writer may block; ROS 2 has no limit. With KEEP_LAST it never does.
_MAX_BLOCKING_S = 1.0

OVERRIDES = "qos_overrides."
"""What ROS 2's parameters begin with that change a topic's quality of service."""
_OVERRIDE = re.compile(rf"{re.escape(OVERRIDES)}(/.+)\.(subscription|publisher)\.(\w+)")
_RELIABILITY = {"reliable": True, "best_effort": False}


def overrides(values: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """What ROS 2's parameters ``qos_overrides.TOPIC.subscription.reliability`` and so on say.

    Returns:
        Fields of a ``QosProfile`` with their values, by topic (as the graph knows it) and end:
        ``subscription`` or ``publisher``.

    Raises:
        InputError: One of them says what cannot be had here.
    """
    found: defaultdict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    for name, value in values.items():
        match = _OVERRIDE.fullmatch(name)
        topic, end, policy = match.groups() if match else ("", "", "")
        fields = found[topic, end]
        if policy == "reliability" and value in _RELIABILITY:
            fields["reliable"] = _RELIABILITY[value]
        elif policy == "depth" and isinstance(value, int) and value >= 1:
            fields["depth"] = value
        elif (policy, value) != ("history", "keep_last"):
            raise InputError(
                f"{name}: {value!r} cannot be had without ROS 2: reliability is reliable or "
                f"best_effort, depth a number from 1, history keep_last; write them like "
                f"{OVERRIDES}/image.subscription.reliability"
            )
    return dict(found)


def policies(profile: QosProfile, user_data: bytes) -> Qos:
    """The policies of an endpoint."""
    history = Policy.History.KeepLast(profile.depth)
    chosen = [
        Policy.Reliability.Reliable(duration(seconds=_MAX_BLOCKING_S))
        if profile.reliable
        else Policy.Reliability.BestEffort,
        Policy.Durability.TransientLocal if profile.latched else Policy.Durability.Volatile,
        history,
        Policy.DataRepresentation(use_cdrv0_representation=True),  # XCDR1, ROS 2's
        Policy.WriterDataLifecycle(autodispose=False),
        Policy.Userdata(data=user_data),
    ]
    if profile.latched:  # else only one message is kept for late subscribers
        chosen.append(Policy.DurabilityService(0, history, -1, -1, -1))
    return Qos(*chosen)

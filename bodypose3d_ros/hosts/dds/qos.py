"""QoS profiles as DDS policies, mapped as rmw_cyclonedds maps them."""

from cyclonedds.qos import Policy, Qos
from cyclonedds.util import duration

from ...node.qos import QosProfile

# How long a reliable writer may block; ROS 2 has no limit. With KEEP_LAST it never does.
_MAX_BLOCKING_S = 1.0


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

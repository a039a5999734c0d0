"""Quality of service in ROS 2's words, for either host."""

from dataclasses import dataclass


@dataclass(frozen=True)
class QosProfile:
    """How messages of a topic are kept and sent."""

    reliable: bool = True
    depth: int = 10
    """How many messages are kept (KEEP_LAST)."""
    latched: bool = False
    """Late subscribers get what was sent before (TRANSIENT_LOCAL)."""


SENSOR_DATA = QosProfile(reliable=False, depth=5)
NEWEST = QosProfile(reliable=False, depth=1)
EACH = QosProfile(reliable=False, depth=32)
"""Of what is small: all that came while an image was in work."""
DEFAULT = QosProfile()
LATCHED = QosProfile(depth=1, latched=True)

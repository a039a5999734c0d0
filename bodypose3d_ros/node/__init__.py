"""The node: what every host shares; the hosts themselves are in ``hosts``."""

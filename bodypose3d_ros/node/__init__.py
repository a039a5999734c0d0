"""The node: what every host shares, and the host for rclpy. ``dds`` has the other host."""

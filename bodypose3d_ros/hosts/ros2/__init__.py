"""The node on a machine with ROS 2."""

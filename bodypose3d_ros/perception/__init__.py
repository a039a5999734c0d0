"""From a frame to everybody in it. No ROS, no files."""

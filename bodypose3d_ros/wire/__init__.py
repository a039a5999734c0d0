"""People to and from ROS messages and CDR."""

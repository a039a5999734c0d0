"""A member of a ROS 2 graph on a machine without ROS 2.

rosbags knows the message types and their CDR, Cyclone DDS moves the bytes; nothing here knows
about people but ``host``.
"""

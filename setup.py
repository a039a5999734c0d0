"""pip's entry on machines without ROS 2; everything is in pyproject.toml. colcon uses CMakeLists.txt."""

from setuptools import setup

setup()

"""pip's entry on machines without ROS 2. colcon uses CMakeLists.txt.

Everything is in pyproject.toml but this: the message definitions, which ROS wants in ``msg/``,
are also data of the Python package, which has to know them without ROS.
"""

from setuptools import find_packages, setup

MESSAGES = "bodypose3d_ros.share.msg"
FILMS = "bodypose3d_ros.data"  # a folder of data is a package, too, as far as Python can tell

setup(
    packages=[*find_packages(include=["bodypose3d_ros*"]), FILMS, MESSAGES],
    package_dir={MESSAGES: "msg"},
)

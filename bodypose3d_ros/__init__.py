"""Every person a robot's camera sees, as 34 joints in metres.

The package is built two ways: by pip (no ROS 2) and by colcon, which generates
``bodypose3d_ros.msg`` from ``msg/*.msg`` and installs this source beside it.
"""

from pkgutil import extend_path

# A source folder on sys.path must not hide the generated ``bodypose3d_ros.msg`` of a sourced ROS 2.
__path__ = extend_path(__path__, __name__)

"""Every person a robot's camera sees, as 34 joints in metres.

The package is built two ways: by pip (no ROS 2) and by colcon, which generates
``bodypose3d_ros.msg`` from ``msg/*.msg`` and installs this source beside it.
"""

import os
from pkgutil import extend_path

# What a picture's few bytes say of its size is believed by OpenCV up to 2^30 pixels, 3 GiB. It
# reads this when it is imported, after us. 2^27 are twice as many as large industrial cameras have.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 27))
# FFmpeg's own words on damaged films (-8: none), and OpenCV's on cameras that are not there: we say
# what is wrong, and with which file or camera.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")

# A source folder on sys.path must not hide the generated ``bodypose3d_ros.msg`` of a sourced ROS 2.
__path__ = extend_path(__path__, __name__)

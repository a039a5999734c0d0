"""The picture of RViz in the docs: `make rviz-picture`, where a ROS 2 with rviz2 is sourced.

    python -m tools.rviz_picture [PICTURE] [FILM]

Opens RViz with our configuration on a screen that nobody sees (Xvfb; Mesa renders in software),
plays a film as a camera, and takes the picture while one of the people is hidden and predicted.
Needs the package built and sourced, and Debian's or Ubuntu's packages xvfb and imagemagick.
"""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from tempfile import NamedTemporaryFile

import rclpy
from bodypose3d_ros.msg import Pose3D, Pose3DArray
from rclpy.node import Node

SCREEN = "1400x900x24"
SECONDS = 120.0
RATE = 4.0
"""Images a second: RViz without a graphics card draws not many more."""
PARAMETERS = """\
bodypose3d:
  ros__parameters:
    coast_time: 1.5  # long enough for a slow machine's picture
"""
BEHIND = 0.1
"""Radians about within which one of two people hides the other."""
# RViz has drawn what came so long ago.
DRAWN_S = 0.5


@contextmanager
def started(*command: str, **options: object) -> Iterator[subprocess.Popen[str]]:
    """A program that is interrupted at the end, and all that it has started with it."""
    process = subprocess.Popen(command, text=True, start_new_session=True, **options)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


class Watcher(Node):
    """Knows whether what is on the screen is worth a picture."""

    def __init__(self) -> None:
        super().__init__("rviz_picture")
        self._seen = 0
        self.hidden = False
        self.create_subscription(Pose3DArray, "/bodypose3d/poses", self._poses, 10)

    def _poses(self, poses: Pose3DArray) -> None:
        self._seen += self.count_subscribers("/bodypose3d/markers") > 0
        aside: dict[int, float] = {}
        for pose in poses.poses:
            pelvis = pose.joints[Pose3D.PELVIS].position
            aside[pose.state] = pelvis.x / pelvis.z
        hidden, in_front = (
            aside.get(state, math.nan) for state in (Pose3D.STATE_COASTING, Pose3D.STATE_TRACKED)
        )
        self.hidden = self._seen > 5 * RATE and abs(hidden - in_front) < BEHIND


def wait(node: Node, condition: Callable[[], bool]) -> None:
    """Serve the node until it is true."""
    end = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > end:
            sys.exit("nobody was hidden within two minutes, or RViz did not come up")
        rclpy.spin_once(node, timeout_sec=0.05)


def main(path: str = "docs/rviz.jpg", film: str = "two_people") -> None:
    """Take the picture."""
    read, write = os.pipe()
    with ExitStack() as stack:
        server = ("Xvfb", "-screen", "0", SCREEN, "-nolisten", "tcp", "-displayfd", str(write))
        stack.enter_context(started(*server, pass_fds=[write]))
        display = ":" + os.read(read, 16).decode().strip()
        os.environ |= {"DISPLAY": display, "LIBGL_ALWAYS_SOFTWARE": "1", "QT_QPA_PLATFORM": "xcb"}
        parameters = stack.enter_context(NamedTemporaryFile("w", suffix=".yaml"))
        parameters.write(PARAMETERS)
        parameters.flush()
        launch = ("ros2", "launch", "bodypose3d_ros", "film.launch.py", f"film:={film}")
        arguments = (f"rate:={RATE}", "rviz:=true")
        stack.enter_context(started(*launch, *arguments, f"params_file:={parameters.name}"))
        rclpy.init()
        watcher = Watcher()
        wait(watcher, lambda: watcher.hidden)
        time.sleep(DRAWN_S)
        subprocess.run(["import", "-window", "root", "-quality", "85", path], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

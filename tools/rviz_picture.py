"""The picture of RViz in the docs: `make rviz-picture`, where a ROS 2 with rviz2 is sourced.

    python -m tools.rviz_picture [PICTURE] [FILM] [RATE]

Opens RViz with our configuration on a screen that nobody sees (Xvfb; Mesa renders in software),
plays a film as a camera, with depth, and takes the picture while both people are well seen.
Needs the package built and sourced, and Debian's or Ubuntu's packages xvfb and imagemagick.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from tempfile import NamedTemporaryFile

import rclpy
from bodypose3d_ros.msg import Pose3D, Pose3DArray
from rclpy.node import Node

SCREEN = "1400x900x24"
SECONDS = 120.0
RATE = 10.0
"""Images a second: two cores estimate as many while RViz draws without a graphics card. Where they
have more to do, RViz lags behind them: the docs' picture was taken at 0.5."""
PARAMETERS = """\
bodypose3d:
  ros__parameters:
    depth_transport: raw
"""
APART = 0.3
"""Radians about beyond which neither of two people hides the other."""
# RViz has drawn what came so long ago.
DRAWN_S = 0.3


@contextmanager
def started(*command: str, pass_fds: Sequence[int] = ()) -> Iterator[None]:
    """A program that is interrupted at the end, and all that it has started with it."""
    process = subprocess.Popen(command, start_new_session=True, pass_fds=pass_fds)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


class Watcher(Node):
    """Knows whether what is on the screen is worth a picture."""

    def __init__(self, rate: float) -> None:
        super().__init__("rviz_picture")
        self._rate = rate
        self._seen = 0
        self.apart = False
        self.create_subscription(Pose3DArray, "/bodypose3d/poses", self._poses, 10)

    def _poses(self, poses: Pose3DArray) -> None:
        self._seen += self.count_subscribers("/bodypose3d/markers") > 0
        tracked = [pose for pose in poses.poses if pose.state == Pose3D.STATE_TRACKED]
        pelvises = [pose.joints[Pose3D.PELVIS].position for pose in tracked]
        aside = [pelvis.x / pelvis.z for pelvis in pelvises]
        settled = self._seen > 5 * self._rate
        self.apart = settled and len(aside) == 2 and abs(aside[0] - aside[1]) > APART


def wait(node: Node, condition: Callable[[], bool]) -> None:
    """Serve the node until it is true."""
    end = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > end:
            sys.exit("two people were not seen apart within two minutes, or RViz did not come up")
        rclpy.spin_once(node, timeout_sec=0.05)


def main(path: str = "docs/rviz.jpg", film: str = "two_people", rate: float | str = RATE) -> None:
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
        arguments = (f"rate:={float(rate)}", "rviz:=true")
        stack.enter_context(started(*launch, *arguments, f"params_file:={parameters.name}"))
        rclpy.init()
        watcher = Watcher(float(rate))
        wait(watcher, lambda: watcher.apart)
        time.sleep(DRAWN_S)
        subprocess.run(["import", "-window", "root", "-quality", "85", path], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

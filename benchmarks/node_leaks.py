"""Whether the ROS 2 node keeps what it should give back: memory, threads, file handles.

    source <workspace>/install/setup.bash
    python3 benchmarks/node_leaks.py --lives 100    through the whole life cycle, again and again
    python3 benchmarks/node_leaks.py --images 54000   an hour of film at 15 Hz, as fast as it goes

The real node runs in a process of its own, driven through its services and topics; what it holds
is read from /proc. Memory grows while caches fill, so that growth counts from a tenth of the way.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import rclpy
from bodypose3d_ros.msg import Pose3DArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from node_latency import running, wait_until
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosidl_runtime_py.utilities import get_message

from bodypose3d_ros.hosts.ros2.host import message_class
from bodypose3d_ros.media import film
from bodypose3d_ros.wire.messages import Messages

IMAGES_A_LIFE = 3
LOST_S = 1.0
TRANSITIONS = {
    name: getattr(Transition, f"TRANSITION_{name.upper()}")
    for name in ("configure", "activate", "deactivate", "cleanup")
}


class Driver(Node):
    """A camera that takes the next image when the last one's poses have come, and a manager."""

    def __init__(self, executor: SingleThreadedExecutor) -> None:
        super().__init__("leaks")
        self._executor = executor
        executor.add_node(self)
        self.poses = 0
        self._messages = Messages(message_class)
        self._camera = film.load("one_person")
        self._frames = list(self._camera.frames())
        self._image, self._info = (
            self.create_publisher(
                get_message(f"sensor_msgs/msg/{kind}"), topic, QoSProfile(depth=5)
            )
            for kind, topic in (("Image", "image"), ("CameraInfo", "camera_info"))
        )
        self._manager = self.create_client(ChangeState, "bodypose3d/change_state")
        self.create_subscription(Pose3DArray, "bodypose3d/poses", self._count, 10)

    def change(self, name: str) -> None:
        """Take the node through a transition."""
        self.wait(self._manager.service_is_ready)
        request = ChangeState.Request(transition=Transition(id=TRANSITIONS[name]))
        future = self._manager.call_async(request)
        self.wait(future.done)
        if not future.result().success:
            raise RuntimeError(f"the node could not {name}")

    def shoot(self) -> None:
        """Send an image until its poses come."""
        before = self.poses
        while self.poses == before:
            frame = self._frames[before % len(self._frames)]
            header = self._messages.header(time.time_ns(), film.FRAME_ID)
            self._info.publish(self._messages.camera_info(self._camera.camera, header))
            self._image.publish(self._messages.image(frame.image, header))
            self._wait_for_poses(before, time.monotonic() + LOST_S)

    def _wait_for_poses(self, before: int, end: float) -> None:
        self.wait(lambda: self.poses > before or time.monotonic() > end)

    def wait(self, done: Callable[[], bool]) -> None:
        """Serve the graph until it is done."""
        wait_until(self._executor, done)

    def _count(self, _: Pose3DArray) -> None:
        self.poses += 1


def held(pid: int) -> tuple[float, int, int]:
    """Resident memory (MB), threads and file handles of a process."""
    process = Path(f"/proc/{pid}")
    lines = (line.split(":") for line in (process / "status").read_text().splitlines())
    status = {key: value.split() for key, value in lines}
    handles = len(list((process / "fd").iterdir()))
    return int(status["VmRSS"][0]) / 1024, int(status["Threads"][0]), handles


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--lives", type=int, help="how often through the life cycle")
    what.add_argument("--images", type=int, help="how many images")
    options = parser.parse_args()
    rclpy.init()
    driver = Driver(SingleThreadedExecutor())
    autostart = str(not options.lives).lower()
    with running("bodypose3d_node", "-p", f"autostart:={autostart}") as node:
        step, count = (live, options.lives) if options.lives else (Driver.shoot, options.images)
        return watch(lambda: step(driver), count, node.pid)


def live(driver: Driver) -> None:
    """Once through the node's life."""
    driver.change("configure")
    driver.change("activate")
    for _ in range(IMAGES_A_LIFE):
        driver.shoot()
    driver.change("deactivate")
    driver.change("cleanup")


def watch(step: Callable[[], None], count: int, pid: int) -> int:
    """Take the steps and print what the process holds, eleven times."""
    print(f"{'':>9}{'MB':>8}{'threads':>9}{'handles':>9}")
    marks = {round(count * tenth / 10) for tenth in range(1, 11)} | {1}
    first = None
    for number in range(1, count + 1):
        step()
        if number in marks:
            memory, threads, handles = held(pid)
            print(f"{number:9}{memory:8.1f}{threads:9}{handles:9}", flush=True)
            if number > 1:
                first = first or (memory, threads, handles)
    growth = [now - then for now, then in zip(held(pid), first or (0, 0, 0), strict=True)]
    print(f"{'growth':>9}{growth[0]:8.1f}{growth[1]:9}{growth[2]:9}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Says when an arm at the origin of the poses' frame has to stop: over DDS, without ROS 2.

An example, not a safety function.
"""

import time
from contextlib import suppress

import numpy as np

from bodypose3d_ros.body.people import SCALE_NONE
from bodypose3d_ros.hosts.dds.names import Names
from bodypose3d_ros.hosts.dds.network import Network
from bodypose3d_ros.hosts.dds.node import Node
from bodypose3d_ros.node.interface import POSES
from bodypose3d_ros.wire.pose_cdr import read

REACH, STOPPING = 0.9, 0.3  # metres that the arm reaches, seconds until it stands
SILENCE = 0.5  # seconds without poses after which nobody knows where people are
FREE = 1.0  # seconds that nobody has to be near before it moves again: else it twitches
SPEED, CHANGE = 1.6, 4.0  # metres a second of whom nobody knows how fast; half of a hand's 8 m/s^2


def sigma(toward, covariance):
    """How unsure each joint is along its direction."""
    return np.sqrt(np.einsum("nji,njik,njk->nj", toward, covariance, toward))


def nearest(poses, ahead):
    """How near the origin somebody may be ``ahead`` seconds after the image; infinite: nobody."""
    people = poses.bodies
    if (people.scale_source == SCALE_NONE).any():
        return 0.0  # somebody is there, and where nobody knows
    moving = np.isfinite(people.velocity).all(axis=-1)  # (N, 34)
    at = people.joints + ahead * np.where(moving[..., None], people.velocity, 0)
    distance = np.linalg.norm(at, axis=-1)
    toward = at / np.maximum(distance, 1e-6)[..., None]
    off = 1.96 * sigma(toward, people.covariance)
    if_known = 1.96 * ahead * sigma(toward, people.velocity_covariance) + CHANGE * ahead**2
    unsure = off + np.where(moving, if_known, SPEED * ahead)
    known = np.isfinite(people.joints[..., 0])
    return np.min((distance - unsure)[known], initial=np.inf)


class Guard:
    """What was heard last, and whether the arm has to stop."""

    def __init__(self):
        self.poses, self.heard, self.said = None, -np.inf, ""
        self.stopped = -np.inf

    def take(self, cdr):
        self.poses, self.heard = read(cdr), time.monotonic()

    def look(self):
        if time.monotonic() - self.heard > SILENCE:
            said = "stops: no poses come"
        else:
            age = time.time() - self.poses.stamp / 1e9
            near = nearest(self.poses, age + STOPPING)
            # Not "near < REACH": NaN must stop the arm, too.
            said = "moves" if near > REACH else "stops: somebody may be within its reach"
        if said != "moves":
            self.stopped = time.monotonic()
        elif time.monotonic() - self.stopped < FREE:
            return
        if said != self.said:
            print(said, flush=True)
        self.said = said


def main():
    guard = Guard()
    with Node(Names("guard"), Network.from_environment()) as node:
        node.create_subscription(POSES.type, "/bodypose3d/poses", guard.take, POSES.qos, raw=True)
        node.create_timer(0.02, guard.look)
        with suppress(KeyboardInterrupt):
            node.spin()


if __name__ == "__main__":
    main()

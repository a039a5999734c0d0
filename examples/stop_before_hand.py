"""A simulated two-joint arm that sweeps over a table and stops when a hand comes too near.

Distances follow ISO/TS 15066's protective separation: how far the hand and the arm get until the
arm stands, and how wrong the hand's place may be. An example, not a safety function.
"""

import math
from contextlib import suppress
from itertools import pairwise

import numpy as np
import rclpy
from bodypose3d_ros.msg import Pose3D, Pose3DArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import JointState

LINKS = 0.45, 0.40  # metres
SWEEP = 1.2, 0.5  # radians to each side, radians a second
REACTION, STOPPING = 0.10, 0.20  # seconds until the arm brakes, and until it stands
HUMAN_SPEED = 1.6  # metres a second, where it is not known (ISO 13855)
CHANGE = 4.0  # half of the 8 m/s^2 by which a hand may change its speed
SIGMAS = 2.0
SILENCE = 0.5  # seconds without poses after which nobody knows where hands are
HANDS = Pose3D.LEFT_WRIST, Pose3D.RIGHT_WRIST
FINGERS = 0.20  # metres from the wrist to the fingertips


class Arm(Node):
    """The arm stands at the origin of the poses' frame, at the height ``table``."""

    def __init__(self):
        super().__init__("arm")
        self.table = self.declare_parameter("table", 1.0).value
        self.phase, self.stopped = 0.0, "no poses have come yet"
        self.hands, self.unplaced, self.heard = [], [], None
        self.joints = self.create_publisher(JointState, "joint_states", 10)
        self.create_subscription(Pose3DArray, "/bodypose3d/poses", self.poses, 10)
        self.create_timer(0.02, self.move)

    def poses(self, message):
        self.heard = self.get_clock().now()
        stamp = Time.from_msg(message.header.stamp)
        self.unplaced = [
            pose.track_id for pose in message.poses if pose.scale_source == Pose3D.SCALE_NONE
        ]
        self.hands = [
            (pose.track_id, stamp, pose.joints[hand])
            for pose in message.poses
            for hand in HANDS
            if math.isfinite(pose.joints[hand].position.x)
        ]

    def move(self):
        now = self.get_clock().now()
        reason = self.must_stop(now)
        if reason != self.stopped:
            self.get_logger().info(f"stops: {reason}" if reason else "moves on")
        self.stopped = reason
        if not reason:
            self.phase += 0.02 * SWEEP[1] / SWEEP[0]
        names, angles = ["shoulder", "elbow"], [SWEEP[0] * math.sin(self.phase), 0.6]
        message = JointState(name=names, position=angles)
        message.header.stamp = now.to_msg()
        self.joints.publish(message)

    def must_stop(self, now):
        if self.heard is None:
            return "no poses have come yet"
        if (now - self.heard).nanoseconds / 1e9 > SILENCE:
            return "no poses come any more"
        if self.unplaced:
            return f"nobody knows where person {self.unplaced[0]} is"
        for track_id, stamp, hand in self.hands:
            distance, needed = self.separation(now, stamp, hand)
            # Not "distance < needed": NaN must stop the arm, too.
            if not distance > needed:
                return f"a hand of person {track_id} is nearer than its speed allows"
        return ""

    def separation(self, now, stamp, hand):
        """How far the hand is from the arm now, and how far it has to be."""
        age = max((now - stamp).nanoseconds / 1e9, 0.0)
        at = np.array([hand.position.x, hand.position.y, hand.position.z])
        velocity = np.array([hand.velocity.x, hand.velocity.y, hand.velocity.z])
        known = np.isfinite(velocity).all()
        at = at + velocity * age if known else at
        moved = CHANGE * age**2 if known else HUMAN_SPEED * age
        distance, toward = self.nearest(at)
        speed = max(float(velocity @ toward), 0.0) if known else HUMAN_SPEED
        arm_speed = SWEEP[1] * sum(LINKS)
        needed = speed * (REACTION + STOPPING) + arm_speed * (REACTION + STOPPING / 2)
        unsure = sigma(toward, hand.position_covariance, unknown=0.3)
        if known:
            ahead = age + REACTION + STOPPING
            unsure += ahead * sigma(toward, hand.velocity_covariance, unknown=HUMAN_SPEED)
        return distance, needed + moved + FINGERS + SIGMAS * unsure

    def nearest(self, point):
        """The distance of a point to the arm's links, and the direction from it to them."""
        shoulder, bend = SWEEP[0] * math.sin(self.phase), 0.6
        corner = LINKS[0] * np.array([math.cos(shoulder), math.sin(shoulder)])
        angle = shoulder + bend
        tip = corner + LINKS[1] * np.array([math.cos(angle), math.sin(angle)])
        ends = [np.append(end, self.table) for end in (np.zeros(2), corner, tip)]
        offsets = [closest(point, a, b) - point for a, b in pairwise(ends)]
        offset = min(offsets, key=np.linalg.norm)
        distance = float(np.linalg.norm(offset))
        return distance, offset / max(distance, 1e-9)


def sigma(toward, covariance, unknown):
    """How unsure something is in a direction, by its covariance in a message."""
    matrix = np.array(covariance).reshape(3, 3)
    return math.sqrt(max(toward @ matrix @ toward, 0.0)) if matrix[0, 0] >= 0 else unknown


def closest(point, a, b):
    """The point of the line from a to b that is nearest to another."""
    part = np.clip((point - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    return a + part * (b - a)


def main():
    rclpy.init()
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(Arm())


if __name__ == "__main__":
    main()

"""What the node does, on a host that keeps what is published."""

import logging
import threading
import time
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.core import Core
from bodypose3d_ros.node.diagnostics import ERROR, OK, WARN
from bodypose3d_ros.node.parameters import Parameters
from bodypose3d_ros.node.transforms import TransformError
from bodypose3d_ros.wire.messages import Messages
from bodypose3d_ros.wire.stamps import stamp_of
from bodypose3d_ros.wire.typestore import ros_types
from known_people import SHAPE, KnownPeople, picture

TYPES = ros_types()
MESSAGES = Messages(TYPES.types.__getitem__)
CAMERA = Camera.from_hfov(64, 48, 60)
SECOND = 10**9
STAMP = 1_000 * SECOND


class KeepingHost:
    """A host whose messages stay where they are."""

    def __init__(self):
        self.sent = defaultdict(list)
        self.texts = []
        self.watched = set()
        self.matrices = {}
        self.arrived = threading.Condition()

    def publish(self, topic, message):
        # What cannot be serialised cannot be sent.
        cdr = message
        if not isinstance(message, bytes):
            cdr = TYPES.serialize_cdr(message, topic.type)
        message = TYPES.deserialize_cdr(cdr, topic.type)
        with self.arrived:
            self.sent[topic].append(message)
            self.arrived.notify_all()

    def subscribers(self, topic):
        return int(topic in self.watched)

    def now(self):
        return STAMP + SECOND // 4

    def log(self, level, text):
        self.texts.append((level, text))

    def lookup_transform(self, target, source, stamp, timeout):
        if (target, source) not in self.matrices:
            raise TransformError(f"TF does not connect {source!r} with {target!r}")
        return self.matrices[target, source]


class Node:
    """A core with its host, and a camera before it."""

    def __init__(self, **parameters):
        self.host = KeepingHost()
        values = Parameters().changed(parameters)
        self.core = Core(self.host, TYPES.types.__getitem__, values)
        self.pipeline = KnownPeople()
        self.core.configure(lambda *_, **__: self.pipeline)
        self.core.activate()

    def info(self, frame_id="camera", camera=CAMERA):
        self.core.camera_info(MESSAGES.camera_info(camera, MESSAGES.header(STAMP, frame_id)))

    def image(self, image=None, stamp=STAMP, frame_id="camera"):
        image = picture() if image is None else image
        self.core.image(MESSAGES.image(image, MESSAGES.header(stamp, frame_id)))

    def wait(self, topic, count=1):
        with self.host.arrived:
            assert self.host.arrived.wait_for(lambda: len(self.host.sent[topic]) >= count, 5)
            return self.host.sent[topic][-1]

    def skipped(self, count=1):
        end = time.monotonic() + 5
        while int(self.core.diagnose().values["images skipped"]) < count:
            assert time.monotonic() < end
        return [text for level, text in self.host.texts if level == logging.WARNING]


@pytest.fixture
def start():
    nodes = []

    def starter(**parameters):
        nodes.append(Node(**parameters))
        return nodes[-1]

    yield starter
    for node in nodes:
        node.core.cleanup()


def test_an_image_becomes_poses_with_its_own_stamp_and_frame(start):
    node = start()
    node.info()
    node.image(picture(people=2, distance=3.0))
    poses = node.wait(topics.POSES)
    assert (stamp_of(poses), poses.header.frame_id) == (STAMP, "camera")
    assert [pose.track_id for pose in poses.poses] == [1, 2]
    pelvis = poses.poses[1].joints[0].position
    assert (pelvis.x, pelvis.y, pelvis.z) == (1.0, 0.0, 4.0)
    nearest = node.wait(topics.POSE)
    assert nearest.track_id == 1


def test_nobody_is_said_too(start):
    node = start()
    node.info()
    node.image(picture(people=0))
    assert node.wait(topics.POSES).poses == []
    assert node.wait(topics.MARKERS).markers == []
    assert topics.POSE not in node.host.sent


def test_joints_are_tf_frames_unless_not_wanted(start):
    node = start(tf_joints=["left_wrist", "neck"])
    node.info()
    node.image()
    frames = [t.child_frame_id for t in node.wait(topics.TF).transforms]
    assert frames == ["body_1/left_wrist", "body_1/neck"]
    node.core.parameters = replace(node.core.parameters, publish_tf=False, publish_markers=False)
    node.image()
    node.wait(topics.POSES, 2)
    node.core.deactivate()
    assert len(node.host.sent[topics.TF]) == 1


def test_the_overlay_is_drawn_only_while_somebody_looks(start):
    node = start()
    node.info()
    node.image()
    node.wait(topics.MARKERS)
    node.host.watched = {topics.OVERLAY, topics.OVERLAY_COMPRESSED}
    node.image()
    drawn = node.wait(topics.OVERLAY)
    assert (drawn.width, drawn.height, drawn.encoding) == (64, 48, "bgr8")
    assert not np.array_equal(drawn.data, picture().ravel())
    assert bytes(node.wait(topics.OVERLAY_COMPRESSED).data[:2]) == b"\xff\xd8"  # a JPEG's start
    assert len(node.host.sent[topics.OVERLAY]) == 1


def test_poses_are_given_in_the_target_frame(start):
    """A camera 1 m above the floor that looks along x: z forward becomes x, x right becomes -y."""
    node = start(target_frame="map")
    node.host.matrices["map", "camera"] = np.array(
        [[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1], [0, 0, 0, 1]]
    )
    node.info()
    node.image(picture(distance=3.0))
    poses = node.wait(topics.POSES)
    assert poses.header.frame_id == "map"
    for joint, (x, y, z) in zip(poses.poses[0].joints, SHAPE, strict=True):
        place = (joint.position.x, joint.position.y, joint.position.z)
        assert place == pytest.approx((z + 3, -x, 1 - y))
        assert (joint.velocity.x, joint.velocity.y, joint.velocity.z) == (-1, 0, 0)
    assert node.wait(topics.TF).transforms[0].header.frame_id == "map"
    # The raw image's pixels stay what they are.
    assert poses.poses[0].joints[0].u == pytest.approx(CAMERA.project([[0, 0, 3.0]])[0, 0])


def test_without_the_transform_images_are_skipped_and_it_is_said_once(start):
    node = start(target_frame="map")
    node.info()
    for stamp in (STAMP, STAMP + 1, STAMP + 2):
        node.image(stamp=stamp)
        node.skipped(1 + stamp - STAMP)
    assert node.skipped() == ["image skipped: TF does not connect 'camera' with 'map'"]
    assert topics.POSES not in node.host.sent
    report = node.core.diagnose()
    assert (report.level, report.message) == (ERROR, "TF does not connect 'camera' with 'map'")
    node.host.matrices["map", "camera"] = np.eye(4)
    node.image()
    node.wait(topics.POSES)
    assert node.core.diagnose().level == OK


def test_images_lost_on_the_way_are_counted_and_said_once(start):
    node = start()
    for count in (0, 2, 1):
        node.core.lost(count)
    assert node.core.diagnose().values["images lost on the way"] == "3"
    (text,) = node.skipped(0)
    assert "Images that are lost" in text


def test_the_first_image_waits_for_the_camera_info_right_behind_it(start):
    """Camera drivers publish them in this order (image_transport's CameraPublisher)."""
    node = start()
    node.image()
    node.info()
    assert stamp_of(node.wait(topics.POSES)) == STAMP
    assert not node.skipped(0)


def test_an_image_waits_for_the_camera_info_of_its_own_frame(start):
    node = start()
    node.info("other_camera")
    node.image()
    node.image(stamp=STAMP + 1)
    assert (
        "no CameraInfo of the image's frame 'camera' has come (there is: 'other_camera')"
        in (node.skipped()[0])
    )
    node.info()
    assert stamp_of(node.wait(topics.POSES)) == STAMP + 1


def test_a_camera_info_of_another_size_is_refused(start):
    node = start()
    node.info(camera=Camera.from_hfov(640, 480, 60))
    node.image()
    assert "the calibration is for 640x480 images, this one is 64x48" in node.skipped()[0]


def test_hosts_are_told_when_images_come_without_a_camera_info(start):
    node = start()
    node.info("other_camera")
    assert not node.core.lacks_camera_info
    node.image()
    assert node.core.lacks_camera_info
    node.info()
    assert not node.core.lacks_camera_info


def test_the_last_camera_info_counts(start):
    node = start()
    node.info(camera=Camera.from_hfov(640, 480, 60))
    node.info()
    node.image()
    node.wait(topics.POSES)


def test_a_field_of_view_can_stand_in_for_a_camera_info(start):
    node = start(hfov=60.0)
    node.image()
    pixel = node.wait(topics.POSES).poses[0].joints[33].u
    assert pixel == pytest.approx(CAMERA.project([SHAPE[33] + [0, 0, 2.0]])[0, 0])


def test_a_field_of_view_wins_over_a_camera_info_of_zeros(start):
    """usb_cam sends K as zeros where nobody has calibrated the camera."""
    node = start(hfov=60.0)
    zeros = MESSAGES.camera_info(CAMERA, MESSAGES.header(STAMP, "camera"))
    zeros.k = np.zeros(9)
    node.core.camera_info(zeros)
    node.image()
    pixel = node.wait(topics.POSES).poses[0].joints[33].u
    assert pixel == pytest.approx(CAMERA.project([SHAPE[33] + [0, 0, 2.0]])[0, 0])


def test_an_image_that_is_not_what_it_says_is_skipped(start):
    node = start()
    node.info()
    bad = MESSAGES.image(picture(), MESSAGES.header(STAMP, "camera"))
    bad.data = bad.data[:100]
    node.core.image(bad)
    assert "64x48 bgr8 pixels holds 100 bytes" in node.skipped()[0]
    node.image()
    node.wait(topics.POSES)


def test_with_detections_an_image_is_used_when_they_arrive(start):
    """Only the image of their stamp, only the class that is a person."""
    node = start(use_detections=True, detection_class="person")
    node.info()
    for stamp in (STAMP, STAMP + 1, STAMP + 2):
        node.image(stamp=stamp)
    node.core.detections(detections(STAMP + 1, ("person", 0.7), ("dog", 0.9), (None, 0)))
    node.wait(topics.POSES)
    ((stamp, boxes),) = node.pipeline.frames
    assert stamp == STAMP + 1
    # 30 x 40 about (10, 20), turned by half a radian, lies in an upright box of 45.5 x 49.5
    assert_allclose(boxes.corners, [[-12.75, -4.74, 32.75, 44.74]], atol=0.01)
    assert boxes.score.tolist() == [0.7]


def detections(stamp, *found):
    t = TYPES.types
    header = MESSAGES.header(stamp, "camera")
    pose = t["geometry_msgs/msg/PoseWithCovariance"](
        t["geometry_msgs/msg/Pose"](
            t["geometry_msgs/msg/Point"](0, 0, 0), t["geometry_msgs/msg/Quaternion"](0, 0, 0, 1)
        ),
        np.zeros(36),
    )
    box = t["vision_msgs/msg/BoundingBox2D"](
        t["vision_msgs/msg/Pose2D"](t["vision_msgs/msg/Point2D"](10.0, 20.0), 0.5), 30.0, 40.0
    )

    def results(name, score):
        hypothesis = t["vision_msgs/msg/ObjectHypothesis"]
        kind = t["vision_msgs/msg/ObjectHypothesisWithPose"]
        return [] if name is None else [kind(hypothesis(name, score), pose)]

    one = t["vision_msgs/msg/Detection2D"]
    return t["vision_msgs/msg/Detection2DArray"](
        header, [one(header, results(*each), box, "") for each in found]
    )


def test_markers_of_who_has_gone_are_deleted_also_after_a_skipped_image(start):
    node = start(target_frame="map")
    node.info()
    node.pipeline.ended = (7,)
    node.image()
    node.skipped()
    node.pipeline.ended = ()
    node.host.matrices["map", "camera"] = np.eye(4)
    node.image(picture(people=0))
    deleted = node.wait(topics.MARKERS).markers
    assert {(marker.id, marker.action) for marker in deleted} == {(7, 2)}


def test_diagnostics_tell_of_a_camera_that_is_not_there(start):
    node = start(stale_after=0.1)
    assert node.core.diagnose().level == WARN
    assert node.core.diagnose().message == "no image has come yet"
    node.info()
    node.image()
    node.wait(topics.MARKERS)
    report = node.core.diagnose()
    assert report.level == OK
    assert report.values["images received"] == "1"
    assert report.values["engine"] == "none"
    assert report.values["network, median (ms)"] == "0.0"
    assert report.values["latency, median (ms)"] == "250.0"  # the host's clock less the stamp
    time.sleep(0.15)
    assert node.core.diagnose().message == "no image for 0 s"


def test_deactivation_forgets_everybody_and_clears_rviz(start):
    node = start()
    node.info()
    node.image()
    node.wait(topics.MARKERS)
    node.core.deactivate()
    assert node.host.sent[topics.MARKERS][-1].markers[0].action == 3  # Marker.DELETEALL
    assert node.pipeline.resets == 1
    node.image()
    node.core.activate()
    node.image(stamp=STAMP + 5)
    assert stamp_of(node.wait(topics.POSES, 2)) == STAMP + 5
    node.core.cleanup()
    assert node.pipeline.closed


def test_a_hundred_lives_leave_no_thread_behind(start):
    node = start()
    before = threading.active_count()
    for _ in range(100):
        node.core.deactivate()
        node.core.cleanup()
        node.core.configure(lambda *_, **__: KnownPeople())
        node.core.activate()
    assert threading.active_count() == before


def test_a_defect_is_not_hidden(start):
    node = start()
    node.info()

    def broken(frame, boxes=None):
        raise ZeroDivisionError

    node.pipeline.estimate = broken
    node.image()
    node.core._worker._thread.join(5)
    with pytest.raises(ZeroDivisionError):
        node.core.check()

"""What the node does, on a host that keeps what is published."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.diagnostics import ERROR, OK, WARN
from bodypose3d_ros.wire.images import encode_jpeg
from bodypose3d_ros.wire.stamps import stamp_of
from known_people import SHAPE, KnownPeople, picture
from node_alone import CAMERA, MESSAGES, SECOND, STAMP, detections


def test_an_image_becomes_poses_with_its_own_stamp_and_frame(alone):
    node = alone()
    node.info()
    node.image(picture(people=2, distance=3.0))
    poses = node.wait(topics.POSES)
    assert (stamp_of(poses), poses.header.frame_id) == (STAMP, "camera")
    assert [pose.track_id for pose in poses.poses] == [1, 2]
    pelvis = poses.poses[1].joints[0].position
    assert (pelvis.x, pelvis.y, pelvis.z) == (1.0, 0.0, 4.0)
    nearest = node.wait(topics.POSE)
    assert nearest.track_id == 1


def test_nobody_is_said_too(alone):
    node = alone()
    node.info()
    node.image(picture(people=0))
    assert node.wait(topics.POSES).poses == []
    assert node.wait(topics.MARKERS).markers == []
    assert topics.POSE not in node.host.sent


def test_joints_are_tf_frames_unless_not_wanted(alone):
    node = alone(tf_joints=["left_wrist", "neck"])
    node.info()
    node.image()
    frames = [t.child_frame_id for t in node.wait(topics.TF).transforms]
    assert frames == ["body_1/left_wrist", "body_1/neck"]
    node.core.parameters = replace(node.core.parameters, publish_tf=False, publish_markers=False)
    node.image()
    node.wait(topics.POSES, 2)
    node.cameras.deactivate()
    assert len(node.host.sent[topics.TF]) == 1


def test_the_overlay_is_drawn_only_while_somebody_looks(alone):
    node = alone()
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


def test_poses_are_given_in_the_target_frame(alone):
    """A camera 1 m above the floor that looks along x: z forward becomes x, x right becomes -y."""
    node = alone(target_frame="map")
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


def test_without_the_transform_images_are_skipped_and_it_is_said_once(alone):
    node = alone(target_frame="map")
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


def test_images_lost_on_the_way_are_counted_and_said_once(alone):
    node = alone()
    for count in (0, 2, 1):
        node.core.lost(count)
    assert node.core.diagnose().values["images lost on the way"] == "3"
    (text,) = node.skipped(0)
    assert "Images that are lost" in text


def test_the_first_image_waits_for_the_camera_info_right_behind_it(alone):
    """Camera drivers publish them in this order (image_transport's CameraPublisher)."""
    node = alone()
    node.image()
    node.info()
    assert stamp_of(node.wait(topics.POSES)) == STAMP
    assert not node.skipped(0)


def test_an_image_waits_for_the_camera_info_of_its_own_frame(alone):
    node = alone()
    node.info("other_camera")
    node.image()
    node.image(stamp=STAMP + 1)
    assert (
        "no CameraInfo of the image's frame 'camera' has come (there is: 'other_camera')"
        in (node.skipped()[0])
    )
    node.info()
    assert stamp_of(node.wait(topics.POSES)) == STAMP + 1


def test_a_camera_info_of_another_size_is_refused(alone):
    node = alone()
    node.info(camera=Camera.from_hfov(640, 480, 60))
    node.image()
    assert "the calibration is for 640x480 images, this one is 64x48" in node.skipped()[0]


def test_hosts_are_told_when_images_come_without_a_camera_info(alone):
    node = alone()
    node.info("other_camera")
    assert not node.core.lacks_camera_info
    node.image()
    assert node.core.lacks_camera_info
    node.info()
    assert not node.core.lacks_camera_info


def test_the_last_camera_info_counts(alone):
    node = alone()
    node.info(camera=Camera.from_hfov(640, 480, 60))
    node.info()
    node.image()
    node.wait(topics.POSES)


def test_a_field_of_view_can_stand_in_for_a_camera_info(alone):
    node = alone(hfov=60.0)
    node.image()
    pixel = node.wait(topics.POSES).poses[0].joints[33].u
    assert pixel == pytest.approx(CAMERA.project([SHAPE[33] + [0, 0, 2.0]])[0, 0])


def test_a_field_of_view_wins_over_a_camera_info_of_zeros(alone):
    """usb_cam sends K as zeros where nobody has calibrated the camera."""
    node = alone(hfov=60.0)
    zeros = MESSAGES.camera_info(CAMERA, MESSAGES.header(STAMP, "camera"))
    zeros.k = np.zeros(9)
    node.hear(topics.CAMERA_INFO, zeros)
    node.image()
    pixel = node.wait(topics.POSES).poses[0].joints[33].u
    assert pixel == pytest.approx(CAMERA.project([SHAPE[33] + [0, 0, 2.0]])[0, 0])


def test_an_image_that_is_not_what_it_says_is_skipped(alone):
    node = alone()
    node.info()
    bad = MESSAGES.image(picture(), MESSAGES.header(STAMP, "camera"))
    bad.data = bad.data[:100]
    node.core.image(bad)
    assert "64x48 bgr8 pixels holds 100 bytes" in node.skipped()[0]
    node.image()
    node.wait(topics.POSES)


def test_a_jpeg_that_cannot_be_read_is_told_apart_from_images_that_were_overtaken(alone):
    """Both come with a CameraInfo, and no poses leave: the one is the camera's fault."""
    node = alone(image_transport="compressed")
    for number in range(4):
        stamp = STAMP + number * SECOND // 10
        header = MESSAGES.header(stamp, "camera")
        node.hear(topics.CAMERA_INFO, MESSAGES.camera_info(CAMERA, header))
        content = encode_jpeg(picture())
        if number == 1:
            content = content[:200]
        if number == 2:
            node.core.damaged()  # as hosts say of bytes that are no message
            continue
        node.core.image(MESSAGES.compressed_image(content, header))
        node.skipped(1) if number == 1 else node.wait(topics.POSES)
    values = node.core.diagnose().values
    assert values["images skipped"] == values["of them damaged or unreadable"] == "2"
    assert values["images dropped for newer ones"] == "0"
    assert [text for _, text in node.host.texts if "skipped" in text] == [
        "image skipped: the compressed image is a damaged picture: the end of the file is missing"
    ]


def test_with_detections_an_image_is_used_when_they_arrive(alone):
    """Only the image of their stamp, only the class that is a person."""
    node = alone(use_detections=True, detection_class="person")
    node.info()
    for stamp in (STAMP, STAMP + 1, STAMP + 2):
        node.image(stamp=stamp)
    node.core.inputs()[topics.DETECTIONS](
        detections(STAMP + 1, ("person", 0.7), ("dog", 0.9), (None, 0))
    )
    node.wait(topics.POSES)
    ((stamp, boxes),) = node.pipeline.frames
    assert stamp == STAMP + 1
    # 30 x 40 about (10, 20), turned by half a radian, lies in an upright box of 45.5 x 49.5
    assert_allclose(boxes.corners, [[-12.75, -4.74, 32.75, 44.74]], atol=0.01)
    assert boxes.score.tolist() == [0.7]


def test_markers_of_who_has_gone_are_deleted_also_after_a_skipped_image(alone):
    node = alone(target_frame="map")
    node.info()
    node.host.matrices["map", "camera"] = np.eye(4)
    node.image(picture(people=2))
    node.wait(topics.MARKERS)
    place = node.host.matrices.pop(("map", "camera"))
    node.image(picture(people=1))
    node.skipped()
    node.host.matrices["map", "camera"] = place
    node.image(picture(people=1))
    markers = node.wait(topics.MARKERS, 2).markers
    assert {marker.id for marker in markers if marker.action == 2} == {2}  # Marker.DELETE


def test_markers_are_made_for_who_looks_and_go_with_the_last_of_them(alone):
    node = alone()
    node.info()
    node.image()
    node.wait(topics.MARKERS)
    node.host.rviz = False
    for count in (2, 3, 4):
        node.image()
        node.wait(topics.TF, count)
    shown, gone = node.host.sent[topics.MARKERS]
    assert {marker.action for marker in shown.markers} == {0}  # Marker.ADD
    assert [marker.action for marker in gone.markers] == [3]  # Marker.DELETEALL


def test_markers_go_when_they_are_switched_off(alone):
    node = alone()
    node.info()
    node.image()
    node.wait(topics.MARKERS)
    node.core.parameters = replace(node.core.parameters, publish_markers=False)
    for count in (2, 3):
        node.image()
        node.wait(topics.POSES, count)
    node.cameras.deactivate()
    actions = [m.markers[0].action for m in node.host.sent[topics.MARKERS]]
    # Marker.ADD, and DELETEALL once at the switch, once at deactivation
    assert actions == [0, 3, 3]


@pytest.mark.parametrize(("gap", "lifetime"), [(0.03, 0.5), (0.4, 1.2), (60.0, 5.0)])
def test_markers_live_for_three_images_and_half_a_second_at_least(alone, gap, lifetime):
    node = alone()
    node.info()
    for index in range(2):
        node.image(stamp=STAMP + round(index * gap * SECOND))
        node.wait(topics.MARKERS, index + 1)
    lives = [m.markers[0].lifetime for m in node.host.sent[topics.MARKERS]]
    assert [each.sec + each.nanosec / 1e9 for each in lives] == pytest.approx([0.5, lifetime])


def test_diagnostics_tell_of_a_camera_that_is_not_there(alone, clock):
    clock.before("node.diagnostics")
    node = alone(stale_after=0.1)
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
    clock.seconds += 0.2
    assert "no image for 0.2 s" in node.core.diagnose().message


def test_deactivation_forgets_everybody_and_clears_rviz(alone):
    node = alone()
    node.info()
    node.image()
    node.wait(topics.MARKERS)
    node.cameras.deactivate()
    assert node.host.sent[topics.MARKERS][-1].markers[0].action == 3  # Marker.DELETEALL
    assert node.pipeline.resets == 1
    node.image()
    node.cameras.activate()
    node.image(stamp=STAMP + 5)
    assert stamp_of(node.wait(topics.POSES, 2)) == STAMP + 5
    node.cameras.cleanup()
    assert node.pipeline.closed


def test_a_hundred_lives_leave_no_thread_behind(alone):
    node = alone()
    before = threading.active_count()
    for _ in range(100):
        node.cameras.deactivate()
        node.cameras.cleanup()
        node.cameras.configure(lambda *_, **__: KnownPeople())
        node.cameras.activate()
    assert threading.active_count() == before

"""What planners, RViz and TF read: every field, through CDR and back."""

from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import chi2

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import (
    SCALE_LIMBS,
    STATE_COASTING,
    STATE_TRACKED,
    Bodies,
    nearest,
    select,
)
from bodypose3d_ros.body.skeleton import INDEX, JOINTS, SIDES
from bodypose3d_ros.errors import InputError
from bodypose3d_ros.wire.markers_cdr import MARKERS_TYPE, markers, no_markers
from bodypose3d_ros.wire.messages import Messages
from bodypose3d_ros.wire.pose_cdr import ARRAY_TYPE, POSE_TYPE, PoseCdr, read
from bodypose3d_ros.wire.tf_cdr import TF_TYPE, joint_frames
from bodypose3d_ros.wire.typestore import ros_types
from older_types import OLD
from people_made_up import standing

CAMERA = Camera.from_hfov(640, 480, 60)
STAMP = 1_700_000_000_123_456_789
TYPES = ros_types()
MESSAGES = Messages(lambda name: TYPES.types[name])
HEADER = MESSAGES.header(STAMP, "head_camera_optical_frame")
COVARIANCE = np.array([[3, 0.2, 0.1], [0.2, 2, 0.3], [0.1, 0.3, 9]]) * 1e-4
PLACES = (0.2, 0.1, 3.0), (-1.0, 0.0, 4.0)
UNKNOWN = [INDEX["left_small_toe"], INDEX["right_middle_tip"]]


def people(*places):
    joints = np.stack([standing(at) for at in places])
    joints[:, UNKNOWN] = np.nan
    pixels = CAMERA.project(joints)
    count = len(places)
    return Bodies(
        joints=joints, pixels=pixels, score=np.full(count, 0.9),
        confidence=np.where(np.isfinite(joints[..., 0]), 0.75, 0.0),
        scale_source=np.full(count, SCALE_LIMBS, np.uint8),
        track_id=np.arange(7, 7 + count, dtype=np.uint32),
        state=np.full(count, STATE_TRACKED, np.uint8), velocity=np.full(joints.shape, 0.25),
        velocity_covariance=COVARIANCE[::-1, ::-1] * np.arange(2, 36)[:, None, None]
        * np.ones((count, 1, 1, 1)),
        covariance=COVARIANCE * np.arange(1, 35)[:, None, None] * np.ones((count, 1, 1, 1)),
        log_size=np.full(count, 0.05), size_sigma=np.full(count, 0.04),
    )  # fmt: skip


def through_cdr(message):
    return TYPES.deserialize_cdr(
        TYPES.serialize_cdr(message, message.__msgtype__), message.__msgtype__
    )


def tf(bodies, *how, frame_id="head_camera_optical_frame"):
    return TYPES.deserialize_cdr(joint_frames(bodies, STAMP, frame_id, *how), TF_TYPE)


def shown_by(bodies, **how):
    cdr = markers(bodies, STAMP, "head_camera_optical_frame", **how)
    return TYPES.deserialize_cdr(cdr, MARKERS_TYPE).markers


def poses(bodies, frame_id="head_camera_optical_frame"):
    return PoseCdr(bodies, STAMP, frame_id, (640, 480))


def pose_array(bodies):
    return TYPES.deserialize_cdr(poses(bodies).array(), ARRAY_TYPE)


def test_a_pose_survives_the_wire_whole():
    bodies = people((0.2, 0.1, 3.0), (-1.0, 0.0, 4.0))
    array = pose_array(bodies)
    assert (array.header.stamp.sec, array.header.stamp.nanosec) == (1_700_000_000, 123_456_789)
    assert array.header.frame_id == "head_camera_optical_frame"
    assert [pose.track_id for pose in array.poses] == [7, 8]
    for n, pose in enumerate(array.poses):
        assert pose.header == array.header
        assert (pose.state, pose.scale_source) == (pose.STATE_TRACKED, pose.SCALE_LIMBS)
        assert pose.confidence == np.float32(0.9)
        assert len(pose.joints) == pose.JOINT_COUNT == 34
        for j, joint in enumerate(pose.joints):
            p, v = joint.position, joint.velocity
            assert_allclose([p.x, p.y, p.z], bodies.joints[n, j])
            assert_allclose([v.x, v.y, v.z], 0.25)
            assert_allclose([joint.u, joint.v], bodies.pixels[n, j], rtol=1e-6)
            assert joint.confidence == bodies.confidence[n, j]
            assert_allclose(joint.position_covariance, bodies.covariance[n, j].ravel())
            assert_allclose(joint.velocity_covariance, bodies.velocity_covariance[n, j].ravel())


def test_what_nobody_measured_is_unknown_on_the_wire_and_comes_back_so():
    """-1 is how ROS messages say that a covariance is unknown; NaN is how a velocity does."""
    nothing = np.zeros(0)
    bodies = replace(
        people((0, 0, 3)), velocity=nothing, covariance=nothing, velocity_covariance=nothing
    )
    (pose,) = pose_array(bodies).poses
    for joint in pose.joints:
        for covariance in (joint.position_covariance, joint.velocity_covariance):
            assert covariance.tolist() == [-1] + [0] * 8
    assert np.isnan([joint.velocity.x for joint in pose.joints]).all()
    again = read(poses(bodies).array()).bodies
    for unknown in (again.covariance, again.velocity, again.velocity_covariance):
        assert np.isnan(unknown).all()


def test_unknown_joints_are_nan_without_confidence_or_orientation():
    (pose,) = pose_array(people((0, 0, 3))).poses
    for j in UNKNOWN:
        joint = pose.joints[j]
        assert np.isnan([joint.position.x, joint.position.y, joint.position.z]).all()
        assert np.isnan([joint.u, joint.v]).all()
        assert joint.confidence == 0
        o = joint.orientation
        assert (o.x, o.y, o.z, o.w) == (0, 0, 0, 1)


def test_constants_name_the_joints_in_order():
    pose = TYPES.types["bodypose3d_ros/msg/Pose3D"]
    assert [getattr(pose, name.upper()) for name in JOINTS] == list(range(34))


def test_nobody_is_an_empty_array_not_silence():
    array = pose_array(Bodies.none())
    assert array.poses == []
    assert array.header.stamp.nanosec == 123_456_789


def test_the_nearest_person_is_the_one_with_the_nearest_joint():
    bodies = people((0, 0, 4.0), (0.5, 0, 2.0), (0, 0, 5.0))
    assert nearest(bodies) == 1
    assert nearest(Bodies.none()) is None


@pytest.mark.parametrize("frame_id", ["", "c", "cam", "cams", "camera", "camera7", "camera78"])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_poses_are_the_bytes_that_any_host_would_make_of_them(frame_id, count):
    """Padding depends on how long the frame's name is and on who comes before."""
    everybody = people((0, 0, 4.0), (0.5, 0, 2.0), (0, 0, 5.0))
    made = poses(select(everybody, slice(count)), frame_id)
    array = TYPES.deserialize_cdr(made.array(), ARRAY_TYPE)
    assert TYPES.serialize_cdr(array, ARRAY_TYPE) == made.array()
    for n, pose in enumerate(array.poses):
        assert TYPES.serialize_cdr(pose, POSE_TYPE) == made.pose(n)


@pytest.mark.parametrize("at", [(0, 0, 3), (-1.6, 0.6, 3)])
def test_the_roi_holds_the_known_pixels_and_stays_in_the_image(at):
    bodies = people(at)
    (pose,) = pose_array(bodies).poses
    roi = pose.roi
    low = np.clip(np.floor(np.nanmin(bodies.pixels[0], axis=0)), 0, (640, 480))
    high = np.clip(np.ceil(np.nanmax(bodies.pixels[0], axis=0)) + 1, 0, (640, 480))
    assert_allclose([roi.x_offset, roi.y_offset], low)
    assert_allclose([roi.x_offset + roi.width, roi.y_offset + roi.height], high)


def test_tf_has_a_frame_for_every_known_joint_and_none_for_the_others():
    message = tf(people((0, 0, 3)))
    names = {t.child_frame_id for t in message.transforms}
    assert names == {f"body_7/{name}" for j, name in enumerate(JOINTS) if j not in UNKNOWN}
    for t in message.transforms:
        assert t.header.frame_id == "head_camera_optical_frame"
        r = t.transform.rotation
        assert_allclose(np.linalg.norm([r.x, r.y, r.z, r.w]), 1)
    only = tf(people((0, 0, 3)), [INDEX["left_wrist"]], "left/")
    assert [t.child_frame_id for t in only.transforms] == ["left/body_7/left_wrist"]


def test_markers_have_ids_that_last_and_go_when_the_track_ends():
    all_of_it = shown_by(people((0, 0, 3)), ended=[5])
    shown = {(m.ns, m.id, m.type) for m in all_of_it if m.action == m.ADD}
    assert shown == {("joints", 7, 7), ("limbs", 7, 5), ("ids", 7, 9), ("covariances", 7, 5)}
    gone = {(m.ns, m.id) for m in all_of_it if m.action == m.DELETE}
    assert gone == {("joints", 5), ("limbs", 5), ("ids", 5), ("covariances", 5)}
    assert [m.text for m in all_of_it if m.ns == "ids" and m.action == m.ADD] == ["7"]


def test_the_label_is_over_the_head_in_any_frame():
    bodies = people((0, 0, 3))
    turned = replace(bodies, joints=bodies.joints[..., [2, 0, 1]] * (1, -1, -1))  # z up
    for shown, up in ((bodies, (0, -1, 0)), (turned, (0, 0, 1))):
        label = shown_by(shown)[2].pose.position
        over = [label.x, label.y, label.z] - shown.joints[0, INDEX["nose"]]
        assert 0.2 < over @ up < 0.5


def test_limbs_take_their_sides_colour_and_fade_with_confidence():
    joints, limbs, *_ = shown_by(people((0, 0, 3)))
    assert len(joints.points) == len(joints.colors) == 34 - len(UNKNOWN)
    assert len(limbs.points) == len(limbs.colors) == 2 * (33 - len(UNKNOWN))
    assert {round(c.a, 6) for c in joints.colors} == {0.75}
    known = [j for j in range(34) if j not in UNKNOWN]
    color = {SIDES[j]: (c.r, c.g, c.b) for j, c in zip(known, joints.colors, strict=True)}
    assert len(set(color.values())) == 3


def test_camera_info_describes_the_camera_it_was_made_from():
    info = through_cdr(MESSAGES.camera_info(CAMERA, HEADER))
    again = Camera.from_camera_info(info)
    assert_allclose(again.matrix, CAMERA.matrix)
    assert (again.width, again.height) == (640, 480)


def test_everything_that_can_be_clicked_away_is():
    (marker,) = TYPES.deserialize_cdr(no_markers(STAMP, ""), MARKERS_TYPE).markers
    assert marker.action == marker.DELETEALL


@pytest.mark.parametrize("frame_id", ["", "c", "cam", "cams", "camera", "camera7", "camera78"])
@pytest.mark.parametrize("bodies", [Bodies.none(), people(*PLACES)], ids=["nobody", "two"])
def test_poses_come_back_out_of_their_bytes(frame_id, bodies):
    """Whatever the length of the frame's name does to the alignment of what follows."""
    poses = read(PoseCdr(bodies, STAMP, frame_id, (640, 480)).array())
    assert (poses.stamp, poses.frame_id) == (STAMP, frame_id)
    for field in fields(Bodies):
        again, sent = getattr(poses.bodies, field.name), getattr(bodies, field.name)
        assert again.shape == sent.shape
        assert_allclose(again, sent, rtol=1e-6)


@pytest.mark.parametrize("frame_id", ["", "c", "cam", "cams", "camera", "camera7", "camera78"])
def test_frames_and_markers_are_the_bytes_that_another_writer_makes(frame_id):
    for kind, cdr in (
        (TF_TYPE, joint_frames(people(*PLACES), STAMP, frame_id)),
        (MARKERS_TYPE, markers(people(*PLACES), STAMP, frame_id, ended=[5, 12])),
        (MARKERS_TYPE, no_markers(STAMP, frame_id)),
    ):
        assert bytes(TYPES.serialize_cdr(TYPES.deserialize_cdr(cdr, kind), kind)) == cdr


def test_another_writers_bytes_are_read_alike():
    """rosbags writes the same message from objects, as rclpy does in C."""
    array = pose_array(people(*PLACES))
    poses = read(bytes(TYPES.serialize_cdr(array, ARRAY_TYPE)))
    for name in ("joints", "velocity", "covariance", "velocity_covariance"):
        assert_allclose(getattr(poses.bodies, name), getattr(people(*PLACES), name))
    rois = [(p.roi.x_offset, p.roi.y_offset, p.roi.width, p.roi.height) for p in array.poses]
    assert_array_equal(poses.roi, rois)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_poses_of_a_version_that_did_not_tell_how_sure_a_velocity_is_are_refused(count):
    """They are shorter: nothing of them may pass for something else."""
    older = pose_array(people(*[(0, 0, 3 + n) for n in range(count)]))
    with pytest.raises(InputError, match="of another version of bodypose3d_ros"):
        read(bytes(OLD.serialize_cdr(older, ARRAY_TYPE)))


def test_no_part_of_a_message_passes_for_a_message():
    cdr = PoseCdr(people(*PLACES), STAMP, "camera", (640, 480)).array()
    for end in [*range(60), *range(60, len(cdr), 131), len(cdr) - 1]:
        with pytest.raises(InputError):
            read(cdr[:end])


def test_a_count_of_people_that_cannot_be_there_reserves_no_memory():
    cdr = bytearray(PoseCdr(Bodies.none(), STAMP, "", (640, 480)).array())
    cdr[-4:] = b"\xff\xff\xff\xff"
    with pytest.raises(InputError, match="4294967295 people"):
        read(bytes(cdr))


def test_big_endian_is_refused_by_name():
    with pytest.raises(InputError, match="little-endian"):
        read(b"\x00\x00\x00\x00" + bytes(40))


def test_who_is_only_predicted_has_no_part_in_the_image_and_fainter_markers():
    seen = people((0, 0, 3))
    coasting = replace(
        seen, pixels=np.full((1, 34, 2), np.nan), state=np.array([STATE_COASTING], np.uint8)
    )
    (pose,) = pose_array(coasting).poses
    roi = pose.roi
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == (0, 0, 0, 0)
    bright, faint = (shown_by(who) for who in (seen, coasting))
    assert faint[0].colors[0].a < bright[0].colors[0].a / 2
    assert (bright[2].text, faint[2].text) == ("7", "7 coasting")


def test_covariances_are_the_axes_of_the_ellipsoid_that_holds_95_percent():
    """A wrist known to 2 cm, along the view to 10: a long line and two short ones."""
    half, opacity = axes_of_the_wrist(0.02, 0.02, 0.10)
    assert_allclose(half**2 / chi2.ppf(0.95, 3), [4e-4, 4e-4, 1e-2], rtol=1e-3)
    assert_allclose(opacity, opacity[0])


def test_axes_longer_than_0_3_m_are_cut_and_fainter_by_as_much():
    """Somebody predicted for a second may be metres away, whose axes would hide everybody else."""
    half, opacity = axes_of_the_wrist(0.02, 0.10, 2.0)
    assert_allclose(half[2], 0.3)
    assert_allclose(opacity / opacity[0], [1, 1, 0.3 / (2.0 * chi2.ppf(0.95, 3) ** 0.5)], rtol=1e-3)


def axes_of_the_wrist(*sigmas):
    """Half the lengths and the opacity of the three lines through a wrist that is known so well."""
    covariance = np.full((1, 34, 3, 3), np.nan)
    covariance[0, INDEX["left_wrist"]] = np.diag(sigmas) ** 2
    bodies = replace(people((0, 0, 3)), covariance=covariance)
    axes = shown_by(bodies)[3]
    ends = np.array([(p.x, p.y, p.z) for p in axes.points]).reshape(-1, 2, 3)
    assert_allclose(ends.mean(axis=1), np.tile(bodies.joints[0, INDEX["left_wrist"]], (3, 1)))
    half = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1) / 2
    assert len(axes.colors) == 6
    return half, np.array([color.a for color in axes.colors[::2]])


def test_who_is_not_tracked_gets_markers_of_their_own_but_no_frames():
    """Nobody could tell whose frame body_0 is."""
    two = replace(people(*PLACES), track_id=np.zeros(2, np.uint32))
    shown = shown_by(two)
    assert sorted({marker.id for marker in shown}) == [1, 2]
    assert {marker.text for marker in shown} == {""}
    assert tf(two).transforms == []


def test_who_has_no_known_joint_is_not_drawn():
    nowhere = replace(people((0, 0, 3)), joints=np.full((1, 34, 3), np.nan))
    assert shown_by(nowhere) == []


def test_markers_may_end_by_themselves():
    joints, *_ = shown_by(people((0, 0, 3)), lifetime=1_500_000_000)
    assert (joints.lifetime.sec, joints.lifetime.nanosec) == (1, 500_000_000)

"""People as other programs read them: units, frames, ids, and nothing that trips a robot."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from rosbags.typesys import get_types_from_msg
from scipy.spatial.transform import Rotation

from bodypose3d_ros.body.people import SCALE_NONE, STATE_COASTING, STATE_TRACKED, Bodies, select
from bodypose3d_ros.body.shape import RADII, SEGMENTS, SIGMAS, capsules
from bodypose3d_ros.body.skeleton import INDEX, JOINT_COUNT
from bodypose3d_ros.errors import InputError
from bodypose3d_ros.perception.lifting.flat import without_guesses
from bodypose3d_ros.wire.cdr import string
from bodypose3d_ros.wire.consumers.clearing import Clearing
from bodypose3d_ros.wire.consumers.cloud import Cloud, points
from bodypose3d_ros.wire.consumers.collision_objects import CollisionObjects, solids
from bodypose3d_ros.wire.consumers.detections import Detections
from bodypose3d_ros.wire.consumers.humans import Humans
from bodypose3d_ros.wire.consumers.people import People
from bodypose3d_ros.wire.consumers.points import Points
from bodypose3d_ros.wire.pose_cdr import Poses
from consumer_types import STORE, make, through_cdr
from people_made_up import standing

STAMP = 1_700_000_000_100_000_000
SECOND = 10**9
# From the optical frame people are made up in to a robot's: x forward, y left, z up.
UP = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
HAND = INDEX["left_wrist"]


def somebody(*places, sigma=0.02, identities=None):
    """People on a floor at z = 0 whose pelvis is 1 m up, in a frame with z up."""
    joints = np.stack([standing((0, 0, 0)) @ UP.T + place for place in places])
    joints[:, INDEX["left_middle_tip"]] = np.nan
    count = len(places)
    covariance = np.broadcast_to(np.eye(3) * sigma**2, (count, JOINT_COUNT, 3, 3)).copy()
    covariance[:, INDEX["left_middle_tip"]] = np.nan
    return Bodies(
        joints=joints,
        pixels=np.tile([[320.0, 200.0]], (count, JOINT_COUNT, 1)),
        confidence=np.full((count, JOINT_COUNT), 0.8),
        score=np.full(count, 0.9),
        scale_source=np.zeros(count, np.uint8),
        track_id=np.array(identities or range(1, count + 1), np.uint32),
        state=np.full(count, STATE_TRACKED, np.uint8),
        velocity=np.tile([0.5, -0.25, 0.1], (count, JOINT_COUNT, 1)),
        covariance=covariance,
    )


TWO = somebody((2, 0, 1), (4, 1, 1))
NOBODY = select(TWO, [])


def poses(bodies, stamp=STAMP):
    roi = np.tile([300, 100, 40, 200], (len(bodies), 1))
    return Poses(stamp, "base_link", bodies, roi)


def only(sent):
    ((topic, message),) = sent
    return topic, through_cdr(message)


# -- people_msgs ----------------------------------------------------------------------------------


def test_people_stand_and_walk_on_the_floor():
    topic, message = only(People(make())(poses(TWO)))
    assert topic == "people"
    assert (message.header.frame_id, message.header.stamp.nanosec) == ("base_link", 100_000_000)
    first, second = message.people
    assert (first.name, second.name) == ("1", "2")
    assert (first.position.x, first.position.y, first.position.z) == (2, 0, 0)
    assert (first.velocity.x, first.velocity.y, first.velocity.z) == (0.5, -0.25, 0)
    assert first.reliability == 0.9
    assert (first.tagnames, first.tags) == (["state"], ["tracked"])


def test_a_person_without_a_pelvis_has_no_place_and_without_a_velocity_stands():
    joints, velocity = TWO.joints.copy(), TWO.velocity.copy()
    joints[0, INDEX["pelvis"]] = velocity[1] = np.nan
    _, message = only(People(make())(poses(replace(TWO, joints=joints, velocity=velocity))))
    (person,) = message.people
    assert (person.name, person.velocity.x, person.velocity.y) == ("2", 0, 0)


@pytest.mark.parametrize("output", [People, Points, Cloud, Detections], ids=lambda o: o.__name__)
def test_nobody_is_said_not_kept_quiet(output):
    _, message = only(output(make())(poses(NOBODY)))
    assert message.header.stamp.sec == STAMP // SECOND
    lists = [message.people if output is People else None]
    lists += [getattr(message, name, None) for name in ("poses", "detections", "data")]
    assert [len(items) for items in lists if items is not None] == [0]


@pytest.mark.parametrize(
    "output", [People, Points, Cloud, Detections, CollisionObjects], ids=lambda o: o.__name__
)
def test_who_has_pixels_and_no_metres_is_nobody_in_3d(output):
    """A network that gives pixels alone, with nothing that tells how far away anybody is."""
    unplaced = without_guesses(replace(TWO, scale_source=np.full(2, SCALE_NONE, np.uint8)))
    assert (unplaced.confidence > 0).all()
    ours, nobodys = (output(make())(poses(bodies)) for bodies in (unplaced, NOBODY))
    assert repr([through_cdr(m) for _, m in ours]) == repr([through_cdr(m) for _, m in nobodys])


@pytest.mark.parametrize("output", [People, Points, Cloud, Clearing, Detections, CollisionObjects])
def test_old_people_are_not_told_again_when_poses_stop(output):
    out = output(make())
    out(poses(TWO))
    assert out.silent(STAMP + SECOND) == []


# -- PoseArray ------------------------------------------------------------------------------------


def test_points_are_never_nan():
    """One NaN point stops ssm_safety_ros' robot."""
    _, message = only(Points(make())(poses(TWO)))
    places = np.array([(p.position.x, p.position.y, p.position.z) for p in message.poses])
    assert len(places) == 2 * (JOINT_COUNT - 1)
    assert np.isfinite(places).all()


def test_points_of_the_joints_asked_for():
    _, message = only(Points(make(), ("left_wrist", "nose"))(poses(TWO)))
    places = [(p.position.x, p.position.y, p.position.z) for p in message.poses]
    assert_allclose(places, TWO.joints[:, [HAND, INDEX["nose"]]].reshape(-1, 3))


# -- PointCloud2 ----------------------------------------------------------------------------------


def test_the_cloud_is_read_as_xyz():
    _, message = only(Cloud(make())(poses(TWO)))
    assert [(f.name, f.offset, f.datatype) for f in message.fields] == [
        ("x", 0, 7), ("y", 4, 7), ("z", 8, 7)]  # fmt: skip
    xyz = np.frombuffer(message.data.tobytes(), "<f4").reshape(-1, 3)
    assert (message.width, message.height, message.point_step) == (len(xyz), 1, 12)
    assert message.row_step == len(message.data)
    assert_allclose(xyz, points(TWO), atol=1e-6)


def test_no_limb_has_a_hole_that_an_arm_fits_through():
    """Along every limb there is a point every 5 cm."""
    cloud = points(select(TWO, [0]))
    ends = capsules(TWO.joints[:1], TWO.covariance[:1]).ends
    for a, b in ends:
        for part in np.linspace(0, 1, 50):
            on_limb = a * (1 - part) + b * part
            assert np.linalg.norm(cloud - on_limb, axis=1).min() <= 0.0251


def test_the_skin_is_a_radius_and_three_deviations_away_in_each_direction():
    """Farther where the joint is less certain: along the view of a single camera."""
    body = somebody((2, 0, 1), sigma=0.0)
    covariance = body.covariance.copy()
    covariance[..., 0, 0] = 0.10**2
    body = replace(body, covariance=covariance)
    forearm = next(n for n, (a, b) in enumerate(SEGMENTS) if (a, b) == (INDEX["left_elbow"], HAND))
    ends = SEGMENTS[forearm]
    others = [n for n in range(JOINT_COUNT) if n not in ends]
    joints = body.joints.copy()
    joints[0, others] = np.nan  # nothing but this forearm
    cloud = points(replace(body, joints=joints))
    low, high = joints[0, ends].min(axis=0), joints[0, ends].max(axis=0)
    # Clouds are of single precision: a micrometre at this distance.
    assert_allclose(cloud.max(axis=0) - high, RADII[forearm] + [0.3, 0, 0], atol=1e-6)
    assert_allclose(low - cloud.min(axis=0), RADII[forearm] + [0.3, 0, 0], atol=1e-6)


def lines(ends):
    """The cells on lines from the middle of a grid to cells (N, 2), as Nav2 draws them."""
    long, short = np.abs(ends).max(axis=1)[:, None], np.abs(ends).min(axis=1)[:, None]
    steps = np.minimum(np.arange(long.max() + 1), long)
    aside = (short * steps + long // 2) // np.maximum(long, 1)
    along_x = (np.abs(ends[:, 0]) >= np.abs(ends[:, 1]))[:, None]
    cells = np.where(along_x, (steps, aside), (aside, steps))
    return cells.reshape(2, len(ends), -1) * np.sign(ends.T)[..., None]


def test_rays_go_all_around_through_every_cell_however_far_the_robot_has_come():
    """Where none goes, whoever stood there would stay in the costmap for ever."""
    robot, cell, reach = np.array([50.0, -120.0]), 0.05, 280  # in odom; 14 m to each side
    topic, message = only(Clearing(make())(poses(TWO)))
    assert (topic, message.header.stamp.nanosec) == ("clearing", 100_000_000)
    xyz = np.frombuffer(message.data.tobytes(), "<f4").reshape(-1, 3)
    rays = xyz[:, :2] - robot
    edge = (reach + 0.49) * cell * rays / np.abs(rays).max(axis=1, keepdims=True)
    cleared = np.zeros((2 * reach + 1, 2 * reach + 1), bool)
    cleared[tuple(lines(np.round(edge / cell).astype(int)) + reach)] = True
    assert cleared.all()
    assert (xyz[:, 2] == 0).all()  # layers leave out what is too high or too low


def test_nobody_is_cleared_by_the_rays_of_an_image_before():
    """Both clouds of an image have its stamp, and rays come also when nobody is there."""
    _, message = only(Clearing(make())(poses(NOBODY, STAMP + 1)))
    assert (message.header.stamp.nanosec, message.width) == (100_000_001, 3600)


# -- vision_msgs ----------------------------------------------------------------------------------


def test_detections_are_boxes_with_id_and_covariance():
    _, message = only(Detections(make())(poses(TWO)))
    assert [d.id for d in message.detections] == ["1", "2"]
    box, (result,) = message.detections[0].bbox, message.detections[0].results
    low, high = np.nanmin(TWO.joints[0], axis=0), np.nanmax(TWO.joints[0], axis=0)
    assert_allclose([box.size.x, box.size.y, box.size.z], high - low)
    assert_allclose(
        [box.center.position.x, box.center.position.y, box.center.position.z], (low + high) / 2
    )
    assert (result.hypothesis.class_id, result.hypothesis.score) == ("person", 0.9)
    assert result.pose.pose.position.x == 2
    assert_allclose(result.pose.covariance[[0, 7, 14, 21]], [4e-4, 4e-4, 4e-4, 0])


# -- moveit_msgs ----------------------------------------------------------------------------------


def changes(sent):
    topic, scene = only(sent)
    assert topic == "planning_scene"
    assert scene.is_diff
    assert scene.robot_state.is_diff  # else MoveIt would take it for the robot's whole state
    return {change.id: change for change in scene.world.collision_objects}


def test_a_person_is_added_moved_and_removed_with_the_track():
    out = CollisionObjects(make())
    added = changes(out(poses(TWO)))
    assert {i: c.operation for i, c in added.items()} == {"person_1": 0, "person_2": 0}
    shapes = added["person_1"].primitives
    assert (
        len(shapes)
        == len(added["person_1"].primitive_poses)
        == len(RADII) + len(np.unique(SEGMENTS))
    )
    assert {(s.type, len(s.dimensions)) for s in shapes} == {(2, 1), (3, 2)}

    walked = replace(TWO, joints=TWO.joints + [0.3, 0, 0])
    moved = changes(out(poses(walked, STAMP + SECOND)))["person_1"]
    assert (moved.operation, moved.primitives) == (3, [])
    was, now = added["person_1"].primitive_poses[0], moved.primitive_poses[0]
    assert_allclose(now.position.x - was.position.x, 0.3)

    gone = changes(out(poses(select(walked, [1]), STAMP + SECOND + SECOND // 2)))
    assert {i: c.operation for i, c in gone.items()} == {"person_1": 1, "person_2": 3}


def test_a_planner_that_starts_later_is_told_of_everybody_within_two_seconds():
    out = CollisionObjects(make())
    told = [changes(out(poses(TWO, STAMP + n * SECOND // 2)))["person_1"] for n in range(10)]
    assert [n for n, change in enumerate(told) if change.operation == 0] == [0, 4, 8]
    assert len(told[4].primitives) == len(told[0].primitives)
    # A recording that starts over: what was sent later than now does not count.
    assert changes(out(poses(TWO, STAMP - 60 * SECOND)))["person_1"].operation == 0


def test_less_certain_people_are_added_anew_since_their_shapes_grow():
    out = CollisionObjects(make())
    before = changes(out(poses(TWO)))["person_1"].primitives
    unsure = somebody((2, 0, 1), (4, 1, 1), sigma=0.10)
    after = changes(out(poses(unsure, STAMP + SECOND)))["person_1"]
    assert after.operation == 0
    assert_allclose(after.primitives[-1].dimensions - before[-1].dimensions, 0.24, atol=0.021)


def test_the_scene_is_updated_ten_times_a_second_at_most():
    out = CollisionObjects(make(), rate=10)
    sent = [bool(out(poses(TWO, STAMP + n * SECOND // 30))) for n in range(31)]
    assert sum(sent) == 11  # 30 images a second: every third


def test_limbs_lie_inside_their_cylinders_and_spheres():
    shapes = solids(capsules(TWO.joints[:1], TWO.covariance[:1]))
    count = len(RADII)
    ends = capsules(TWO.joints[:1], TWO.covariance[:1]).ends
    axes = Rotation.from_quat(shapes.turn[:count]).apply([0, 0, 1])
    for n in range(count):
        radius, height = shapes.size[n]
        assert radius >= RADII[n] + SIGMAS * 0.02 - 1e-9
        for end in ends[n]:
            offset = end - shapes.place[n]
            along = offset @ axes[n]
            assert abs(along) <= height / 2 + 1e-9
            assert np.linalg.norm(offset - along * axes[n]) < 1e-6


# -- ROS4HRI --------------------------------------------------------------------------------------


class Pictures:
    def __init__(self, picture):
        self.picture, self.size = picture, (640, 480)

    def __call__(self, stamp):
        return self.picture


def humans(picture=None, describe=lambda _: None, wanted=lambda _: True):
    return Humans(make(), Pictures(picture), SimpleNamespace(describe=describe, wanted=wanted))


def test_rep155_bodies_appear_with_their_topics_and_end():
    out = humans(np.zeros((480, 640, 3), np.uint8))
    sent = {topic: through_cdr(message) for topic, message in out(poses(TWO))}
    assert sent["/humans/bodies/tracked"].ids == ["b0001", "b0002"]
    for name in ("roi", "cropped", "skeleton2d", "position", "velocity"):
        assert f"/humans/bodies/b0002/{name}" in sent
    assert out.ended == ()
    out(poses(select(TWO, [1]), STAMP + 1))
    assert out.ended == ("/humans/bodies/b0001/",)
    ((topic, message),) = out.silent(STAMP + SECOND)
    assert (topic, through_cdr(message).ids, out.ended) == (
        "/humans/bodies/tracked", [], ("/humans/bodies/b0002/",))  # fmt: skip


def test_regions_and_skeletons_are_parts_of_the_image():
    sent = dict(humans()(poses(TWO)))
    roi = through_cdr(sent["/humans/bodies/b0001/roi"])
    assert_allclose(
        [roi.xmin, roi.ymin, roi.xmax, roi.ymax],
        [300 / 640, 100 / 480, 340 / 640, 300 / 480],
        rtol=1e-6,
    )
    skeleton = through_cdr(sent["/humans/bodies/b0001/skeleton2d"]).skeleton
    assert len(skeleton) == 18
    assert_allclose([skeleton[0].x, skeleton[0].y, skeleton[0].c], [0.5, 200 / 480, 0.8], rtol=1e-6)


def test_a_body_is_described_once_when_it_comes():
    """The topic is latched; who comes back after a silence is described again."""
    out = humans(describe="<robot name='{}'/>".format)
    topics = ["/humans/bodies/b0001/urdf", "/humans/bodies/b0002/urdf"]
    sent = dict(out(poses(TWO)))
    assert through_cdr(sent[topics[1]]).data == "<robot name='b0002'/>"
    assert not sent.keys() - dict(out(poses(TWO, STAMP + 1))).keys() - set(topics)
    assert topics[0] not in dict(out(poses(TWO, STAMP + 2)))
    out.silent(STAMP + 3)
    assert set(topics) <= dict(out(poses(TWO, STAMP + SECOND))).keys()


def test_who_is_not_tracked_is_described_once_for_all():
    """The host keeps descriptions by id, and a second one of the same would be a mistake."""
    described = []
    untracked = replace(TWO, track_id=np.zeros(2, np.uint32))
    humans(describe=lambda body: described.append(body))(poses(untracked))
    assert described == ["b0000"]


def test_what_is_left_out_of_a_message_is_nothing_wherever_it_lies():
    """A distribution's messages may have fields that others do not."""
    wider = get_types_from_msg(
        "uint8 first\nfloat64[3] place\nbool[] flags\nstring name\nint16 small\n"
        "geometry_msgs/Pose[] poses\nstd_msgs/Header header\nuint8 last\nfloat32 after",
        "other_msgs/msg/Wider",
    )
    STORE.register(wider)
    for name in ("", "a", "abc", "abcdefg"):
        told = through_cdr(make()("other_msgs/msg/Wider", name=string(name)))
        assert (told.name, told.small, told.poses, told.after) == (name, 0, [], 0)
        assert (told.first, told.place.tolist(), len(told.flags), told.last) == (0, [0] * 3, 0, 0)
        assert told.header.frame_id == ""


def test_a_field_that_a_message_does_not_have_is_told_by_its_name():
    with pytest.raises(InputError, match="people_msgs/msg/People has no crowd here"):
        make()("people_msgs/msg/People", crowd=string("many"))


def outputs(picture):
    kinds = (People, Points, Cloud, Clearing, Detections, CollisionObjects)
    return [humans(picture), *(kind(make()) for kind in kinds)]


@pytest.mark.parametrize("frame_id", ["", "c", "cam", "camera7"])
@pytest.mark.parametrize("unknown", [[], ["left_elbow"], ["pelvis"]])
@pytest.mark.parametrize("bodies", [TWO, NOBODY], ids=["two", "nobody"])
def test_messages_are_laid_out_as_another_writer_does(frame_id, unknown, bodies):
    """Padding depends on the frame's name, and on how many angles are known."""
    joints = bodies.joints.copy()
    joints[:, [INDEX[name] for name in unknown]] = np.nan
    told = replace(poses(replace(bodies, joints=joints)), frame_id=frame_id)
    picture = np.zeros((480, 640, 3), np.uint8)
    laid = [message for output in outputs(picture) for _, message in output(told)]
    kinds = {each.__msgtype__.rsplit("/")[-1] for each in laid}
    assert {"IdsList", "PlanningScene", "Detection3DArray", "PointCloud2", "People"} <= kinds
    assert not len(bodies) or {"JointState", "Skeleton2D", "Image"} <= kinds
    for each in laid:
        assert bytes(STORE.serialize_cdr(through_cdr(each), each.__msgtype__)) == each.cdr


def test_angles_are_found_for_whom_somebody_reads_them():
    """Finding them takes longer than everything else that is said of a body."""
    topic = "/humans/bodies/b0002/joint_states"
    sent = dict(humans(wanted=lambda name: name == topic)(poses(TWO)))
    assert [name for name in sent if name.endswith("joint_states")] == [topic]
    assert sent[topic].cdr == dict(humans()(poses(TWO)))[topic].cdr
    silent = dict(humans(wanted=lambda _: False)(poses(TWO)))
    assert silent.keys() == {name for name in dict(humans()(poses(TWO))) if "joint" not in name}


def test_a_body_is_cut_out_of_its_own_image():
    picture = np.arange(480 * 640 * 3, dtype=np.uint32).astype(np.uint8).reshape(480, 640, 3)
    sent = dict(humans(picture)(poses(TWO)))
    cropped = through_cdr(sent["/humans/bodies/b0001/cropped"])
    assert (cropped.width, cropped.height, cropped.encoding) == (40, 200, "bgr8")
    assert (cropped.data.reshape(200, 40, 3) == picture[100:300, 300:340]).all()


def test_frames_are_those_of_rep155():
    """The root stands at the pelvis, x forward and z up; every link is a child of it."""
    facing_back = np.diag([-1, -1, 1.0])
    tf = dict(humans()(poses(TWO)))["/tf"]
    frames = {t.child_frame_id: t for t in through_cdr(tf).transforms}
    root = frames["body_b0001"]
    assert root.header.frame_id == "base_link"
    assert (root.transform.translation.x, root.transform.translation.z) == (2, 1)
    q = root.transform.rotation
    assert_allclose(Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix(), facing_back, atol=1e-9)
    wrist = frames["l_wrist_b0001"]
    assert wrist.header.frame_id == "body_b0001"
    t = wrist.transform.translation
    wanted = facing_back.T @ (TWO.joints[0, HAND] - TWO.joints[0, INDEX["pelvis"]])
    assert_allclose([t.x, t.y, t.z], wanted, atol=1e-9)
    assert {"waist_b0001", "torso_b0001", "head_b0001", "r_ankle_b0002"} <= set(frames)


def test_coasting_people_are_told_apart_where_a_consumer_can():
    coasting = replace(TWO, state=np.full(2, STATE_COASTING, np.uint8))
    _, message = only(People(make())(poses(coasting)))
    assert [person.tags for person in message.people] == [["coasting"]] * 2

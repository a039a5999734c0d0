"""Which frames people are tracked and given in, and what their metres rest on."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.floor import Floor
from bodypose3d_ros.body.people import SCALE_GROUND, SCALE_LIMBS, Bodies
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.diagnostics import OK, WARN, State
from bodypose3d_ros.perception.lifting import size
from bodypose3d_ros.perception.tracking.tracker import Tracker
from known_people import KnownPeople, picture
from node_alone import CAMERA, MESSAGES, SECOND, STAMP, alive, depth_image
from people_made_up import standing


def forward(x=0.0):
    """A camera 1 m above the floor, x metres along, that looks along x."""
    return np.array([[0.0, 0, 1, x], [-1, 0, 0, 0], [0, -1, 0, 1], [0, 0, 0, 1]])


def test_people_are_tracked_in_the_fixed_frame_and_given_in_the_target_frame(alone):
    node = alone(fixed_frame="odom", target_frame="base")
    node.host.matrices["odom", "camera"] = forward(10)
    shifted = np.eye(4)
    shifted[0, 3] = -10
    node.host.matrices["base", "odom"] = shifted
    node.info()
    node.image(picture(distance=3.0))
    poses = node.wait(topics.POSES)
    assert poses.header.frame_id == "base"
    assert_allclose(node.pipeline.seen[0].place, forward(10))
    pelvis = poses.poses[0].joints[0].position
    assert (pelvis.x, pelvis.y, pelvis.z) == (3, 0, 1)


def test_with_a_fixed_frame_alone_poses_are_given_in_the_cameras(alone):
    node = alone(fixed_frame="odom")
    node.host.matrices["odom", "camera"] = forward(10)
    node.info()
    node.image(picture(distance=3.0))
    poses = node.wait(topics.POSES)
    assert poses.header.frame_id == "camera"
    pelvis, velocity = poses.poses[0].joints[0].position, poses.poses[0].joints[0].velocity
    assert (pelvis.x, pelvis.y, pelvis.z) == pytest.approx((0, 0, 3))
    assert (velocity.x, velocity.y, velocity.z) == pytest.approx((0, 0, -1))


def test_the_nearest_person_is_nearest_to_the_camera_not_to_the_frames_origin(alone):
    """Two people in a map whose origin lies far behind the second one."""
    node = alone(target_frame="map")
    node.host.matrices["map", "camera"] = forward(-20)
    node.info()
    node.image(picture(people=2, distance=2.0))
    assert node.wait(topics.POSE).track_id == 1


def test_another_fixed_frame_begins_anew(alone):
    node = alone(fixed_frame="odom")
    node.host.matrices["odom", "camera"] = node.host.matrices["map", "camera"] = forward()
    node.info()
    node.image()
    node.wait(topics.MARKERS)
    assert node.pipeline.resets == 0
    node.core.parameters = replace(node.core.parameters, fixed_frame="map")
    node.image()
    node.wait(topics.MARKERS, 2)
    assert node.pipeline.resets == 1


class StandingPerson:
    """A pipeline with a real tracker that sees somebody stand in the world, without any error."""

    AT = standing((3.0, 0.4, 1.0)) @ np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])

    def __init__(self, place):
        self.tracker = Tracker()
        self._place = place
        self.milliseconds = {"network": 0.0}

    def estimate(self, frame, boxes=None):
        back = np.linalg.inv(self._place(frame.stamp))
        seen = self.AT @ back[:3, :3].T + back[:3, 3]
        sigma = 0.05  # of the person's size, which moves all joints along their rays
        measured = Bodies(
            joints=seen[None], pixels=frame.camera.project(seen)[None],
            confidence=np.ones((1, 34)), score=np.ones(1), scale_source=np.zeros(1, np.uint8),
            covariance=(0.02**2 * np.eye(3) + sigma**2 * seen[:, :, None] * seen[:, None])[None],
            size_sigma=np.array([sigma]), evidence=size.prior(1, 0.0, sigma),
        )  # fmt: skip
        return self.tracker.update(measured, frame.stamp, frame.place)

    def search(self, frame, budget=None):
        pass

    def reset(self):
        self.tracker.reset()


def test_before_a_robot_that_drives_and_turns_a_standing_person_stands(alone):
    """A camera that moves at 1 m/s and turns at 1 rad/s, for two seconds at 30 Hz."""

    def place(stamp):
        seconds = (stamp - STAMP) / SECOND
        matrix = forward(seconds)
        turned = Rotation.from_euler("z", seconds - 1).as_matrix()
        matrix[:3, :3] = turned @ matrix[:3, :3]
        return matrix

    node = alone(fixed_frame="odom", target_frame="odom")
    node.host.matrices["odom", "camera"] = place
    node.core._estimation.pipeline = StandingPerson(place)
    node.info()
    for index in range(60):
        node.image(stamp=STAMP + index * SECOND // 30)
        node.wait(topics.MARKERS, index + 1)
    (person,) = node.host.sent[topics.POSES][-1].poses
    velocity = person.joints[INDEX["pelvis"]].velocity
    assert person.track_id == 1
    assert np.linalg.norm([velocity.x, velocity.y, velocity.z]) < 0.05


def test_images_a_nanosecond_apart_make_nobody_fast(alone):
    """A difference of positions over that time would be 1e8 m/s: here TF jumps by 10 cm."""

    def place(stamp):
        return forward(0.1 * ((stamp - STAMP) % 2))

    node = alone(fixed_frame="odom", target_frame="odom")
    node.host.matrices["odom", "camera"] = place
    node.core._estimation.pipeline = StandingPerson(lambda stamp: forward())
    node.info()
    for index in range(4):
        node.image(stamp=STAMP + index)
        node.wait(topics.MARKERS, index + 1)
    velocity = node.host.sent[topics.POSES][-1].poses[0].joints[0].velocity
    assert np.linalg.norm([velocity.x, velocity.y, velocity.z]) < 2


def test_two_nodes_can_name_their_frames_apart(alone):
    node = alone(tf_joints=["neck"], tf_prefix="left/")
    node.info()
    node.image()
    assert [t.child_frame_id for t in node.wait(topics.TF).transforms] == ["left/body_1/neck"]


# -- depth and floor ------------------------------------------------------------------------


def test_a_depth_image_travels_with_its_image(alone):
    """Half the image's resolution, seen by the same camera."""
    node = alone(depth_transport="raw")
    node.info()
    node.hear(topics.DEPTH, depth_image())
    node.image()
    node.wait(topics.POSES)
    depth = node.pipeline.seen[0].depth
    assert_allclose(depth.values, np.full((24, 32), 2.5))
    assert (depth.camera.width, depth.camera.matrix[0, 0]) == (32, CAMERA.matrix[0, 0] / 2)


def test_a_depth_camera_may_have_a_calibration_of_its_own(alone):
    node = alone(depth_transport="raw")
    own = Camera.from_hfov(32, 20, 50)
    node.info()
    node.hear(topics.DEPTH_CAMERA_INFO, MESSAGES.camera_info(own, MESSAGES.header(STAMP, "camera")))
    node.hear(topics.DEPTH, depth_image(size=(32, 20)))
    node.image()
    node.wait(topics.POSES)
    assert_allclose(node.pipeline.seen[0].depth.camera.matrix, own.matrix)


@pytest.mark.parametrize(
    ("depth", "says"),
    [
        (None, "no depth image with the image's stamp has come"),
        (depth_image(frame_id="depth_camera"), "the depth image is of the frame 'depth_camera'"),
        (depth_image(size=(24, 24)), "images of 24x24 are no scaled images of 64x48"),
    ],
)
def test_without_usable_depth_poses_go_on_and_it_is_said(alone, clock, depth, says):
    """Within two seconds: 0.8 s after the last that could be used, in reports a second apart."""
    clock.before("node.diagnostics")
    node = alone(depth_transport="raw")
    node.info()
    for count in (1, 2):
        clock.seconds += 0.85
        if depth is not None:
            node.hear(topics.DEPTH, depth)
        node.image()
        node.wait(topics.MARKERS, count)
    assert node.pipeline.seen[1].depth is None
    report = node.core.diagnose()
    assert report.level == WARN
    assert report.message.startswith(f"metres without depth: {says}")
    assert says in node.skipped(0)[0]
    assert alive(node)[0] == State.DEGRADED


def test_the_floor_is_where_its_frame_is(alone):
    """A camera 1.5 m up that looks 30 degrees down: z = 0 of the floor's frame is 1.5 m below."""
    node = alone(floor_frame="base_footprint", floor_tilt_sigma=1.0)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("x", -120, degrees=True).as_matrix()
    matrix[2, 3] = 1.5
    node.host.matrices["base_footprint", "camera"] = matrix
    node.info()
    node.image()
    node.wait(topics.POSES)
    floor, mounted = node.pipeline.seen[0].floor, Floor.from_mounting(1.5, pitch=30)
    assert_allclose(floor.up, mounted.up, atol=1e-9)
    assert (floor.height, floor.tilt_sigma) == (1.5, pytest.approx(np.radians(1)))


def test_without_the_floors_frame_the_mounting_stands_in_and_it_is_said(alone, clock):
    clock.before("node.diagnostics")
    node = alone(floor_frame="base_footprint", camera_height=1.2, camera_pitch=10.0)
    node.info()
    for count in (1, 2):
        clock.seconds += 0.85
        node.image()
        node.wait(topics.MARKERS, count)
    assert_allclose(node.pipeline.seen[1].floor.up, Floor.from_mounting(1.2, 10).up)
    assert "metres without floor: TF does not connect" in node.core.diagnose().message


def test_what_people_told_of_the_floor_is_forgotten_when_the_floor_is_told_otherwise(alone):
    """And how far down the camera looks by what people say is in diagnostics."""
    node = alone(camera_height=1.2)
    tracker, floors = Tracker(), []
    tracker.forget_floor = lambda: floors.append(node.core.parameters.camera_pitch)
    node.pipeline.tracker = tracker
    node.info()
    for count, pitch in enumerate((5.0, 5.0, 6.0), start=1):
        node.core.parameters = replace(node.core.parameters, camera_pitch=pitch)
        node.image()
        node.wait(topics.MARKERS, count)
    assert floors == [5.0, 6.0]
    facts = node.core.diagnose().values
    assert facts["camera looks down farther than told (deg)"] == "0.0 +- 0.5"


@pytest.mark.parametrize(
    ("off", "said"), [((1.64, 0.3), True), ((-0.7, 0.3), True), ((0.5, 0.3), False)]
)
def test_what_people_told_of_the_floor_is_said_when_it_is_forgotten(alone, off, said):
    """Once, when the node ends, if it is sure: who reads it mends camera_pitch, or TF."""
    node = alone(camera_height=1.2)
    tracker = node.pipeline.tracker = Tracker()
    node.info()
    node.image()
    node.wait(topics.MARKERS)
    known = SimpleNamespace(pitch_off=lambda floor: off)
    node.pipeline.tracker = known
    node.pipeline.reset = lambda: setattr(node.pipeline, "tracker", tracker)
    node.cameras.deactivate()
    node.cameras.cleanup()
    texts = [text for level, text in node.host.texts if "camera_pitch" in text]
    assert len(texts) == said
    if said:
        assert f"{off[0]:+.1f} (+- 0.3) degrees on camera_pitch" in texts[0]


def test_a_floor_that_does_not_fit_is_said_and_poses_are_degraded(alone, clock):
    clock.before("node.diagnostics")
    node = alone(camera_height=1.2)
    node.pipeline.tracker = SimpleNamespace(
        floor_misfit=0.17, forget_floor=lambda: None, pitch_off=lambda floor: (0.0, 0.5), late=0
    )
    node.info()
    for count in (1, 2):
        clock.seconds += 0.85
        node.image()
        node.wait(topics.MARKERS, count)
    report = node.core.diagnose()
    assert report.level == WARN
    says = "metres without fitting floor: who stands on it would be 17% larger than people are"
    assert report.message.startswith(says)
    assert alive(node)[0] == State.DEGRADED
    node.pipeline.tracker.floor_misfit = 0.0
    node.image()
    node.wait(topics.MARKERS, 3)
    assert node.core.diagnose().level == OK


def test_a_floor_that_counts_for_nobody_is_said_until_it_counts(alone, clock):
    """A pitch of the wrong sign: feet are where nobody's can be. Who comes has three seconds."""
    clock.before("node.diagnostics")
    node = alone(camera_height=1.2, camera_pitch=-10.0)
    node.pipeline.tracker = Tracker()
    node.info()
    for count, said in enumerate((False, False, True), start=1):
        node.image()
        node.wait(topics.MARKERS, count)
        report = node.core.diagnose()
        says = "metres without floor under feet: no feet were in view, or they are where nobody of"
        assert report.message.startswith(says) == said
        clock.seconds += 1.6
    assert report.level == WARN
    found = node.pipeline.estimate
    for count, scale in enumerate((SCALE_GROUND, SCALE_LIMBS), start=4):
        node.pipeline.estimate = lambda *of, scale=scale: replace(
            found(*of), scale_source=np.array([scale], np.uint8)
        )
        clock.seconds += 1.6  # once it has counted, somebody's feet may be hidden for long
        node.image()
        node.wait(topics.MARKERS, count)
        assert node.core.diagnose().level == OK


def test_a_floor_above_the_camera_is_none(alone):
    node = alone(floor_frame="ceiling")
    matrix = forward()
    matrix[2, 3] = -2
    node.host.matrices["ceiling", "camera"] = matrix
    node.info()
    node.image()
    node.wait(topics.POSES)
    assert node.pipeline.seen[0].floor is None


def test_without_tracking_everybody_is_measured_alone_in_the_target_frame(alone):
    """For those who filter themselves: a pipeline without a tracker, placed by TF."""
    node = alone(tracking=False, target_frame="map")
    node.host.matrices["map", "camera"] = forward()
    asked = []
    node.cameras.cleanup()

    def load(options):
        networks = KnownPeople()
        networks.pipeline = lambda tracker, **_: asked.append(tracker) or networks
        return networks

    node.cameras.configure(load)
    node.cameras.activate()
    node.info()
    node.image(picture(distance=3.0))
    (pose,) = node.wait(topics.POSES).poses
    assert asked == [None]
    pelvis = pose.joints[0].position
    assert (pelvis.x, pelvis.y, pelvis.z) == (3, 0, 1)

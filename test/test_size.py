"""Metres from what a robot knows besides the picture: the floor, a depth image, or neither."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.depth import DepthImage
from bodypose3d_ros.body.floor import Floor
from bodypose3d_ros.body.people import SCALE_DEPTH, SCALE_GROUND, SCALE_LIMBS, Bodies
from bodypose3d_ros.body.skeleton import INDEX, MEAN_LENGTHS
from bodypose3d_ros.errors import InputError
from bodypose3d_ros.perception.lifting import size
from bodypose3d_ros.perception.lifting.depth import (
    DEEP,
    depth_evidence,
    depths_at,
    onto_depths,
)
from bodypose3d_ros.perception.lifting.floor import floor_evidence
from bodypose3d_ros.perception.lifting.limbs import drawn_size, metric_scale
from bodypose3d_ros.perception.lifting.median import median, quantiles
from bodypose3d_ros.perception.lifting.shape_model import BLAZEPOSE_FULL, ShapeModel
from people_made_up import standing

CAMERA = Camera.from_hfov(640, 480, 60)
FEET = [INDEX[f"{s}_{n}"] for s in ("left", "right") for n in ("ankle", "heel", "big_toe")]
SOLES = np.array([0.10, 0.04, 0.02] * 2)


def on_the_floor(height=1.2, distance=4.0):
    """A person whose feet stand 1.2 m below a level camera, exactly as high as soles are.

    The pelvis is over the middle of them.
    """
    joints = standing((0, 0, distance))
    joints[FEET, 1] = height - SOLES
    joints[FEET, 2] += distance - joints[FEET, 2].mean()
    return joints[None]


def evidence_of(joints, floor, shape=BLAZEPOSE_FULL):
    """The logarithm of the size, and standard deviations: noise, pose, bias, and of the tilt."""
    evidence = floor_evidence(joints, np.ones((1, 34)), floor, shape)[0]
    return *evidence[: size.TILT.start], np.linalg.norm(evidence[size.TILT])


@pytest.mark.parametrize("true_size", [0.85, 1.0, 1.2])
def test_the_floor_tells_the_size_of_who_stands_on_it(true_size):
    shape = on_the_floor() / true_size  # as a network draws who is larger: nearer
    log_size, noise, pose, bias, tilt = evidence_of(shape, Floor.from_mounting(1.2))
    assert np.exp(log_size) == pytest.approx(true_size, rel=1e-6)
    # Half a degree at 4 m is 35 mm of the 1.15 m between camera and soles.
    assert tilt == pytest.approx(0.035 / 1.15, rel=0.05)
    assert 0.015 < noise < 0.03 and 0.015 < pose < 0.03 and 0.02 < bias < 0.03


def test_a_pitched_camera_sees_the_same_floor():
    pitch = np.radians(20)
    turn = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    shape = on_the_floor() @ turn.T / 1.1
    log_size, *_ = evidence_of(shape, Floor.from_mounting(1.2, pitch=20))
    assert np.exp(log_size) == pytest.approx(1.1, rel=1e-6)


def test_a_lifted_foot_does_not_count():
    joints = on_the_floor()
    joints[0, FEET[:3], 1] -= 0.2
    assert np.exp(evidence_of(joints, Floor.from_mounting(1.2))[0]) == pytest.approx(1, rel=1e-6)


def test_who_sits_jumps_or_shows_no_foot_says_nothing():
    floor = Floor.from_mounting(1.2)
    jumping = on_the_floor()
    jumping[0, :, 1] -= 0.5
    hidden = on_the_floor()
    hidden[0, FEET] = np.nan
    for joints in (jumping, hidden):
        assert np.isnan(evidence_of(joints, floor)[0])


def test_a_wrong_tilt_weighs_less_the_farther_somebody_is():
    tilts = np.array(
        [evidence_of(on_the_floor(distance=d), Floor.from_mounting(1.2))[-1] for d in (2, 4, 8)]
    )
    assert tilts[1:] / tilts[:-1] == pytest.approx([2, 2], rel=0.01)
    # At 8 m half a degree is worth as much as not knowing the size.
    assert tilts[2] > 0.05


def test_what_is_wrong_of_the_floor_counts_by_how_far_down_it_is():
    """Errors of the height, of shoes and of the tilt at 4 m, over the way down to the soles.

    And that feet are drawn too near or too far, which balance tells as well as the shape does.
    """
    floor = replace(Floor.from_mounting(2.4), height_sigma=0.03, tilt_sigma=0.01)
    joints = on_the_floor(2.4)
    _, noise, pose, bias, tilt = evidence_of(joints, floor)
    feet = joints[0, FEET[:3]].mean(axis=0)
    distance = np.linalg.norm(feet)
    down = 2.4 - SOLES.mean()
    along = BLAZEPOSE_FULL.along[FEET[:3]].mean()
    slant = along / distance / np.hypot(1, along * feet[2] / distance / 0.12)
    assert bias == pytest.approx(np.hypot(0.03, 0.025) / down, rel=1e-6)
    assert tilt == pytest.approx(0.01 * np.hypot(feet[0], feet[2]) / down, rel=1e-6)
    assert pose == pytest.approx(slant, rel=1e-6)
    assert noise == pytest.approx(0.041 / np.sqrt(3) / down, rel=0.02), "three joints"


def test_feet_that_are_drawn_before_who_stands_are_half_believed():
    """Seen from above, a shape that is too upright has its feet 0.15 m too near."""
    floor = Floor.from_mounting(2.4)
    joints = on_the_floor(2.4)
    joints[0, FEET] *= 1 - 0.15 / np.linalg.norm(joints[0, FEET].mean(axis=0))
    asked = np.log(2.4 / (2.4 * (1 - 0.15 / 4.6)))
    assert 0.4 * asked < evidence_of(joints, floor)[0] < 0.7 * asked


def test_who_sits_with_the_feet_far_before_the_pelvis_keeps_his_size():
    """0.45 m at 4 m: whoever took them for being under it would be 11 % off."""
    joints = on_the_floor()
    joints[0, FEET, 2] -= 0.45
    assert evidence_of(joints, Floor.from_mounting(1.2))[0] == pytest.approx(0, abs=0.015)


def test_where_the_pelvis_is_unknown_the_shape_alone_says_how_far_the_feet_are_from_it():
    floor = Floor.from_mounting(2.4)
    joints = on_the_floor(2.4)
    _, _, balanced, *_ = evidence_of(joints, floor)
    joints[0, INDEX["pelvis"]] = np.nan
    log_size, _, pose, *_ = evidence_of(joints, floor)
    assert log_size == pytest.approx(0, abs=1e-9)
    assert pose > balanced


def test_one_joint_is_a_foot_only_to_who_asks_for_no_more():
    joints = on_the_floor()
    joints[0, FEET[1:]] = np.nan
    floor, sure = Floor.from_mounting(1.2), np.ones((1, 34))
    assert np.isnan(floor_evidence(joints, sure, floor, BLAZEPOSE_FULL)).all()
    assert np.isfinite(floor_evidence(joints, sure, floor, BLAZEPOSE_FULL, least=1)).all()


def test_people_on_one_floor_are_measured_each_by_their_own_feet():
    floor = Floor.from_mounting(1.2)
    near, far = on_the_floor(distance=3.0), on_the_floor(distance=6.0) / 1.1
    both = np.concatenate([near, far])
    together = floor_evidence(both, np.ones((2, 34)), floor, BLAZEPOSE_FULL)
    each = [floor_evidence(one, np.ones((1, 34)), floor, BLAZEPOSE_FULL) for one in (near, far)]
    assert_allclose(together, np.concatenate(each))


def test_of_people_whose_height_is_told_the_size_is_known():
    shape = ShapeModel(size_factor=1.03, size_sigma=0.05, stature=1.70)
    told = shape.of_height(1.87)
    # Ten per cent taller than the network's mean person, and sure to what it believes by pose.
    assert told.size_factor == pytest.approx(1.03 * 1.1)
    assert (told.size_sigma, told.stature) == (0.025, 1.87)
    assert told.across is shape.across
    assert shape.of_height(0.0) is shape
    assert shape.of_height(0.3).stature == 0.3
    with pytest.raises(InputError, match=r"person_height: 0\.29 m is no person's height"):
        shape.of_height(0.29)


def test_who_is_drawn_with_short_limbs_is_a_little_larger_than_drawn():
    """A share of 0.3 of what the limbs lack, whatever the network's people are like on average."""
    joints = np.stack([standing((0, 0, 3)), standing((0, 0, 3)) * 0.95, standing((0, 0, 3)) * 0.5])
    limbs = 1 / metric_scale(joints[:1], np.ones((1, 34)), MEAN_LENGTHS)[0]
    drawn = drawn_size(joints, np.ones((3, 34)), limbs)
    assert_allclose(drawn, [1, 0.95**-0.3, 1.1**0.3])
    assert_allclose(drawn_size(joints * np.nan, np.zeros((3, 34)), limbs), 1)


def depth_of(joints, width=160, height=120, background=6.0):
    """A depth image that shows the skin before each joint, in patches of 5 pixels."""
    camera = Camera.from_hfov(width, height, 60)
    values = np.full((height, width), background, np.float32)
    order = np.argsort(-joints[:, 2])
    pixels = np.rint(camera.project(joints)).astype(int)
    for joint in order:
        u, v = pixels[joint]
        values[max(v - 2, 0) : v + 3, max(u - 2, 0) : u + 3] = joints[joint, 2] - DEEP[joint]
    return DepthImage(values, camera)


def seen_at(joints, depth):
    """One person, and what the depth image shows there."""
    return joints[None], depths_at(joints[None], depth)


def test_a_depth_image_of_a_quarter_of_the_size_tells_the_size():
    truth = standing((0, 0, 3))
    log_size, noise, pose, bias, *tilt = depth_evidence(*seen_at(truth / 1.1, depth_of(truth)))[0]
    assert not pose and not any(tilt)
    assert np.exp(log_size) == pytest.approx(1.1, rel=0.02)
    assert 0 <= noise < 0.01, "all joints say the same"
    assert bias == pytest.approx(0.025 / 3, rel=0.05)


def test_what_stands_before_some_joints_is_nearer_and_does_not_make_a_person_small():
    """Half of the core joints hidden by 0.4 m: their median would lie between the two."""
    truth = standing((0, 0, 3))
    seen = depths_at(truth[None], depth_of(truth))
    assert seen.shape == (3, 1, 34)
    hidden = [INDEX[f"left_{name}"] for name in ("hip", "shoulder", "knee", "ankle")]
    seen[:, 0, [*hidden, INDEX["torso"], INDEX["neck"]]] -= 0.4
    assert np.exp(depth_evidence(truth[None], seen)[0, 0]) == pytest.approx(1.0, abs=0.02)


def test_a_hole_is_unknown_and_nobody_has_depths_behind_the_camera():
    truth = standing((0, 0, 3))
    depth = depth_of(truth)
    depth.values[:] = np.nan
    assert np.isnan(depth_evidence(*seen_at(truth, depth))).all()
    assert np.isnan(depths_at(-truth[None], depth_of(truth))).all()


def test_what_lies_beside_the_image_is_unknown():
    """A row's last pixel is no neighbour of the next row's first."""
    depth = DepthImage(np.full((480, 640), 3.0, np.float32), CAMERA)
    corner = np.array([640 / CAMERA.matrix[0, 0] / 2, 0, 1])
    joints = np.zeros((1, 34, 3)) + 3 * corner
    joints[0, 0] *= (1.1, 1, 1)
    seen = depths_at(joints, depth)
    assert np.isnan(seen[:, 0, 0]).all()
    assert_allclose(seen[:, 0, 1:], 3.0)


# -- joints on their own depths ------------------------------------------------------------------

ALONG, ACROSS, SIZE_SIGMA = 0.12, 0.03, 0.05
OWN = 0.035
BEND = 0.06
KNEE = INDEX["left_knee"]
CARRIED = [INDEX[f"left_{name}"] for name in ("ankle", "heel", "big_toe", "small_toe")]


def placed(joints, size_known=True, sure=1.0):
    """A person whose shape errs by ALONG, and of whose left knee the network is so sure."""
    distance = np.linalg.norm(joints, axis=1)
    outer = (joints[:, :, None] * joints[:, None, :]) / distance[:, None, None] ** 2
    along = ALONG**2 - ACROSS**2 + (SIZE_SIGMA * distance) ** 2
    evidence = size.prior(1, 0.0, SIZE_SIGMA)
    if size_known:
        evidence[0, SCALE_DEPTH] = 0.0, 0.01, 0, 0.01, 0, 0, 0
    confidence = np.ones((1, 34))
    confidence[0, KNEE] = sure
    covariance = ACROSS**2 * np.eye(3) + along[:, None, None] * outer
    return Bodies(
        joints[None], CAMERA.project(joints)[None], confidence, np.ones(1),
        np.zeros(1, np.uint8), covariance=covariance[None],
        size_sigma=np.array([SIZE_SIGMA]), evidence=evidence,
    )  # fmt: skip


def lifted_onto(depths, farther=0.10, size_known=True, sure=1.0):
    """A person whose left knee alone shows in a depth image, and who was lifted too far away.

    Args:
        depths: (3,) metres from the knee's own depth, left of it, at it, and right of it.
        farther: Metres along z by which the knee was placed behind its own depth.
        size_known: The depth image has said something of the size.
        sure: The network's confidence in the knee.

    Returns:
        The person before and after; what is left of the way to the depth; the knee's ray.
    """
    truth = standing((0.1, 0, 3))
    depth = DepthImage(np.full((480, 640), np.nan, np.float32), CAMERA)
    u, v = np.rint(CAMERA.project(truth[KNEE])).astype(int)
    for column, off in zip((slice(u - 6, u - 1), slice(u - 1, u + 2), slice(u + 2, u + 7)), depths,
                           strict=True):  # fmt: skip
        depth.values[v - 6 : v + 7, column] = truth[KNEE, 2] - DEEP[KNEE] + off
    before = placed(truth * (1 + farther / truth[KNEE, 2]), size_known, sure)
    joints = before.joints[0]
    distance = np.linalg.norm(joints, axis=1)
    after = onto_depths(before, depths_at(before.joints, depth))
    ray = joints[KNEE] / distance[KNEE]
    behind = (
        (after.joints[0, KNEE] - truth[KNEE]) @ ray / (farther * distance[KNEE] / joints[KNEE, 2])
    )
    return before, after, behind, ray


def test_a_joint_is_drawn_to_its_own_depth_as_sure_as_either_is():
    """The hip, which is not seen, 0.12 m, the knee from it 0.06 m, its depth 0.035 m."""
    before, after, behind, ray = lifted_onto((0, 0, 0))
    expected = ALONG**2 + BEND**2
    kept = OWN**2 / (OWN**2 + expected)
    assert behind == pytest.approx(kept, abs=0.02)
    variance = ray @ after.covariance[0, KNEE] @ ray
    size_part = (SIZE_SIGMA * np.linalg.norm(before.joints[0, KNEE])) ** 2
    # That it may be something else that is seen adds a little.
    assert 0.9 * OWN < np.sqrt(variance - size_part) < 1.5 * OWN
    side = np.cross(ray, (0, 1, 0))
    side /= np.linalg.norm(side)
    assert side @ after.covariance[0, KNEE] @ side == pytest.approx(ACROSS**2)


def test_what_hangs_on_a_joint_goes_with_it_and_all_else_stays():
    before, after, *_ = lifted_onto((0, 0, 0))
    moved = after.joints[0, :, 2] - before.joints[0, :, 2]
    assert_allclose(moved[CARRIED], moved[KNEE], atol=0.015)
    others = [joint for joint in range(34) if joint not in (KNEE, *CARRIED)]
    assert_allclose(moved[others], 0, atol=1e-6)
    # Where nothing is seen, the size's part and the shape's stay as they were.
    trunk = [INDEX["pelvis"], INDEX["neck"]]
    assert_allclose(after.covariance[0, trunk], before.covariance[0, trunk], rtol=0.02, atol=1e-4)


def test_depths_that_differ_about_a_joint_make_it_less_sure():
    """A third 6 cm nearer, a third farther."""
    (_, same, *_), (_, differing, *_) = lifted_onto((0, 0, 0)), lifted_onto((-0.06, 0, 0.06))
    along = [np.trace(after.covariance[0, KNEE]) for after in (same, differing)]
    assert along[1] > along[0] + 0.03**2


def test_a_joint_behind_the_camera_stays_where_it_is():
    truth = standing((0, 0, 3))
    depth = depth_of(truth)
    before = placed(truth)
    before.joints[0, KNEE] *= -1
    after = onto_depths(before, depths_at(before.joints, depth))
    assert_allclose(after.joints[0, KNEE], before.joints[0, KNEE])
    assert_allclose(after.covariance[0, KNEE], before.covariance[0, KNEE])
    assert np.isfinite(after.covariance).all()


@pytest.mark.parametrize("sure", [0.0, 0.6])
def test_a_joint_is_behind_what_is_seen_far_before_it(sure):
    """The knee is 0.4 m behind what is seen, as shape and hip say: it is hidden."""
    *_, after, _, _ = lifted_onto((0, 0, 0), farther=0.4, sure=sure)
    before = lifted_onto((np.nan,) * 3, farther=0.4)[0]
    assert abs(after.joints[0, KNEE, 2] - before.joints[0, KNEE, 2]) < 0.06


def test_who_is_not_seen_surely_is_rather_behind_what_is_seen_than_on_it():
    """A wrist that the network does not see, at the depth of the trunk: it is behind the back."""
    *_, hidden, _ = lifted_onto((0, 0, 0), farther=0.02, sure=0.05)
    *_, seen, _ = lifted_onto((0, 0, 0), farther=0.02, sure=1.0)
    assert abs(seen) * 0.02 < 0.01 < hidden * 0.02


def test_the_background_beside_a_limb_does_not_draw_it():
    before, after, *_ = lifted_onto((0, 0, 0), farther=-0.5)
    assert abs(after.joints[0, KNEE, 2] - before.joints[0, KNEE, 2]) < 0.1


@pytest.mark.parametrize("forearm_before_it", [False, True])
def test_the_trunk_is_not_drawn_to_the_skin_of_an_arm_before_it(forearm_before_it):
    """The pelvis' own skin would be 0.145 m before it; seen is an arm another 0.10 m nearer."""
    truth = standing((0, 0, 3))
    if forearm_before_it:
        truth[[INDEX["left_wrist"], INDEX["left_index_knuckle"]]] = 0, 0, 2.75
    before = placed(truth)
    pelvis = INDEX["pelvis"]
    seen = np.full((3, 1, 34), np.nan)
    seen[:, 0, pelvis] = truth[pelvis, 2] - DEEP[pelvis] - 0.10
    nearer = truth[pelvis, 2] - onto_depths(before, seen).joints[0, pelvis, 2]
    if forearm_before_it:
        assert abs(nearer) < 0.03
    else:
        assert nearer > 0.06, "what is seen is taken for its skin"


def test_no_joint_is_drawn_where_the_depth_image_says_nothing_of_the_person():
    before, after, *_ = lifted_onto((0, 0, 0), size_known=False)
    assert_allclose(after.joints, before.joints)
    assert_allclose(after.covariance, before.covariance)


@pytest.mark.parametrize(
    ("values", "lower", "upper"),
    [
        ([3.0], 3, 3),
        ([3.0, 1.0], 1, 3),
        ([9.0, np.nan, 1.0, 3.0], 3, 3),
        ([9.0, 5.0, 1.0, 3.0], 3, 5),
        ([np.nan, 2.0, np.nan], 2, 2),
        ([np.nan, np.nan], np.nan, np.nan),
    ],
)
def test_a_median_is_one_of_the_values_that_are_known(values, lower, upper):
    rows = np.array([values, values[::-1]])
    assert_allclose(median(rows), [lower] * 2)
    assert_allclose(median(rows, upper=True), [upper] * 2)


def test_quantiles_are_values_that_are_known():
    rows = np.array([[5.0, 1.0, np.nan, 3.0, 2.0, 4.0], [np.nan] * 6])
    assert_allclose(quantiles(rows, (0, 0.5, 0.7, 1)), np.transpose([[1, 3, 3, 5], [np.nan] * 4]))
    assert_allclose(quantiles(np.arange(11.0), (0.7,)), [7])
    assert_allclose(quantiles(np.array([np.nan, 5.0]), (0, 0.5, 1)), [5, 5, 5])


def test_evidence_is_fused_by_information():
    evidence = size.prior(1, 0.0, 0.05)
    evidence[0, SCALE_GROUND] = 0.1, 0.03, 0, 0.04, 0, 0, 0
    mean, sigma, source = size.fuse(evidence)
    # 1/0.05^2 and 1/(0.03^2 + 0.04^2) are the same: halfway, but for 1 + (2/3)^2 of doubt.
    assert_allclose(mean, 0.1 / (1 + 13 / 9))
    assert_allclose(sigma, 0.05 * np.sqrt(13 / 22))
    evidence[0, SCALE_DEPTH] = 0.1, 0.0, 0, 0.01, 0, 0, 0
    mean, sigma, source = size.fuse(evidence)
    assert source[0] == SCALE_DEPTH and sigma[0] < 0.01 and 0.09 < mean[0] < 0.1
    assert size.fuse(size.prior(1, 0.2, 0.05))[2][0] == SCALE_LIMBS


@pytest.mark.parametrize(
    ("asked", "found"),
    [(0.03, 0.022), (0.1, 0.06), (0.2, 0.029), (-0.12, -0.078), (-0.2, -0.073)],
)
def test_a_floor_that_asks_for_sizes_that_hardly_anybody_has_is_hardly_believed(asked, found):
    """Three degrees told wrongly ask for people a fifth too large. Children are believed rather."""
    evidence = size.prior(1, 0.0, 0.05)
    evidence[0, SCALE_GROUND] = asked, 0, 0, 0.03, 0, 0, 0
    mean, sigma, _ = size.fuse(evidence)
    assert mean[0] == pytest.approx(found, abs=0.002)
    assert sigma[0] <= 0.05


def test_a_depth_image_is_believed_whatever_size_it_finds():
    evidence = size.prior(1, 0.0, 0.05)
    evidence[0, SCALE_DEPTH] = -0.25, 0, 0, 0.01, 0, 0, 0
    assert size.fuse(evidence)[0][0] == pytest.approx(-0.24, abs=0.001)


def test_many_frames_of_one_kind_never_say_less_than_its_bias():
    history = np.full((1, size.MEMORY, size.KINDS, size.COLUMNS), np.nan)
    history[0, :, SCALE_GROUND] = 0.1, 0.2, 0, 0.04, 0, 0, 0
    evidence, counts = size.medians(history)
    assert counts[0, SCALE_GROUND] == size.MEMORY
    _, sigma, _ = size.fuse(evidence, counts)
    # 0.04 of bias and 0.2 sqrt(pi/2/9) = 0.084 of noise.
    assert_allclose(sigma, np.hypot(0.04, 0.0836), rtol=0.01)


def test_one_table_among_the_depths_does_not_move_a_median():
    history = np.full((1, size.MEMORY, size.KINDS, size.COLUMNS), np.nan)
    history[0, :, SCALE_DEPTH] = 0.1, 0.01, 0, 0.01, 0, 0, 0
    history[0, :3, SCALE_DEPTH, 0] = -1.0
    assert size.medians(history)[0][0, SCALE_DEPTH, 0] == 0.1


@pytest.mark.parametrize(("frames", "variance"), [(1, 1), (2, 1), (3, np.pi / 6), (9, np.pi / 18)])
def test_noise_shrinks_with_the_frames_that_a_median_is_of(frames, variance):
    """From three on: a median's variance is pi / 2 of a mean's."""
    evidence = size.prior(1, np.nan, np.nan)
    evidence[0, SCALE_DEPTH] = 0.1, 0.2, 0, 0.0, 0, 0, 0
    value, sigma, kind = size.fuse(evidence, np.full((1, size.KINDS), frames))
    assert value == pytest.approx(0.1)
    assert sigma == pytest.approx(0.2 * np.sqrt(variance))
    assert kind == SCALE_DEPTH

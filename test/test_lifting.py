"""From BlazePose's shape to metres: exact where the shape is."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import SCALE_LIMBS, Keypoints, Regions
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.errors import ModelError
from bodypose3d_ros.perception.lifting import lift
from bodypose3d_ros.perception.lifting.shape_model import ShapeModel
from bodypose3d_ros.perception.lifting.world import lift_world
from people_made_up import standing

CAMERA = Camera(640, 480, np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]),
                "plumb_bob", [-0.25, 0.08, 0.001, -0.0007, 0])  # fmt: skip
PINHOLE = Camera(640, 480, np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]))
PLACES = [(0.0, 0.1, 2.5), (1.0, 0.2, 3.5), (-1.4, -0.3, 5.0)]


def seen(places, camera=CAMERA):
    """Perfect keypoints, and each shape as the camera would see it from straight ahead."""
    joints = np.stack([standing(at) for at in places])
    shapes = []
    for person in joints:
        pelvis = person[INDEX["pelvis"]]
        axis = np.cross([0, 0, 1], pelvis)
        angle = np.arctan2(np.linalg.norm(axis), pelvis[2])
        onto_ray = Rotation.from_rotvec(angle * axis / max(np.linalg.norm(axis), 1e-12))
        shapes.append(onto_ray.inv().apply(person - pelvis))
    count = len(places)
    boxes = Regions.from_boxes(np.tile([0.0, 0, 640, 480], (count, 1)))
    return joints, Keypoints(
        pixels=camera.project(joints), confidence=np.ones((count, 34)), score=np.ones(count),
        regions=boxes, following=boxes, world=np.array(shapes),
    )  # fmt: skip


def with_(keypoints, **changes):
    from dataclasses import replace

    return replace(keypoints, **changes)


def test_a_true_shape_and_true_keypoints_give_true_metres_through_the_lens():
    joints, keypoints = seen(PLACES)
    bodies = lift(keypoints, CAMERA)
    assert_allclose(bodies.joints, joints, atol=1e-4)  # a tenth of a millimetre, asked for: 1 mm
    assert (bodies.scale_source == SCALE_LIMBS).all()


def test_joints_a_hand_before_the_camera_are_known_and_those_behind_it_are_not():
    joints, keypoints = seen([(0.0, 0.0, 0.45)], PINHOLE)
    bodies = lift(keypoints, PINHOLE)
    assert_allclose(bodies.joints, joints, atol=1e-3)
    behind = keypoints.world.copy()
    behind[0, INDEX["nose"], 2] = -0.9
    assert np.isnan(lift(with_(keypoints, world=behind), PINHOLE).joints[0, INDEX["nose"]]).all()


def test_people_are_lifted_each_for_themselves():
    _, keypoints = seen(PLACES)
    together = lift(keypoints, CAMERA)
    for number, place in enumerate(PLACES):
        alone = lift(seen([place])[1], CAMERA)
        assert_allclose(alone.joints[0], together.joints[number])
        assert_allclose(alone.covariance[0], together.covariance[number])


def test_what_is_not_known_of_a_joint_is_small_across_its_ray_and_large_along_it():
    """3 cm across and 12 cm along, doubled where nothing is sure, and a size known to 5 %."""
    shape = ShapeModel(size_sigma=0.05, doubt=np.log(2), pixel=0.0)
    _, keypoints = seen(PLACES[1:2])
    for confidence, factor in ((1.0, 1.0), (0.5, np.sqrt(2))):
        told = with_(keypoints, confidence=np.full((1, 34), confidence))
        bodies = lift(told, CAMERA, shape)
        distance = np.linalg.norm(bodies.joints[0], axis=1)
        ray = bodies.joints[0] / distance[:, None]
        side = np.cross(ray, (0, 1, 0))
        side /= np.linalg.norm(side, axis=1)[:, None]
        along, across = (
            np.sqrt(np.einsum("ji,jik,jk->j", axis, bodies.covariance[0], axis))
            for axis in (ray, side)
        )
        assert_allclose(across, 0.03 * factor, rtol=1e-6)
        assert_allclose(along, np.hypot(0.12 * factor, 0.05 * distance), rtol=1e-6)


def test_a_far_person_is_not_known_better_than_a_pixel():
    """1 px of 600 at 6 m is 1 cm, beside the network's own 3 cm."""
    _, keypoints = seen([(0.0, 0.0, 6.0)], PINHOLE)
    bodies = lift(keypoints, PINHOLE, ShapeModel(pixel=1.0))
    pelvis = bodies.covariance[0, INDEX["pelvis"]]
    assert_allclose(np.sqrt(pelvis[0, 0]), np.hypot(0.03, 0.01), rtol=1e-4)


def test_a_person_larger_than_the_network_believes_is_placed_too_near_in_proportion():
    joints, keypoints = seen(PLACES)
    bodies = lift(with_(keypoints, world=keypoints.world / 1.1), CAMERA)
    assert_allclose(bodies.joints, joints / 1.1, atol=1e-4)


def test_keypoints_that_are_plainly_wrong_do_not_move_the_others():
    joints, keypoints = seen(PLACES)
    pixels = keypoints.pixels.copy()
    wrong = [INDEX["left_wrist"], INDEX["right_ankle"], INDEX["nose"]]
    pixels[:, wrong] += (150, -120)
    bodies = lift(with_(keypoints, pixels=pixels), CAMERA)
    right = np.setdiff1d(np.arange(34), wrong)
    assert np.abs(bodies.joints - joints)[:, right].max() < 0.02


def test_every_joint_projects_onto_its_own_keypoint():
    _, keypoints = seen(PLACES)
    noise = np.random.default_rng(0).normal(0, 3, keypoints.pixels.shape)
    keypoints = with_(keypoints, pixels=keypoints.pixels + noise)
    bodies = lift(keypoints, CAMERA)
    assert_allclose(CAMERA.project(bodies.joints), keypoints.pixels, atol=1e-6)


def test_unknown_joints_stay_unknown_and_have_no_confidence():
    _, keypoints = seen(PLACES)
    pixels = keypoints.pixels.copy()
    pixels[:, INDEX["left_knee"]] = np.nan
    bodies = lift(with_(keypoints, pixels=pixels), CAMERA)
    assert np.isnan(bodies.joints[:, INDEX["left_knee"]]).all()
    assert (bodies.confidence[:, INDEX["left_knee"]] == 0).all()
    assert np.isfinite(np.delete(bodies.joints, INDEX["left_knee"], axis=1)).all()


@pytest.mark.parametrize("known", [0, 1])
def test_who_cannot_be_placed_is_left_out(known):
    _, keypoints = seen(PLACES[:1])
    pixels = keypoints.pixels.copy()
    pixels[:, known:] = np.nan
    assert len(lift(with_(keypoints, pixels=pixels), CAMERA)) == 0


def test_nobody_in_nobody_out():
    _, keypoints = seen(PLACES)
    from bodypose3d_ros.body.people import select

    assert len(lift(select(keypoints, slice(0, 0)), CAMERA)) == 0


def test_a_network_without_a_shape_cannot_be_lifted_by_it():
    with pytest.raises(ModelError, match="gave no shape to lift"):
        lift_world(with_(seen(PLACES)[1], world=None), CAMERA)


def test_who_disagrees_with_the_shape_counts_half_from_four_centimetres_on():
    """The translation is Geman-McClure's, found by another solver; unsure keypoints count less."""
    rng = np.random.default_rng(3)
    _, keypoints = seen([(0.0, 0.1, 2.5)], PINHOLE)
    pixels = keypoints.pixels + rng.normal(0, 3, keypoints.pixels.shape)
    pixels[0, :17] += 8, -6  # half of them by 4 cm
    confidence = rng.uniform(0.3, 1, (1, 34))
    told = with_(keypoints, pixels=pixels, confidence=confidence)
    shape, xy = keypoints.world[0], PINHOLE.rays(pixels[0])
    axis = np.cross([0, 0, 1], [*xy[INDEX["pelvis"]], 1])
    turn = np.arcsin(np.linalg.norm(axis) / np.linalg.norm([*xy[INDEX["pelvis"]], 1]))
    shape = Rotation.from_rotvec(turn * axis / np.linalg.norm(axis)).apply(shape)

    def off(t):
        across = shape[:, :2] + t[:2] - xy * (shape[:, 2:] + t[2])
        squared = (across**2).sum(axis=1)
        return np.sqrt(confidence[0] * 0.04**2 * squared / (0.04**2 + squared))

    t = least_squares(off, [0, 0.1, 2.5], xtol=1e-12).x
    assert_allclose(lift_world(told, PINHOLE)[0, :, 2], shape[:, 2] + t[2], atol=5e-4)

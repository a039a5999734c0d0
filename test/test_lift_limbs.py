"""The 2.5D lift against the same mathematics written a second time, in 50 digits."""

from dataclasses import replace
from functools import cache

import mpmath
import numpy as np
import pytest
import sympy
from numpy.testing import assert_allclose

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import SCALE_LIMBS, Keypoints, Regions
from bodypose3d_ros.body.skeleton import INDEX, LENGTH_LIMBS, MEAN_LENGTHS, NORMALISED_LENGTHS
from bodypose3d_ros.perception.lifting import lift
from bodypose3d_ros.perception.lifting.limbs import metric_scale, root_depths
from bodypose3d_ros.perception.lifting.median import median
from people_made_up import proportioned, standing

CAMERA = Camera(640, 480, np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]))
LENS = replace(CAMERA, distortion=[-0.25, 0.08, 0.001, -0.0007, 0])
TINY = mpmath.mpf("1e-9")
MICROMETRE = 1e-6


def keypoints_of(pixels, depth, confidence=None):
    count = len(pixels)
    anywhere = Regions.from_boxes(np.tile([0.0, 0, 640, 480], (count, 1)))
    if confidence is None:
        confidence = np.ones((count, 34))
    return Keypoints(pixels=pixels, confidence=confidence, score=np.ones(count), regions=anywhere,
                     following=anywhere, depth=depth)  # fmt: skip


def seen(joints, camera=CAMERA, confidence=None):
    """Perfect keypoints of people (N, 34, 3): depth in units of the mean pelvis-neck distance."""
    depth = (joints[..., 2] - joints[:, :1, 2]) / MEAN_LENGTHS[2]
    return keypoints_of(camera.project(joints), depth, confidence)


# -- the second implementation ----------------------------------------------------------------


@cache
def quadratic():
    """Coefficients in Z of |P_n - P_m|^2 = C^2 with P = (X (z + Z), Y (z + Z), z + Z)."""
    Xn, Yn, zn, Xm, Ym, zm, C, Z = sympy.symbols("Xn Yn zn Xm Ym zm C Z", real=True)
    Pn = sympy.Matrix([Xn, Yn, 1]) * (zn + Z)
    Pm = sympy.Matrix([Xm, Ym, 1]) * (zm + Z)
    equation = sympy.expand((Pn - Pm).dot(Pn - Pm) - C**2)
    coefficients = sympy.Poly(equation, Z).all_coeffs()
    return sympy.lambdify((Xn, Yn, zn, Xm, Ym, zm, C), coefficients, "mpmath")


def second_root(rays, depth, limb):
    n, m = (int(joint) for joint in LENGTH_LIMBS[limb])
    numbers = [*rays[n], depth[n], *rays[m], depth[m], NORMALISED_LENGTHS[limb]]
    if not np.isfinite(numbers).all():
        return None
    a, b, c = quadratic()(*map(mpmath.mpf, map(float, numbers)))
    a = max(a, TINY)
    # TINY is of the half discriminant (b/2)^2 - a c.
    return (-b / 2 + mpmath.sqrt(max(b * b / 4 - a * c, TINY))) / a


def second_lift(rays, depth, confidence):
    with mpmath.workdps(50):
        roots = [second_root(rays, depth, limb) for limb in range(17)]
        roots = sorted(root for root in roots if root is not None)
        root = roots[len(roots) // 2]
        points = [
            [mpmath.mpf(float(x)) * (z + root), mpmath.mpf(float(y)) * (z + root), z + root]
            for (x, y), z in zip(rays, map(float, depth), strict=True)
        ]
        rows, targets = [], []
        for (n, m), length in zip(LENGTH_LIMBS, MEAN_LENGTHS, strict=True):
            found = mpmath.norm([p - q for p, q in zip(points[n], points[m], strict=True)])
            weight = mpmath.sqrt(mpmath.mpf(float(confidence[n])) * float(confidence[m]))
            if not mpmath.isnan(found):
                rows.append([weight * found])
                targets.append(weight * mpmath.mpf(float(length)))
        (scale,), _ = mpmath.qr_solve(mpmath.matrix(rows), mpmath.matrix(targets))
        return np.array([[float(value * scale) for value in point] for point in points])


# -- against it -------------------------------------------------------------------------------


def test_a_thousand_random_skeletons():
    random = np.random.default_rng(34)
    count = 1000
    joints = standing((0, 0, 0)) + random.normal(0, 0.1, (count, 34, 3))
    joints += random.uniform((-1.5, -1, 1.5), (1.5, 1, 8), (count, 3))[:, None]
    keypoints = seen(joints, LENS, random.uniform(0.05, 1, (count, 34)))
    rays = LENS.rays(keypoints.pixels)
    people = zip(rays, keypoints.depth, keypoints.confidence, strict=True)
    expected = [second_lift(*person) for person in people]
    lifted = lift(keypoints, LENS).joints
    # NaN here means outside what the lens model can be inverted for, in both.
    assert np.isfinite(lifted).mean() > 0.95
    assert_allclose(lifted, np.where(np.isfinite(lifted), expected, np.nan), atol=MICROMETRE)


@pytest.mark.parametrize("seed", range(5))
def test_a_person_of_the_tables_proportions_is_found_where_it_stands(seed):
    joints = proportioned(seed)[None]
    bodies = lift(seen(joints, LENS), LENS)
    # The table's two columns are rounded apart: their ratio varies by 0.1 % from limb to limb.
    assert_allclose(bodies.joints, joints, rtol=1e-3)
    assert (bodies.scale_source == SCALE_LIMBS).all()


# -- degenerate cases -------------------------------------------------------------------------


def test_a_limb_along_the_ray_does_not_decide():
    """A forearm pointing into the camera has a leading coefficient of zero."""
    joints = proportioned(0)
    elbow, wrist = INDEX["left_elbow"], INDEX["left_wrist"]
    joints[wrist] = joints[elbow] * (1 - 0.25 / np.linalg.norm(joints[elbow]))
    keypoints = seen(joints[None])
    rays = CAMERA.rays(keypoints.pixels)
    across = np.linalg.norm(rays[0, elbow] - rays[0, wrist])
    assert across**2 < 1e-9
    lifted = lift(keypoints, CAMERA).joints[0]
    assert_allclose(lifted, second_lift(rays[0], keypoints.depth[0], np.ones(34)), atol=MICROMETRE)
    assert_allclose(lifted, joints, rtol=5e-3)


def test_a_limb_deeper_than_it_is_long_has_no_solution_and_moves_the_scale_alone():
    """A negative discriminant: the median passes over it, the reference's scale does not."""
    joints = proportioned(1)
    keypoints = seen(joints[None])
    knee, ankle = INDEX["left_knee"], INDEX["left_ankle"]
    keypoints.depth[0, ankle] = keypoints.depth[0, knee] + 2.0
    rays = CAMERA.rays(keypoints.pixels)
    lifted = lift(keypoints, CAMERA).joints[0]
    expected = second_lift(rays[0], keypoints.depth[0], np.ones(34))
    assert_allclose(lifted, expected, atol=MICROMETRE)
    others = np.setdiff1d(np.arange(34), ankle)
    ratios = np.linalg.norm(lifted, axis=1)[others] / np.linalg.norm(joints, axis=1)[others]
    assert_allclose(ratios, ratios[0], rtol=1e-3)
    assert 0.6 < ratios[0] < 0.8


def test_a_joint_without_confidence_neither_decides_nor_appears():
    joints = proportioned(2)[None]
    confidence = np.ones((1, 34))
    wild = [INDEX["left_knee"], INDEX["right_wrist"]]
    confidence[:, wild] = 0
    keypoints = seen(joints, confidence=confidence)
    keypoints.pixels[:, wild] += 200
    bodies = lift(keypoints, CAMERA)
    assert np.isnan(bodies.joints[:, wild]).all()
    others = np.setdiff1d(np.arange(34), wild)
    assert_allclose(bodies.joints[:, others], joints[:, others], rtol=1e-3)


def test_a_single_known_limb_is_enough():
    joints = proportioned(3)[None]
    keypoints = seen(joints)
    hip, knee = INDEX["left_hip"], INDEX["left_knee"]
    keypoints.pixels[:, np.setdiff1d(np.arange(34), [hip, knee])] = np.nan
    lifted = lift(keypoints, CAMERA).joints
    assert_allclose(lifted[:, [hip, knee]], joints[:, [hip, knee]], rtol=1e-2)


@pytest.mark.parametrize("known", [0, 1])
def test_without_a_limb_nobody_can_be_placed(known):
    keypoints = seen(proportioned(4)[None])
    keypoints.pixels[:, known:] = np.nan
    assert len(lift(keypoints, CAMERA)) == 0


def test_nobody_in_nobody_out():
    assert len(lift(seen(np.zeros((0, 34, 3))), CAMERA)) == 0


def test_the_median_is_one_of_what_is_known():
    nan = np.nan
    rows = np.array([[4.0, 1, 3, 2], [nan, 1, 3, 2], [nan, nan, 5, nan], [nan] * 4])
    assert_allclose(median(rows), [2, 2, 5, nan])
    assert_allclose(median(rows, upper=True), [3, 2, 5, nan])


def test_identical_joints_have_a_length_of_zero_and_no_scale():
    depths = root_depths(np.zeros((1, 34, 2)), np.zeros((1, 34)))
    assert np.isfinite(depths).all()  # clamped, never divided by zero
    assert np.isnan(metric_scale(np.zeros((1, 34, 3)), np.ones((1, 34)), MEAN_LENGTHS)).all()


# -- what wrong lengths do (docs/models.md states these) ----------------------------------------


@pytest.mark.parametrize("taller", [0.9, 1.1])
def test_a_taller_person_is_placed_too_near_by_as_much(taller):
    joints = proportioned(0)[None] * taller  # as far away in proportion: the same image
    assert_allclose(lift(seen(proportioned(0)[None]), CAMERA).joints, joints / taller, rtol=1e-3)


def test_told_the_lengths_every_body_is_placed_right():
    taller = 1.1
    joints = proportioned(0)[None]
    keypoints = replace(seen(joints), limb_lengths=taller * MEAN_LENGTHS[None])
    assert_allclose(lift(keypoints, CAMERA).joints, joints * taller, rtol=1e-3)


def test_the_scale_follows_one_limbs_length_by_its_share_of_the_squares():
    """d ln s / d ln L_k = l_k L_k / sum(l L): 13 % for a thigh, 1 % for half a pelvis."""
    joints = proportioned(0)[None]
    shares = MEAN_LENGTHS**2 / (MEAN_LENGTHS**2).sum()
    for limb, share in enumerate(shares):
        lengths = MEAN_LENGTHS.copy()
        lengths[limb] *= 1.01
        longer = metric_scale(joints, np.ones((1, 34)), lengths)
        before = metric_scale(joints, np.ones((1, 34)), MEAN_LENGTHS)
        assert_allclose(longer / before - 1, 0.01 * share, rtol=2e-3)

"""What fusion is made of: how far bodies are from each other, time that passes, places that fit."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

import cell_sightings as cell
from bodypose3d_ros.body.people import STATE_COASTING, STATE_TRACKED, Bodies, select
from bodypose3d_ros.body.skeleton import INDEX, MIRRORED
from bodypose3d_ros.perception.fusion import fit, fusion, triangulation
from bodypose3d_ros.perception.fusion.association import (
    MAX_COST,
    TRUNK,
    Seen,
    Sightings,
    associate,
    costs,
)
from bodypose3d_ros.perception.fusion.fit import Fit, sighting
from bodypose3d_ros.perception.fusion.fusion import Fusion, View, carried_on
from bodypose3d_ros.perception.fusion.shapes import SIZE_ERROR, SLANT, Shapes, sizes
from bodypose3d_ros.perception.tracking.tracker import Tracker
from people_made_up import row, standing

SECOND = 10**9
NAMES = ("cell_front", "cell_left", "cell_back")


def random_people(seed, count):
    """Seen from the origin, each joint unsure in its own way, some of them not known."""
    rng = np.random.default_rng(seed)
    joints = np.stack([standing((0, 0, 3)) for _ in range(count)]) + rng.normal(
        0, 0.1, (count, 34, 3)
    )
    joints[:, rng.choice(34, 4, replace=False)] = np.nan
    root = rng.normal(0, 0.05, (count, 34, 3, 3))
    return Seen(joints, root @ root.swapaxes(2, 3) + 0.03**2 * np.eye(3), joints * 0.05)


def cost(seen, one, others, other):
    """As ``costs`` says, a joint at a time: least squares of both sizes, then the mean."""
    both = [
        j for j in range(34) if np.isfinite(seen.joints[one, j] + others.joints[other, j]).all()
    ]
    rows, wanted = [np.eye(2)], [np.zeros(2)]
    white = {}
    for j in both:
        white[j] = np.linalg.inv(np.linalg.cholesky(seen.shape[one, j] + others.shape[other, j]))
        off = seen.joints[one, j] - others.joints[other, j]
        grows = np.stack([seen.growth[one, j], -others.growth[other, j]], 1)
        if j in TRUNK:
            rows.append(white[j] @ grows)
            wanted.append(white[j] @ off)
    size = np.linalg.lstsq(np.concatenate(rows), np.concatenate(wanted))[0]
    total = (size**2).sum()
    for j in both:
        off = seen.joints[one, j] - others.joints[other, j]
        off = off - np.stack([seen.growth[one, j], -others.growth[other, j]], 1) @ size
        total += min(((white[j] @ off) ** 2).sum(), 30)
    return total / len(both)


def test_two_bodies_are_apart_by_the_mean_over_their_joints_at_the_sizes_that_fit_best():
    seen, others = random_people(1, 2), random_people(2, 3)
    seen.joints[0, INDEX["left_wrist"]] += 3  # which counts no more than thirty
    expected = [[cost(seen, n, others, m) for m in range(3)] for n in range(2)]
    assert_allclose(costs(seen, others), expected, rtol=1e-9)


def test_who_may_be_anywhere_is_not_nearest_to_everybody():
    """By distances alone, in standard deviations, who is hidden takes over who stands half a metre
    beside."""
    center = np.zeros(3)
    tracked, hidden = standing((0, 0, 3)), standing((0.5, 0, 3))
    known_people = replace(
        row(2),
        joints=np.stack([hidden, tracked]),
        covariance=np.array([0.5, 0.05])[:, None, None, None] ** 2 * np.tile(np.eye(3), (34, 1, 1)),
    )
    seen = replace(
        row(1),
        joints=tracked[None] + (0.15, 0, 0),
        covariance=np.tile(0.1**2 * np.eye(3), (1, 34, 1, 1)),
        size_sigma=np.array([0.02]),
    )
    far, near = costs(Seen.of(seen, center), Seen.known(known_people))[0]
    assert far < near < MAX_COST
    found = associate([seen], center[None], known_people)
    assert found.body.tolist() == [[-1, 0]]


def test_bodies_with_five_joints_in_common_are_not_compared():
    seen = random_people(1, 1)
    common = np.flatnonzero(np.isfinite(seen.joints[0]).all(axis=1))
    for count, told in ((6, True), (5, False)):
        few = np.full_like(seen.joints, np.nan)
        few[:, common[:count]] = seen.joints[:, common[:count]]
        other = Seen(few, seen.shape, seen.growth)
        assert np.isfinite(costs(seen, other)).all() == told


def test_the_size_that_all_joints_share_is_taken_out_of_a_bodys_covariances():
    bodies = replace(
        row(1), size_sigma=np.array([0.05]), covariance=np.tile(np.eye(3), (1, 34, 1, 1))
    )
    center = np.array([1.0, 2.0, 0.0])
    seen = Seen.of(bodies, center)
    grown = 0.05 * (bodies.joints - center)
    assert_allclose(seen.growth, grown)
    assert_allclose(seen.shape[0, 3], np.eye(3) - np.outer(grown[0, 3], grown[0, 3]))
    assert_allclose(seen.mirrored().growth, grown[:, MIRRORED])
    sizeless = Seen.of(replace(bodies, size_sigma=np.array([np.nan])), center)
    assert_allclose(sizeless.shape, bodies.covariance)


def test_people_are_carried_on_by_their_velocity_and_become_less_sure():
    """By 0.7 m/s where it is known, and by 1.5 where it is not."""
    bodies = row(1)
    bodies.velocity[...] = 1.0, 0.0, -2.0
    bodies.velocity[0, 5] = np.nan
    for seconds in (0.1, -0.2):
        later = carried_on(bodies, seconds)
        gone = np.tile(np.array([1.0, 0.0, -2.0]) * seconds, (34, 1))
        gone[5] = 0
        assert_allclose(later.joints[0] - bodies.joints[0], gone, atol=1e-12)
        more = np.full(34, (0.7 * seconds) ** 2)
        more[5] = (1.5 * seconds) ** 2
        assert_allclose(later.covariance[0] - bodies.covariance[0], more[:, None, None] * np.eye(3),
                        atol=1e-12)  # fmt: skip


def test_what_size_does_to_people_carried_on_it_does_along_their_new_rays():
    """Along the old ones it would be more than all of their variance, and less than none left."""
    bodies = row(1)
    by_size = 0.15 * bodies.joints
    bodies = replace(
        bodies,
        covariance=bodies.covariance + by_size[..., :, None] * by_size[..., None, :],
        size_sigma=np.array([0.15]),
        velocity=np.full((1, 34, 3), (2.0, 0.0, 0.0)),
    )
    now = View(None, np.eye(4), 0, bodies).carried(SECOND // 10)
    later = Seen.of(now, np.zeros(3))
    across = np.linalg.eigvalsh(later.shape[0, 0])
    assert_allclose(across, 0.02**2 + 0.07**2, rtol=1e-3)
    assert_allclose(later.growth[0, 0], 0.15 * (bodies.joints[0, 0] + [0.2, 0, 0]))


def test_how_far_somebody_is_from_others_is_the_mean_over_what_both_have():
    others = np.stack([standing(), standing((0, 0, 4.0)), np.full((34, 3), np.nan)])
    others[1, 3:] = np.nan
    assert_allclose(fusion._apart(standing(), others), [0, 1, np.inf])
    people = replace(row(2), joints=np.stack([standing((0, 0, 5)), standing((0.2, 0, 3))]))
    fused = replace(row(2), joints=np.stack([standing(), standing((0, 4, 3))]))
    assert fusion._same(fused, people).tolist() == [1, -1]
    assert fusion._same(fused, replace(people, joints=others[[2, 2]])).tolist() == [-1, -1]
    assert fusion._same(fused, select(people, [])).tolist() == [-1, -1]
    assert fusion._same(select(fused, []), people).tolist() == []


@pytest.mark.parametrize(("apart", "one"), [(0.24, True), (0.26, False)])
def test_a_second_skeleton_is_the_one_that_fewer_cameras_have_turned_round_or_not(apart, one):
    joints = np.stack([standing(), standing((apart, 0, 3)), standing((3, 0, 3))])
    for sides in (joints, np.stack([joints[0], joints[1, MIRRORED], joints[2]])):
        fused = replace(row(3), joints=sides)
        assert fusion._doubles(fused, np.array([1, 2, 1])).tolist() == [one, False, False]
        assert fusion._doubles(fused, np.array([2, 2, 1])).tolist() == [False, one, False]


def test_who_was_lost_is_kept_in_mind_as_long_as_the_tracker_does():
    """And not who is here again."""
    of_several = Fusion(Tracker)

    def see(numbers, people):
        for number in numbers:
            stamp = number * SECOND // 15
            views = {
                name: View(
                    cell.FILMS[name].camera,
                    cell.PLACES[name],
                    stamp,
                    cell.in_world(name, cell.sighting(name, 0, people)),
                )
                for name in NAMES[:2]
            }
            here = of_several.update(views, stamp).track_id.tolist()
        return here

    assert see(range(10), (0, 1)) == [1, 2]
    assert see(range(10, 20), (0,)) == [1]  # who has coasted for half a second
    assert set(of_several._gone) == {2}
    assert see(range(20, 22), (0, 1)) == [1, 2]
    assert not of_several._gone
    assert see(range(22, 40), ()) == []
    assert set(of_several._gone) == {1, 2}
    assert see([40 + round(15 * of_several.tracker.remember_time)], ()) == []
    assert not of_several._gone


# -- what views say together ----------------------------------------------------------------------


def test_joints_and_what_all_of_a_views_joints_share_are_one_least_squares():
    """Every joint and every shared error as an unknown of one dense system."""
    rng = np.random.default_rng(5)
    views, joints, kinds = 3, 34, 2
    points = rng.normal(0, 1, (views, 1, joints, 3))
    root = rng.normal(0, 1, (views, 1, joints, 3, 3))
    information = root @ root.swapaxes(3, 4) + 0.1 * np.eye(3)
    shared = rng.normal(0, 0.3, (views, 1, joints, 3, kinds))
    found, covariance, moved = triangulation._solved(points, information, shared)
    unknowns = 3 * joints + views * kinds
    rows, wanted = [np.eye(unknowns)[3 * joints :]], [np.zeros(views * kinds)]
    for view in range(views):
        for joint in range(joints):
            white = np.linalg.cholesky(information[view, 0, joint]).T
            row_ = np.zeros((3, unknowns))
            row_[:, 3 * joint : 3 * joint + 3] = np.eye(3)
            first = 3 * joints + view * kinds
            row_[:, first : first + kinds] = -shared[view, 0, joint]
            rows.append(white @ row_)
            wanted.append(white @ points[view, 0, joint])
    A = np.concatenate(rows)
    solution = np.linalg.lstsq(A, np.concatenate(wanted))[0]
    assert_allclose(found[0].ravel(), solution[: 3 * joints], atol=1e-6)
    dense = np.linalg.inv(A.T @ A)
    for joint in (0, 7, 33):
        own = slice(3 * joint, 3 * joint + 3)
        assert_allclose(covariance[0, joint], dense[own, own], atol=1e-6)
    error = solution[3 * joints :].reshape(views, kinds)
    expected = points[:, 0] + np.einsum("vjck,vk->vjc", shared[:, 0], error)
    assert_allclose(moved[:, 0], expected, atol=1e-6)


def test_a_body_slants_about_its_own_trunk_whoever_else_is_there():
    centers = np.array([(0.0, 0.0, 0.0), (2.0, 0.0, 0.0)])
    joints = np.stack([[standing((0, 0, 3)), standing((1, 0, 4))]] * 2)
    joints[:, 1, INDEX["left_wrist"]] = np.nan  # what is unknown of one says nothing of the other
    seen = Sightings(
        joints, np.tile(0.1**2 * np.eye(3), (2, 2, 34, 1, 1)), np.ones(joints.shape[:3]),
        np.ones((2, 2)), np.zeros((2, 2)), np.full((2, 2), 0.05),
        np.zeros((2, 2), bool), np.zeros((2, 2), bool),
    )  # fmt: skip
    slant = Shapes.of(seen, centers, np.zeros(2)).shared[..., 1:]
    for view, person in np.ndindex(2, 2):
        off = joints[view, person] - joints[view, person, TRUNK].mean(axis=0)
        ray = joints[view, person] - centers[view]
        ray /= np.linalg.norm(ray, axis=1, keepdims=True)
        expected = SLANT * ray[:, :, None] * off[:, None]
        assert_allclose(slant[view, person], np.nan_to_num(expected), atol=1e-12)


def one_at(distance, *, log_size, sigma, told):
    """Somebody at a distance from two cameras at one place, as each has it."""
    views = len(distance)
    joints = np.stack([standing((0, 0, 1))[None] * each for each in distance])
    return Sightings(
        joints, np.tile(0.1**2 * np.eye(3), (views, 1, 34, 1, 1)), np.ones((views, 1, 34)),
        np.ones((views, 1)), np.array(log_size)[:, None], np.array(sigma)[:, None],
        np.array(told)[:, None], np.zeros((views, 1), bool),
    )  # fmt: skip


def test_sizes_are_those_of_the_network_whatever_views_made_of_them():
    """Two views have somebody at 3 m: the network's size, and a floor's 5 % more. It is 3.3 m."""
    seen = one_at([3.0, 3.0 * np.exp(0.05)], log_size=[0.0, 0.05], sigma=[0.05, 0.03],
                  told=[False, True])  # fmt: skip
    truth = standing((0, 0, 1))[None] * 3.3
    assert_allclose(sizes(seen, np.zeros((2, 3)), truth), np.log(1.1))


def test_what_the_floor_tells_a_view_and_what_crossing_views_found_are_fused():
    """Of 10 % that were found a network's view takes all, one as sure of its own 0 half of them."""
    seen = one_at([3.0, 3.0], log_size=[0.0, 0.0], sigma=[0.05, SIZE_ERROR], told=[False, True])
    fused = Shapes.of(seen, np.zeros((2, 3)), np.array([0.1]))
    grown = np.log(fused.joints[:, 0, 0, 2] / seen.joints[:, 0, 0, 2])
    assert_allclose(grown, [0.1, 0.05])
    by_size = fused.shared[:, 0, 0, 2, 0] / fused.joints[:, 0, 0, 2]
    assert_allclose(by_size, [SIZE_ERROR, SIZE_ERROR / np.sqrt(2)])


def test_of_whom_no_views_crossed_each_keeps_what_it_believes():
    seen = one_at([3.0], log_size=[0.04], sigma=[0.03], told=[True])
    fused = Shapes.of(seen, np.zeros((1, 3)), np.array([np.nan]))
    assert_allclose(fused.joints, seen.joints)
    assert_allclose(fused.shared[0, 0, 0, :, 0], 0.03 * seen.joints[0, 0, 0])


def test_of_all_views_and_pairs_of_them_that_counts_which_all_are_nearest_to():
    """Two agree about zero, one is astray; a place that somebody is expected at has a vote."""
    points = np.zeros((3, 2, 34, 3))
    points[2] = 1.0
    information = np.tile(np.eye(3) * 100, (3, 2, 34, 1, 1))
    seen = np.ones((3, 2, 34), bool)
    assert_allclose(triangulation._agreed(points, information, seen, Bodies.none()), 0, atol=1e-9)
    seen[0] = False
    information[0] = 0
    expected = replace(row(1), joints=np.ones((1, 34, 3)))
    found = triangulation._agreed(points, information, seen, expected)
    assert_allclose(found[0], 1, atol=1e-6)


def test_views_that_differ_by_more_than_they_say_make_a_joint_less_sure():
    """The reduced chi-square of three numbers a view, three of which the position takes."""
    distance = np.array([9.0, 9.0, 9.0, 4.0])[:, None, None]
    weights, seen = np.ones((4, 1, 1)), np.array([1, 1, 1, 0], bool)[:, None, None]
    assert triangulation._disagreement(distance, weights, seen) == pytest.approx(27 / 6)
    assert triangulation._disagreement(distance / 10, weights, seen) == 1
    half = np.array([1.0, 0.5, 0.5, 1])[:, None, None]
    assert triangulation._disagreement(distance, half, seen) == pytest.approx(18 / 3)
    alone = np.array([1, 0, 0, 0], bool)[:, None, None]
    assert triangulation._disagreement(distance, weights, alone) == pytest.approx(9)


# -- places that fit ------------------------------------------------------------------------------


def truth(number=0):
    joints = cell.FILMS[NAMES[0]].joints_world[number]
    return replace(row(2), joints=joints)


def view(name, number, stamp, turned=0.0, joints=None):
    """What a camera sees without noise, of whom TF has the place turned by some degrees."""
    place = cell.PLACES[name].copy()
    wrong = Rotation.from_rotvec(np.radians(turned) * np.array([0, 0, 1.0])).as_matrix()
    place[:3, :3] = wrong @ place[:3, :3]
    center = place[:3, 3]
    people = truth(number)
    seen = (people.joints - center) @ wrong.T + center
    if joints is not None:
        seen[:, joints:] = np.nan
    return View(cell.FILMS[name].camera, place, stamp, replace(people, joints=seen))


def test_a_view_is_compared_joint_by_joint_at_the_camera():
    """A turn about the vertical moves rays as much as they are level."""
    found = sighting(view(NAMES[0], 0, 0, turned=0.5), truth(), 0)
    assert (found.body.tolist(), found.person.tolist()) == ([0, 1], [0, 1])
    rays = truth().joints - cell.PLACES[NAMES[0]][:3, 3]
    level = np.linalg.norm(rays[..., :2], axis=2) / np.linalg.norm(rays, axis=2)
    degrees = np.degrees(2 * np.arcsin(np.sin(np.radians(0.25)) * level))
    assert_allclose(np.degrees(found.angles), degrees, atol=1e-6)
    means, _ = found.means()
    assert_allclose(means, np.nanmean(degrees, axis=1))
    swapped = replace(view(NAMES[0], 0, 0), bodies=select(view(NAMES[0], 0, 0).bodies, [1, 0]))
    assert sighting(swapped, truth(), 0).person.tolist() == [1, 0]


def test_a_view_is_compared_with_people_as_they_were_when_it_saw_them():
    moving = replace(truth(), velocity=np.tile([0.0, 1.0, 0.0], (2, 34, 1)))
    later = replace(moving, joints=moving.joints + (0, 0.05, 0))
    found = sighting(view(NAMES[0], 0, 0), later, SECOND // 20)
    assert np.nanmax(found.angles) < 1e-6
    assert_allclose(found.people.joints, truth().joints)


def test_six_joints_are_enough_to_tell_whom_a_view_means_and_five_are_not():
    assert len(sighting(view(NAMES[0], 0, 0, joints=6), truth(), 0).body) == 2
    assert len(sighting(view(NAMES[0], 0, 0, joints=5), truth(), 0).body) == 0


def looks(judge, numbers, turned=0.0, state=STATE_TRACKED, late=0.0):
    """Three cameras look at people who walk, ten times a second; the left one's place is wrong."""
    for number in numbers:
        stamp = SECOND + number * SECOND // 10
        views = {
            name: view(name, number % 60, stamp - round(late * SECOND), turned * (name == NAMES[1]))
            for name in NAMES
        }
        people = truth(number % 60)
        people.state[:] = state
        last = judge.add(views, people, stamp, 1.0)
    return last


def test_who_is_wrong_is_named_since_when_and_forgiven_when_it_fits_again():
    judge = Fit(NAMES)
    looks(judge, range(19), turned=2.0)
    assert np.isnan(list(judge.degrees_off.values())).all()  # nobody knows yet
    looks(judge, range(19, 40), turned=2.0)
    assert set(judge.since) == {NAMES[1]}
    since = judge.since[NAMES[1]]
    assert SECOND + 19 * SECOND // 10 <= since < SECOND + 4 * SECOND
    off = judge.degrees_off
    assert 1.5 < off[NAMES[1]] < 2.05
    assert max(off[NAMES[0]], off[NAMES[2]]) < 0.5
    looks(judge, range(40, 60), turned=2.0)
    assert judge.since == {NAMES[1]: since}
    looks(judge, range(60, 165))
    assert judge.degrees_off[NAMES[1]] < 0.05
    assert judge.since == {}


def test_looks_come_ten_times_a_second_and_people_nobody_sees_do_not_count():
    judge = Fit(NAMES)
    assert set(looks(judge, [0])) == set(NAMES)
    early = SECOND + SECOND // 11
    assert judge.add({}, truth(), early, 1.0) == {}
    assert len(judge._looks) == 1
    assert judge.add({}, truth(), SECOND - 1, 1.0) == {}  # time began anew
    assert len(judge._looks) == 1
    judge = Fit(NAMES)
    looks(judge, range(30), turned=2.0, state=STATE_COASTING)
    assert_allclose(list(judge.degrees_off.values()), 0, atol=1e-9)
    assert looks(judge, [40], late=0.08) == {}  # too long ago to be compared
    assert set(looks(judge, [41], late=0.06)) == set(NAMES)


def test_judgements_rest_on_the_last_ten_seconds():
    judge = Fit(NAMES)
    looks(judge, range(130))
    assert len(judge._looks) == 101
    looks(judge, [300])
    assert len(judge._looks) == 1


def test_of_numbers_that_are_not_there_there_is_no_mean():
    values = np.array([[1.0, np.nan, 3.0], [np.nan] * 3])
    assert_allclose(fit._mean(values), [2.0, np.nan])

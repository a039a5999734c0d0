"""Several views of the same people are one truth: triangulated, told apart, and doubted rightly."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

import cell_sightings as cell
from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import STATE_COASTING, STATE_TRACKED, Bodies, select
from bodypose3d_ros.body.skeleton import INDEX, JOINT_COUNT, JOINTS, MIRRORED, known
from bodypose3d_ros.perception.fusion.association import TRUNK, associate
from bodypose3d_ros.perception.fusion.fusion import Fusion, View, _without_ghosts
from bodypose3d_ros.perception.fusion.shapes import Shapes
from bodypose3d_ros.perception.fusion.triangulation import triangulate
from bodypose3d_ros.perception.tracking.tracker import Tracker
from people_made_up import row, standing

SYNCHRONOUS = ("cell_front", "cell_left", "cell_back")


def along(axis, thin=0.01, long=0.3):
    """The covariance of a view that looks along an axis."""
    return np.diag([long**2 if n == axis else thin**2 for n in range(3)])


def stacked(points, covariances):
    """Views (V) of one person whose joints are all at one place, each wrong on its own."""
    joints = np.tile(np.array(points, float)[:, None, None], (1, 1, JOINT_COUNT, 1))
    spread = np.tile(np.array(covariances)[:, None, None], (1, 1, JOINT_COUNT, 1, 1))
    return Shapes(joints, spread, np.zeros((*joints.shape, 1)))


def test_two_rays_that_cross_are_a_point():
    # One view is 20 cm too near along x, the other 30 cm too far along y.
    shapes = stacked([(-0.2, 0, 0), (0, 0.3, 0)], [along(0), along(1)])
    position, covariance = triangulate(shapes, Bodies.none())
    assert_allclose(position[0, 0], [0, 0, 0], atol=0.001)
    # Thin where either is, and both are in z; that they disagree along their rays makes it larger.
    assert_allclose(np.sqrt(np.diag(covariance[0, 0])), [0.01, 0.01, 0.007], rtol=0.15)


def test_a_view_that_is_wrong_is_thrown_out_by_two_that_agree():
    shapes = stacked([(0, 0, 0), (0, 0, 0), (0.1, 0, 0.25)], [along(0), along(1), along(1)])
    position, _ = triangulate(shapes, Bodies.none())
    assert np.linalg.norm(position[0, 0]) < 0.005


def test_one_view_alone_says_what_it_says():
    shapes = stacked([(1, 2, 3), (np.nan,) * 3], [along(0), along(1)])
    position, covariance = triangulate(shapes, Bodies.none())
    assert_allclose(position[0, 0], [1, 2, 3], atol=1e-6)
    assert_allclose(covariance[0, 0], along(0), rtol=1e-4, atol=1e-9)


def test_what_nobody_sees_is_unknown():
    shapes = stacked([(np.nan,) * 3], [along(0)])
    position, covariance = triangulate(shapes, Bodies.none())
    assert np.isnan(position).all()
    assert np.isnan(covariance).all()


def test_of_two_places_that_fit_as_well_it_is_where_somebody_should_be():
    # Two views say so, two say so: who moved as before is 1 cm from the latter.
    apart = [(0, 0, 0), (0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)]
    shapes = stacked(apart, [along(0), along(1), along(0), along(1)])
    people = stacked([(0.51, 0.5, 0.5)], [0.05**2 * np.eye(3)])
    expected = replace(
        select(views_of(0)[0], [0]), joints=people.joints[0], covariance=people.covariance[0]
    )
    position, _ = triangulate(shapes, expected)
    assert_allclose(position[0, 0], [0.5, 0.5, 0.5], atol=0.01)


@pytest.mark.parametrize("wrong", ["size", "turned", "leaning"])
def test_where_rays_cross_a_view_learns_how_deep_its_other_joints_lie(wrong):
    """One view alone sees an arm, and has the person too large, turned or leaning."""
    truth = standing((0.0, 0.0, 1.0))
    arm = [INDEX[f"left_{name}"] for name in ("elbow", "wrist")]
    ray = truth - np.array([(0.0, 0.0, -3.0), (4.0, 0.0, 1.0)])[:, None]
    unit = ray / np.linalg.norm(ray, axis=2, keepdims=True)
    spread = 0.01**2 * np.eye(3) + 0.1**2 * unit[..., :, None] * unit[..., None, :]
    off = truth - truth[TRUNK].mean(axis=0)
    slant = 0.15 * unit[..., :, None] * off[..., None, :]
    shared = np.concatenate([0.1 * ray[..., None], slant], axis=3)
    joints = np.stack([truth, truth])
    error = shared[0, :, :, ["size", "turned", "leaning"].index(wrong)]
    joints[0] += error
    joints[1, arm] = np.nan
    shapes = Shapes(joints[:, None], spread[:, None], shared[:, None])
    position, covariance = triangulate(shapes, Bodies.none())
    off_by = np.linalg.norm(position[0, arm] - truth[arm], axis=1)
    assert np.linalg.norm(off_by) < np.linalg.norm(error[arm]) / 3
    # The rest is what the covariance says.
    assert (off_by < np.sqrt(np.trace(covariance[0, arm], axis1=1, axis2=2))).all()


CENTERS = np.array([cell.PLACES[name][:3, 3] for name in SYNCHRONOUS])


def views_of(number, **changes):
    return [cell.in_world(name, cell.sighting(name, number, **changes)) for name in SYNCHRONOUS]


def test_people_are_the_same_in_all_views_whatever_their_order():
    views = views_of(0)
    views[1] = select(views[1], [1, 0])
    found = associate(views, CENTERS, Bodies.none())
    assert found.body.tolist() == [[0, 1], [1, 0], [0, 1]]
    assert not found.swapped.any()


@pytest.mark.parametrize("size", [0.85, 1.15])
def test_who_is_small_or_tall_is_the_same_in_all_views(size):
    # Every view puts a person of 1.45 m, or of 1.95 m, 50 cm wrong along its own rays.
    found = associate(views_of(0, size=size), CENTERS, Bodies.none())
    assert found.body.tolist() == [[0, 1]] * 3
    assert len(run(Fusion(Tracker), range(3), size=size)) == 2


def test_two_people_whom_one_view_each_sees_are_two():
    he, she = (
        cell.in_world(name, cell.sighting(name, 0, people))
        for name, people in (("cell_front", (0,)), ("cell_left", (1,)))
    )
    assert associate([he, she], CENTERS[:2], Bodies.none()).body.tolist() == [[0, -1], [-1, 0]]


@pytest.mark.parametrize(
    ("left_is_right", "was_right"), [(False, False), (True, False), (True, True)]
)
def test_one_person_whom_two_cameras_have_followed_as_two_is_one_again(left_is_right, was_right):
    # The first camera takes him for 12 % smaller and nearer, and has taken a track along.
    front = cell.in_world("cell_front", cell.sighting("cell_front", 0, (0,), size=0.88))
    left = views_of(0, people=(0,))[1]
    tracks = nobody_and(mirrored(front) if was_right else front, left)
    views = [mirrored(front) if left_is_right else front, left]
    alone = [associate([view], CENTERS[n : n + 1], tracks) for n, view in enumerate(views)]
    assert [found.body.tolist() for found in alone] == [[[0, -1]], [[-1, 0]]]
    found = associate(views, CENTERS[:2], tracks)
    assert found.body.tolist() == [[-1, 0], [-1, 0]]
    assert found.swapped.tolist() == [[False, left_is_right], [False, False]]


def test_two_who_stand_half_a_metre_apart_and_are_seen_by_a_camera_each_stay_two():
    views = views_of(0, people=(0,))[:2]
    beside = np.array([0.35, 0.35, 0.0])
    views[1] = replace(views[1], joints=views[1].joints + beside)
    tracks = nobody_and(*views)
    assert associate(views, CENTERS[:2], tracks).body.tolist() == [[0, -1], [-1, 0]]


def nobody_and(*people):
    """Tracks of people, sure to 5 cm."""
    joints = np.concatenate([one.joints for one in people])
    covariance = np.broadcast_to(0.05**2 * np.eye(3), (*joints.shape, 3)).copy()
    count = np.arange(len(joints))
    everybody = select(people[0], np.zeros(len(joints), int))
    return replace(
        everybody, joints=joints, covariance=covariance, track_id=(count + 1).astype(np.uint32)
    )


def mirrored(bodies):
    """Left taken for right."""
    names = ("joints", "covariance", "confidence")
    return replace(bodies, **{name: getattr(bodies, name)[:, MIRRORED] for name in names})


def test_who_takes_left_for_right_is_outvoted():
    views = views_of(0)
    views[0] = mirrored(views[0])
    found = associate(views, CENTERS, Bodies.none())
    assert found.body.tolist() == [[0, 1]] * 3
    assert found.swapped.tolist() == [[True, True], [False, False], [False, False]]


def test_against_one_view_that_swaps_sides_it_counts_how_somebody_was():
    before = views_of(0)[1]
    swapped = mirrored(views_of(0)[0])
    assert associate([swapped], CENTERS[:1], before).swapped.all()


def run(fusion, numbers, names=SYNCHRONOUS, **changes):
    """Feed frames of the cell that shoot together; people at the last of them."""
    people = Bodies.none()
    for number in numbers:
        stamp = cell.FILMS["cell_front"].stamp(number)
        views = {
            name: View.of(cell.frame(name, stamp), cell.sighting(name, number, **changes))
            for name in names
        }
        people = fusion.update(views, stamp)
    return people


def errors(people: Bodies, number):
    truth = cell.FILMS["cell_front"].joints_world[number]
    off = np.linalg.norm(people.joints[:, None] - truth[None], axis=3)
    return np.nanmean(off, axis=2).min(axis=1)


def test_crossing_views_know_how_large_people_are():
    # Every view believes in people 8 % too large, and puts them 30 cm too far away.
    people = run(Fusion(Tracker), range(8), size=1.08)
    assert len(people) == 2
    assert (errors(people, 7) < 0.03).all()


def test_who_is_left_with_one_view_stays_at_the_size_that_several_found():
    fusion = Fusion(Tracker)
    run(fusion, range(8), size=1.08)
    people = run(fusion, range(8, 16), names=["cell_front"], size=1.08)
    # 8 % of 3.4 m would be 27 cm.
    assert len(people) == 2
    assert (errors(people, 15) < 0.08).all()


def test_ids_last_while_a_camera_is_gone_and_it_is_said_who_sees_whom():
    fusion = Fusion(Tracker)
    before = run(fusion, range(6))
    assert set(fusion.seen_by.values()) == {SYNCHRONOUS}
    fewer = run(fusion, range(6, 12), names=SYNCHRONOUS[:2])
    assert set(fewer.track_id) == set(before.track_id)
    assert set(fusion.seen_by.values()) == {SYNCHRONOUS[:2]}
    trace = [np.trace(p.covariance[:, 0], axis1=1, axis2=2).mean() for p in (before, fewer)]
    assert trace[1] > trace[0]


def test_cameras_need_not_shoot_together():
    fusion, late = Fusion(Tracker), cell.FILMS["cell_right"]
    moments = sorted(
        [(cell.FILMS[name].stamp(n), name, n) for name in ("cell_front",) for n in range(12)]
        + [(late.stamp(n), "cell_right", n) for n in range(8)]
    )
    for stamp, name, number in moments:
        view = View.of(cell.frame(name, stamp), cell.sighting(name, number, size=1.05))
        people = fusion.update({name: view}, stamp)
    truth = cell.FILMS[name].joints_world[number]
    off = np.linalg.norm(people.joints[:, None] - truth[None], axis=3)
    # At 0.8 m/s people go 5 cm from one camera's image to the other's.
    assert (np.nanmean(off, axis=2).min(axis=1) < 0.05).all()


def test_a_phantom_that_one_camera_sees_where_another_looks_is_not_believed():
    fusion = Fusion(Tracker)
    for number in range(8):
        stamp = cell.FILMS["cell_front"].stamp(number)
        seen = {"cell_front": (0, 1), "cell_left": (0,), "cell_back": (0,)}
        people = fusion.update(
            {
                name: View.of(cell.frame(name, stamp), cell.sighting(name, number, who))
                for name, who in seen.items()
            },
            stamp,
        )
    assert len(people) == 1


def test_somebody_where_no_other_camera_looks_is_believed_after_a_while():
    fusion = Fusion(Tracker)
    away = cell.PLACES["cell_left"] @ np.diag([-1.0, 1, -1, 1])  # it looks the other way
    counts = []
    for number in range(10):
        stamp = cell.FILMS["cell_front"].stamp(number)
        left = replace(cell.frame("cell_left", stamp), place=away)
        front = View.of(cell.frame("cell_front", stamp), cell.sighting("cell_front", number, (0,)))
        views = {"cell_front": front, "cell_left": View.of(left, Bodies.none())}
        counts.append(len(fusion.update(views, stamp)))
    assert counts[0] == 0, "one image of one camera is not enough"
    assert counts[-1] == 1


def test_a_track_led_astray_by_one_view_is_taken_up_by_two_that_see_the_person():
    fusion = Fusion(Tracker)
    before = run(fusion, range(6), people=(0,))
    # One view alone sees somebody 4 % nearer and nearer, a hand's breadth an image.
    for number, size in zip(range(6, 9), (0.96, 0.92, 0.88), strict=True):
        run(fusion, [number], names=["cell_front"], people=(0,), size=size)
    people = run(fusion, range(9, 13), people=(0,))
    assert people.track_id.tolist() == before.track_id.tolist()
    assert (errors(people, 12) < 0.06).all()


def test_who_shows_the_upper_half_is_not_taken_for_who_shows_the_lower():
    """They have no joint in common, by which they could be the same."""
    neck, pelvis = INDEX["neck"], INDEX["pelvis"]
    lower = np.isin(JOINTS, [n for n in JOINTS if n.endswith(("pelvis", "hip", "knee", "ankle"))])
    upper = ~lower & (np.array(JOINTS) != "torso")
    fusion = Fusion(Tracker)
    for number in range(4):
        stamp = cell.FILMS["cell_front"].stamp(number)
        views = {}
        for name, who in {"cell_front": (0, 1), "cell_left": (0,), "cell_back": (1,)}.items():
            bodies = cell.sighting(name, number, who)
            shown = np.stack([(upper, lower)[person] for person in who])
            joints = np.where(shown[..., None], bodies.joints, np.nan)
            views[name] = View.of(cell.frame(name, stamp), replace(bodies, joints=joints))
        people = fusion.update(views, stamp)
    assert len(people) == 2
    cameras = {tuple(known(joints)[[neck, pelvis]]): fusion.seen_by[int(track)]
               for joints, track in zip(people.joints, people.track_id, strict=True)}  # fmt: skip
    assert cameras == {
        (True, False): ("cell_front", "cell_left"),
        (False, True): ("cell_front", "cell_back"),
    }


@pytest.mark.parametrize(("metres", "left"), [(0.2, 1), (0.3, 2)])
def test_who_is_not_seen_where_somebody_is_seen_is_that_person(metres, left):
    two = row(2)
    beside = np.stack([two.joints[0], two.joints[0] + (metres, 0, 0)])
    people = replace(two, joints=beside, state=np.array([STATE_TRACKED, STATE_COASTING], np.uint8))
    assert _without_ghosts(people).track_id.tolist() == people.track_id[:left].tolist()
    both = replace(people, state=np.full(2, STATE_TRACKED, np.uint8))
    assert len(_without_ghosts(both)) == 2, "cameras see two"


def test_who_was_lost_and_comes_back_is_believed_of_one_camera_and_is_the_same():
    fusion = Fusion(Tracker)
    before = run(fusion, range(10))
    assert len(run(fusion, range(10, 30), people=(0,))) == 1
    stamp = cell.FILMS["cell_front"].stamp(30)
    seen = {"cell_front": (0, 1), "cell_left": (0,), "cell_back": (0,)}
    views = {
        name: View.of(cell.frame(name, stamp), cell.sighting(name, 30, who))
        for name, who in seen.items()
    }
    assert set(fusion.update(views, stamp).track_id) == set(before.track_id)


def test_a_camera_is_told_where_people_are_whom_it_does_not_see():
    fusion = Fusion(Tracker)
    run(fusion, range(6))
    stamp = cell.FILMS["cell_right"].stamp(4)
    regions = fusion.unseen("cell_right", cell.frame("cell_right", stamp))
    expected = cell.FILMS["cell_right"].pixels[4][:, INDEX["pelvis"]]
    apart = np.linalg.norm(regions.center[:, None] - expected[None], axis=2).min(axis=0)
    assert (apart < 12).all()  # 10 pixels are 8 cm
    assert len(fusion.unseen("cell_front", cell.frame("cell_front", stamp))) == 0


def test_whom_nobody_sees_no_camera_is_asked_to_see():
    """A network that is asked to look makes somebody up: so a track gone astray would be kept."""
    fusion = Fusion(Tracker)
    run(fusion, range(6))
    assert len(run(fusion, range(6, 9), people=(0,))) == 2  # the other one is coasting
    stamp = cell.FILMS["cell_right"].stamp(6)
    regions = fusion.unseen("cell_right", cell.frame("cell_right", stamp))
    first = cell.FILMS["cell_right"].pixels[6][0, INDEX["pelvis"]]
    assert len(regions) == 1
    assert np.linalg.norm(regions.center[0] - first) < 12


def test_where_nobody_is_known_nobody_is_missed():
    assert len(Fusion(Tracker).unseen("cell_front", cell.frame("cell_front", 0))) == 0


def test_time_that_jumps_back_begins_anew():
    fusion = Fusion(Tracker)
    first = run(fusion, [40, 41])
    again = run(fusion, [0, 1])
    assert not set(first.track_id) & set(again.track_id)


@pytest.mark.parametrize("names", [("cell_front",), SYNCHRONOUS])
def test_nobody_at_all_is_nobody(names):
    fusion = Fusion(Tracker)
    views = {name: View.of(cell.frame(name, 0), Bodies.none()) for name in names}
    assert len(fusion.update(views, 0)) == 0
    assert fusion.seen_by == {}


@pytest.mark.parametrize("degrees", [0, 60, -90, 170])
def test_a_region_of_who_leans_or_lies_is_turned_with_the_trunk(degrees):
    """The camera looks along z: what turns about z turns in the image, clockwise."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0],
                     [0, 0, 1]])  # fmt: skip
    camera = Camera.from_hfov(640, 480, 60)
    joints = standing((0.0, 0.0, 0.0)) @ turn.T + (0.1, 0.0, 4.0)
    person = select(row(1), [0])
    view = View(camera, np.eye(4), 0, person)
    (rotation,) = view.regions(replace(person, joints=joints[None])).rotation
    assert np.cos(rotation - angle) == pytest.approx(1, abs=1e-6)
    pixels = camera.project(joints)
    reach = np.linalg.norm(pixels - pixels[INDEX["pelvis"]], axis=1).max()
    assert_allclose(view.regions(replace(person, joints=joints[None])).size, 2 * reach)

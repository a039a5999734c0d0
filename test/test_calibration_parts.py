"""What calibration is made of: tracks at common moments, pairs, keypoints, scale, the ground."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import select
from bodypose3d_ros.body.skeleton import INDEX, JOINT_COUNT, MIRRORED
from bodypose3d_ros.errors import InputError
from bodypose3d_ros.perception.calibration import (
    calibrate,
    ground,
    pairs,
    refusals,
    rigs,
    tracks,
    uncertainty,
)
from bodypose3d_ros.perception.calibration.alignment import aligned, degrees_apart, rigid
from bodypose3d_ros.perception.calibration.bundle import Adjusted
from bodypose3d_ros.perception.calibration.observations import Observations, observed
from bodypose3d_ros.perception.calibration.tracks import Recorded, Track
from people_made_up import row, standing

CAMERA = Camera.from_hfov(640, 480, 60)
FRAME = 100_000_000
UNSEEN = np.zeros((1, 34, 2))


def place(degrees=(0, 0, 0), at=(0, 0, 0)):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = at
    return matrix


def moved(transform, points):
    return points @ transform[:3, :3].T + transform[:3, 3]


# -- tracks ---------------------------------------------------------------------------------------


def test_between_two_sightings_people_are_in_between_and_elsewhere_unknown():
    stamps = np.array([0, 200, 400, 800]) * 1_000_000
    values = np.array([[0.0, 10], [2, 30], [3, 20], [9, 9]])
    at = np.array([-1, 0, 50, 200, 300, 400, 401, 600, 800, 801]) * 1_000_000
    nan = [np.nan, np.nan]
    assert_allclose(
        tracks._at(stamps, values, at),
        # 400 ms are too long a gap; what was seen itself counts on either side of it.
        [nan, [0, 10], [0.5, 15], [2, 30], [2.5, 25], [3, 20], nan, nan, [9, 9], nan],
    )


def recorded(count, ids=(1,), start=0, step=FRAME):
    """People who stand a metre apart, as a camera sees them."""
    bodies = row(len(ids))
    bodies = replace(
        bodies, track_id=np.array(ids, np.uint32), pixels=CAMERA.project(bodies.joints)
    )
    return Recorded(CAMERA, [start + n * step for n in range(count)], [bodies] * count)


def test_tracks_are_of_all_views_at_the_times_of_the_one_that_shoots_most_often():
    views = {"slow": recorded(10, (5, 7), step=2 * FRAME), "fast": recorded(20, (3,))}
    assert tracks.moments(views).tolist() == [n * FRAME for n in range(20)]
    five, seven, three = tracks.tracks_of(views)
    assert [track.view for track in (five, seven, three)] == [0, 0, 1]
    assert three.seen.all()
    assert five.seen.sum() == 19  # the last of them was shot after the slow one's last
    assert_allclose(five.joints[1], standing(), atol=1e-9)
    assert_allclose(seven.joints[0] - five.joints[0], np.tile([1.0, 0, 0], (34, 1)), atol=1e-9)
    assert_allclose(five.rays[0], standing()[:, :2] / standing()[:, 2:], atol=1e-9)
    assert (five.confidence[:19] == 1).all()
    assert five.reach[0] == pytest.approx(np.ptp(standing()[:, 1] / standing()[:, 2]))


def test_who_is_seen_seven_times_or_only_expected_is_no_track():
    assert tracks.tracks_of({"a": recorded(7)}) == []
    assert len(tracks.tracks_of({"a": recorded(8)})) == 1
    coasting = recorded(8)
    hidden = replace(coasting.bodies[0], pixels=np.full((1, 34, 2), np.nan))
    assert tracks.tracks_of({"a": replace(coasting, bodies=[hidden] * 8)}) == []
    gone = replace(recorded(9), bodies=[*coasting.bodies, select(coasting.bodies[0], [])])
    assert len(tracks.tracks_of({"a": gone})) == 1


def test_a_third_of_the_joints_is_enough_of_a_person():
    rays = np.full((2, JOINT_COUNT, 2), np.nan)
    rays[0, :11] = rays[1, :10] = 0
    track = Track(0, rays, np.zeros((2, 34, 3)), np.ones((2, 34)), np.ones(2))
    assert track.seen.tolist() == [True, False]


# -- pairs ----------------------------------------------------------------------------------------


def test_points_are_laid_onto_others_by_turning_them_and_never_by_mirroring():
    points, truth = np.random.default_rng(0).normal(0, 1, (20, 3)), place((30, -70, 110), (1, 2, 3))
    assert_allclose(rigid(points, moved(truth, points)), truth, atol=1e-9)
    mirrored = rigid(points, points * (1, 1, -1))
    assert np.linalg.det(mirrored[:3, :3]) == pytest.approx(1)


def test_two_views_of_a_body_are_apart_by_the_mean_over_what_both_see_sides_as_they_fit():
    ours = np.stack([standing()] * 4)
    theirs = ours + (0.3, 0.4, 0)
    theirs[1] = theirs[1, MIRRORED]
    theirs[2, 11:] = np.nan
    ours[3, 10:] = np.nan
    apart = pairs.distances(ours, theirs, np.eye(4))
    assert_allclose(apart, [0.5, 0.5, 0.5, np.nan])
    back = place((0, 0, 0), (-0.3, -0.4, 0))
    assert_allclose(pairs.distances(ours, theirs, back)[:3], 0, atol=1e-12)


@pytest.mark.parametrize(("moments", "enough"), [(15, True), (14, False)])
def test_two_views_of_somebody_at_fifteen_moments_lie_as_the_bodies_do(moments, enough):
    between, rng = place((0, 70, 0), (3, 0, 2)), np.random.default_rng(3)
    seen = np.stack([standing((x, 0, 3 + z)) for x, z in rng.uniform(-1, 1, (moments, 2))])
    theirs = moved(np.linalg.inv(between), seen)
    rays, sure, reach = np.zeros((moments, 34, 2)), np.ones((moments, 34)), np.ones(moments)
    tracks_ = [Track(0, rays, seen, sure, reach), Track(1, rays, theirs, sure, reach)]
    ways = pairs.ways_of(tracks_, 0, 1)
    assert len(ways) == enough
    for found in ways:
        assert_allclose(found.transform, between, atol=1e-9)
        assert (found.first, found.second, found.same, found.count) == (0, 1, [(0, 1)], moments)
        assert_allclose(found.size, [1.0])


@pytest.mark.parametrize("true", [0.9, 1.2])
def test_who_is_larger_than_views_believe_is_told_by_how_far_apart_they_have_the_trunk(true):
    """Both views draw the person ``true`` times too small, and so too near."""
    between = place((0, 90, 0), (3, 0, 3))
    seen = np.stack([standing((x, 0, 3)) for x in np.linspace(-0.5, 0.5, 5)])
    theirs = moved(np.linalg.inv(between), seen)
    assert pairs._size(seen / true, theirs / true, between) == pytest.approx(true)
    assert pairs._size(seen / 3, theirs / 3, between) == 1  # nobody is so large
    assert pairs._size(seen * np.nan, theirs, between) == 1


def pair(first, second, same, size, transform=None, count=20):
    transform = place((0, 0, 0), (2, 0, 0)) if transform is None else transform
    return pairs.Pair(first, second, transform, same, size, count)


def track(view):
    return Track(view, UNSEEN, standing()[None], np.ones((1, 34)), np.ones(1))


def turning(view, place_of_view, by=0.0, sides=slice(None), count=20):
    """Somebody who turns round on the spot, as a view has them: turned by so many degrees more."""
    joints = np.stack(
        [
            moved(place((0, 10 * n + by, 0), (0, 0, 3)), standing((0, 0, 0)))[sides]
            for n in range(count)
        ]
    )
    seen = moved(np.linalg.inv(place_of_view), joints)
    return Track(view, seen[..., :2], seen, np.ones((count, 34)), np.ones(count))


@pytest.mark.parametrize("sides", [slice(None), MIRRORED], ids=["as they are", "exchanged"])
@pytest.mark.parametrize("by", [0, 25, 40])
def test_people_who_are_turned_otherwise_in_another_view_are_perhaps_others(by, sides):
    places = np.array([place(), place((0, 70, 0), (2, 0, 1))])
    people = [turning(0, places[0]), turning(1, places[1], by, sides)]
    apart = refusals.apart_in_facing(people, [[0, 1]], places)
    assert apart == {(0, 1): pytest.approx(by, abs=1e-4)}
    if by < 30:
        refusals._check_facing(rigs.Rig([*places], people, [[0, 1]]), places, ["left", "right"])
        return
    with pytest.raises(InputError, match="left and right: people are turned 40 degrees otherwise"):
        refusals._check_facing(rigs.Rig([*places], people, [[0, 1]]), places, ["left", "right"])


def test_of_people_whom_one_view_alone_sees_nothing_is_told_of_how_they_are_turned():
    people = [turning(0, place()), turning(0, place(), by=80)]
    assert refusals.apart_in_facing(people, [[0, 1]], np.array([place()])) == {}
    refusals._check_facing(rigs.Rig([place()], people, [[0, 1]]), np.array([place()]), ["left"])


def test_sizes_and_distances_are_those_that_explain_all_the_pairs():
    """People of 1.2 and 1 / 1.2, a pair of cameras 1.1 times and one 0.8 times as far apart."""
    large, small = 1.2, 1 / 1.2
    people = [[0, 2, 4], [1, 3, 5]]  # a track of each in three views
    couples = [
        pair(0, 1, [(0, 2), (1, 3)], [large / 1.1, small / 1.1]),
        pair(1, 2, [(2, 4), (3, 5)], [large / 0.8, small / 0.8]),
    ]
    stranger = track(2)
    everybody = [track(n // 2) for n in range(6)] + [stranger]
    grown, apart = rigs.at_one_scale(everybody, couples, people)
    factors = [np.linalg.norm(each.joints) / np.linalg.norm(standing()) for each in grown]
    assert_allclose(factors, [large, small] * 3 + [1])
    assert_allclose([each.transform[0, 3] for each in apart], [2 * 1.1, 2 * 0.8])
    assert_allclose([each.transform[:3, :3] for each in apart], [np.eye(3)] * 2)
    assert couples[0].transform[0, 3] == 2  # what was handed in is left alone


def test_places_come_along_the_pairs_that_share_most_in_either_direction():
    one, two, wrong = place((0, 40, 0), (1, 0, 0)), place((20, 0, 0), (0, 0, 2)), place((0, 0, 90))
    couples = [
        pair(0, 1, [], [], one, count=30),
        pair(2, 1, [], [], two, count=25),  # from the second's frame to the third's
        pair(0, 2, [], [], wrong, count=20),
    ]
    places = rigs.spanned(couples, 4)
    assert_allclose(places[0], np.eye(4))
    assert_allclose(places[1], one)
    assert_allclose(places[2], one @ np.linalg.inv(two), atol=1e-12)
    assert places[3] is None


def test_tracks_of_several_views_are_one_person_along_the_pairs():
    couples = [pair(1, 2, [(2, 4)], [1.0]), pair(0, 1, [(0, 2), (1, 3)], [1.0, 1.0])]
    kept, people = rigs.agreeing([track(n // 2) for n in range(6)], couples)
    assert people == [[0, 2, 4], [1, 3]]
    assert {(each.first, each.second) for each in kept} == {(0, 1), (1, 2)}


def test_a_pair_that_contradicts_those_that_lead_round_is_left_out():
    """The last view's only person is the first one by two pairs, the second by the longest."""
    aside, turned = place((0, 0, 0), (2, 0, 0)), place((0, 120, 0), (2, 0, 0))
    couples = [
        pair(0, 1, [(0, 2), (1, 3)], [1.0, 1.0], aside, count=40),
        pair(0, 2, [(0, 4)], [1.0], aside @ aside, count=20),
        pair(1, 2, [(2, 4)], [1.0], aside, count=20),
        pair(0, 3, [(0, 5)], [1.0], aside @ aside @ aside, count=20),
        pair(2, 3, [(4, 5)], [1.0], aside, count=20),
        pair(1, 3, [(3, 5)], [1.0], turned, count=30),
    ]
    tracks_ = [track(view) for view in (0, 0, 1, 1, 2, 3)]
    kept, people = rigs.agreeing(tracks_, [each for _, each in rigs.ranked(couples)])
    assert people == [[0, 2, 4, 5], [1, 3]]
    left = {(each.first, each.second) for each in kept}
    assert left == {(0, 1), (0, 2), (1, 2), (0, 3), (2, 3)}


def test_views_stand_as_most_people_fit_and_not_as_one_can_be_laid_onto_another():
    """Two people who stand still: he can be laid onto her for longer than both are seen at once."""
    between = place((0, 90, 0), (3, 0, 3))
    sway = np.linspace(0, 0.3, 40)
    he = np.stack([standing((x, 0, 3)) for x in sway])
    she = np.stack([standing((x + 1.5, 0, 4)) for x in sway])
    inverse = np.linalg.inv(between)

    def seen(view, joints, moments):
        hidden = joints.copy()
        hidden[moments:] = np.nan
        return Track(view, hidden[..., :2], hidden, np.ones((40, 34)), np.ones(40))

    tracks_ = [
        seen(0, he, 40), seen(0, she, 25), seen(1, moved(inverse, he), 25),
        seen(1, moved(inverse, she), 40),
    ]  # fmt: skip
    found = pairs.ways_of(tracks_, 0, 1)[0]
    assert sorted(found.same) == [(0, 2), (1, 3)]
    assert_allclose(found.transform, between, atol=1e-6)


def test_who_stands_far_from_the_one_by_whom_views_are_laid_together_takes_part_in_it():
    """The other view has him turned by 8 degrees, and would miss her, 4 m behind him, by 0.5 m."""
    between, turn = place((0, 70, 0), (3, 0, 2)), place((0, 8, 0))
    on_the_spot = standing((0, 0, 0))
    spots = np.stack([(x, 0, 3) for x in np.linspace(-0.2, 0.2, 30)])[:, None]
    behind = spots + (0, 0, 4)
    seen = [on_the_spot + spots, on_the_spot + behind]
    others = [moved(turn, on_the_spot) + spots, on_the_spot + behind]
    for her in (seen[1], others[1]):
        her[10:] = np.nan  # too seldom to lay views together by her
    tracks_ = [
        Track(view, joints[..., :2], joints, np.ones((30, 34)), np.ones(30))
        for view, people in enumerate((seen, [moved(np.linalg.inv(between), o) for o in others]))
        for joints in people
    ]
    (found,) = pairs.ways_of(tracks_, 0, 1)
    assert (found.same, found.count) == ([(0, 2), (1, 3)], 40)
    assert degrees_apart(found.transform, between) < 2


@pytest.mark.parametrize(("count", "expected"), [(34, 1), (35, 2)])
def test_another_way_in_which_views_may_stand_makes_another_rig(monkeypatch, count, expected):
    """It needs half of what supports the best: 40 moments, and 30 that lead round a third view."""
    aside, turned = place((0, 0, 0), (2, 0, 0)), place((0, 120, 0), (2, 0, 0))
    ways = {
        (0, 1): [pair(0, 1, [(0, 2), (1, 3)], [1.0, 1.0], aside, count=40)],
        (0, 2): [pair(0, 2, [(0, 4)], [1.0], aside @ aside, count=30)],
        (1, 2): [
            pair(1, 2, [(3, 4)], [1.0], turned, count),
            pair(1, 2, [(2, 4)], [1.0], aside, count=30),
        ],
    }
    monkeypatch.setattr(rigs, "ways_of", lambda tracks, *views: ways[views])
    found = rigs.rigs_of([track(view) for view in (0, 0, 1, 1, 2)], 3)
    assert_allclose(found[0].places, [np.eye(4), aside, aside @ aside], atol=1e-9)
    assert found[0].people == [[0, 2, 4], [1, 3]]
    assert len(found) == expected
    for other in found[1:]:
        assert_allclose(other.places, [np.eye(4), aside, aside @ turned], atol=1e-9)
        assert other.people == [[0, 2], [1, 3, 4]]


# -- what is adjusted -----------------------------------------------------------------------------


def sighted(view, joints, confidence=1.0):
    """A track of one moment, of joints in the view's optical frame."""
    return Track(
        view, joints[None, :, :2] / joints[None, :, 2:], joints[None],
        np.full((1, 34), confidence), np.full(1, 0.6),
    )  # fmt: skip


def test_keypoints_take_part_that_are_known_sure_and_one_point_from_all_sides():
    between = place((0, 60, 0), (2, 0, 1))
    theirs = moved(np.linalg.inv(between), standing())
    one, other = sighted(0, standing()), sighted(1, theirs, 0.5)
    unsure, unknown = INDEX["left_wrist"], INDEX["nose"]
    other.confidence[0, unsure], other.rays[0, unknown] = 0.29, np.nan
    seen = observed([one, other], [[0, 1]], np.array([np.eye(4), between]))
    between_others = {INDEX[name] for name in ("pelvis", "torso", "neck", "left_hip", "right_hip")}
    used = sorted(set(range(34)) - between_others - {unsure, unknown})
    assert seen.joint.tolist() == used
    assert_allclose(seen.start, standing()[used], atol=1e-9)
    assert_allclose(seen.sigma[seen.view == 0], 0.015 * 0.6)
    assert_allclose(seen.sigma[seen.view == 1], 0.015 * 0.6 / 0.5)
    for view, joints in ((0, standing()), (1, theirs)):
        own = seen.view == view
        rays = joints[seen.joint[seen.point[own]]]
        assert_allclose(seen.ray[own], rays[:, :2] / rays[:, 2:], atol=1e-9)


def test_a_view_that_has_left_and_right_exchanged_is_turned_round_and_one_astray_is_left_out():
    places = np.array([np.eye(4)] * 3)
    crossed, astray = sighted(1, standing()[MIRRORED]), sighted(2, standing() + (0, 0, 1.0))
    seen = observed([sighted(0, standing()), crossed, astray], [[0, 1, 2]], places)
    assert set(seen.view.tolist()) == {0, 1}
    assert_allclose(seen.ray[seen.view == 1], seen.ray[seen.view == 0], atol=1e-9)
    within = observed([sighted(0, standing()), crossed, astray], [[0, 1, 2]], places, 1.1)
    assert set(within.view.tolist()) == {0, 1, 2}  # while places are rough, all may be astray
    two = [sighted(0, standing()), astray]
    assert observed(two, [[0, 1]], places) is None  # none of them is believed


@pytest.mark.parametrize("seed", range(5))
def test_of_two_views_one_that_has_left_and_right_exchanged_is_turned_round(seed):
    """Both are as far from their mean either way; each has joints 5 cm off on each axis."""
    off = np.random.default_rng(seed).normal(0, 0.05, (2, 34, 3))
    views = [sighted(0, standing() + off[0]), sighted(1, standing()[MIRRORED] + off[1])]
    seen = observed(views, [[0, 1]], np.array([np.eye(4)] * 2))
    ours, theirs = seen.ray[seen.view == 0], seen.ray[seen.view == 1]
    assert np.abs(ours - theirs).max() < 0.1  # 0.3 of 3 metres; a shoulder's width is as much


def adjusted(rays, joints, errors):
    """What was found of one person by one view, whose keypoints are so far off."""
    count = len(rays)
    seen = Observations(
        np.zeros(count, np.intp), np.arange(count), rays, np.ones(count),
        np.zeros(count, np.intp), np.zeros((count, 3)), joints, np.arange(count) // 2,
    )  # fmt: skip
    return Adjusted(np.eye(4)[None], np.zeros((count, 3)), seen, errors)


def test_a_user_is_told_pixels_people_and_how_much_of_the_image_was_used():
    """Six keypoints of three bodies in four of sixteen cells, two of them on the image's edge."""
    pixels = np.array([[10, 10], [150, 110], [630, 470], [640, 480], [330, 10], [10, 250.0]])
    errors = np.array([[3, 4], [0, 0], [6, 8], [0, 1], [0, 7], [5, 0]]) / CAMERA.matrix[0, 0]
    found = adjusted(CAMERA.rays(pixels), np.arange(6), errors)
    told = calibrate._told(found, 0, Recorded(CAMERA, [], []))
    assert told == (pytest.approx(5.0), 3, 4 / 16)


def explaining(degrees, off=0.0):
    """Two cameras, turned so, and a joint that both see, off by so many standard deviations."""
    places = np.array([place(), place((0, degrees, 0), (1, 0, 0))])
    none, both = np.zeros(2, np.intp), np.arange(2)
    seen = Observations(
        both, none, np.zeros((2, 2)), np.full(2, 0.1), none, np.zeros((1, 3)), none[:1], none[:1]
    )
    residuals = np.array([[0.0, 0.0], [0.1 * off, 0.0]])
    return Adjusted(places, np.zeros((1, 3)), seen, residuals)


def test_what_keypoints_say_is_what_they_have_beyond_their_joints_less_what_is_off():
    assert explaining(0).explained == explaining(0).redundant == 4 - 3
    assert explaining(0, off=np.sqrt(3)).explained == pytest.approx(0)


@pytest.mark.parametrize(("off", "refused"), [(1.4, False), (1.5, True)])
def test_cameras_that_hardly_explain_what_was_seen_are_refused(off, refused):
    """A joint that is 1.4 sigma off explains 0.28 of what it may, 1.5 sigma 0.20."""
    if not refused:
        refusals._check_fit(explaining(0, off), ["left", "right"])
        return
    with pytest.raises(InputError, match="left, right: wherever they stand, what they see hardly"):
        refusals._check_fit(explaining(0, off), ["left", "right"])


@pytest.mark.parametrize(
    ("degrees", "off", "refused"), [(100, 0.5, False), (100, 0.3, True), (8, 0.0, False)]
)
def test_cameras_that_explain_nearly_as_much_otherwise_are_refused(degrees, off, refused):
    """A joint that is 0.3 sigma off explains 0.96 of one that is not, 0.5 sigma 0.88."""
    best, rival = explaining(0), explaining(degrees, off)
    if not refused:
        refusals._check_rival(best, rival, ["left", "right"])
        return
    with pytest.raises(InputError, match="left and right: they may as well stand 100 degrees"):
        refusals._check_rival(best, rival, ["left", "right"])


def crowd(view, moments):
    """A track of somebody who is seen at the first so many of twenty moments."""
    rays = np.full((20, 34, 2), np.nan)
    rays[:moments] = 0
    return Track(view, rays, np.full((20, 34, 3), np.nan), np.ones((20, 34)), np.ones(20))


def test_whom_two_views_see_at_once_and_do_not_know_again_is_another_matter_than_nobody():
    """Walking where both see them is of no use to people who do."""
    names, lost = ["left", "right"], [np.eye(4), None]
    for moments, says in (
        (14, "right: sees somebody together with left at 14 moments, and it takes 15"),
        (15, "right: whom it sees fits nobody whom left and others see: they may be other people"),
    ):
        people = [crowd(0, 20), crowd(1, moments)]
        with pytest.raises(InputError, match=says):
            raise refusals.unplaced(rigs.Rig(lost, people, []), people, names, [15, 10])
    alone = [crowd(0, 20)]
    with pytest.raises(InputError, match="right: sees somebody together with left at 0 moments"):
        raise refusals.unplaced(rigs.Rig(lost, alone, []), alone, names, [15, 10])
    with pytest.raises(InputError, match="no two cameras agree on where anybody is: they may be"):
        raise refusals.unplaced(rigs.Rig([np.eye(4)] * 2, alone, []), alone, names, [15, 10])


@pytest.mark.parametrize(
    ("third", "says"),
    [
        (crowd(2, 14), "let somebody walk where it and two others see them"),
        (crowd(2, 15), "of whom it sees with two others nobody fits what these see"),
    ],
)
def test_who_tells_nothing_of_a_distance_is_nobody_or_somebody_who_does_not_fit(
    monkeypatch, third, says
):
    monkeypatch.setattr(refusals, "loose", lambda adjusted: 1)
    people = [crowd(0, 20), crowd(1, 20), third]
    with pytest.raises(InputError, match=f"b: nobody tells how far away it is.*{says}"):
        refusals._check_loose(explaining(0), people, ["a", "b", "c"])


def test_of_fewer_moments_than_parts_of_the_time_each_is_a_part():
    found = adjusted(np.zeros((4, 2)), np.arange(4), np.zeros((4, 2)))
    moments = replace(found.observations, moment=np.array([3, 5, 5, 9]))
    assert uncertainty._blocks(replace(found, observations=moments)).tolist() == [0, 1, 1, 2]


def test_places_are_laid_onto_others_turned_moved_and_scaled_as_a_whole():
    rng = np.random.default_rng(1)
    truth = np.array([place(rng.uniform(-90, 90, 3), rng.normal(0, 3, 3)) for _ in range(4)])
    whole = place((10, 20, 30), (4, 5, 6))
    other = whole @ truth
    other[:, :3, 3] *= 1.7
    assert_allclose(aligned(other, truth), truth, atol=1e-9)


def test_people_are_made_as_large_as_adjusted_cameras_have_them():
    """Views believe in people 1.2 times too large; of one of them no keypoint was used."""
    between = place((0, 60, 0), (2, 0, 1))
    places = np.array([np.eye(4), between])
    true = [
        sighted(view, moved(np.linalg.inv(places[view]), standing(at)))
        for at in ((0, 0, 3), (1, 0, 4))
        for view in (0, 1)
    ]
    seen = observed(true[:2], [[0, 1]], places)
    found = Adjusted(places, seen.start, seen, np.zeros_like(seen.ray))
    larger = [replace(each, joints=1.2 * each.joints) for each in true]
    resized = calibrate._resized(larger, [[0, 1], [2, 3]], found)
    for each, as_it_is in zip(resized, true, strict=True):
        assert_allclose(each.joints, as_it_is.joints, atol=1e-9)


# -- the world ------------------------------------------------------------------------------------


def test_the_worlds_x_is_where_the_camera_looks_and_straight_down_where_its_images_top_is():
    level = ground.Ground(np.array([0.0, -1, 0]), 1.5, 0.1, "")
    frame = ground.frame_of(level, np.eye(4))
    assert_allclose(frame[:3, :3] @ (0, 0, 1), [1, 0, 0], atol=1e-12)  # ahead
    assert_allclose(frame[:3, :3] @ (1, 0, 0), [0, -1, 0], atol=1e-12)  # the image's right
    assert_allclose(frame[:3, 3], [0, 0, 1.5])
    down = ground.frame_of(ground.Ground(np.array([0.0, 0, -1]), 2.0, 0.1, ""), np.eye(4))
    assert_allclose(down[:3, :3] @ (0, -1, 0), [1, 0, 0], atol=1e-12)
    assert_allclose(down[:3, :3] @ (0, 0, 1), [0, 0, -1], atol=1e-12)


def walkers(count, spread, tilt=0.0):
    """People here and there on a floor 1.4 m below a camera that is rolled by some degrees."""
    rng = np.random.default_rng(2)
    on_floor = standing((0, 0, 0))
    soles = max(on_floor[INDEX["left_heel"], 1] + 0.04, on_floor[INDEX["left_big_toe"], 1] + 0.02)
    level = np.stack(
        [standing((x, 1.4 - soles, 4 + z)) for x, z in rng.uniform(-spread, spread, (count, 2))]
    )
    return moved(place((0, 0, tilt)), level)


@pytest.mark.parametrize("tilt", [0.0, 8.0])
def test_the_floor_is_the_plane_under_feet_that_went_about(tilt):
    found = ground.ground_of(walkers(60, 1.5, tilt))
    assert found.source == "the floor under people's feet"
    up = place((0, 0, tilt))[:3, :3] @ (0, -1, 0)
    assert np.degrees(np.arccos(min(found.up @ up, 1.0))) < 0.2
    assert found.height == pytest.approx(1.4, abs=0.02)
    assert found.degrees < 0.5


def test_people_who_jump_now_and_then_do_not_lift_the_floor():
    bodies = walkers(60, 1.5)
    bodies[::5] += 0, -0.3, 0
    found = ground.ground_of(bodies)
    assert np.degrees(np.arccos(found.up @ (0, -1, 0))) < 0.3
    assert found.height == pytest.approx(1.4, abs=0.02)


def test_where_nobody_went_about_up_is_how_people_stand_to_five_degrees():
    bodies = walkers(20, 0.1)
    found = ground.ground_of(bodies)
    assert (found.source, found.degrees) == ("how people stand upright", 5.0)
    assert np.degrees(np.arccos(found.up @ (0, -1, 0))) < 5
    footless = bodies.copy()
    footless[2:, [INDEX[f"{side}_heel"] for side in ("left", "right")]] = np.nan
    assert ground.ground_of(footless) is None
    armless = bodies.copy()
    armless[2:, INDEX["left_shoulder"]] = np.nan
    assert ground.ground_of(armless) is None

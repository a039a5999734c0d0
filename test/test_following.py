"""Who goes before whom, with networks that see what they are told."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import Frame, Keypoints, Regions
from bodypose3d_ros.perception import networks
from bodypose3d_ros.perception.detection import Boxes
from bodypose3d_ros.perception.lifting.flat import NO_DISTANCE
from bodypose3d_ros.perception.lifting.shape_model import ShapeModel
from bodypose3d_ros.perception.pipeline import Pipeline
from bodypose3d_ros.perception.search import Budget, Search
from bodypose3d_ros.perception.tracking.tracker import Tracker
from people_made_up import standing

CAMERA = Camera.from_hfov(640, 480, 60)


class Somebody:
    """A pose network that sees a standing person in every region, at the region's middle.

    Confidence and score are those of the person told for the third of the image he is in.
    """

    shape, sure_score = ShapeModel(), 0.85

    def __init__(self):
        self.confidence = [0.9, 0.9, 0.9]
        self.score = [0.95, 0.95, 0.95]

    def estimate(self, frame, regions):
        body = CAMERA.project(standing((0.0, 0.2, 4.0))[None])[0]
        middle = (body.min(axis=0) + body.max(axis=0)) / 2
        pixels = body - middle + regions.center[:, None]
        third = np.clip(regions.center[:, 0] // 214, 0, 2).astype(int)
        score = np.array(self.score)[third]
        confidence = np.repeat(np.array(self.confidence)[third, None], 34, axis=1)
        return Keypoints(pixels, confidence, score, regions, replace(regions, score=score),
                         world=np.tile(standing((0.0, 0, 0)), (len(regions), 1, 1)))  # fmt: skip


class Nobody:
    """A detector that finds nobody, in three areas."""

    def __init__(self):
        self.searched = []

    def areas(self, width, height):
        return np.array([[0, 0, width, height], [0, 0, 320, 480], [320, 0, 320, 480]])

    def detect(self, image, areas):
        self.searched.append([area[:1] + area[2:3] for area in areas.tolist()])
        return Boxes(np.zeros((0, 4)), np.zeros(0))


@pytest.fixture
def pose():
    return Somebody()


def pipeline(pose, **options):
    return Pipeline(pose, Nobody(), None, **options)


def frame(stamp=0):
    return Frame(np.zeros((480, 640, 3), np.uint8), CAMERA, stamp)


def at(*columns):
    corners = [[x - 40.0, 100, x + 40, 380] for x in columns]
    return Boxes(np.array(corners).reshape(-1, 4), np.ones(len(columns)))


def regions(*columns):
    return Regions.from_boxes(at(*columns).corners)


def columns(bodies):
    return np.nanmean(bodies.pixels[..., 0], axis=1).round(-1).tolist()


def test_who_is_followed_goes_before_somebody_surer_who_is_expected_at_the_same_place(pose):
    following = pipeline(pose)
    following.estimate(frame(), at(200))
    pose.confidence = [0.5, 0.99, 0.99]
    following.expect(regions(216))
    assert columns(following.estimate(frame(1))) == [200]


def test_with_too_many_the_surest_stay_and_of_those_followed_none_goes_for_a_newcomer(pose):
    pose.confidence = [0.6, 0.9, 0.8]
    assert columns(pipeline(pose, max_people=2).estimate(frame(), at(100, 300, 520))) == [300, 520]
    following = pipeline(pose, max_people=2)
    following.estimate(frame(), at(100, 520))
    following.expect(regions(300))
    assert sorted(columns(following.estimate(frame(1)))) == [100, 520]


def test_somebody_new_must_be_surer_than_somebody_followed(pose):
    following = pipeline(pose)
    following.estimate(frame(), at(100))
    pose.score = [0.51, 0.84, 0.86]
    following.expect(regions(300, 520))
    assert columns(following.estimate(frame(1))) == [100, 520]
    pose.score = [0.49, 0.9, 0.9]
    assert columns(following.estimate(frame(2))) == [520]


def test_expected_people_are_looked_for_once(pose):
    following = pipeline(pose)
    following.estimate(frame(), at(100))
    pose.score[2] = 0.6
    following.expect(regions(520))
    following.estimate(frame(1))
    pose.score[2] = 0.95
    assert columns(following.estimate(frame(2))) == [100]


def test_the_search_goes_round_the_areas_and_begins_anew_after_a_reset(pose):
    detector = Nobody()
    whole, left, right = [0, 640], [0, 320], [320, 320]
    live = Pipeline(pose, detector, None, live=True)
    live(frame())
    live(frame(1))
    live.estimate(frame(2), at(100))
    live.search(frame(2))
    live(frame(3))
    assert detector.searched == [[whole, left], [right, whole], [left], [right]]
    live.reset()
    live(frame(4))
    assert detector.searched[-1] == [whole, left]
    first = Nobody()
    searched_whole = Pipeline(pose, first, None)
    searched_whole(frame())
    searched_whole(frame(1))
    assert first.searched == [[whole, left, right], [whole, left]]


def test_a_search_has_the_budget_it_is_given_and_each_stage_its_time(pose):
    detector = Nobody()
    following = Pipeline(pose, detector, Tracker())
    following.estimate(frame(), at(100))
    following.search(frame(), Budget(seconds=1.5))
    assert set(following.milliseconds) == {"pose", "lift", "track", "detect"}
    following.estimate(frame(10**8))
    following.search(frame(10**8), Budget(seconds=1.5))  # a third of it is each area's
    assert set(following.milliseconds) == {"pose", "lift", "track", "detect"}
    assert len(detector.searched) == 1
    following.estimate(frame(10**9))
    following.search(frame(10**9), Budget(seconds=1.5))
    assert len(detector.searched) == 2


def test_unless_it_is_told_so_it_is_not_live_and_measures_no_processor_time(pose):
    whole = networks.Networks(pose, Nobody()).pipeline(None)
    whole.estimate(frame())
    assert len(whole.detector.searched[0]) == 3  # all areas at once
    assert whole.cpu_milliseconds == {}
    live = networks.Networks(pose, Nobody()).pipeline(None, live=True)
    live.measures_cpu = True
    live.estimate(frame())
    assert len(live.detector.searched[0]) == 2
    assert live.cpu_milliseconds.keys() == live.milliseconds.keys()


def test_after_a_reset_nobody_is_followed(pose):
    following = pipeline(pose)
    following.estimate(frame(), at(100))
    following.reset()
    assert len(following.estimate(frame(1))) == 0


def test_a_network_that_gives_nothing_for_nobody_is_no_trouble(pose):
    assert len(pipeline(pose).estimate(frame(), at())) == 0


# -- a second skeleton on somebody's body, whichever joint where ----------------------------------


class Lying(Somebody):
    """Sees a body of the same joints, but in a turned region half a turn round its middle."""

    def estimate(self, frame, regions):
        seen = super().estimate(frame, regions)
        upside_down = regions.rotation[:, None, None] > 3
        turned = 2 * regions.center[:, None] - seen.pixels
        pixels = np.where(upside_down, turned, seen.pixels)
        return replace(
            seen, pixels=pixels, world=seen.world * np.where(upside_down, (-1, -1, 1), 1)
        )


def half_a_turn(*columns):
    upright = regions(*columns)
    return replace(upright, rotation=np.full(len(columns), np.pi))


def test_a_newcomer_upside_down_on_somebody_followed_is_a_second_skeleton_of_his():
    """No joint is near the one of its name, but nearly all lie on his bones."""
    following = pipeline(Lying())
    following.estimate(frame(), at(200))
    following.expect(half_a_turn(200))
    assert columns(following.estimate(frame(1))) == [200]
    following.expect(half_a_turn(420))
    assert columns(following.estimate(frame(2))) == [200, 420]


class There(Nobody):
    """A detector that finds half-sized people at some columns of the image."""

    def __init__(self, *columns):
        super().__init__()
        self.columns = columns

    def detect(self, image, areas):
        corners = [[x - 20.0, 170, x + 20, 310] for x in self.columns]
        return Boxes(np.array(corners), np.ones(len(corners)))


class OnTheLeft(There):
    """Finds somebody in the left half only, as whole as the image is."""

    def detect(self, image, areas):
        super(There, self).detect(image, areas)
        return There.detect(self, image, areas) if areas[0].tolist() == [0, 0, 320, 480] else at()


def test_an_area_with_somebody_unknown_in_it_has_its_turn_twice_as_often(pose):
    known = pose.estimate(frame(), regions(420))
    detector = OnTheLeft(100)
    search = Search(pose, detector)
    for _ in range(8):
        search.newcomers(frame(), known, 1, Regions.none(), step_if_quiet=2)
    whole, left, right = [0, 640], [0, 320], [320, 320]
    turns = [whole, left, right, left, whole, left, right, left]
    searched = [areas[0] for areas in detector.searched]  # who was found there is shown alone, too
    assert [area for area in searched if area in (whole, left, right)] == turns


def test_where_somebody_lost_should_be_has_its_turn_ten_times_as_often_as_where_nobody_is(pose):
    """A square twice as high as he is, every fifth of a turn; the others every second turn."""
    known = pose.estimate(frame(), regions(100))
    search = Search(pose, detector := Nobody())
    corners = np.array([[425.0, 165, 575, 315]])
    for _ in range(130):
        search.newcomers(frame(), known, 1, Regions.from_boxes(corners), step_if_quiet=2)
    there, *others = [350, 300], [0, 640], [0, 320], [320, 320]
    searched = [areas[0] for areas in detector.searched]
    assert searched.count(there) == pytest.approx(100, abs=4)  # 5 of 5 + 3 / 2 in a turn
    for area in others:
        assert searched.count(area) == pytest.approx(10, abs=2)


def test_who_is_awaited_no_longer_has_no_turn(pose):
    known = pose.estimate(frame(), regions(100))
    search = Search(pose, detector := Nobody())
    lost = Regions.from_boxes(np.array([[425.0, 165, 575, 315]]))
    for awaited in (Regions.none(), lost, Regions.none(), Regions.none(), lost):
        search.newcomers(frame(), known, 1, awaited)
    whole, left, right, there = [0, 640], [0, 320], [320, 320], [350, 300]
    assert detector.searched == [[whole], [there], [left], [right], [there]]


def test_who_was_lost_is_awaited_where_a_camera_that_moved_has_him_now(pose):
    """At 4 m straight ahead, as tall as people are; one behind or beside the view nowhere."""
    place = np.eye(4)
    place[0, 3] = 1.0
    tracker = SimpleNamespace(awaited=np.array([[1.0, 0, 4], [1.0, 0, -2], [5.0, 0, 4]]))
    lost = Pipeline(pose, Nobody(), tracker)._awaited(replace(frame(), place=place))
    assert lost.center.tolist() == [pytest.approx([319.5, 239.5], abs=0.6)]
    assert lost.size.tolist() == [pytest.approx([CAMERA.matrix[1, 1] * 1.775 / 4] * 2)]


@pytest.mark.parametrize(("column", "found"), [(200, 0), (420, 1)])
def test_the_search_finds_nobody_on_the_body_of_somebody_known(pose, column, found):
    """Half as large a region is none of those known: only what is seen there tells."""
    known = pose.estimate(frame(), regions(200))
    search = Search(pose, There(column))
    assert len(search.newcomers(frame(), known, None, Regions.none())) == found


def test_the_search_tells_of_nobody_who_is_followed_already(pose):
    """The same region found again is not even looked at: that is a network run less."""
    known = pose.estimate(frame(), regions(200))
    pose.estimate = None
    same = Nobody()
    same.detect = lambda image, areas: at(205)
    assert len(Search(pose, same).newcomers(frame(), known, None, Regions.none())) == 0
    assert len(Search(pose, same).in_time(frame(), known, Budget(), Regions.none)) == 0


def test_in_an_image_of_another_size_nobody_is_where_he_was(pose):
    """So it is searched whole; in one of the same size who is followed is looked for there."""
    follows = pipeline(pose)
    follows.estimate(frame(), at(100))
    detector = follows.detector
    detector.searched.clear()
    assert columns(follows.estimate(frame(1))) == [100]
    assert detector.searched == []
    smaller = Camera.from_hfov(320, 240, 60)
    later = Frame(np.zeros((240, 320, 3), np.uint8), smaller, 2)
    assert len(follows.estimate(later)) == 0
    (areas,) = detector.searched
    assert len(areas) == 3


class Flat(Somebody):
    """A network of keypoints alone."""

    def estimate(self, frame, regions):
        return replace(super().estimate(frame, regions), world=None)


def test_who_has_no_metres_is_told_of_once(caplog):
    follows = pipeline(Flat())
    for number in range(3):
        assert np.isnan(follows.estimate(frame(number), at(100)).joints).all()
    assert [record.message for record in caplog.records] == [NO_DISTANCE]
    guesses = pipeline(Flat(), guesses=True)
    assert np.isfinite(guesses.estimate(frame(), at(100)).joints).any()
    assert len(caplog.records) == 1

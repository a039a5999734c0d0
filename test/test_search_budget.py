"""Looking for newcomers while somebody is followed: as soon as promised, for what it may take."""

import time

import numpy as np
import pytest

from bodypose3d_ros.apps import crowd
from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import Frame, Keypoints, Regions
from bodypose3d_ros.perception.detection import Boxes
from bodypose3d_ros.perception.networks import load_networks
from bodypose3d_ros.perception.search import Budget, Search
from bodypose3d_ros.perception.tracking.tracker import Tracker

SECOND = 10**9
RATE = 30
AREAS = np.array([(0, 0, 64, 48)] * 6)
IMAGE = np.zeros((48, 64, 3), np.uint8)


class Empty:
    """A detector of six areas that sees nobody, and takes as long as it is told."""

    def __init__(self, seconds=0.0):
        self.seconds, self.searched = seconds, []

    def areas(self, width, height):
        return AREAS + np.arange(6)[:, None] * (1, 0, 0, 0)

    def detect(self, image, areas):
        self.searched += [int(area[0]) for area in areas]
        end = time.process_time() + self.seconds
        while time.process_time() < end:
            pass
        return Boxes(np.zeros((0, 4)), np.zeros(0))


class NoPose:
    def regions(self, boxes):
        return Regions.from_boxes(boxes.corners, boxes.score)


SOMEBODY = Keypoints(
    np.zeros((1, 34, 2)), np.ones((1, 34)), np.ones(1), Regions.from_boxes(np.ones((1, 4))),
    Regions.from_boxes(np.array([[0, 0, 20, 40]])),
)  # fmt: skip


def searches(detector, budget, seconds, rate=RATE, awaited=Regions.none):
    """The areas searched, frame by frame of a camera."""
    search = Search(NoPose(), detector)
    for number in range(round(seconds * rate)):
        search.in_time(Frame(IMAGE, None, number * SECOND // rate), SOMEBODY, budget, awaited)
    return detector.searched


def test_every_area_is_searched_within_the_time_and_where_nobody_is_within_twice_that():
    once = searches(Empty(), Budget(1.5, 1.0), 1.5 * 2 - 1 / RATE)
    assert set(once) == set(range(6))
    assert searches(Empty(), Budget(1.5, 1.0), 30.0).count(0) == pytest.approx(10, abs=1)


def test_who_is_awaited_puts_no_area_off():
    """He is looked for ten times in the two rounds, and takes no turn of the others away."""
    awaited = Regions.from_boxes(np.array([[30.0, 10, 50, 30]]))
    searched = searches(Empty(), Budget(1.5, 1.0), 30.0, awaited=lambda: awaited)
    assert searched.count(20) == pytest.approx(100, abs=5)
    for area in range(6):
        assert searched.count(area) == pytest.approx(10, abs=1)


def test_the_pace_is_kept_whatever_the_rate_of_images():
    counts = [len(searches(Empty(), Budget(1.5, 1.0), 30, rate)) for rate in (10, 25, 30, 120)]
    assert max(counts) - min(counts) <= 2


def test_no_more_of_a_core_is_taken_than_allowed():
    """Searches of 10 ms at a twentieth of a core: one in 0.2 s, however soon newcomers should be
    found."""
    assert len(searches(Empty(0.01), Budget(0.1, 0.05), 4.0)) <= 21


def test_stamps_that_jump_back_do_not_stop_the_search():
    detector = Empty()
    search = Search(NoPose(), detector)
    for stamp in (100 * SECOND, 0, SECOND):
        search.in_time(Frame(IMAGE, None, stamp), SOMEBODY, Budget(), Regions.none)
    assert len(detector.searched) == 3


@pytest.mark.parametrize("size", [(640, 480), (1920, 1080)])
@pytest.mark.parametrize("appears", [1.0, 1.3])
def test_a_newcomer_is_found_within_the_time_while_another_is_followed(size, appears):
    """As often as a node at 10 Hz looks, so that the pace and not the rate decides."""
    rate, budget = 10, Budget(1.5, 10.0)
    pictures = crowd.pictures(2, size)
    camera = Camera.from_hfov(*size, 60)
    with load_networks() as networks:
        pipeline = networks.pipeline(Tracker())
        for number in range(round((appears + budget.seconds) * rate) + 1):
            image = pictures[number % len(pictures)].copy()
            if number < appears * rate:
                image[:, size[0] // 2 :] = 128
            people = pipeline.estimate(Frame(image, camera, number * SECOND // rate))
            pipeline.search(Frame(image, camera, number * SECOND // rate), budget)
            if number < appears * rate:
                assert len(people) == 1
        assert len(people) == 2

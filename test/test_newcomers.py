"""Who is published: people, each once, and of them what is in the image."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import Frame, Keypoints, Regions
from bodypose3d_ros.body.skeleton import INDEX, JOINTS
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.detection import Boxes
from bodypose3d_ros.perception.lifting.shape_model import BLAZEPOSE_FULL
from bodypose3d_ros.perception.networks import load_networks
from bodypose3d_ros.perception.pipeline import Pipeline
from bodypose3d_ros.perception.pose.second_look import (
    confirmed,
    difference,
    look_alone,
    look_in_mirror,
    without_slid,
)
from bodypose3d_ros.perception.search import Search, without
from bodypose3d_ros.perception.tracking.tracker import Tracker

BODY = np.stack([np.linspace(-30, 30, 34), np.linspace(-100, 100, 34)], axis=1)
"""Joints of somebody about 200 pixels high, about his middle."""
SIDES_SWAPPED = [
    INDEX[n.replace("left", "?").replace("right", "left").replace("?", "right")] for n in JOINTS
]

SYMMETRIC = (BODY + (BODY * (-1, 1))[SIDES_SWAPPED]) / 2
"""The same in a mirror."""


def seen(pixels, score=1.0, detector=1.0):
    pixels = np.asarray(pixels, float)
    count = len(pixels)
    middle = np.nanmean(pixels, axis=1) if count else np.zeros((0, 2))
    regions = Regions(middle, np.full((count, 2), 200.0), np.zeros(count), np.full(count, detector))
    known = np.isfinite(pixels).all(axis=2)
    return Keypoints(pixels, known * 0.9, np.full(count, score), regions, regions)


class Eyes:
    """A pose network of 200 pixel people that sees a body about the bright spot of the image.

    ``drift``: how far, in pixels, it puts everything to the right, in the mirror, too.
    """

    def __init__(self, drift=0.0, score=1.0, score_in_mirror=1.0):
        self.drift, self.scores = drift, [score, score_in_mirror]

    def estimate(self, frame, regions):
        y, x = np.unravel_index(frame.image[..., 0].argmax(), frame.image.shape[:2])
        mirrored = x > frame.image.shape[1] / 2
        body = (BODY * (-1, 1))[SIDES_SWAPPED] if mirrored else BODY
        pixels = np.tile(body + (x + self.drift, y), (len(regions), 1, 1))
        return replace(seen(pixels, self.scores[int(mirrored)]), regions=regions)


class Sure:
    """A detector that finds a person of 200 pixels about the bright spot of each area, or nobody.

    ``score``: how sure it is of one shown alone.
    """

    def __init__(self, score=1.0):
        self.score, self.areas_shown = score, []

    def detect(self, image, areas):
        self.areas_shown += areas.tolist()
        y, x = np.unravel_index(image[..., 0].argmax(), image.shape[:2])
        corners = np.array([[x - 100.0, y - 100, x + 100, y + 100]] * len(areas))
        kept = np.full(len(areas), image.any() and self.score > 0)
        return Boxes(corners[kept], np.full(len(areas), self.score)[kept])


@pytest.fixture
def frame():
    image = np.zeros((480, 640, 3), np.uint8)
    image[240, 200] = 255
    return Frame(image, None, 0)


def confirmed_by(eyes, frame, detector=1.0, alone=1.0):
    seen_first = seen([BODY + (207.0, 243.0)], detector=detector)
    return len(confirmed(eyes, Sure(alone), frame, seen_first, frame.image))


def test_who_stays_where_he_is_in_the_mirror_is_somebody(frame):
    assert confirmed_by(Eyes(), frame) == 1


def test_who_moves_with_the_look_is_nobody(frame):
    """Eleven pixels this way, and that way in the mirror, are 0.11 of his size; 0.1 may be."""
    assert confirmed_by(Eyes(drift=11.0), frame) == 0
    assert confirmed_by(Eyes(drift=9.0), frame) == 1


def test_the_less_sure_the_networks_are_the_less_he_may_move(frame):
    """A detector that doubts him by 0.6 takes 0.042 of the size away, the same one that does not
    find him alone 0.05, and a network that doubts him by 0.45 takes 0.045."""
    assert confirmed_by(Eyes(drift=5.7), frame, detector=0.4) == 1
    assert confirmed_by(Eyes(drift=5.9), frame, detector=0.4) == 0
    assert confirmed_by(Eyes(drift=4.9), frame, alone=0.0) == 1
    assert confirmed_by(Eyes(drift=5.1), frame, alone=0.0) == 0
    assert confirmed_by(Eyes(drift=5.4, score_in_mirror=0.55), frame) == 1
    assert confirmed_by(Eyes(drift=5.6, score_in_mirror=0.55), frame) == 0
    assert confirmed_by(Eyes(drift=5.6, score=0.55), frame) == 0
    assert confirmed_by(Eyes(score=0.49), frame) == 0
    assert confirmed_by(Eyes(score_in_mirror=0.49), frame) == 0


@pytest.mark.parametrize(
    ("right", "score_in_mirror", "left"), [(5, 0.4, 1), (5, 0.6, 2), (150, 0.4, 2)]
)
def test_who_has_slid_onto_somebody_and_is_not_in_the_mirror_is_nobody(
    frame, right, score_in_mirror, left
):
    """Bones 15 pixels about belong to somebody of 200 pixels; beside them nobody looks again."""
    people = seen(np.array([BODY, BODY + (right, 0)]) + (200, 240))
    kept = without_slid(Eyes(score_in_mirror=score_in_mirror), frame, people)
    assert [body[0, 0] for body in kept.pixels] == [170, 170 + right][:left]


def test_who_is_decided_on_is_not_looked_at_again(frame):
    """Shown alone is only whom that decides on: who moves by 5 to 10 pixels of his 200."""

    def looks(eyes):
        people, alone = [], Sure()
        estimate = eyes.estimate
        eyes.estimate = lambda at, regions: people.append(len(regions)) or estimate(at, regions)
        confirmed(eyes, alone, frame, seen([BODY + (207.0, 243.0)]), frame.image)
        return sum(people), len(alone.areas_shown)

    assert looks(Eyes(drift=7.0)) == (2, 1)
    assert looks(Eyes(drift=4.9)) == (2, 0)
    assert looks(Eyes(drift=11.0)) == (2, 0)
    assert looks(Eyes(score=0.49)) == (1, 0)


def test_of_whom_four_joints_are_in_view_nobody_is_told(frame):
    """A face has five; a shadow at the lower edge became the head of somebody below the image."""

    class Cut(Eyes):
        def estimate(self, frame, regions):
            people = super().estimate(frame, regions)
            known = np.isin(np.arange(34), self.joints)
            return replace(people, confidence=people.confidence * known)

    eyes = Cut()
    for count, people in ((4, 0), (5, 1)):
        eyes.joints = np.arange(count)
        assert confirmed_by(eyes, frame) == people


def test_alone_is_an_area_a_little_larger_than_he_is_and_who_is_found_elsewhere_does_not_count():
    detector, image = Sure(0.8), np.zeros((480, 640, 3), np.uint8)
    image[240, 200] = 255
    regions = Regions.from_boxes(np.array([[100.0, 140, 300, 340], [300.0, 140, 500, 340]]))
    assert look_alone(detector, image, regions).tolist() == [0.8, 0]
    assert detector.areas_shown == [[70, 110, 260, 260], [270, 110, 260, 260]]
    assert len(look_alone(detector, image, Regions.none())) == 0


def test_whose_back_is_taken_for_his_front_is_the_same_person():
    one = seen([BODY])
    assert difference(one, seen([BODY[SIDES_SWAPPED]])) == 0
    assert difference(one, seen([BODY + (10.0, 0)])) == pytest.approx(0.05)


def test_people_without_limbs_in_view_are_compared_by_the_rest_and_nothing_is_nobody():
    face = np.full_like(BODY, np.nan)
    face[INDEX["nose"]] = face[INDEX["left_eye"]] = 10
    assert difference(seen([face]), seen([face + (20.0, 0)])) == pytest.approx(0.1)
    nothing = np.full_like(BODY, np.nan)
    assert difference(replace(seen([BODY]), pixels=nothing[None]), seen([BODY])) == np.inf
    nobody = seen(np.zeros((0, 34, 2)))
    assert len(difference(nobody, nobody)) == 0


def test_a_difference_is_the_lower_median_of_the_limbs_that_both_know():
    """Twelve limb joints, moved by 1 to 12 pixels of a size of 200: the sixth."""
    limbs = [INDEX[f"{side}_{name}"] for side in ("left", "right")
             for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")]  # fmt: skip
    moved = BODY.copy()
    moved[limbs, 0] += np.arange(1, 13)
    assert difference(seen([BODY]), seen([moved])) == pytest.approx(6 / 200)
    moved[limbs[10:]] = np.nan
    assert difference(seen([BODY]), seen([moved])) == pytest.approx(5 / 200)
    moved[limbs[1:]] = np.nan
    assert difference(seen([BODY]), seen([moved])) == pytest.approx(1 / 200)


def test_a_region_is_mirrored_with_the_image(frame):
    class Noting(Eyes):
        def estimate(self, frame, regions):
            self.regions = regions
            return super().estimate(frame, regions)

    region = Regions(np.array([[200.0, 240]]), np.array([[50.0, 90]]), np.array([0.3]), np.ones(1))
    eyes = Noting()
    look_in_mirror(eyes, frame, region)
    assert eyes.regions.center.tolist() == [[439.0, 240.0]]
    assert (eyes.regions.rotation.tolist(), eyes.regions.size.tolist()) == ([-0.3], [[50.0, 90.0]])


# -- whoever stands beside somebody -------------------------------------------------------------


def test_people_are_painted_over_with_what_is_around_their_joints_and_nothing_else(frame):
    image = np.full((480, 640, 3), 200, np.uint8)
    image[:, ::2] = 100
    person = np.full_like(BODY, np.nan)
    person[:4] = [[300, 100], [340, 100], [340, 200], [300, 200]]
    painted = without(image, seen([person]))  # 200 pixels in size: 6 around the joints
    assert (painted[95:206, 300:341] == 150).all()
    assert (painted[100:201, 295:346] == 150).all()
    changed = np.argwhere((painted != image).any(axis=2))
    assert (changed.min(axis=0) >= (93, 293)).all()
    assert (changed.max(axis=0) <= (207, 347)).all()
    assert (image[:, ::2] == 100).all()
    nobody = seen(np.zeros((0, 34, 2)))
    assert (without(image, nobody) == image).all()
    unseen = replace(seen([BODY]), pixels=np.full((1, 34, 2), np.nan))
    assert (without(image, unseen) == image).all()


class MostProminent:
    """A detector that tells of the brightest spot alone, and a network that sees a body there."""

    sure_score = 0.85

    def areas(self, width, height):
        return np.array([[0, 0, width, height]])

    def detect(self, image, areas):
        y, x = np.unravel_index(image[..., 0].argmax(), image.shape[:2])
        there = np.array([[x - 100.0, y - 100, x + 100, y + 100]])
        return Boxes(there, np.ones(1)) if image[y, x, 0] > 100 else Boxes(there[:0], np.zeros(0))

    def estimate(self, frame, regions):
        return replace(seen(SYMMETRIC + regions.center[:, None]), regions=regions)


def spots(*columns):
    image = np.zeros((480, 640, 3), np.uint8)
    for number, x in enumerate(columns):
        image[240, x] = 255 - number
    return Frame(image, None, 0)


def test_who_is_less_prominent_is_found_when_the_others_are_painted_over():
    both = MostProminent()
    found = Search(both, both).newcomers(spots(100, 500, 300), None, None, Regions.none())
    assert found.center[:, 0].tolist() == [100, 500, 300]


def test_somebody_followed_hides_nobody_from_the_search_of_one_area():
    both = MostProminent()
    frame = spots(100, 500, 300)
    known = seen([SYMMETRIC + (100, 240)])
    found = Search(both, both).newcomers(frame, known, 1, Regions.none())
    assert found.center[:, 0].tolist() == [500]  # one round: the next frame finds the third


class Distracted(MostProminent):
    """The network sees the first of several people in the second's place, too, and surer."""

    shape = BLAZEPOSE_FULL

    def estimate(self, frame, regions):
        people = super().estimate(frame, regions)
        if len(regions) < 2:
            return people
        pixels, confidence = people.pixels.copy(), people.confidence.copy()
        pixels[1], confidence[1] = pixels[0] + 10, 0.99
        return replace(people, pixels=pixels, confidence=confidence)


def test_who_was_found_first_stays_where_another_newcomer_ends_on_him():
    """He was found among others, the second only without him: the woman who is there was lost."""
    network = Distracted()
    frame = spots(100, 500)
    frame = replace(frame, camera=Camera.from_hfov(640, 480, 60))
    bodies = Pipeline(network, network, None, guesses=True)(frame)
    assert len(bodies) == 1
    assert bodies.pixels[0, :, 0].mean() == pytest.approx(100)


# -- through the real network -------------------------------------------------------------------


@pytest.fixture(scope="module")
def networks():
    with load_networks() as loaded:
        yield loaded


def first_frame(name):
    return next(film.load(name).frames())


def test_in_the_mirror_the_left_hand_is_still_the_left_one(networks):
    frame = first_frame("one_person")
    person = Regions.from_boxes(np.array([[190.0, 60, 450, 440]]))
    seen = networks.pose.estimate(frame, person)
    mirrored = look_in_mirror(networks.pose, frame, person)
    wrist = INDEX["left_wrist"]
    assert np.linalg.norm(seen.pixels[0, wrist] - mirrored.pixels[0, wrist]) < 8
    assert difference(seen, mirrored) < 0.02
    assert len(confirmed(networks.pose, networks.detector, frame, seen, frame.image)) == 1


def test_joints_outside_the_image_are_unknown(networks):
    """A man without his head in the picture: it was found above it, with confidence 0.999."""
    whole = first_frame("one_person")
    top = int(film.load("one_person").pixels[0, 0, INDEX["neck"], 1])
    image = whole.image[top:].copy()
    frame = Frame(image, Camera.from_hfov(image.shape[1], image.shape[0], 60), 0)
    person = Regions.from_boxes(np.array([[190.0, 60 - top, 450, 440 - top]]))
    keypoints = networks.pose.estimate(frame, person)
    head = [INDEX[name] for name in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")]
    assert np.isnan(keypoints.pixels[0, head]).all()
    assert (keypoints.confidence[0, head] == 0).all()
    assert np.isnan(keypoints.world[0, head]).all()
    assert (keypoints.pixels[0][np.isfinite(keypoints.pixels[0, :, 0])] >= -0.5).all()
    assert (keypoints.confidence[0, [INDEX["left_hip"], INDEX["left_ankle"]]] > 0.5).all()


class Counting:
    """Another pose network, with the number of people of each look kept."""

    def __init__(self, pose):
        self.pose, self.looks = pose, []
        self.shape, self.sure_score = pose.shape, pose.sure_score

    def estimate(self, frame, regions):
        self.looks.append(len(regions))
        return self.pose.estimate(frame, regions)


def test_only_newcomers_are_looked_at_more_than_once(networks):
    pose = Counting(networks.pose)
    pipeline = Pipeline(pose, networks.detector, Tracker(), live=True)
    frames = list(film.load("one_person").frames())
    looks = []
    for frame in frames[:13]:
        pose.looks.clear()
        assert len(pipeline(frame)) == 1
        looks.append(list(pose.looks))
    # Found in two tiles, seen, again, in the mirror, and published; then followed.
    assert looks[0] == [2, 1, 1, 1]
    assert all(each[0] == 1 for each in looks[1:])
    assert [1] in looks[1:]


def test_a_person_cut_by_the_edge_of_the_image_is_found(networks):
    whole = first_frame("one_person")
    middle = int(film.load("one_person").pixels[0, 0, 0, 0])
    half = whole.image[:, middle:].copy()
    camera = whole.camera.from_hfov(half.shape[1], half.shape[0], 40)
    assert len(networks.pipeline(None)(replace(whole, image=half, camera=camera))) == 1


def test_a_picture_of_a_room_and_noise_hold_nobody(networks):
    empty = first_frame("walk_through")
    noise = np.random.default_rng(0).integers(0, 255, empty.image.shape, np.uint8)
    for image in (empty.image, noise, cv2.blur(noise, (31, 31))):
        assert len(networks.pipeline(None)(replace(empty, image=image))) == 0

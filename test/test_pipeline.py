"""The whole way on the project's films, through the real networks."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose
from rosbags.highlevel import AnyReader

from bodypose3d_ros.apps.accuracy import measure
from bodypose3d_ros.apps.cli import main
from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import Frame
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.errors import CameraError
from bodypose3d_ros.media import film, film_recording
from bodypose3d_ros.perception.detection import Boxes
from bodypose3d_ros.perception.networks import load_networks
from bodypose3d_ros.perception.pipeline import Pipeline
from bodypose3d_ros.perception.tracking.tracker import Tracker


@pytest.fixture(scope="module")
def networks():
    with load_networks() as loaded:
        yield loaded


@pytest.fixture
def fresh(networks):
    return networks.pipeline(Tracker())


@pytest.mark.parametrize("name", ["one_person", "one_person_distorted"])
def test_one_person_is_found_in_every_frame_as_well_as_mediapipe_does(fresh, name):
    shown = film.load(name)
    figures = measure(shown, dict(enumerate(map(fresh, shown.frames())))).to_json()
    assert figures["detection_rate"] == 1
    assert figures["invented"] == figures["identity_switches"] == 0
    limbs = figures["limb_joints"]
    # MediaPipe on a like clip: 4.5 px, 93 mm, 63 mm
    assert limbs["pixels"] < 7
    assert limbs["root_aligned_mm"] < 120
    assert limbs["procrustes_mm"] < 80


def test_both_of_two_people_are_found_and_nobody_else(fresh):
    shown = film.load("two_people")
    accuracy = measure(shown, dict(enumerate(map(fresh, shown.frames()))))
    assert accuracy.found / accuracy.expected > 0.9
    assert accuracy.invented == 0


def test_half_a_body_is_nobody_new(fresh):
    """In the first image a half-sized body is found on his chest, with a score of 0.7."""
    assert len(fresh(next(film.load("two_people").frames()))) == 2


def test_somebody_who_walks_in_is_found_and_who_leaves_is_gone(fresh):
    shown = film.load("walk_through")
    people = [fresh(frame) for frame in shown.frames()]
    accuracy = measure(shown, dict(enumerate(people)))
    assert accuracy.found / accuracy.expected > 0.85
    assert len(people[0]) == len(people[-1]) == 0


def test_joints_lie_on_the_rays_of_their_pixels(fresh):
    shown = film.load("one_person_distorted")
    bodies = fresh(next(shown.frames()))
    known = np.isfinite(bodies.joints).all(axis=2)
    assert known.sum() == 30
    # Hips and pelvis are the joints of the skeleton, which lie above those that BlazePose draws.
    known[:, [INDEX["pelvis"], INDEX["left_hip"], INDEX["right_hip"]]] = False
    assert_allclose(shown.camera.project(bodies.joints)[known], bodies.pixels[known], atol=1e-3)


def test_regions_from_elsewhere_replace_the_search(fresh):
    shown = film.load("two_people")
    frame = next(shown.frames())
    x, y = shown.pixels[0, 0].T
    box = Boxes(np.array([[x.min(), y.min(), x.max(), y.max()]]), np.ones(1))
    bodies = fresh(frame, box)
    assert len(bodies) == 1
    distance = np.linalg.norm(bodies.pixels[0] - shown.pixels[0, 0], axis=1)
    assert np.nanmean(distance) < 12
    assert len(fresh(frame, Boxes(np.zeros((0, 4)), np.zeros(0)))) == 0


def test_who_is_known_does_not_wait_for_the_search_and_newcomers_join_in_the_next_frame(fresh):
    shown = film.load("two_people")
    first, *later = list(shown.frames())[:4]
    x, y = shown.pixels[0, 0].T
    fresh.estimate(first, Boxes(np.array([[x.min(), y.min(), x.max(), y.max()]]), np.ones(1)))
    counts, searched = [], []
    for frame in later:
        counts.append(len(fresh.estimate(frame)))
        searched.append("detect" in fresh.milliseconds)
        fresh.search(frame)
    # She shows in the second tile of the round, the left square.
    assert counts[0] == 1
    assert counts[-1] == 2
    assert not any(searched)


class CountingDetector:
    """Another detector, with the number of areas of each search kept."""

    def __init__(self, detector):
        self.engine, self.areas, self.close = detector.engine, detector.areas, detector.close
        self.detector, self.searched = detector, []

    def detect(self, image, areas):
        self.searched.append(len(areas))
        return self.detector.detect(image, areas)


def test_live_not_even_the_first_frame_takes_longer(networks):
    """Searched whole it takes a quarter of a second, in which a camera's next three are dropped."""
    detector = CountingDetector(networks.detector)
    live = Pipeline(networks.pose, detector, Tracker(), live=True)
    for _ in range(2):
        people = [live(frame) for frame in list(film.load("two_people").frames())[:4]]
        assert (max(detector.searched), len(people[-1])) == (2, 2)  # of eleven tiles
        live.reset()


def test_a_camera_of_another_size_is_refused(fresh):
    frame = Frame(np.zeros((48, 64, 3), np.uint8), Camera.from_hfov(640, 480, 60), 0)
    with pytest.raises(CameraError, match="this one is 64x48"):
        fresh(frame)


def test_no_more_people_than_asked_for(networks):
    only_one = networks.pipeline(Tracker(), max_people=1)
    assert len(only_one(next(film.load("two_people").frames()))) == 1


def test_pipelines_share_networks_each_with_its_own_people_and_times(networks):
    """Two cameras, one after the other, and in two threads at once, as a rig has them."""
    shown = film.load("one_person")
    frames = list(shown.frames())[:3]
    alone = [networks.pipeline(Tracker())(frame) for frame in frames[:1]]
    one, other = networks.pipeline(Tracker()), networks.pipeline(Tracker())
    one(frames[0])
    assert other.milliseconds == {}
    other(frames[0])
    for frame in frames[1:]:
        assert one(frame).track_id == other(frame).track_id == alone[0].track_id
    with ThreadPoolExecutor() as threads:
        for pipeline in threads.map(lambda p: [p(frames[2]), p][1], (one, other)):
            stages = pipeline.milliseconds
            assert 0 < stages["network"] < stages["detect"] + stages["pose"] + stages["network"]
    assert one.detector is other.detector is networks.detector


def test_without_a_tracker_nobody_is_anybody(networks):
    bodies = networks.pipeline(None)(next(film.load("two_people").frames()))
    assert bodies.track_id.tolist() == [0, 0]


def test_a_recording_comes_out_with_poses_markers_and_tf(tmp_path):
    film_recording.write("one_person", tmp_path / "bag")
    out = tmp_path / "out"
    answer = CliRunner().invoke(
        main, ["estimate", str(tmp_path / "bag"), "--images", "--out", str(out)]
    )
    assert answer.exit_code == 0, answer.output
    with AnyReader([out / "poses.mcap"]) as reader:
        counts = {name: topic.msgcount for name, topic in reader.topics.items()}
        arrays = [reader.deserialize(raw, c.msgtype)
                  for c, _, raw in reader.messages() if c.topic == "/bodypose3d/poses"]  # fmt: skip
    assert counts == {
        "/bodypose3d/poses": 60, "/bodypose3d/markers": 60, "/tf": 60, "/tf_static": 1,
        "/camera/camera_info": 60, "/camera/image_raw/compressed": 60,
    }  # fmt: skip
    stamp = arrays[3].header.stamp
    assert stamp.sec * 10**9 + stamp.nanosec == film_recording.EPOCH + 200_000_000
    lines = [json.loads(line) for line in (out / "poses.jsonl").read_text().splitlines()]
    person, pose = lines[3]["people"][0], arrays[3].poses[0]
    for joint, xyz in zip(pose.joints, person["joints"], strict=True):
        position = [joint.position.x, joint.position.y, joint.position.z]
        assert (xyz is None) == np.isnan(position).any()
        if xyz is not None:
            assert_allclose(position, xyz, atol=1e-4)
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["frames"], summary["person_frames"], summary["tracks"]) == (60, 60, 1)
    assert {"read", "detect", "pose", "lift", "track", "messages", "network"} <= set(
        summary["milliseconds"]
    )
    assert (out / "overlay.mp4").stat().st_size > 10_000


def test_a_person_is_found_at_once_and_is_the_same_when_the_image_changes_its_size(fresh):
    """A camera that is switched to half its resolution while somebody stands before it."""
    shown = film.load("one_person")
    large = next(shown.frames())
    to_half = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
    half = replace(shown.camera, width=320, height=240, matrix=to_half @ shown.camera.matrix)
    small = Frame(
        cv2.resize(large.image, (320, 240), interpolation=cv2.INTER_AREA), half, large.stamp + 1
    )
    before, after = fresh(large), fresh(small)
    assert before.track_id.tolist() == after.track_id.tolist() == [1]
    assert np.nanmax(np.abs(after.joints - before.joints)) < 0.15

"""The fusion node: what several cameras' nodes say becomes one truth, and who is wrong is told."""

import logging
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import cell_sightings as cell
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.errors import InputError
from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.diagnostics import ERROR, OK, WARN, State
from bodypose3d_ros.node.fusion.core import FusionCore
from bodypose3d_ros.node.fusion.parameters import DECLARATIONS, Parameters
from bodypose3d_ros.wire.pose_cdr import PoseCdr
from fusion_alone import CAMERAS, EPOCH, FusionNode, poses, topics_stamp
from node_alone import TYPES, bodies_of
from people_made_up import row


@pytest.fixture
def alone():
    """Starts fusion nodes without anything around them: see fusion_alone."""
    nodes = []

    def starter(**parameters):
        nodes.append(FusionNode(**parameters))
        return nodes[-1]

    yield starter
    for node in nodes:
        node.core.cleanup()


def off(message, number):
    """(N,) metres from everybody's joints to somebody's of the film, the nearest."""
    truth = cell.FILMS["cell_front"].joints_world[number]
    apart = np.linalg.norm(bodies_of(message).joints[:, None] - truth[None], axis=3)
    return np.nanmean(apart, axis=2).min(axis=1)


def sigma(message):
    """Metres: how well the pelvises are known, in the worst direction."""
    covariance = bodies_of(message).covariance[:, INDEX["pelvis"]]
    return float(np.sqrt(np.linalg.eigvalsh(covariance)[:, -1]).mean())


def alive(node):
    node.core.tell_alive()
    message = node.host.sent[topics.ALIVE][-1]
    return State(message.state), message.reason


def test_three_views_are_one_truth_in_the_fixed_frame(alone):
    node = alone()
    said = node.run(range(10), size=1.06)
    assert said.header.frame_id == "world"
    assert topics_stamp(said) == EPOCH + cell.FILMS["cell_front"].stamp(9)
    assert sorted(pose.track_id for pose in said.poses) == [1, 2]
    assert (off(said, 9) < 0.05).all()  # a view alone, 6 % too far, is 20 cm off
    markers, tf = node.host.sent[topics.MARKERS][-1], node.host.sent[topics.TF][-1]
    assert {marker.id for marker in markers.markers} == {1, 2}
    assert tf.transforms[0].header.frame_id == "world"
    assert len(node.host.sent[topics.POSES]) == 10
    report = node.core.diagnose()
    assert (report.level, report.values["cameras that contribute"]) == (OK, "front, left, back")
    assert alive(node) == (State.OK, "")


def test_each_camera_tells_its_residual_and_latency(alone):
    node = alone()
    node.run(range(10))
    for camera in CAMERAS:
        report = node.core.statuses()[camera]()
        assert (report.level, report.message) == (OK, "contributes")
        assert report.values["latency, median (ms)"] == "20.0"
        # Keypoints are 3 pixels off in each direction, of 8.6 pixels a degree.
        assert 0.1 < float(report.values["residual, median (degrees)"]) < 0.6
        assert 1 < float(report.values["residual, median (pixels)"]) < 5
        assert report.values["people in view"] == "2"


def test_without_calibrations_there_are_degrees_and_no_pixels(alone):
    node = alone(infos=False)
    node.run(range(10))
    values = node.core.statuses()["left"]().values
    assert float(values["residual, median (degrees)"]) < 0.6
    assert values["residual, median (pixels)"] == "nan"


def test_without_one_camera_people_go_on_less_well_known_and_it_joins_again(alone, clock):
    clock.before("node.fusion.health")
    node = alone(stale_after=0.5)
    before = node.run(range(10))
    without = node.run(range(10, 20), cameras=("front", "back"))
    assert sorted(p.track_id for p in without.poses) == [1, 2]
    assert sigma(without) > 1.1 * sigma(before)
    clock.seconds += 0.6
    node.run(range(20, 22), cameras=("front", "back"))
    report = node.core.diagnose()
    assert report.level == WARN
    assert "left: silent for" in report.message
    assert alive(node)[0] == State.DEGRADED
    back = node.run(range(22, 24))
    assert sorted(p.track_id for p in back.poses) == [1, 2]
    assert "left" in node.core.diagnose().values["cameras that contribute"]
    assert node.core.statuses()["left"]().level == OK


def test_when_all_are_silent_nothing_is_said_and_that_is_an_error(alone, clock):
    clock.before("node.fusion.health")
    node = alone(stale_after=0.1, alive_timeout=0.1)
    node.run(range(5))
    node.until(lambda: node.core.diagnose().values["poses published"] == "5")
    clock.seconds += 0.2
    assert node.core.diagnose().level == ERROR
    assert "all cameras are silent: no poses for" in node.core.diagnose().message
    assert alive(node)[0] == State.STALE
    assert len(node.host.sent[topics.POSES]) == 5


def test_before_any_camera_is_heard_that_is_an_error(alone):
    report = alone().core.diagnose()
    assert (report.level, report.message) == (
        ERROR,
        "no camera's poses have come yet: front, left, back",
    )


@pytest.mark.parametrize("axis", np.eye(3))
def test_a_camera_whose_place_is_wrong_is_named(alone, axis):
    """Of two degrees; a turn about the line to the people, here about x, is told least."""
    node = alone(extrinsics_tolerance=0.7)
    node.host.turn("left", 2, axis)
    node.run(range(60))
    node.until(lambda: "degrees off since" in node.core.diagnose().message)
    assert node.core.diagnose().message.startswith("left: ")
    off = {
        name: node.core.statuses()[name]().values["place is off by (degrees)"] for name in CAMERAS
    }
    assert 0.7 < float(off["left"]) < 2.5
    assert max(float(off["front"]), float(off["back"])) < 0.7
    (warning,) = node.warnings
    assert warning.startswith("left: its place in TF is")
    assert alive(node)[0] == State.DEGRADED


def test_places_that_fit_are_not_blamed(alone):
    node = alone()
    node.run(range(60))
    for camera in CAMERAS:
        assert float(node.core.statuses()[camera]().values["place is off by (degrees)"]) < 0.3
    assert node.warnings == []


def test_cameras_that_come_in_any_order_are_fused_in_that_of_their_stamps(alone):
    node = alone(cameras=("front", "left"), wait=0.0)
    film, newest = cell.FILMS["cell_front"], 0
    for camera, number in (("front", 2), ("left", 1), ("front", 3), ("left", 2), ("left", 4)):
        stamp = EPOCH + film.stamp(number)
        node.host.time = max(node.host.time, stamp + 20_000_000)
        node.hear(camera, poses(camera, number))
        if number > newest:
            node.wait(stamp)
            newest = number
    stamps = [topics_stamp(message) - EPOCH for message in node.host.sent[topics.POSES]]
    assert stamps == [film.stamp(number) for number in (2, 3, 4)]
    assert sorted(p.track_id for p in node.host.sent[topics.POSES][-1].poses) == [1, 2]


def test_a_camera_without_a_place_is_told_of_and_holds_up_nobody(alone):
    node = alone(transform_timeout=0.0)
    del node.host.matrices["world", "left"]
    said = node.run(range(6))
    assert len(said.poses) == 2
    node.until(lambda: node.core.diagnose().level == WARN)  # told after the poses have left
    assert node.core.diagnose().message == "left: TF does not connect 'left' with 'world'"
    assert node.warnings == ["left: TF does not connect 'left' with 'world'"]
    unused = node.core.statuses()["left"]().values["poses without transform"]
    assert int(unused) >= 5


def damaged():
    """Poses that nobody can fuse, by what is wrong with them."""
    good = poses("left", 0)
    bodies = row(1)
    nan, inf = np.full_like(bodies.covariance, np.nan), np.full_like(bodies.covariance, np.inf)

    def cdr(**changes):
        return PoseCdr(
            replace(bodies, track_id=np.zeros(1, np.uint32), **changes), EPOCH, "left", (9, 9)
        ).array()

    yield "nothing", b""
    yield "an encapsulation", good[:4]
    yield "half of it", good[: len(good) // 2]
    yield "big-endian", b"\x00\x00" + good[2:]
    yield "no covariances", cdr(covariance=nan)
    yield "infinite covariances", cdr(covariance=inf)
    yield "flat covariances", cdr(covariance=bodies.covariance * 0)
    yield "negative covariances", cdr(covariance=-bodies.covariance)
    yield "far away", cdr(joints=bodies.joints * 1e100)
    yield "no size", cdr(log_size=np.array([np.nan]), size_sigma=np.array([np.nan]))
    yield "a size beyond all", cdr(log_size=np.array([1e30]), size_sigma=np.zeros(1))
    yield "nobody's confidence", cdr(confidence=np.full((1, 34), np.nan), score=np.array([np.nan]))


@pytest.mark.parametrize("cdr", [pytest.param(cdr, id=what) for what, cdr in damaged()])
def test_malformed_poses_never_end_it(alone, cdr):
    node = alone()
    node.run(range(3))
    node.hear("left", cdr)
    said = node.run(range(3, 8))
    assert sorted(p.track_id for p in said.poses) == [1, 2]
    assert all(np.isfinite(bodies_of(m).joints).any() for m in node.host.sent[topics.POSES][2:])


@pytest.mark.parametrize("seed", range(3))
def test_poses_whose_bytes_are_damaged_make_no_defect(alone, seed):
    """Cut, with bytes or numbers exchanged for any others: what can be read is fused or left."""
    rng = np.random.default_rng(seed)
    good = [poses(camera, number) for camera in CAMERAS for number in (3, 4)]
    numbers = np.array([np.nan, np.inf, -np.inf, 1e308, 1e-308, 0, -1])
    node = alone()
    node.run(range(3))
    for turn in range(120):
        cdr = bytearray(good[rng.integers(len(good))])
        for _ in range(rng.integers(1, 20)):
            at = int(rng.integers(4, len(cdr) - 8))
            if turn % 3 == 0:
                cdr[at] = int(rng.integers(256))
            elif turn % 3 == 1:
                scaled = rng.normal() * 10 ** rng.uniform(-8, 8)
                cdr[at : at + 8] = rng.choice([*numbers, scaled]).tobytes()
        cut = len(cdr) if turn % 3 else int(rng.integers(len(cdr)))
        node.hear(CAMERAS[turn % 2], bytes(cdr[:cut]))
        if turn % 10 == 0:  # the third camera completes a round of what was heard
            node.hear("back", poses("back", 3 + turn // 10))
    said = node.run(range(20, 24))
    assert len(said.poses) >= 2
    assert not [text for level, text in node.host.texts if level >= logging.ERROR]


def test_whom_it_does_not_hear_is_told_of_with_the_topic(alone, clock):
    clock.before("node.fusion.health")
    clock.before("node.silence")
    node, said = alone(), lambda: [t for level, t in node.host.texts if level == logging.WARNING]
    assert "/left/bodypose3d/poses" in node.host.texts[-1][1]
    node.run(range(2), cameras=("front", "back"))
    clock.seconds += 0.9  # stale_after is 0.8; who has never come has 5 seconds
    for report in node.core.statuses().values():
        report()
    assert said() == [
        f"{name}: its poses have not come on /{name}/bodypose3d/poses for 0.9 s"
        for name in ("front", "back")
    ]
    clock.seconds += 4.6
    node.core.camera_report("left")
    assert said()[-1].startswith(
        "left: its poses have not come on /left/bodypose3d/poses for 5.5 s yet"
    )


def test_damaged_poses_are_counted_and_said_once(alone):
    node = alone()
    node.run(range(3))
    for _ in range(3):
        node.hear("left", b"no CDR")
    assert node.core.statuses()["left"]().values["damaged poses"] == "3"
    assert len(node.warnings) == 1
    assert node.core.diagnose().level == WARN


def test_a_camera_that_repeats_one_moment_for_ever_is_told_of(alone, clock):
    clock.before("node.fusion.health")
    node = alone()
    node.run(range(2))
    stuck = poses("left", 1)

    def told():
        clock.seconds += 0.1
        node.hear("left", stuck)
        report = node.core.statuses()["left"]()
        return (report.level, report.message) == (WARN, "none of its poses is fused")

    node.until(told)


def test_a_defect_costs_a_round_and_not_the_node(alone, monkeypatch):
    node = alone()
    node.run(range(3))
    with monkeypatch.context() as patch:
        patch.setattr(node.core._fusion, "update", lambda *_: 1 / 0)
        node.hear("left", poses("left", 3))
        node.until(lambda: "ZeroDivisionError" in node.core.diagnose().message)
        assert node.core.diagnose().level == ERROR
    node.run(range(5, 8))
    assert node.core.diagnose().level == OK


def test_poses_of_a_node_that_tracks_are_fused_and_told_of(alone):
    node = alone()
    bodies = replace(cell.sighting("cell_left", 0), track_id=np.array([1, 2], np.uint32))
    node.hear("left", PoseCdr(bodies, EPOCH, "left", (640, 480)).array())
    assert node.warnings == ["left: its node follows people itself: set tracking: false there"]


def test_poses_in_another_frame_than_the_cameras_are_fused_as_well(alone):
    """The camera's place is that of the frame of its CameraInfo."""
    node = alone()
    for number in range(6):
        stamp = EPOCH + cell.FILMS["cell_front"].stamp(number)
        node.host.time = stamp
        for camera in CAMERAS:
            bodies = cell.in_world(
                f"cell_{camera}", cell.sighting(f"cell_{camera}", number, size=1.05)
            )
            node.hear(camera, PoseCdr(bodies, stamp, "world", (640, 480)).array())
        node.wait(stamp)
    assert (off(node.host.sent[topics.POSES][-1], 5) < 0.05).all()


def test_ids_outlive_the_life_cycle(alone):
    node = alone()
    node.run(range(5))
    node.core.deactivate()
    assert node.host.sent[topics.MARKERS][-1].markers[0].action == 3  # everything goes
    node.core.activate()
    said = node.run(range(6, 10))
    assert sorted(p.track_id for p in said.poses) == [3, 4]


def test_people_keep_their_ids_while_they_cross(alone):
    node = alone()
    node.run(range(40))
    ids = Counter(p.track_id for m in node.host.sent[topics.POSES] for p in m.poses)
    assert set(ids) == {1, 2}
    assert min(ids.values()) == 40


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "name those to be fused"),
        ({"cameras": ("front", "front")}, "two have one name"),
        ({"cameras": ("front", "a/b")}, "'a/b' cannot be part of a topic"),
        ({"cameras": ("a", "b"), "poses_topic": "poses"}, "is one for all"),
        ({"cameras": ("a",), "fixed_frame": ""}, "fixed_frame"),
        ({"camera": ("a",)}, "cameras"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused(values, why):
    with pytest.raises(InputError, match=why):
        FusionCore(None, TYPES.types.__getitem__, Parameters().changed(values))


def test_what_is_read_at_the_start_cannot_be_changed_later():
    assert DECLARATIONS["cameras"].read_only
    with pytest.raises(InputError, match="start it again"):
        Parameters(cameras=("a",)).changed({"cameras": ("b",)}, running=True)


def test_other_cameras_need_another_process(alone):
    with pytest.raises(InputError, match="start it again"):
        alone().core.change({"cameras": ("other",)}, running=False)

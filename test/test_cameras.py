"""Several cameras in one node: each its own topics, people and faults, around the same networks."""

import threading
from dataclasses import replace
from queue import SimpleQueue

import numpy as np
import pytest

from bodypose3d_ros.errors import InputError
from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.diagnostics import OK, WARN, State
from bodypose3d_ros.node.interface import of_camera
from bodypose3d_ros.node.parameters import Parameters
from bodypose3d_ros.wire.stamps import stamp_of
from known_people import picture
from node_alone import CAMERA, MESSAGES, STAMP


def shoot(node, camera, stamp=STAMP, image=None):
    """An image of one camera with its calibration."""
    header = MESSAGES.header(stamp, camera)
    inputs = node.cameras.inputs()
    inputs[of_camera(topics.CAMERA_INFO, camera)](MESSAGES.camera_info(CAMERA, header))
    image = picture() if image is None else image
    inputs[of_camera(topics.IMAGE, camera)](MESSAGES.image(image, header))


def poses(node, camera, count=1):
    return node.wait(of_camera(topics.POSES, camera), count)


def alive(node, camera):
    node.cameras.tell_alive()
    return State(node.host.sent[of_camera(topics.ALIVE, camera)][-1].state)


@pytest.fixture
def both(alone):
    return alone(cameras=["front", "left"])


def test_topics_are_what_drivers_call_them_under_the_cameras_name():
    node = Parameters().changed({"cameras": ["front"]})
    assert node.of_camera("front").tf_prefix == "front/"
    assert [of_camera(topic, "front").name for topic in topics.INPUTS] == [
        "front/image_raw",
        "front/image_raw/compressed",
        "front/camera_info",
        "front/camera_info",
        "front/detections",
        "front/depth",
        "front/depth/compressedDepth",
        "front/depth_camera_info",
        "/tf_static",
    ]
    assert [of_camera(topic, "front").name for topic in topics.OUTPUTS] == [
        "~/front/poses",
        "~/front/pose",
        "~/front/markers",
        "/tf",
        "~/front/overlay",
        "~/front/overlay/compressed",
        "~/front/alive",
        "/diagnostics",
    ]
    assert [of_camera(topic, "") for topic in topics.OUTPUTS] == list(topics.OUTPUTS)


def test_each_camera_has_its_own_poses_markers_and_frames(both):
    shoot(both, "front", STAMP, picture(people=1, distance=3.0))
    shoot(both, "left", STAMP + 7, picture(people=2, distance=2.0))
    front, left = poses(both, "front"), poses(both, "left")
    assert (stamp_of(front), front.header.frame_id, len(front.poses)) == (STAMP, "front", 1)
    assert (stamp_of(left), left.header.frame_id, len(left.poses)) == (STAMP + 7, "left", 2)
    both.wait(of_camera(topics.MARKERS, "front"))
    both.wait(of_camera(topics.MARKERS, "left"))
    both.wait(topics.TF, 2)
    frames = {t.child_frame_id for tf in both.host.sent[topics.TF] for t in tf.transforms}
    assert {"front/body_1/neck", "left/body_1/neck", "left/body_2/neck"} < frames
    assert topics.POSES not in both.host.sent


def test_what_ails_one_camera_is_said_of_it_alone(both):
    shoot(both, "front")
    poses(both, "front")
    both.wait(of_camera(topics.MARKERS, "front"))
    reports = {name: tell() for name, tell in both.cameras.statuses().items()}
    assert reports["front: estimation"].level == OK
    assert reports["left: estimation"].level == WARN
    assert reports["left: estimation"].message == "no image has come yet"
    assert (alive(both, "front"), alive(both, "left")) == (State.OK, State.STALE)
    both.cameras.lost(of_camera(topics.IMAGE, "left"), 3)
    (text,) = (text for _, text in both.host.texts if "images are lost" in text)
    assert text.startswith("left: ")
    lost = {name: tell().values["images lost on the way"] for name, tell in
            both.cameras.statuses().items()}  # fmt: skip
    assert lost == {"front: estimation": "0", "left: estimation": "3"}


def test_a_camera_that_waits_does_not_hold_up_another(alone):
    """Here for its place; each has a thread, so that nothing but the networks is waited for."""
    node = alone(cameras=["front", "left"], **{"left.target_frame": "map"})
    held, let_go = threading.Event(), threading.Event()

    def waits(stamp):
        held.set()
        assert let_go.wait(10)
        return np.eye(4)

    node.host.matrices["map", "left"] = waits
    shoot(node, "left")
    assert held.wait(10)
    for count in (1, 2, 3):
        shoot(node, "front", STAMP + count)
        poses(node, "front", count)
    assert of_camera(topics.POSES, "left") not in node.host.sent
    let_go.set()
    assert poses(node, "left").header.frame_id == "map"


def test_a_calibration_that_was_latched_is_asked_for_by_the_camera_that_lacks_it(both):
    latched = [of_camera(topics.CAMERA_INFO_LATCHED, camera) for camera in ("front", "left")]
    header = MESSAGES.header(STAMP, "left")
    both.cameras.inputs()[of_camera(topics.IMAGE, "left")](MESSAGES.image(picture(), header))
    assert [both.cameras.lacks(topic) for topic in latched] == [False, True]
    assert not both.cameras.lacks(of_camera(topics.IMAGE, "left"))


def test_deactivation_and_cleanup_are_everybodys(both):
    shoot(both, "left")
    poses(both, "left")
    both.cameras.cleanup()
    assert both.pipeline.closed
    assert "estimation" not in {thread.name for thread in threading.enumerate()}
    for camera in ("front", "left"):
        last = both.host.sent[of_camera(topics.MARKERS, camera)][-1]
        assert last.markers[0].action == 3  # Marker.DELETEALL


def test_images_are_wanted_while_nothing_is_in_work_and_others_always(both):
    image, info = (of_camera(topic, "left") for topic in (topics.IMAGE, topics.CAMERA_INFO))
    at_work, go_on = threading.Event(), threading.Event()
    work = both.pipeline.estimate

    def slow(frame, boxes=None):
        at_work.set()
        assert go_on.wait(10)
        return work(frame, boxes)

    wanted = SimpleQueue()
    both.cameras.when_wanted(wanted.put)
    both.pipeline.estimate = slow
    shoot(both, "left")
    assert at_work.wait(10)
    assert not both.cameras.wants(image)
    assert not both.cameras.wants(info)  # which costs as much to take
    assert both.cameras.wants(of_camera(topics.DETECTIONS, "left"))
    assert both.cameras.wants(of_camera(topics.IMAGE, "front"))
    go_on.set()
    assert wanted.get(timeout=30)[:3] == [
        info,
        of_camera(topics.CAMERA_INFO_LATCHED, "left"),
        image,
    ]
    assert both.cameras.wants(image)


def test_images_that_are_paired_with_others_are_all_wanted(alone):
    node = alone(use_detections=True)
    (image,) = (topic for topic in node.cameras.inputs() if topic.name == "image")
    assert image.qos.depth > 1
    node.image()
    assert node.cameras.wants(image)


# -- parameters -----------------------------------------------------------------------------


def test_a_camera_can_be_told_otherwise_than_all():
    told = Parameters().changed(
        {"cameras": ["front", "left"], "hfov": 60, "left.hfov": 90, "left.tf_prefix": "l_"}
    )
    front, left = told.of_camera("front"), told.of_camera("left")
    assert (front.hfov, left.hfov) == (60.0, 90.0)
    assert (front.tf_prefix, left.tf_prefix) == ("front/", "l_")
    later = told.changed({"hfov": 70})
    assert (later.of_camera("front").hfov, later.of_camera("left").hfov) == (70.0, 90.0)


def test_the_search_has_one_budget_for_all():
    told = Parameters().changed({"cameras": ["a", "b", "c"], "search_share": 0.3})
    assert told.of_camera("b").search_share == pytest.approx(0.1)
    assert told.of_camera("b").search_time == told.search_time


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"cameras": ["my front"]}, "cameras: 'my front' cannot be part of a topic"),
        ({"cameras": ["front", "front"]}, "cameras: two have one name"),
        ({"cameras": ["front"], "left.hfov": 60.0}, "no parameter 'left.hfov'"),
        ({"cameras": ["front"], "front.model": "blazepose"}, "no parameter 'front.model'"),
        ({"cameras": ["front"], "front.hfov": 400}, "front.hfov: 400 is not between 0 and 179"),
    ],
)
def test_what_no_camera_can_be_told_is_refused(values, reason):
    with pytest.raises(InputError, match=reason):
        Parameters().changed(values)


def test_parameters_change_while_it_runs_for_whom_they_are(both):
    both.cameras.change({"left.publish_tf": False}, running=True)
    left, front = both.cameras.cores["left"], both.cameras.cores["front"]
    assert (front.parameters.publish_tf, left.parameters.publish_tf) == (True, False)
    with pytest.raises(InputError, match=r"left\.image_transport is read when the"):
        both.cameras.change({"left.image_transport": "compressed"}, running=True)
    with pytest.raises(InputError, match="cameras is read when the process starts"):
        both.cameras.change({"cameras": ["front"]}, running=False)


def test_one_camera_is_as_it_ever_was(alone):
    node = alone()
    assert set(node.cameras.inputs()) == set(node.core.inputs())
    assert node.cameras.outputs == topics.OUTPUTS
    assert list(node.cameras.statuses()) == ["estimation"]
    assert replace(node.core.parameters, hfov=1.0) == replace(node.cameras.parameters, hfov=1.0)

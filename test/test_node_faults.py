"""What other programs and defects do to the node costs an image, is said, and never ends it."""

import logging
import time
from types import SimpleNamespace

import numpy as np
import pytest

from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.diagnostics import ERROR, OK, WARN, State
from known_people import KnownPeople
from node_alone import CAMERA, MESSAGES, SECOND, STAMP, alive, detections


def broken(frame, boxes=None):
    raise ZeroDivisionError("broken")


def test_a_defect_costs_its_image_and_is_said(alone):
    """In diagnostics until poses come again; the traceback once."""
    node = alone()
    node.info()
    works, node.pipeline.estimate = node.pipeline.estimate, broken
    for count in range(1, 10):
        node.image()
        node.skipped(count)
    report = node.core.diagnose()
    assert (report.level, report.message) == (ERROR, "ZeroDivisionError: broken")
    (traceback,) = (text for level, text in node.host.texts if level == logging.ERROR)
    assert "in broken" in traceback
    node.pipeline.estimate = works
    node.image()
    node.wait(topics.MARKERS)
    assert node.core.diagnose().level == OK
    # Nine more are no row of ten: poses have come between them.
    node.pipeline.estimate = broken
    for count in range(10, 19):
        node.image()
        node.skipped(count)
    node.core.check()


def test_ten_defects_in_a_row_end_the_node(alone):
    node = alone()
    node.info()
    node.pipeline.estimate = broken
    for count in range(1, 10):
        node.image()
        node.skipped(count)
    node.image()
    node.core._worker._thread.join(5)
    with pytest.raises(ZeroDivisionError):
        node.core.check()


@pytest.mark.parametrize("seconds", [-1, 2**31 - 1])
def test_stamps_that_are_no_time_are_refused(alone, seconds):
    """tf2 and rclpy cannot hold them, and have ended nodes that asked."""
    node = alone(target_frame="map")
    node.info()
    node.image(stamp=seconds * SECOND)
    assert f"a stamp of {seconds} s is no time" in node.skipped()[0]
    assert node.core.diagnose().level == ERROR
    node.host.matrices["map", "camera"] = np.eye(4)
    node.image()
    node.wait(topics.POSES)


def test_images_that_opencv_cannot_crop_are_refused(alone):
    """Its remap numbers pixels with 16 bits: an image of 40000x3 has ended the node."""
    node = alone(hfov=60.0)
    node.image(np.zeros((3, 40000, 3), np.uint8))
    assert "40000x3 pixels is too large" in node.skipped()[0]
    node.image(np.zeros((3, 32767, 3), np.uint8))
    node.wait(topics.POSES)


@pytest.mark.parametrize(
    ("k", "says"),
    [
        ([1e-300, 0, 32, 0, 1e-300, 24, 0, 0, 1], "focal lengths of 1e-300"),
        ([6400, 0, 32, 0, 6400, 24, 0, 0, 1], "focal lengths of 6400"),
        ([55, 0, 1e6, 0, 55, 24, 0, 0, 1], "an optical axis through the pixel"),
        ([np.nan, 0, 32, 0, 55, 24, 0, 0, 1], "NaN or infinity"),
    ],
)
def test_a_camera_info_that_no_camera_can_have_is_refused(alone, k, says):
    node = alone()
    nonsense = MESSAGES.camera_info(CAMERA, MESSAGES.header(STAMP, "camera"))
    nonsense.k = np.array(k, float)
    node.hear(topics.CAMERA_INFO, nonsense)
    node.image()
    assert says in node.skipped()[0]
    node.info()
    node.image()
    node.wait(topics.POSES)


def test_an_empty_frame_id_is_said_once(alone):
    node = alone(hfov=60.0)
    for count in (1, 2):
        node.image(frame_id="")
        node.wait(topics.POSES, count)
    (text,) = node.skipped(0)
    assert "images come with an empty frame_id" in text


def test_ids_are_not_used_twice_after_cleanup_and_configure(alone):
    """Whoever remembers person 3 must not take another for them: one tracker for all lives."""
    node, trackers = alone(), []

    def load(options):
        def pipeline(tracker, **_):
            trackers.append(tracker)
            return KnownPeople()

        return SimpleNamespace(pipeline=pipeline, close=lambda: None)

    for _ in range(2):
        node.core.cleanup()
        node.core.configure(load)
    assert trackers[0] is trackers[1]
    assert trackers[0] is not None


# -- silence is never success ---------------------------------------------------------------


def test_diagnostics_are_not_ok_while_no_detections_come(alone):
    node = alone(use_detections=True)
    node.info()
    node.image()
    report = node.core.diagnose()
    assert report.level == WARN
    assert report.message == (
        "images come, but no poses have left yet: they wait for detections with their stamps"
    )
    node.hear(topics.DETECTIONS, detections(STAMP, ("person", 0.7)))
    node.wait(topics.MARKERS)
    assert node.core.diagnose().level == OK


def test_diagnostics_are_not_ok_when_poses_stop(alone, monkeypatch):
    """Whatever the reason: here the worker hangs."""
    node = alone()
    node.info()
    node.image()
    node.wait(topics.MARKERS)
    now = time.monotonic()
    for later in (0.4, 1.5):
        monkeypatch.setattr(time, "monotonic", lambda later=later: now + later)
        node.core._diagnostics.received(0.1)
    report = node.core.diagnose()
    assert (report.level, report.message) == (WARN, "images come, but no poses for 1.5 s")


def test_a_slow_camera_whose_every_image_becomes_poses_is_ok(alone, monkeypatch):
    """An image in 1.8 s: just before the next one nothing waits, just after it hardly."""
    node = alone()
    node.info()
    node.image()
    node.wait(topics.MARKERS)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 1.7)
    assert node.core.diagnose().level == OK
    monkeypatch.setattr(time, "monotonic", lambda: now + 1.8)
    node.core._diagnostics.received(0.1)
    assert node.core.diagnose().level == OK


def test_detections_of_no_image_are_counted_and_said(alone):
    """A detector whose stamps are its own; thirty detections are kept for images to come."""
    node = alone(use_detections=True)
    node.info()
    node.image()
    node.hear(topics.DETECTIONS, detections(STAMP))
    node.wait(topics.MARKERS)
    for index in range(32):
        node.hear(topics.DETECTIONS, detections(STAMP + (1 + index) * SECOND))
    report = node.core.diagnose()
    assert report.values["detections without an image"] == "2"
    assert (report.level, report.message) == (WARN, "detections without an image")
    (text,) = node.skipped(0)
    assert "detections without an image have come" in text


def test_a_watchdog_hears_whether_poses_can_be_relied_on(alone, monkeypatch):
    node = alone()
    assert alive(node) == (State.STALE, np.inf, "no image has come yet")
    node.image()
    assert alive(node)[0] == State.BLIND
    node.info()
    node.wait(topics.MARKERS)
    assert alive(node) == (State.OK, 0.25, "")  # the host's clock less the stamp
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 0.6)
    assert alive(node) == (State.STALE, 0.25, "no image for 0.6 s")
    node.core._diagnostics.received(0.1)
    state, _, reason = alive(node)
    assert (state, reason) == (State.BLIND, "images come, but no poses for 0.6 s")


def test_one_damaged_image_does_not_alarm_a_watchdog(alone):
    node = alone()
    node.info()
    node.image()
    node.wait(topics.POSES)
    node.image(np.zeros((3, 4, 3), np.uint8))
    node.skipped()
    assert alive(node)[0] == State.OK


def test_poses_of_old_images_are_stale(alone):
    node = alone()
    node.info()
    node.image(stamp=STAMP - 3 * SECOND)
    node.wait(topics.MARKERS)
    state, age, reason = alive(node)
    assert (state, age) == (State.STALE, 3.25)
    assert reason == "images are 3.2 s old when their poses leave"


def test_nobody_repeats_what_was_before_the_node_was_activated_again(alone):
    node = alone()
    node.info()
    node.image()
    node.wait(topics.MARKERS)
    node.core.deactivate()
    node.core.activate()
    assert node.core.diagnose().message == "no image has come yet"
    assert alive(node)[0] == State.STALE

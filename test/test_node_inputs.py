"""Images, calibrations, detections and depths come in any order; what belongs together goes on."""

from collections import Counter

import pytest

from bodypose3d_ros.node.inputs import SHALLOW, UNDETECTED, UNSEEN, UNUSED, Inputs
from bodypose3d_ros.node.parameters import Parameters
from bodypose3d_ros.wire.stamps import stamp_of
from node_alone import CAMERA, MESSAGES, STAMP, depth_image, detections

MILLISECOND = 10**6
MICROSECOND = 10**3
FRAME = 33 * MILLISECOND


class Collected:
    """Inputs whose images are collected, and what found no partner is counted."""

    def __init__(self, **parameters):
        self.parameters = Parameters().changed({"hfov": 60.0, **parameters})
        self.shots = []
        self.unmatched = Counter()
        self.inputs = Inputs(
            lambda: self.parameters, self.shots.append, lambda kind: self.unmatched.update([kind])
        )

    def image(self, stamp, frame_id="camera"):
        self.inputs.image(MESSAGES.compressed_image(b"", MESSAGES.header(stamp, frame_id)))

    def info(self, frame_id="camera"):
        self.inputs.camera_info(MESSAGES.camera_info(CAMERA, MESSAGES.header(STAMP, frame_id)))

    @property
    def stamps(self):
        return [shot.stamp for shot in self.shots]


def test_an_image_goes_on_at_once_where_it_needs_nothing_else():
    came = Collected()
    came.image(STAMP)
    assert came.stamps == [STAMP]
    assert came.inputs.waited_for == ""


def test_an_image_waits_for_its_camera_info_until_the_next_one_comes():
    """Drivers send it right behind; the one before goes on, so that somebody says what is wrong."""
    came = Collected(hfov=0.0)
    came.image(STAMP)
    assert came.stamps == []
    assert came.inputs.waited_for == "a CameraInfo of their frame"
    came.image(STAMP + FRAME)
    assert came.stamps == [STAMP]
    assert came.shots[0].camera_infos == {}
    came.info("other_camera")
    came.info()
    assert came.stamps == [STAMP, STAMP + FRAME]
    assert set(came.shots[1].camera_infos) == {"camera", "other_camera"}


def test_of_frames_without_end_the_last_calibrations_are_kept():
    came = Collected(hfov=0.0)
    for index in range(100):
        came.info(f"camera_{index}")
        came.info("mine")
    came.image(STAMP, "mine")
    assert came.stamps == [STAMP]
    assert list(came.shots[0].camera_infos)[-2:] == ["camera_99", "mine"]
    assert len(came.shots[0].camera_infos) == 16


# -- detections -----------------------------------------------------------------------------


@pytest.mark.parametrize("apart", [0, MICROSECOND, -MICROSECOND, 14 * MILLISECOND])
@pytest.mark.parametrize("image_first", [True, False])
def test_detections_meet_their_image_in_either_order(image_first, apart):
    came = Collected(use_detections=True)
    found = detections(STAMP + apart)
    if image_first:
        came.image(STAMP)
        came.inputs.detections(found)
    else:
        came.inputs.detections(found)
        came.image(STAMP)
    assert [shot.detections for shot in came.shots] == [found]
    assert not came.unmatched


def test_the_tolerance_is_what_it_is_set_to():
    came = Collected(use_detections=True, pairing_tolerance=0.0)
    came.image(STAMP)
    came.inputs.detections(detections(STAMP + 1))
    assert came.stamps == []
    came.inputs.detections(detections(STAMP))
    assert came.stamps == [STAMP]


def test_of_several_images_the_nearest_is_meant():
    """At 100 Hz the one before and the one after lie within the tolerance, too."""
    came = Collected(use_detections=True)
    for index in range(3):
        came.image(STAMP + index * 10 * MILLISECOND)
    came.inputs.detections(detections(STAMP + 11 * MILLISECOND))
    assert came.stamps == [STAMP + 10 * MILLISECOND]


def test_what_no_detector_looks_at_is_forgotten_and_counted():
    """A dead detector: thirty images are kept, not a gigabyte of them."""
    came = Collected(use_detections=True)
    for index in range(40):
        came.image(STAMP + index * FRAME)
    assert came.unmatched == {UNDETECTED: 10}
    assert came.inputs.waited_for == "detections with their stamps"
    came.inputs.detections(detections(STAMP + 9 * FRAME))  # too late
    assert came.stamps == []
    came.inputs.detections(detections(STAMP + 10 * FRAME))
    assert came.stamps == [STAMP + 10 * FRAME]


def test_detections_of_no_image_are_forgotten_and_counted():
    came = Collected(use_detections=True)
    for index in range(33):
        came.inputs.detections(detections(STAMP + index * FRAME))
    assert came.unmatched == {UNSEEN: 3}


# -- depth ----------------------------------------------------------------------------------


@pytest.mark.parametrize("image_first", [True, False])
def test_a_depth_image_meets_its_image_in_either_order(image_first):
    """The first image waits for nobody: no depth camera is known to be alive."""
    came = Collected(depth_transport="raw")
    came.inputs.depth(depth_image(STAMP))
    came.image(STAMP)
    depth = depth_image(STAMP + FRAME + 5 * MILLISECOND)
    if image_first:
        came.image(STAMP + FRAME)
        assert came.stamps == [STAMP]
        came.inputs.depth(depth)
    else:
        came.inputs.depth(depth)
        came.image(STAMP + FRAME)
    assert came.stamps == [STAMP, STAMP + FRAME]
    assert came.shots[1].depth is depth
    assert not came.unmatched


def test_an_image_whose_depth_did_not_come_goes_on_when_a_later_one_does():
    came = Collected(depth_transport="raw")
    came.inputs.depth(depth_image(STAMP))
    came.image(STAMP)
    came.image(STAMP + FRAME)
    came.inputs.depth(depth_image(STAMP + 2 * FRAME))
    assert came.stamps == [STAMP, STAMP + FRAME]
    assert came.shots[1].depth is None
    assert came.unmatched == {SHALLOW: 1}


def test_no_image_waits_for_a_dead_depth_camera(clock):
    """For a second each goes on with the next one; then at once."""
    clock.before("node.inputs")
    came = Collected(depth_transport="raw")
    came.inputs.depth(depth_image(STAMP))
    came.image(STAMP)
    came.image(STAMP + FRAME)
    came.image(STAMP + 2 * FRAME)
    assert came.stamps == [STAMP, STAMP + FRAME]
    clock.seconds += 1
    came.image(STAMP + 3 * FRAME)
    assert came.stamps == [STAMP + index * FRAME for index in range(4)]


def test_depths_of_no_image_are_forgotten_and_counted():
    """A depth camera at twice the rate; depth images are large, so few are kept."""
    came = Collected(depth_transport="raw")
    for index in range(20):
        came.inputs.depth(depth_image(STAMP + index * FRAME))
        if index % 2 == 0:
            came.image(STAMP + index * FRAME)
    assert came.unmatched == {UNUSED: 2}
    assert all(stamp_of(shot.depth) == shot.stamp for shot in came.shots)


def test_what_is_kept_from_another_life_meets_nobody():
    came = Collected(use_detections=True)
    came.inputs.detections(detections(STAMP))
    came.image(STAMP + FRAME)
    came.inputs.clear()
    came.image(STAMP)
    came.inputs.detections(detections(STAMP + FRAME))
    assert came.stamps == []

"""What other programs and defects do to the node costs an image, is said, and never ends it."""

import itertools
import logging
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.errors import EngineError
from bodypose3d_ros.media import film
from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.diagnostics import ERROR, OK, WARN, State
from bodypose3d_ros.perception.networks import load_networks
from bodypose3d_ros.perception.pose.blazepose import BlazePose
from known_people import KnownPeople, picture
from node_alone import CAMERA, MESSAGES, SECOND, STAMP, Node, alive, bodies_of, detections
from tools.standin.contract import contract_network


@pytest.fixture
def clock(clock):
    """Before diagnostics."""
    clock.before("node.diagnostics")
    clock.before("node.silence")
    return clock


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


# -- engines that fail, under the real network ----------------------------------------------------


class Faulty:
    """An engine with a fault: what becomes of its answers; None: nothing."""

    def __init__(self, engine):
        self._engine, self.description, self.close = engine, engine.description, engine.close
        self.inputs = engine.inputs
        self.fault = None

    def infer(self, inputs):
        answer = self._engine.infer(inputs)
        return answer if self.fault is None else self.fault(answer)


def raises(answer):
    raise EngineError("the GPU is gone")


def holding(value, *names):
    def faulty(answer):
        return {n: np.full_like(v, value) if n in names else v for n, v in answer.items()}

    return faulty


def noise(answer):
    random = np.random.default_rng(0)
    return {n: random.normal(0, 100, v.shape).astype(v.dtype) for n, v in answer.items()}


@pytest.fixture(scope="module")
def networks():
    with load_networks() as loaded:
        pose = replace(loaded, pose=BlazePose(Faulty(loaded.pose.engine), loaded.pose.shape))
        yield SimpleNamespace(
            pipeline=pose.pipeline, engine=pose.pose.engine, close=lambda: None, silent_for=0.0
        )


@pytest.fixture
def watching(alone, networks):
    """A node that follows the film's person through the real network; call it for a frame."""
    shown, node = film.load("one_person"), alone()
    frames = list(itertools.islice(shown.frames(), 8))
    node.cameras.cleanup()
    node.cameras.configure(lambda options: networks)
    node.cameras.activate()
    node.info(camera=shown.camera)

    def watch(number, stamp=None):
        """The people told of in a frame of the film; None where it was skipped."""
        told, skipped = len(node.host.sent[topics.MARKERS]), skips(node)
        node.image(frames[number].image, STAMP + frames[number].stamp if stamp is None else stamp)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if len(node.host.sent[topics.MARKERS]) > told:
                return bodies_of(node.host.sent[topics.POSES][-1])
            if skips(node) > skipped:
                return None
            time.sleep(0.002)
        raise AssertionError("nothing became of an image")

    watch.node, watch.engine = node, networks.engine
    yield watch
    networks.engine.fault = None


def skips(node):
    return int(node.core.diagnose().values["images skipped"])


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (raises, "the GPU is gone"),
        (holding(np.nan, "landmarks", "world"), "NaN or infinity in landmarks, world"),
        (holding(np.nan, "presence"), "NaN or infinity in presence"),
        (holding(np.inf, "heatmap"), "NaN or infinity in heatmap"),
        (holding(1e20, "world"), "joints 1e+20 m from the hips, which is nobody"),
        (holding(-0.5, "presence"), "probabilities up to 0.5 and"),
        (noise, "which is nobody: this image is left out"),
    ],
)
def test_an_engine_that_fails_costs_its_images_and_is_said(watching, fault, says):
    """Nobody is told of, instead of somebody elsewhere or nobody at all; then life goes on."""
    assert watching(0).track_id.tolist() == [1]
    watching.engine.fault = fault
    assert watching(1) is watching(2) is None
    report = watching.node.core.diagnose()
    assert report.level == ERROR
    assert says in report.message
    (warning,) = watching.node.skipped(0)
    assert says in warning
    watching.engine.fault = None
    after = watching(3)
    assert after.track_id.tolist() == [1]
    assert np.nanmax(np.linalg.norm(after.velocity, axis=2), initial=0) < 5
    assert watching.node.core.diagnose().level == OK


def test_an_engine_that_always_fails_leaves_the_node_alive_and_blind(watching):
    """What the engine says is no defect of the node: it goes on trying, and says so once."""
    watching.engine.fault = raises
    assert [watching(0, STAMP + n * SECOND // 15) for n in range(12)] == [None] * 12
    watching.node.core.check()
    assert topics.POSES not in watching.node.host.sent
    assert watching.node.core.diagnose().level == ERROR
    assert len(watching.node.skipped(0)) == 1
    assert alive(watching.node)[0] == State.BLIND


# -- what messages say of times, sizes and cameras ----------------------------------------------


def speeds(people):
    """The fastest joint, in metres a second; 0 where nothing is known of it."""
    return np.nanmax(np.linalg.norm(people.velocity, axis=2), initial=0)


def test_images_of_one_stamp_are_of_the_same_person_who_does_not_fly(watching):
    """A driver that repeats images, or stamps two alike."""
    people = [watching(number, STAMP + max(number - 1, 0)) for number in range(5)]
    assert [each.track_id.tolist() for each in people] == [[1]] * 5
    assert max(map(speeds, people)) < 5


def test_an_image_that_comes_late_is_counted_and_changes_nobody(watching):
    step = SECOND // 15
    people = [watching(n, STAMP + at * step) for n, at in enumerate((0, 1, 3, 2, 4))]
    assert [each.track_id.tolist() for each in people] == [[1]] * 5
    assert max(map(speeds, people)) < 5
    assert watching.node.core.diagnose().values["images out of order"] == "1"


@pytest.mark.parametrize("seconds", [-500, 3600])
def test_a_clock_that_jumps_makes_everybody_new_and_is_said(watching, seconds):
    """To and back, where it goes ahead: nobody keeps an id or a velocity over such a gap."""
    step, jump = SECOND // 15, seconds * SECOND
    first = [watching(n, STAMP + n * step) for n in range(2)]
    there = watching(2, STAMP + 2 * step + jump)
    back = watching(3, STAMP + 3 * step)
    assert first[1].track_id.tolist() == [1]
    assert there.track_id.tolist() == [2]
    assert back.track_id.tolist() == [3] if seconds > 0 else [2]
    assert np.isnan(back.velocity).all()
    watching(4, STAMP + 4 * step)
    said = [text for text in watching.node.skipped(0) if "jumped" in text]
    assert said == ["the images' time jumped back: everybody is new"]


@pytest.mark.parametrize(
    ("stamp", "says"),
    [
        (0, "images are 1000.2 s old when their poses leave"),
        (STAMP - 3 * SECOND, "images are 3.2 s old when their poses leave"),
        (STAMP + 3600 * SECOND, "images are stamped 3599.8 s ahead of the time here"),
    ],
)
def test_stamps_of_another_clock_are_a_warning(alone, stamp, says):
    """A camera that stamps with zero, is late, or whose machine's clock is an hour ahead."""
    node = alone()
    node.info()
    node.image(stamp=stamp)
    node.wait(topics.MARKERS)
    report = node.core.diagnose()
    assert (report.level, report.message) == (WARN, says)
    state, _, reason = alive(node)
    assert (state, reason) == (State.STALE, says)
    node.core.diagnose()
    (said,) = (text for level, text in node.host.texts if level == logging.WARNING)
    assert said.startswith(f"{says}: are all machines' clocks the same?")


def test_a_camera_info_that_changes_counts_from_the_next_image_on(alone):
    """A lens that zooms: the same pixels are seen by another camera."""
    node, near = alone(), Camera.from_hfov(64, 48, 30)
    for count, camera in enumerate((CAMERA, near, CAMERA), start=1):
        node.info(camera=camera)
        node.image()
        node.wait(topics.MARKERS, count)
    focal = [frame.camera.matrix[0, 0] for frame in node.pipeline.seen]
    assert focal == pytest.approx([c.matrix[0, 0] for c in (CAMERA, near, CAMERA)])


def test_images_that_change_their_size_wait_for_their_calibration(alone):
    """The driver was told another resolution: never are pixels of one size seen by the other's."""
    node, half = alone(), Camera.from_hfov(32, 24, 60)
    node.info()
    node.image()
    node.wait(topics.MARKERS)
    node.image(picture(size=(32, 24)))
    assert "the calibration is for 64x48 images, this one is 32x24" in node.skipped()[0]
    assert node.core.diagnose().level == ERROR
    node.info(camera=half)
    node.image(picture(size=(32, 24)))
    node.wait(topics.MARKERS, 2)
    assert [frame.camera.width for frame in node.pipeline.seen] == [64, 32]
    assert node.core.diagnose().level == OK


@pytest.mark.parametrize("encoding", ["", "bgr9", "32FC3", "BGR8\0", "ü", "x" * 10_000])
def test_an_unknown_encoding_costs_its_image(alone, encoding):
    node = alone()
    node.info()
    message = MESSAGES.image(picture(), MESSAGES.header(STAMP, "camera"))
    message.encoding = encoding
    node.core.image(message)
    (text,) = node.skipped()
    assert "encoding" in text
    assert len(text) < 500
    node.image()
    node.wait(topics.POSES)


def test_tf_that_is_lost_costs_images_and_nobody_is_placed_by_what_was_known_before(alone):
    node = alone(target_frame="map")
    node.info()
    node.host.matrices["map", "camera"] = np.eye(4)
    node.image()
    node.wait(topics.MARKERS)
    del node.host.matrices["map", "camera"]
    for count in (1, 2, 3):
        node.image(stamp=STAMP + count)
        node.skipped(count)
    assert len(node.host.sent[topics.POSES]) == 1
    assert node.core.diagnose().level == ERROR
    node.host.matrices["map", "camera"] = np.diag([1.0, 1, 1, 1]) + np.eye(4, k=3) * 5
    node.image(stamp=STAMP + 4)
    node.wait(topics.MARKERS, 2)
    assert node.host.sent[topics.POSES][-1].poses[0].joints[0].position.x == 5
    assert node.core.diagnose().level == OK


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
        node.cameras.cleanup()
        node.cameras.configure(load)
    assert trackers[0] is trackers[1]
    assert trackers[0] is not None


def test_fifty_lives_hold_no_more_than_ten(tmp_path):
    """With real networks, small ones: threads, handles, and memory to what an allocator varies.

    Forty lives that kept 5 MB each, a tenth of what one holds, would show.
    """
    network = contract_network(tmp_path / "small.onnx")
    node = Node(load=load_networks, model=str(network), threads=1)
    held, process = [], psutil.Process()
    for _ in range(50):
        node.cameras.cleanup()
        node.cameras.configure(load_networks)
        node.cameras.activate()
        node.info()
        node.image()
        held.append((process.num_threads(), process.num_fds(), process.memory_info().rss))
    node.cameras.cleanup()
    threads, handles, memory = zip(*held, strict=True)
    assert threads[-1] <= max(threads[:10])
    assert handles[-1] <= max(handles[:10])
    assert min(memory[-10:]) < min(memory[:10]) + 200e6


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


def test_diagnostics_are_not_ok_when_poses_stop(alone, clock):
    """Whatever the reason: here the worker hangs."""
    node = alone()
    node.info()
    node.image()
    node.wait(topics.MARKERS)
    for passed in (0.4, 1.1):
        clock.seconds += passed
        node.core._diagnostics.received(0.1)
    report = node.core.diagnose()
    assert (report.level, report.message) == (WARN, "images come, but no poses for 1.5 s")


def test_a_slow_camera_whose_every_image_becomes_poses_is_ok(alone, clock):
    """An image in 1.8 s: just before the next one nothing waits, just after it hardly."""
    node = alone()
    node.info()
    node.image()
    node.wait(topics.MARKERS)
    clock.seconds += 1.7
    assert node.core.diagnose().level == OK
    clock.seconds += 0.1
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


def test_a_watchdog_hears_whether_poses_can_be_relied_on(alone, clock):
    node = alone()
    assert alive(node) == (State.STALE, np.inf, "no image has come yet")
    node.image()
    assert alive(node)[0] == State.BLIND
    node.info()
    node.wait(topics.MARKERS)
    assert alive(node) == (State.OK, 0.25, "")  # the host's clock less the stamp
    clock.seconds += 0.6
    assert alive(node) == (State.STALE, 0.25, "no image for 0.6 s")
    node.core._diagnostics.received(0.1)
    state, _, reason = alive(node)
    assert (state, reason) == (State.BLIND, "images come, but no poses for 0.6 s")


def test_one_damaged_image_does_not_alarm_a_watchdog(alone, clock):
    node = alone()
    node.info()
    node.image()
    node.wait(topics.POSES)
    clock.seconds += 0.1
    node.image(np.zeros((3, 4, 3), np.uint8))
    node.skipped()
    clock.seconds += 0.1
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
    node.cameras.deactivate()
    node.cameras.activate()
    assert node.core.diagnose().message == "no image has come yet"
    assert alive(node)[0] == State.STALE


def test_a_camera_that_does_not_come_is_told_of_with_its_topic(alone, clock):
    """The log, which is what somebody sees who has just started it: once, and when it comes."""
    node = alone()
    said = node.host.texts
    assert said[-1] == (logging.INFO, "images are read from /image")
    clock.seconds += 4.9  # drivers that were started with it take some seconds
    node.core.diagnose()
    assert said[-1][0] == logging.INFO
    clock.seconds += 0.2
    node.core.diagnose()
    node.core.diagnose()
    assert [text for level, text in said if level == logging.WARNING] == [
        "images have not come on /image for 5.1 s yet: does their publisher run, and is this its "
        "topic?"
    ]
    node.info()
    node.image()
    node.core.diagnose()
    assert said[-1] == (logging.INFO, "images come on /image now")


def test_a_camera_that_comes_and_goes_is_told_of_once_a_minute(alone, clock):
    node = alone()
    node.info()
    for count in range(1, 30):  # an image each three seconds; stale_after is two
        node.image(stamp=STAMP + count * SECOND)
        clock.seconds += 1.0
        node.core.diagnose()
        clock.seconds += 2.0
        node.core.diagnose()
    assert [text for _, text in node.host.texts if "not come" in text] == [
        "images have not come on /image for 3.0 s",
        "images have not come on /image for 3.0 s",
    ]

"""What the bridge does when poses come, come late, come twice, and stop coming."""

import logging
from collections import defaultdict

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bodypose3d_ros.body.people import select
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.errors import InputError
from bodypose3d_ros.node.bridge import OUTPUTS, Bridge, Settings
from bodypose3d_ros.node.diagnostics import ERROR, OK, WARN
from bodypose3d_ros.node.transforms import TransformError
from bodypose3d_ros.wire.consumers import Make
from bodypose3d_ros.wire.pose_cdr import PoseCdr
from bodypose3d_ros.wire.stamps import stamp_of
from bodypose3d_ros.wire.typestore import ros_types
from consumer_types import make, through_cdr
from people_made_up import row

SECOND = 10**9
STAMP = 1_700_000_000 * SECOND
PERIOD = SECOND // 30
# The topics that speak of people; those of REP 155's single bodies go when the bodies do.
SPEAKING = {
    "people": "people",
    "points": "points",
    "cloud": "cloud",
    "clearing": "clearing",
    "collision_objects": "planning_scene",
    "detections": "detections_3d",
    "humans": "/humans/bodies/tracked",
}
ALL = Settings(outputs=OUTPUTS)


class KeepingHost:
    """A host whose messages stay where they are."""

    def __init__(self):
        self.sent = defaultdict(list)
        self.retired = []
        self.texts = []
        self.matrices = {}

    def send(self, topic, message):
        self.sent[topic].append(through_cdr(message))

    def retire(self, prefix):
        self.retired.append(prefix)

    def describe(self, body):
        return f"<robot name='{body}'/>"

    def wanted(self, topic):
        return True

    def now(self):
        return STAMP + 60 * SECOND

    def log(self, level, text):
        self.texts.append((level, text))

    def lookup_transform(self, target, source, stamp):
        try:
            return self.matrices[stamp]
        except KeyError:
            raise TransformError(f"{source!r} is not known in {target!r}") from None


@pytest.fixture
def clock(clock):
    """Before the bridge."""
    clock.before("node.bridge")
    return clock


@pytest.fixture
def host():
    return KeepingHost()


def message(stamp=STAMP, bodies=None):
    """As the node sends it."""
    return PoseCdr(row() if bodies is None else bodies, stamp, "camera", (640, 480)).array()


def counts(host):
    return {name: len(host.sent[topic]) for name, topic in SPEAKING.items()}


def test_every_output_speaks_at_every_image_and_the_planning_scene_ten_times_a_second(host, clock):
    bridge = Bridge(host, make(), ALL)
    for n in range(31):
        bridge.poses(message(STAMP + n * PERIOD))
        clock.seconds += PERIOD / SECOND
    assert counts(host) == {**dict.fromkeys(SPEAKING, 31), "collision_objects": 10}
    stamps = [stamp_of(sent) for sent in host.sent["cloud"]]
    assert stamps == [STAMP + n * PERIOD for n in range(31)]


def test_without_outputs_nothing_is_sent(host, clock):
    bridge = Bridge(host, make(), Settings())
    bridge.poses(message())
    clock.seconds += 1
    bridge.look()
    assert not host.sent


# -- poses stop: the safe state of each output ----------------------------------------------------


def stopped(host, clock, *outputs):
    """A bridge that told of two people, and has had no poses for a second."""
    bridge = Bridge(host, make(), Settings(outputs=outputs))
    bridge.poses(message())
    host.sent.clear()
    for _ in range(50):
        clock.seconds += 0.02
        bridge.look()
    return bridge


@pytest.mark.parametrize(
    "output", ["people", "points", "cloud", "clearing", "collision_objects", "detections"]
)
def test_nothing_is_sent_when_poses_stop(host, clock, output):
    """Readers that go by the stamp see it grow old; for others people stay where they were."""
    stopped(host, clock, output)
    assert not host.sent


def test_rep_155_says_once_that_nobody_is_tracked_and_ends_the_bodies(host, clock):
    stopped(host, clock, "humans")
    assert list(host.sent) == ["/humans/bodies/tracked"]
    (nobody,) = host.sent["/humans/bodies/tracked"]
    assert (nobody.ids, stamp_of(nobody)) == ([], host.now())
    assert host.retired == ["/humans/bodies/b0001/", "/humans/bodies/b0002/"]


def test_outputs_fall_silent_half_a_second_after_the_last_poses_and_not_before(host, clock):
    bridge = Bridge(host, make(), Settings(outputs=("humans",)))
    bridge.poses(message())
    clock.seconds += 0.499
    bridge.look()
    assert host.retired == []
    clock.seconds += 0.002
    bridge.look()
    bridge.look()
    assert len(host.retired) == 2


@pytest.mark.parametrize("taken", [0.001, 0.2])
def test_silence_is_noticed_at_once_however_long_sending_the_last_poses_took(host, clock, taken):
    """Looking as often as it says itself; a host's timer may end a moment early."""
    send = host.send
    host.send = lambda *sent: setattr(clock, "seconds", clock.seconds + taken) or send(*sent)
    bridge = Bridge(host, make(), Settings(outputs=("detections",)))
    bridge.poses(message())
    last = clock.seconds
    while (wait := bridge.next_look()) is not None:
        clock.seconds += wait - 2e-4
        bridge.look()
    assert bridge.diagnose().level == ERROR
    assert 0.5 < clock.seconds - last < 0.55


def test_while_poses_come_it_need_not_be_asked(host, clock):
    bridge = Bridge(host, make(), Settings(outputs=("people",)))
    assert bridge.next_look() > 5.0  # to tell that none have ever come
    for n in range(3):
        bridge.poses(message(STAMP + n * PERIOD))
        assert bridge.next_look() > 0.5
        clock.seconds += PERIOD / SECOND


def test_a_bridge_that_was_kept_from_running_reads_what_waits_before_it_falls_silent(host, clock):
    """Under load a second passes between two steps of the process: its clock ticks first."""
    bridge = Bridge(host, make(), Settings(outputs=("humans",)))
    for n in range(10):
        bridge.poses(message(STAMP + n * PERIOD))
        clock.seconds += 1
        bridge.look()
    assert host.retired == []
    assert all(sent.ids for sent in host.sent["/humans/bodies/tracked"])
    assert not host.texts


def test_silence_is_said_once_and_diagnosed_until_poses_come_again(host, clock):
    bridge = Bridge(host, make(), Settings(outputs=("people",)))
    assert bridge.diagnose().level == WARN
    bridge.poses(message())
    assert bridge.diagnose().level == OK
    for _ in range(100):
        clock.seconds += 0.02
        bridge.look()
    ((level, text),) = host.texts
    assert level == logging.ERROR
    assert "no poses for 0.5 s" in text
    report = bridge.diagnose()
    assert (report.level, report.message) == (ERROR, "no poses for 2.0 s")
    bridge.poses(message(STAMP + 2 * SECOND))
    assert bridge.diagnose().level == OK
    assert len(host.sent["people"]) == 2


@pytest.mark.parametrize("comes", [False, True])
def test_poses_that_never_come_are_said_once(host, clock, comes):
    """The topic may be misspelt, of which ROS says nothing; nodes may take long to start."""
    bridge = Bridge(host, make(), Settings(outputs=("people",)))
    looked = 0
    while (seconds := bridge.next_look()) is not None and looked < 100:
        clock.seconds += min(seconds, 1.0)
        bridge.look()
        if comes and looked == 3:
            bridge.poses(message())
        looked += 1
    said = [text for level, text in host.texts if level == logging.WARNING]
    assert len(said) == (not comes)
    assert all("no poses have come for 5 s yet" in text for text in said)


def test_everybody_appears_again_when_poses_come_back(host, clock):
    bridge = stopped(host, clock, *OUTPUTS)
    host.sent.clear()
    bridge.poses(message(STAMP + SECOND, select(row(), [1])))
    assert counts(host) == dict.fromkeys(SPEAKING, 1)
    assert host.sent["/humans/bodies/tracked"][0].ids == ["b0002"]
    # Who went while nobody looked leaves the planning scene now.
    changes = host.sent["planning_scene"][0].world.collision_objects
    assert {change.id: change.operation for change in changes} == {"person_1": 1, "person_2": 3}


# -- old people are not new ones ------------------------------------------------------------------


@pytest.mark.parametrize("earlier", [0, 1, SECOND - 1])
def test_poses_that_come_twice_or_late_are_not_sent_on(host, clock, earlier):
    bridge = Bridge(host, make(), ALL)
    bridge.poses(message())
    bridge.poses(message(STAMP - earlier))
    assert counts(host) == dict.fromkeys(SPEAKING, 1)
    assert bridge.diagnose().values["poses repeated or out of order"] == "1"


def test_a_node_that_repeats_itself_counts_as_stopped(host, clock):
    bridge = Bridge(host, make(), Settings(outputs=("humans",)))
    for _ in range(60):
        bridge.poses(message())
        clock.seconds += 0.01
        bridge.look()
    assert bridge.diagnose().level == ERROR
    assert len(host.retired) == 2


def test_time_may_begin_again(host, clock):
    """A recording that starts over goes back by more than a second."""
    bridge = Bridge(host, make(), Settings(outputs=("people",)))
    bridge.poses(message())
    bridge.poses(message(STAMP - 10 * SECOND))
    assert len(host.sent["people"]) == 2


@pytest.mark.parametrize("cut", [0, 3, 40, -1])
def test_half_a_message_is_told_and_nothing_of_it_sent(host, clock, cut):
    bridge = Bridge(host, make(), ALL)
    bridge.poses(message()[:cut])
    assert not host.sent
    assert bridge.diagnose().level == ERROR
    assert bridge.diagnose().values["damaged poses"] == "1"
    bridge.poses(message(STAMP + PERIOD))
    assert bridge.diagnose().level == OK


def test_somebody_without_a_known_joint_has_no_box(host, clock):
    bodies = row()
    bodies.joints[0] = np.nan
    Bridge(host, make(), ALL).poses(message(bodies=bodies))
    assert [box.id for box in host.sent["detections_3d"][0].detections] == ["2"]


# -- in another frame -----------------------------------------------------------------------------

ODOM = Settings(outputs=("people",), frame="odom")
# From the optical frame to one with z up, a metre and a half above its floor.
MATRIX = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1.0]])


def test_people_are_told_in_the_frame_asked_for(host, clock):
    host.matrices[STAMP] = MATRIX
    Bridge(host, make(), ODOM).poses(message())
    (sent,) = host.sent["people"]
    assert sent.header.frame_id == "odom"
    pelvis = row().joints[:, INDEX["pelvis"]]
    places = [(p.position.x, p.position.y) for p in sent.people]
    assert_allclose(places, np.stack([pelvis[:, 2], -pelvis[:, 0]], -1))


def test_transforms_that_lag_behind_by_more_than_an_image_lose_nobody(host, clock):
    """Poses at 30 Hz, their transforms 0.1 s later: each waits for its own."""
    bridge = Bridge(host, make(), ODOM)
    for n in range(12):
        bridge.poses(message(STAMP + n * PERIOD))
        clock.seconds += PERIOD / SECOND
        host.matrices[STAMP + (n - 2) * PERIOD] = MATRIX
        bridge.look()
    stamps = [stamp_of(sent) for sent in host.sent["people"]]
    assert stamps == [STAMP + n * PERIOD for n in range(10)]


def test_poses_whose_transform_never_comes_are_dropped_and_the_reason_told_once(host, clock):
    bridge = Bridge(host, make(), ODOM)
    for n in range(30):
        bridge.poses(message(STAMP + n * PERIOD))
        clock.seconds += PERIOD / SECOND
        bridge.look()
    assert not host.sent
    assert host.texts == [(logging.WARNING, "'camera' is not known in 'odom'")]
    report = bridge.diagnose()
    assert (report.level, report.message) == (ERROR, "'camera' is not known in 'odom'")
    # Those of the last 0.2 s wait still.
    assert int(report.values["poses without transform"]) == pytest.approx(30 - 0.2 * 30, abs=1)


def test_outputs_fall_silent_when_the_transform_stops(host, clock):
    """A robot whose odometry died does not know where people are."""
    bridge = Bridge(host, make(), Settings(outputs=("humans",), frame="odom"))
    host.matrices[STAMP] = MATRIX
    for n in range(30):
        bridge.poses(message(STAMP + n * PERIOD))
        clock.seconds += PERIOD / SECOND
        bridge.look()
    assert host.sent["/humans/bodies/tracked"][-1].ids == []


# -- what it is told ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"outputs": ("peple",)}, "outputs: peple: choose among people, points"),
        ({"joints": ("left_wing",)}, "joints: left_wing"),
        ({"stale_after": 0.0}, "stale_after: 0 is not above 0"),
        ({"collision_rate": -1.0}, "collision_rate: -1 is not above 0"),
        ({"stale_after": float("nan")}, "stale_after: nan is not above 0"),
    ],
)
def test_bad_settings_are_refused_with_the_reason(wrong, reason):
    with pytest.raises(InputError, match=reason):
        Settings(**wrong)


def test_a_missing_message_package_is_named(host):
    with pytest.raises(InputError, match="humans needs the package hri_msgs"):
        Bridge(host, Make(ros_types()), Settings(outputs=("humans",)))

"""Which poses are fused together: cameras shoot when they like, and clocks may be wrong."""

import numpy as np
import pytest

from bodypose3d_ros.body.people import Bodies
from bodypose3d_ros.node.fusion.gathering import (
    AHEAD,
    LATE,
    OVERTAKEN,
    PLACELESS,
    REPEATED,
    Arrival,
    Gathering,
    Patience,
    Placed,
)
from bodypose3d_ros.node.fusion.parameters import Parameters
from bodypose3d_ros.wire.pose_cdr import Poses

MS = 1_000_000
EPOCH = 1_000_000 * MS
PATIENCE = Patience(cameras=0.035, transform=0.1)


class Cell:
    """Cameras before a gathering, and a clock that runs when it is told to."""

    def __init__(self, *cameras, patience=PATIENCE):
        self.gathering = Gathering(cameras)
        self.ms = 0.0
        self.unplaced = set()
        self.rounds = []
        self.late = []
        self._patience = patience

    def _place(self, arrival):
        if arrival.camera in self.unplaced:
            return None
        return Placed(arrival, np.eye(4), np.eye(4))

    def until(self, ms):
        """Let time pass, a millisecond at a time."""
        while self.ms < ms:
            self.ms += 1
            self.look()

    def look(self):
        if found := self.gathering.take(self.ms / 1e3, self._place, self._patience):
            said = {p.arrival.camera: (p.arrival.stamp - EPOCH) // MS for p in found.views}
            (self.late if found.late else self.rounds).append((round(self.ms), said))

    def say(self, camera, shot, came, *, clock=0.0):
        """A camera's poses of an image shot at a time, in milliseconds, by its own clock."""
        self.until(came)
        poses = Poses(EPOCH + round((shot + clock) * MS), camera, Bodies.none(), np.zeros((0, 4)))
        age = (came - shot - clock) / 1e3
        problem = self.gathering.add(Arrival(camera, poses, self.ms / 1e3, age))
        self.look()
        return problem

    def run(self, periods, phases, until, latency=20, clocks=None):
        """All cameras shoot at their own times; returns what was said of each image."""
        shots = [
            (shot + latency, camera, shot)
            for camera, period in periods.items()
            for shot in np.arange(phases[camera], until, period)
        ]
        return [
            (camera, self.say(camera, shot, came, clock=(clocks or {}).get(camera, 0)))
            for came, camera, shot in sorted(shots)
        ]

    def run_unevenly(self, period, phases, until):
        """Four cameras of one period whose poses come after 20 to 70 ms; returns how many came."""
        random = np.random.default_rng(3)
        shots = [
            (shot + random.uniform(20, 70), camera, shot)
            for camera, phase in zip("abcd", phases, strict=True)
            for shot in range(phase, until, period)
        ]
        for came, camera, shot in sorted(shots):
            self.say(camera, shot, came)
        return len(shots)


def test_cameras_that_shoot_together_are_fused_when_the_last_has_spoken():
    cell = Cell("front", "left")
    for number in range(4):
        cell.say("front", 33 * number, 33 * number + 10)
        cell.say("left", 33 * number, 33 * number + 18)
    # Until left has spoken twice nobody knows when it will.
    assert cell.rounds[2:] == [(33 * n + 18, {"front": 33 * n, "left": 33 * n}) for n in (2, 3)]


def test_cameras_out_of_phase_are_fused_once_an_image():
    cell = Cell("a", "b", "c", "d")
    cell.run(dict.fromkeys("abcd", 33), {"a": 0, "b": 9, "c": 17, "d": 26}, until=660)
    late = [said for ms, said in cell.rounds if ms > 100]
    assert all(set(said) == set("abcd") for said in late)
    assert 16 <= len(late) <= 18
    # What goes out is as new as the newest, so the wait costs the newest no time.
    assert all(ms - max(said.values()) <= 21 for ms, said in cell.rounds if ms > 100)


@pytest.mark.parametrize("phases", [(0, 0, 0, 0), (0, 17, 33, 53)])
def test_nodes_that_are_not_all_as_fast_each_time_are_fused_once_an_image(phases):
    """Four nodes on two cores take turns: of 15 Hz images poses come after 20 to 70 ms."""
    wait = Parameters(cameras=tuple("abcd")).wait
    cell = Cell(*"abcd", patience=Patience(wait, 0.1))
    said = cell.run_unevenly(66, phases, until=10_000)
    assert len(cell.rounds) == pytest.approx(10_000 / 66, rel=0.15)
    assert np.mean([len(views) for _, views in cell.rounds]) > 3.5
    assert sum(sum(counts.values()) for counts in cell.gathering.counts.values()) < said / 50


def test_nobody_waits_for_a_slow_camera_and_what_it_says_counts_when_it_comes():
    cell = Cell("fast", "slow")
    cell.run({"fast": 33, "slow": 100}, {"fast": 0, "slow": 50}, until=990)
    assert all(ms - said["fast"] == 20 for ms, said in cell.rounds if "fast" in said)
    assert sum("slow" in said for _, said in cell.rounds + cell.late) == 10
    assert len(cell.rounds) == 30  # the fast one's images; the slow one's make none of their own


@pytest.mark.parametrize("phases", [(0, 50, 100, 150), (0, 70, 130, 180)])
def test_cameras_too_far_apart_for_one_round_are_answered_at_their_rate(phases):
    """At 5 Hz, all over the period: a round each time the wait was over made 8 answers a second."""
    cell = Cell(*"abcd", patience=Patience(0.1, 0.1))
    said = cell.run_unevenly(200, phases, until=10_000)
    assert len(cell.rounds) == pytest.approx(50, rel=0.15)
    used = sum(len(views) for _, views in cell.rounds + cell.late)
    assert used == pytest.approx(said, abs=5)
    between = np.diff([ms for ms, _ in cell.rounds])
    assert between.max() <= 200 + 100 + 50  # a period, the wait, and how unequally poses come


def test_who_is_always_late_is_answered_when_nobody_else_can_be():
    cell = Cell("front", "left", patience=Patience(0.1, 0.1))
    cell.run({"front": 200, "left": 200}, {"front": 0, "left": 130}, until=800)
    assert cell.late
    cell.unplaced = {"front"}  # it goes on speaking, and nothing of it can be fused
    cell.run({"front": 200, "left": 200}, {"front": 800, "left": 930}, until=2000)
    alone = [ms for ms, said in cell.rounds if ms > 1000 and "left" in said]
    assert len(alone) >= 5


def test_a_camera_that_falls_silent_is_waited_for_no_more():
    cell = Cell("front", "left")
    cell.run({"front": 33, "left": 33}, {"front": 0, "left": 5}, until=330)
    cell.run({"front": 33}, {"front": 333}, until=990)
    alone = [(ms, said) for ms, said in cell.rounds if ms > 420]
    assert alone
    assert all(ms - said["front"] == 20 for ms, said in alone)


def test_whoever_is_late_goes_into_the_next_round_or_is_counted():
    cell = Cell("front", "left")
    cell.run({"front": 33}, {"front": 0}, until=330)
    assert cell.say("left", 250, 325) == ""  # older than what was fused, by less than is carried
    cell.say("front", 330, 350)
    assert cell.rounds[-1] == (350, {"front": 330, "left": 250})
    assert cell.say("left", 200, 351) == LATE
    assert cell.say("left", 251, 352) == ""
    cell.say("front", 390, 410)
    assert cell.rounds[-1] == (410, {"front": 390})
    assert cell.gathering.counts["left"][LATE] == 2


def test_what_comes_twice_or_out_of_order_is_counted_and_left():
    cell = Cell("front")
    assert [cell.say("front", shot, 200) for shot in (100, 133, 100, 133)] == [
        "",
        "",
        REPEATED,
        REPEATED,
    ]
    assert +cell.gathering.counts["front"] == {REPEATED: 2}


@pytest.mark.parametrize("ahead", [200, 3_600_000])
def test_a_clock_that_is_ahead_of_the_others_is_not_believed(ahead):
    cell = Cell("front", "left", "right")
    cameras = dict.fromkeys(("front", "left", "right"), 33)
    said = cell.run(cameras, dict.fromkeys(cameras, 0), until=990, clocks={"left": ahead})
    assert {problem for camera, problem in said if camera != "left"} == {""}
    assert {problem for camera, problem in said[6:] if camera == "left"} == {AHEAD}
    assert all("left" not in round_ for _, round_ in cell.rounds[3:])


def test_a_clock_that_is_behind_the_others_makes_late_poses():
    cell = Cell("front", "left")
    cameras = dict.fromkeys(("front", "left"), 33)
    said = cell.run(cameras, {"front": 0, "left": 1}, until=990, clocks={"left": -10_000})
    assert {problem for camera, problem in said if camera == "front"} == {""}
    assert {problem for camera, problem in said[3:] if camera == "left"} == {LATE}


def test_time_that_jumps_back_for_all_begins_anew():
    cell = Cell("front", "left")
    cameras = dict.fromkeys(("front", "left"), 33)
    cell.run(cameras, {"front": 0, "left": 1}, until=500)
    cell.run(
        cameras, {"front": 1000, "left": 1001}, until=2000, clocks=dict.fromkeys(cameras, -60_000)
    )
    assert cell.gathering.restarts == 1
    back = [said for _, said in cell.rounds if said.get("front", 0) < 0]
    assert len(back) > 15


def test_a_place_that_is_not_known_holds_up_nobody_else():
    cell = Cell("front", "left")
    cell.unplaced = {"left"}
    cameras = dict.fromkeys(("front", "left"), 33)
    cell.run(cameras, {"front": 0, "left": 1}, until=660)
    assert sum("front" in said for _, said in cell.rounds) == 20
    assert cell.gathering.counts["left"][PLACELESS] >= 15
    cell.unplaced.clear()
    cell.run(cameras, {"front": 660, "left": 661}, until=760)
    assert "left" in cell.rounds[-1][1]


def test_a_place_that_comes_a_little_later_is_waited_for():
    cell = Cell("front")
    cell.unplaced = {"front"}
    cell.say("front", 0, 20)
    cell.until(60)
    cell.unplaced.clear()
    cell.until(70)
    assert cell.rounds == [(61, {"front": 0})]
    assert not +cell.gathering.counts["front"]


def test_who_is_busy_finds_the_newest():
    cell = Cell("front")
    cell.unplaced = {"front"}  # nothing is taken meanwhile
    for shot in (0, 33, 66):
        cell.say("front", shot, shot + 20)
    cell.unplaced.clear()
    cell.until(100)
    assert cell.rounds == [(87, {"front": 66})]
    assert cell.gathering.counts["front"] == {OVERTAKEN: 2}

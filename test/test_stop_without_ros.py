"""The example of a planner without ROS 2 stops an arm for whoever may come within its reach."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ros_network import PEERS, ROOT

pytest.importorskip("cyclonedds", reason="the example is for DDS (pip install .[dds])")

from bodypose3d_ros.body.people import SCALE_NONE, select
from bodypose3d_ros.wire.pose_cdr import PoseCdr, read
from people_made_up import row

EXAMPLE = ROOT / "examples" / "stop_without_ros.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("stop_without_ros", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def told(people):
    return read(PoseCdr(people, 10**9, "base_link", (640, 480)).array())


@pytest.fixture
def somebody():
    """Of whom one joint is known: 3 m ahead, to 0.1 m, nearing by 1 m/s, to 0.2 m/s."""
    joints = np.full((1, 34, 3), np.nan)
    joints[0, 24] = 0, 0, 3
    velocity = np.full((1, 34, 3), np.nan)
    velocity[0, 24] = 0, 0, -1
    covariance = np.full((1, 34, 3, 3), np.nan)
    covariance[0, 24] = 0.01 * np.eye(3)
    return replace(
        row(1), joints=joints, velocity=velocity, covariance=covariance,
        velocity_covariance=4 * covariance,
    )  # fmt: skip


def test_a_joint_is_carried_on_to_when_the_arm_stands(example, somebody):
    """3 m less 0.5 m on the way, less 1.96 sigmas, less 4 t^2 for a change of its speed.

    One sigma is the place's and what the velocity's, 0.2 m/s, does in half a second.
    """
    assert_allclose(example.nearest(told(somebody), 0.5), 3 - 0.5 - 1.96 * (0.1 + 0.1) - 1.0)


def test_of_whom_nobody_knows_how_fast_the_worst_is_assumed(example, somebody):
    newcomer = replace(somebody, velocity=np.full((1, 34, 3), np.nan))
    assert_allclose(example.nearest(told(newcomer), 0.5), 3 - 0.196 - 1.6 * 0.5)


def test_somebody_whose_place_is_unknown_is_everywhere_and_nobody_is_nowhere(example, somebody):
    unplaced = replace(somebody, scale_source=np.array([SCALE_NONE], np.uint8))
    assert example.nearest(told(unplaced), 0.5) == 0
    assert example.nearest(told(select(row(1), [])), 0.5) == np.inf


def test_a_joint_without_covariance_stops_the_arm_whatever_is_known_of_others(example, somebody):
    joints = somebody.joints.copy()
    joints[0, 25] = 0, 0, 4
    vague = replace(somebody, joints=joints)
    assert not example.nearest(told(vague), 0.5) > example.REACH


def test_it_listens_to_the_node(start):
    """Who comes to 2 m, where an arm of 0.9 m and a second's fifth are too near, and silence."""
    guard = start(EXAMPLE)
    guard.line("stops: no poses come", timeout=60)
    start(PEERS / "known_camera.py")
    node = start(PEERS / "known_node.py", "node", "--host", "dds")
    guard.line("stops: somebody may be within its reach", timeout=60)
    node.kill()
    guard.line("stops: no poses come", timeout=60)


def test_the_arm_does_not_twitch_where_somebody_is_near_in_every_other_look(
    example, somebody, monkeypatch, capsys
):
    """Between two images the age of the last one grows, and with it what may have happened."""
    now = [100.0]
    monkeypatch.setattr(example.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(example.time, "time", lambda: 1.0)
    distances = iter([2.0, 0.5, 2.0, 0.5, *[2.0] * 60])
    monkeypatch.setattr(example, "nearest", lambda *_: next(distances))
    guard = example.Guard()
    for _ in range(60):
        guard.poses, guard.heard = told(somebody), now[0]
        guard.look()
        now[0] += 0.02
    assert capsys.readouterr().out.splitlines() == [
        "moves", "stops: somebody may be within its reach", "moves",
    ]  # fmt: skip
    assert example.FREE == 1.0

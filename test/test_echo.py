"""People on the terminal: what is old is not shown as if they were there."""

import time

import pytest

from bodypose3d_ros.apps import echo
from bodypose3d_ros.wire.pose_cdr import ARRAY_TYPE, PoseCdr
from bodypose3d_ros.wire.typestore import ros_types
from people_made_up import people

TYPES = ros_types()


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when they are told to."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_whoever_was_there_is_not_shown_once_poses_stop(clock):
    shown = echo.Echo("/bodypose3d/poses")
    assert shown.table().title == "no poses yet on /bodypose3d/poses"
    cdr = PoseCdr(people((0, 0, 3)), time.time_ns(), "camera", (640, 480)).array()
    shown.add(TYPES.deserialize_cdr(cdr, ARRAY_TYPE))
    assert "Hz" not in shown.table().title  # of one message alone there is no rate
    for _ in range(2):
        clock[0] += 0.1
        shown.add(TYPES.deserialize_cdr(cdr, ARRAY_TYPE))
    clock[0] += 0.5
    table = shown.table()
    assert table.row_count == 1
    assert "1 person in camera, 10.0 Hz" in table.title
    clock[0] += 3
    table = shown.table()
    assert (table.row_count, table.title) == (0, "no poses on /bodypose3d/poses for 4 s")

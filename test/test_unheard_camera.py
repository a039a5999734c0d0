"""A camera that is there and not heard: its small messages come, its images do not."""

import errno
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bodypose3d_ros.apps import doctor
from bodypose3d_ros.node import sockets
from bodypose3d_ros.node.diagnostics import OK, WARN, Diagnostics, State

STOCK, RAISED = 212992, 33554432
SYSCTL = "sudo sysctl -w net.core.rmem_max=33554432"
PROFILE = "FASTDDS_DEFAULT_PROFILES_FILE="


class Camera:
    """Diagnostics before a camera of 30 Hz, on a clock that the test moves."""

    def __init__(self, clock):
        self.clock = clock
        clock.before("node.diagnostics")
        self.diagnostics = Diagnostics()

    def runs(self, seconds, image_every, *, waiting=True):
        for number in range(round(seconds * 30)):
            self.clock.seconds += 1 / 30
            self.diagnostics.calibrated(waiting=waiting)
            if image_every and number % image_every == 0:
                self.diagnostics.received(0.01)
                self.diagnostics.published(0, 0.02, 0.01)

    @property
    def report(self):
        return self.diagnostics.report(stale_after=2.0, dropped=0, facts={})


@pytest.fixture
def limit(monkeypatch):
    """A kernel that gives a socket so many bytes, stock at first."""
    kernel = SimpleNamespace(gives=STOCK)
    monkeypatch.setattr(sockets, "receive_limit", lambda: kernel.gives)
    monkeypatch.delenv("RMW_IMPLEMENTATION", raising=False)
    return kernel


@pytest.fixture
def camera(clock, limit):
    return Camera(clock)


def test_one_image_in_thirty_is_a_warning_with_the_command_that_mends_it(camera):
    camera.runs(5, image_every=30)
    report = camera.report
    assert report.level == WARN
    assert report.message.startswith("images come at 1.0 Hz, their CameraInfo at 30")
    assert SYSCTL in report.message
    assert camera.diagnostics.state(2.0)[0] == State.OK  # for those that come poses leave


def test_no_image_at_all_may_be_the_wrong_topic(camera):
    camera.runs(5, image_every=0)
    report = camera.report
    assert (report.level, report.message[:22]) == (WARN, "no image has come yet,")
    assert "CameraInfo at 30" in report.message
    assert "image_transport" in report.message


@pytest.mark.parametrize("image_every", [1, 2])
def test_as_many_images_or_half_are_none_of_it(camera, image_every):
    """A camera that is worked on at half its rate is heard."""
    camera.runs(5, image_every)
    assert camera.report.level == OK


def test_a_node_that_takes_few_images_because_it_is_at_work_hears_them(camera):
    """Before a camera ten times as fast as its engine."""
    camera.runs(5, image_every=10, waiting=False)
    assert camera.report.level == OK


def test_it_is_not_said_too_soon_and_not_for_ever(camera):
    camera.runs(1.5, image_every=30)
    assert camera.report.level == OK
    camera.runs(5, image_every=30)
    assert camera.report.level == WARN
    camera.runs(5, image_every=1)
    assert camera.report.level == OK


def test_what_mends_it_is_what_is_wrong(limit):
    assert SYSCTL in sockets.mend({})
    fast = {"RMW_IMPLEMENTATION": "rmw_fastrtps_cpp"}
    assert PROFILE in sockets.mend(fast)
    given = fast | {"FASTDDS_DEFAULT_PROFILES_FILE": "fastdds.xml"}
    assert SYSCTL in sockets.mend(given)
    limit.gives = RAISED
    assert "docs/ros2.md" in sockets.mend(given)


class Asking:
    """A UDP socket of a kernel that gives so many bytes, in the way of Linux or of the others."""

    def __init__(self, gives, *, refuses):
        self.gives, self.refuses, self.has = gives, refuses, 0

    def setsockopt(self, level, option, wanted):
        if self.refuses and wanted > self.gives:
            raise OSError(errno.ENOBUFS, "No buffer space available")
        self.has = wanted if self.refuses else 2 * min(wanted, self.gives)  # socket(7)

    def getsockopt(self, level, option):
        return self.has


@pytest.mark.parametrize(
    ("platform", "gives", "granted"),
    [
        ("linux", STOCK, STOCK),
        ("linux", RAISED, RAISED),
        ("darwin", 8 << 20, 8 << 20),
        ("darwin", 6 << 20, 4 << 20),  # 32 and 16 MiB and 8 are refused
    ],
)
def test_the_limit_is_what_a_socket_is_given(monkeypatch, platform, gives, granted):
    """Wherever /proc is or is not."""
    monkeypatch.setattr(sys, "platform", platform)
    asking = Asking(gives, refuses=platform == "darwin")
    assert sockets._granted(asking, sockets.WANTED) == granted


def test_the_limit_of_this_machine_is_the_kernels():
    file = Path("/proc/sys/net/core/rmem_max")
    if not file.exists():
        pytest.skip("needs Linux, outside a container")
    assert sockets.receive_limit() == min(int(file.read_text()), sockets.WANTED)


def test_in_a_container_the_limit_is_raised_on_its_host(limit, monkeypatch, tmp_path):
    monkeypatch.setattr(sockets, "RMEM_MAX", tmp_path / "hidden")
    assert f"'{SYSCTL}' on the host of this container" in sockets.mend({})
    (finding,) = doctor._sockets()
    assert finding.mend == f"{SYSCTL}  # on the host of this container"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "'sudo sysctl -w kern.ipc.maxsockbuf=33554432' and" in sockets.mend({})


def test_the_doctor_says_the_same(limit, monkeypatch):
    """Of sockets that hold no large image, and of Fast DDS without a profile."""
    (finding,) = doctor._sockets()
    assert (finding.fine, finding.mend) == (False, SYSCTL)
    assert "208 KiB" in finding.text
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    limit.gives = RAISED
    profile, finding = doctor._sockets()
    assert finding.fine
    assert not profile.fine
    assert profile.mend.startswith(f"export {PROFILE}")

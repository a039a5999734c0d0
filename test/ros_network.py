"""Test processes on the loopback interface: each test has a ROS domain of its own."""

from __future__ import annotations

import fcntl
import itertools
import os
import queue
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
PEERS = Path(__file__).parent / "peers"

_CYCLONE = {
    "CYCLONEDDS_URI": (
        '<CycloneDDS><Domain><General><Interfaces><NetworkInterface name="lo"/></Interfaces>'
        "</General></Domain></CycloneDDS>"
    )
}
if os.environ.get("ROS_DISTRO") == "humble":
    # There ROS_LOCALHOST_ONLY names the interface, and Cyclone refuses to be told twice.
    _CYCLONE = {}

# Up to 101, a domain's ports lie below those the kernel gives away.
_domains = itertools.cycle(random.sample(range(1, 101), 100))
_LOCKS = Path(tempfile.gettempdir()) / "bodypose3d-test-domains"


@contextmanager
def own_domain() -> Iterator[int]:
    """A domain that no other test has meanwhile, nor one of another checkout on this machine."""
    _LOCKS.mkdir(exist_ok=True)
    for domain in itertools.islice(_domains, 100):
        with (_LOCKS / str(domain)).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield domain
            return
    raise RuntimeError("all hundred domains are taken: do that many tests run at once?")


def environment(domain: int) -> dict[str, str]:
    """For a process that must meet only its own test, on 127.0.0.1."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ROS_", "CYCLONEDDS_"))}
    path = os.pathsep.join([str(ROOT), str(ROOT / "test"), kept.get("PYTHONPATH", "")]).rstrip(
        os.pathsep
    )
    return {
        **kept,
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
        "ROS_DOMAIN_ID": str(domain),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOCALHOST_ONLY": "1",
        **_CYCLONE,
    }


def spin_until(node, condition, seconds=60.0):
    """Serve a node of ours until it is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        node.spin_once(0.05)


def within(seconds: float) -> float:
    """In which something has to happen: longer where more runs than the machine has cores for."""
    return seconds * max(1.0, os.getloadavg()[0] / len(os.sched_getaffinity(0)))


class Process:
    """A program of a test: its output in lines, its end in time."""

    def __init__(self, domain: int, *command: object, program: object = sys.executable) -> None:
        self._process = subprocess.Popen(
            [str(program), *map(str, command)],
            env=environment(domain),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # What a shell starts in the background ignores SIGINT, and its children, too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.pid = self._process.pid
        self.output: list[str] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def line(self, start: str = "", timeout: float = 60) -> str:
        """The next line that begins so."""
        end = time.monotonic() + timeout
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                line = None
            assert line is not None, f"no line {start!r} came: {self.output}"
            if line.startswith(start):
                return line

    def stop(self, number: int = signal.SIGINT, timeout: float = 15) -> None:
        """Signal it, and see it end: two seconds are promised, to a machine that has the time."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def ended(self, timeout: float = 120) -> int:
        """Let it end by itself; returns its exit code."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._reader.join()
        return self._process.returncode

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.output.append(line.rstrip("\n"))
            self._lines.put(self.output[-1])
        self._lines.put(None)

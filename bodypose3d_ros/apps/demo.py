"""The package's main job, shown live: a film as the camera, the node, a recorder, and the truth.

Three processes meet over DDS on this machine's loopback interface, as on a robot: ``play``,
``node`` and ``record``. What the recorder got is then compared with the film's truth.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..body.people import Bodies, Image
from ..errors import Bodypose3dError
from ..media import film
from ..media.film import Film
from ..media.outputs import REPORT, beside, result
from ..media.storage import McapFile
from ..media.video import VideoWriter
from ..wire import images
from ..wire.pose_cdr import read
from ..wire.stamps import stamp_of
from ..wire.typestore import ros_types
from .accuracy import Accuracy, measure
from .report import picture

_RECORDING, _OVERLAY, _PICTURE, _RRD = "poses.mcap", "overlay.mp4", "report.png", "people.rrd"
_START_S = 60.0
"""How long networks may take to load."""
_LAST_POSE_S = 5.0
"""How long after the last image its pose may come."""
_STOP_S = 10.0
_LAST_DOMAIN = 100  # of those whose ports no system reserves


@dataclass(frozen=True)
class Demo:
    """What came out."""

    accuracy: Accuracy
    sent: int
    """Images the camera sent."""
    latency: tuple[float, float]
    """Milliseconds from an image's stamp to its pose at the recorder: median, 95th percentile."""
    rate: float
    """Poses a second."""
    film_rate: float
    """Images that the camera sends a second."""
    written: tuple[Path, ...] = ()


def run(name: str, out: Path, *, view: bool = False, rrd: bool = False) -> Demo:
    """Play a film to the node and measure what it says.

    Args:
        name: One of ``film.names()``.
        out: The folder for ``poses.mcap``, ``overlay.mp4``, ``report.json`` and ``report.png``.
        view: Show people in Rerun's viewer.
        rrd: Write what the viewer would show as ``people.rrd``.

    Raises:
        InputError: There is no such film.
        RefusedError: The folder holds other files of these names.
        WriteError: It cannot be written to.
        Bodypose3dError: One of the processes failed.
    """
    shown = film.load(name)
    outputs = result(out, [_RECORDING, _OVERLAY, _PICTURE, REPORT, *([_RRD] if rrd else [])])
    outputs.check()
    viewers: list[list[str]] = [[]] if view else []
    if rrd:
        viewers.append(["--save", str(outputs.part(_RRD)), "--overwrite"])
    recording = outputs.part(_RECORDING)
    _run_processes(name, recording, viewers, _environment())
    heard = _listen(recording)
    if not heard.poses:
        raise Bodypose3dError("no poses came: run  bodypose3d doctor")
    frames = {stamp: number for number, stamp in enumerate(sorted(heard.infos))}
    people = {frames[s]: bodies for s, (_, bodies) in heard.poses.items() if s in frames}
    accuracy = measure(shown, people)
    ages = [(came - stamp) / 1e6 for stamp, (came, _) in heard.poses.items()]
    stamps = sorted(heard.poses)
    demo = Demo(
        accuracy,
        len(heard.infos),
        (float(np.median(ages)), float(np.percentile(ages, 95))),
        (len(stamps) - 1) / max((stamps[-1] - stamps[0]) / 1e9, 1e-9),
        shown.rate,
    )
    _write_overlay(outputs.part(_OVERLAY), shown, heard.overlays)
    outputs.write(_PICTURE, cv2.imencode(".png", picture(accuracy))[1].tobytes())
    outputs.describe(REPORT, _figures(demo))
    return replace(demo, written=tuple(outputs.keep()))


def _figures(demo: Demo) -> dict[str, Any]:
    return {
        **demo.accuracy.to_json(),
        "images_sent": demo.sent,
        "poses_a_second": round(demo.rate, 2),
        "latency_ms": {"median": round(demo.latency[0], 1), "p95": round(demo.latency[1], 1)},
    }


@dataclass(frozen=True)
class _Heard:
    """What the recorder got, by the image's stamp in nanoseconds."""

    infos: set[int]
    poses: dict[int, tuple[int, Bodies]]
    """When each image's people came, and who they are."""
    overlays: dict[int, Image]


def _listen(recording: Path) -> _Heard:
    heard = _Heard(set(), {}, {})
    types = ros_types()
    file = McapFile(recording)
    for recorded in file.messages({channel.topic for channel in file.channels}):
        kind = recorded.type.rpartition("/")[2]
        if kind == "Pose3DArray":
            poses = read(recorded.cdr)
            heard.poses[poses.stamp] = recorded.log_time, poses.bodies
        elif kind in ("CameraInfo", "CompressedImage"):
            message: Any = types.deserialize_cdr(recorded.cdr, recorded.type)
            if kind == "CameraInfo":
                heard.infos.add(stamp_of(message))
            else:
                heard.overlays[stamp_of(message)] = images.from_message(message)
    return heard


def _write_overlay(path: Path, shown: Film, overlays: Mapping[int, Image]) -> None:
    with VideoWriter(path, shown.rate) as writer:
        for stamp in sorted(overlays):
            writer.write(overlays[stamp])


def _environment() -> dict[str, str]:
    """A ROS domain of its own on the loopback interface, so that no robot is disturbed."""
    domain = str(random.randint(1, _LAST_DOMAIN))  # noqa: S311 - no secret
    return {**os.environ, "ROS_DOMAIN_ID": domain, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "PYTHONUNBUFFERED": "1"}  # fmt: skip


def _run_processes(
    name: str, recording: Path, viewers: Sequence[Sequence[str]], environment: Mapping[str, str]
) -> None:
    with ExitStack() as running:

        def start(*arguments: str) -> _Process:
            return running.enter_context(_process(environment, *arguments))

        recorder = start("record", str(recording), "--overwrite")
        for viewer in [start("view", *arguments) for arguments in viewers]:
            viewer.wait_for("showing people")
        node = start("node", "--host", "dds")
        recorder.wait_for("recording into")
        node.wait_for("is ready")
        with _process(environment, "play", name, "--wait", "1") as camera:
            camera.wait_for("sent")
        _wait_until_quiet(beside(recording))


def _wait_until_quiet(recording: Path) -> None:
    """The last pose is on its way while images are no longer."""
    end, size = time.monotonic() + _LAST_POSE_S, -1
    while time.monotonic() < end and size != recording.stat().st_size:
        size = recording.stat().st_size
        time.sleep(1)


class _Process:
    """One of the package's own commands, whose output is kept."""

    def __init__(self, environment: Mapping[str, str], *arguments: str) -> None:
        self._command = arguments[0]
        self._lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bodypose3d_ros", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, text: str) -> None:
        """Wait until it has said something.

        Raises:
            Bodypose3dError: It ended, or said nothing in time; its last lines are in the message.
        """
        end = time.monotonic() + _START_S
        while not any(text in line for line in self._lines):
            if time.monotonic() > end or self._process.poll() is not None:
                self._reader.join(1)
                if any(text in line for line in self._lines):
                    return
                said = " | ".join(self._lines[-3:]) or "nothing"
                raise Bodypose3dError(f"bodypose3d {self._command} did not run; it said: {said}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it as Ctrl-C would, and see to it that it is gone."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        stream = self._process.stdout
        for line in stream or ():
            self._lines.append(line.rstrip())


@contextmanager
def _process(environment: Mapping[str, str], *arguments: str) -> Iterator[_Process]:
    process = _Process(environment, *arguments)
    try:
        yield process
    finally:
        process.stop()

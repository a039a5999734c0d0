"""What poses cost: time and processor by stage, under load, and what a process comes to hold."""

from __future__ import annotations

import gc
import logging
import os
import platform
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..body.camera import Camera
from ..body.people import Bodies, Frame, Image
from ..node.core import Core
from ..node.interface import POSES, Topic
from ..node.parameters import Parameters
from ..perception.networks import Networks
from ..perception.pipeline import Pipeline
from ..perception.search import Budget
from ..perception.tracking.tracker import Tracker
from ..wire.messages import Message, Messages
from ..wire.pose_cdr import PoseCdr
from ..wire.typestore import ros_types
from . import crowd

STAGES = ("network", "pose", "lift", "track", "message", "search network", "search")
"""In the order an image goes through them; the two of the search come after the poses are out."""
_RATE = 30.0  # images a second
_HFOV = 60.0
_WARM_UP = 5
_STAMP_AT = 4  # bytes of CDR's encapsulation before a header's stamp

Figures = dict[str, Any]


@dataclass(frozen=True)
class Times:
    """Milliseconds by stage of each of F frames."""

    wall: dict[str, list[float]]
    cpu: dict[str, list[float]]
    people: list[int]

    def to_json(self) -> Figures:
        """Medians by stage, means of the search, their sum, and how many people were found."""
        figures: Figures = {"found": float(np.mean(self.people))}
        for name, times in (("wall_ms", self.wall), ("cpu_ms", self.cpu)):
            # The search is not in every frame: its median is nothing.
            stages = {
                stage: float((np.mean if "search" in stage else np.median)(values))
                for stage, values in times.items()
            }
            stages["all"] = sum(stages.values())
            figures[name] = {stage: _rounded(value) for stage, value in stages.items()}
        return figures


def machine() -> Figures:
    """The processor, how many cores this process may use, and how busy the machine is."""
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }


def stages(networks: Networks, people: int, size: tuple[int, int], frames: int) -> Figures:
    """What each stage takes while so many people are followed, searching as the node does.

    Args:
        networks: Loaded.
        people: In the picture, all the time.
        size: Width and height of the pictures, in pixels.
        frames: How many are measured, after a few to warm up.
    """
    pipeline = networks.pipeline(Tracker(), max_people=max(people, 1))
    pipeline.measures_cpu = True
    camera = Camera.from_hfov(*size, _HFOV)
    times = Times({s: [] for s in STAGES}, {s: [] for s in STAGES}, [])
    pictures = cycle(crowd.pictures(people, size))
    for number in range(_WARM_UP + frames):
        frame = Frame(next(pictures), camera, round(number / _RATE * 1e9))
        found, wall, cpu = _one_frame(pipeline, frame)
        if number >= _WARM_UP:
            times.people.append(found)
            for stage in STAGES:
                times.wall[stage].append(wall[stage])
                times.cpu[stage].append(cpu[stage])
    return {"people": people, "width": size[0], "height": size[1], **times.to_json()}


def _one_frame(pipeline: Pipeline, frame: Frame) -> tuple[int, dict[str, float], dict[str, float]]:
    """How many people a frame has, and what each stage took: wall and processor milliseconds."""
    bodies = pipeline.estimate(frame)
    before = dict(pipeline.milliseconds), dict(pipeline.cpu_milliseconds)
    message = _timed(lambda: PoseCdr(bodies, frame.stamp, "", _size(frame)).array())
    pipeline.search(frame, Budget())
    after = pipeline.milliseconds, pipeline.cpu_milliseconds
    wall, cpu = (
        {
            **{stage: then.get(stage, 0.0) for stage in ("network", "pose", "lift", "track")},
            "message": in_message,
            "search network": now.get("network", 0.0) - then.get("network", 0.0),
            "search": now.get("detect", 0.0),
        }
        for then, now, in_message in zip(before, after, message, strict=True)
    )
    return _seen(bodies), wall, cpu


def _seen(bodies: Bodies) -> int:
    return int(np.isfinite(bodies.pixels).any(axis=(1, 2)).sum())


def _size(frame: Frame) -> tuple[int, int]:
    return frame.camera.width, frame.camera.height


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3


class _Listener:
    """A node's host without a network: keeps how late each image's poses were."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        """Milliseconds from the image's stamp until its poses were published."""

    def publish(self, topic: Topic, message: Message | bytes) -> None:
        """Look at the stamp of poses."""
        if topic is POSES and isinstance(message, bytes):
            seconds, nanoseconds = struct.unpack_from("<iI", message, _STAMP_AT)
            self.latencies.append((self.now() - seconds * 10**9 - nanoseconds) / 1e6)

    def subscribers(self, topic: Topic) -> int:
        """Somebody wants poses and nothing else."""
        return int(topic is POSES)

    def now(self) -> int:
        """This machine's clock, in nanoseconds."""
        return time.time_ns()

    def topic_name(self, topic: Topic) -> str:
        """As written."""
        return topic.name

    def log(self, level: int, text: str) -> None:
        """Pass on what is a warning, at least."""
        if level >= logging.WARNING:
            logging.getLogger(__name__).log(level, text)

    def lookup_transform(
        self, target: str, source: str, stamp: int, timeout: float
    ) -> NDArray[np.float64]:
        """The camera is the fixed frame."""
        return np.eye(4)


def load(
    networks: Networks, size: tuple[int, int], rate: float, seconds: float
) -> tuple[Figures, list[float]]:
    """A camera of a rate before the whole node, in this process and without a network.

    Args:
        networks: Loaded; they stay so.
        size: Width and height of the images, in pixels.
        rate: Images a second.
        seconds: How long, after a second to warm up.

    Returns:
        The figures, and the latency of every image in milliseconds.
    """
    types = ros_types().types.__getitem__
    listener = _Listener()
    core = Core(listener, types, Parameters().changed({"hfov": _HFOV}))
    core.configure(networks)
    core.activate()
    images = cycle(crowd.pictures(1, size))
    try:
        _shoot(core, Messages(types), images, rate, 1.0)
        listener.latencies.clear()
        before = _counts(core)
        cpu, start = time.process_time(), time.monotonic()
        sent = _shoot(core, Messages(types), images, rate, seconds)
        lasted, cpu = time.monotonic() - start, time.process_time() - cpu
        core.check()
    finally:
        core.deactivate()  # and not cleaned up: the networks are the caller's
    after = _counts(core)
    published, dropped, skipped = (now - then for now, then in zip(after, before, strict=True))
    latencies = list(listener.latencies)
    median, late, latest = _percentiles(latencies)
    figures = {
        "asked_hz": _rounded(rate),
        "sent": sent,
        "sent_hz": _rounded(sent / lasted),
        "published": published,
        "published_hz": _rounded(published / lasted),
        "dropped": dropped,
        "skipped": skipped,
        "latency_ms": {"median": median, "95": late, "max": latest},
        "cpu_cores": round(cpu / lasted, 2),
    }
    return figures, latencies


def _shoot(
    core: Core, messages: Messages, images: Iterator[Image], rate: float, seconds: float
) -> int:
    """Send images at a rate, as far as this machine can; returns how many were sent."""
    start, sent = time.monotonic(), 0
    while (now := time.monotonic() - start) < seconds:
        if (early := sent / rate - now) > 0:
            time.sleep(early)
        header = messages.header(time.time_ns(), "camera")
        core.image(messages.image(next(images), header))
        sent += 1
    return sent


def _counts(core: Core) -> tuple[int, int, int]:
    told = core.diagnose().values
    names = ("poses published", "images dropped for newer ones", "images skipped")
    published, dropped, skipped = (int(told[name]) for name in names)
    return published, dropped, skipped


def held(networks: Networks, size: tuple[int, int], frames: int) -> list[Figures]:
    """What this process holds after each tenth of many frames of one person, searched as usual."""
    pipeline = networks.pipeline(Tracker(), live=True)
    camera = Camera.from_hfov(*size, _HFOV)
    pictures = cycle(crowd.pictures(1, size))
    tenths = {frames * tenth // 10 for tenth in range(1, 11)}
    rows = []
    for number in range(1, frames + 1):
        frame = Frame(next(pictures), camera, round(number / _RATE * 1e9))
        pipeline.estimate(frame)
        pipeline.search(frame, Budget())
        if number in tenths:
            gc.collect()
            rows.append({"frames": number, **_held_now()})
    return rows


def _held_now() -> Figures:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    status = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
    return {
        "memory_mb": _rounded(int(status["VmRSS"][0]) / 1024),
        "threads": int(status["Threads"][0]),
        "handles": len(list(Path("/proc/self/fd").iterdir())),
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _percentiles(values: list[float]) -> tuple[float, ...]:
    if not values:
        return (float("nan"),) * 3
    return tuple(_rounded(each) for each in np.percentile(values, (50, 95, 100)))


def _rounded(value: float | np.floating[Any]) -> float:
    return round(float(value), 2)

"""Fleets of recordings: workers that keep their networks, on one machine or many.

Ray (the optional extra ``bodypose3d_ros[batch]``) places them and repeats what was in work where
one dies.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import cv2

from ..errors import Bodypose3dError, EngineError, InputError, WriteError, printable
from ..media.outputs import SUMMARY
from ..media.sources import Source, open_source
from ..perception.networks import Networks, load_networks
from ..perception.pipeline import Pipeline
from ..perception.tracking.tracker import Tracker
from .estimate import Estimation, Estimator
from .parts import Joined, measure
from .work import PARTS, TABLE, Figures, Job, Queue, Task, Wanted, jobs_of, read, state_of

_OBJECT_STORE = 100 * 2**20  # bytes: tasks and answers are a few kilobytes; Ray's least is 75 MB
_KNOCK_SECONDS = 10.0
# What Ray itself says of a dead worker, in a thousand characters; ``estimated`` says it in a line.
_RAYS_OWN_WORDS = "A worker died or was killed|Task Worker.* failed. There are .* retries remaining"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Machines:
    """What workers run on."""

    address: str | None = None
    """Of a Ray cluster; None: this machine alone."""
    workers: int | None = None
    """At most so many; None: as many as there is room for."""
    threads: int = 1
    """CPU cores of a worker."""
    gpus: float = 0.0
    """GPUs of a worker; several may share one."""
    attempts: int = 3
    """How often a source is begun, where its worker dies, before it is given up."""


class Worker:
    """Estimates one source after another on the same networks: Ray's actor."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._life = uuid4().hex
        cv2.setNumThreads(wanted.networks.threads)

    @cached_property
    def _networks(self) -> Networks:
        return load_networks(self._wanted.networks)

    def do(self, job: Job) -> Figures | None:
        """Measure a part, or write the results of a source; what is wrong is among its figures.

        Raises:
            ModelError: The model is not here.
            EngineError: A network could not be run.
            WriteError: A file cannot be written to.
        """
        if job.part is None:
            return self._estimate(job)
        source = self._opened(job.task)
        measure(source, job.part, self._pipeline(None, guesses=True), job.task.parts)
        return None

    def do_in_life(self, job: Job) -> tuple[str, Figures | None]:
        """``do``, and in which life: none in the first, another in each that Ray began."""
        restarted = _ray().get_runtime_context().was_current_actor_reconstructed
        return self._life if restarted else "", self.do(job)

    def blind_to(self, files: Mapping[Path, int]) -> tuple[str, list[Path]]:
        """This machine's name, and which files are not here with so many bytes."""
        here = {path: state_of(path) for path in files}
        return socket.gethostname(), [
            path for path, state in here.items() if not state or state["bytes"] != files[path]
        ]

    def _estimate(self, job: Job) -> Figures:
        from ..media.table import PoseTable

        task, outputs = job.task, job.task.outputs
        if (done := task.done()) and not done["failures"]:
            return done  # the answer was lost on its way, with the worker or the network
        estimator: Estimator = (
            Joined(job.parts, task.parts, Tracker()) if job.parts else self._pipeline(Tracker())
        )
        wanted = {"keep_images": self._wanted.keep_images, "smooth": self._wanted.smooth}
        with (
            closing(PoseTable(outputs.part(TABLE))) as table,
            closing(Estimation(estimator, outputs, **wanted)) as estimation,
        ):
            try:
                estimation.run(self._opened(task), task.overlay, table.add)
            except InputError as error:
                estimation.summary.failures.append(printable(error))
        outputs.keep()
        for parts in outputs.folder.glob(f"{PARTS}*"):
            shutil.rmtree(parts, ignore_errors=True)
        return read(outputs.folder / SUMMARY)

    def _opened(self, task: Task) -> Source:
        wanted = self._wanted
        return open_source(task.path, wanted.cameras, wanted.topics, scene=wanted.scene)

    def _pipeline(self, tracker: Tracker | None, *, guesses: bool = False) -> Pipeline:
        most = self._wanted.networks.max_people
        return self._networks.pipeline(tracker, max_people=most, guesses=guesses)


@contextmanager
def workers(machines: Machines, wanted: Wanted, tasks: Sequence[Task]) -> Iterator[list[Any]]:
    """Workers for some tasks, no more than they are good for, for as long as the block lasts.

    Raises:
        EngineError: Ray or pyarrow is missing, no cluster answers, there is room for no worker, or
            a machine does not see the sources or where their results go.
        WriteError: Results cannot be written.
    """
    ray = _ray()
    networks = replace(wanted.networks, threads=machines.threads)
    try:
        _connect(machines)
        places = places_of(ray.nodes(), machines)
        if not places:
            raise EngineError(
                f"no machine has the {machines.threads} CPU cores and {machines.gpus:g} GPUs that "
                "a worker is to have: choose less with --threads and --gpus"
            )
        many = _useful(tasks, wanted, min(len(places), machines.workers or len(places)))
        actor = ray.remote(Worker)
        hands = [
            actor.options(**_life(place, machines)).remote(replace(wanted, networks=networks))
            for place in places[:many]
        ]
        if machines.address is not None:
            check_sight(hands, tasks, wanted)
        yield hands
    finally:
        ray.shutdown()


def _life(place: str, machines: Machines) -> dict[str, Any]:
    """How a worker on a machine lives, as Ray's options.

    Ray itself starts one that died again, and repeats what it had in work: on that machine. Where
    the machine is gone it would wait for room on another for ever, with what it had in work.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {
        "num_cpus": machines.threads,
        "num_gpus": machines.gpus,
        "max_restarts": -1,
        "max_task_retries": machines.attempts - 1,
        "scheduling_strategy": NodeAffinitySchedulingStrategy(place, soft=False),
    }


def check_sight(hands: list[Any], tasks: Sequence[Task], wanted: Wanted) -> None:
    """See that what is read, and where results go, are the same on the workers' machines as here.

    Else the machine that sees nothing is done soonest with whatever it is given, and what another
    writes stays there. Of each folder one source is looked for: folders are what is shared or not.

    Raises:
        EngineError: One of the machines does not see what this one does.
        WriteError: Results cannot be written.
    """
    folder = tasks[0].outputs.folder.parent
    networks, calibration = wanted.networks, wanted.cameras.calibration
    named = calibration, networks.model, networks.model_file, networks.detector_model
    files = [Path(name) for name in named if name and Path(name).is_absolute()]
    files += {task.path.parent: task.path for task in tasks}.values()
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".seen-") as new:
            known = {path: state["bytes"] for path in files if (state := state_of(path))}
            known[Path(new.name)] = 0
            for machine, unseen in _sights(hands, known):
                what = folder if Path(new.name) in unseen else unseen[0]
                raise EngineError(
                    f"{machine} does not see {printable(what)} as this machine does: sources, "
                    "--out, cameras and models that are files must be on a disk that all machines "
                    "share, under the same path"
                )
    except OSError as error:
        raise WriteError(f"{folder}: cannot be written to ({error.strerror})") from error


def _sights(hands: list[Any], known: Mapping[Path, int]) -> Iterator[tuple[str, list[Path]]]:
    """Of each machine that does not see some files, which."""
    ray = _ray()
    for answer in [hand.blind_to.remote(known) for hand in hands]:
        try:
            machine, unseen = ray.get(answer)
        except _gone_for_good():
            continue  # it is told of when there is work for it
        if unseen:
            yield machine, unseen


def estimated(
    hands: list[Any], tasks: Sequence[Task], wanted: Wanted
) -> Iterator[tuple[Task, Figures]]:
    """Each task with its figures as soon as it is done, on workers that are never idle.

    Raises:
        Bodypose3dError: What ails every source alike: a model, an engine, the disk.
    """
    ray = _ray()
    jobs, idle = Queue(tasks, wanted), list(hands)
    busy: dict[Any, tuple[Any, Job]] = {}
    lives: dict[int, str | None] = {id(hand): "" for hand in hands}
    gone = "none was there"
    while jobs or busy:
        while jobs and idle:
            hand, job = idle.pop(), jobs.next()
            busy[hand.do_in_life.remote(job)] = hand, job
        if not busy:
            raise EngineError(f"all workers are gone, the last since: {gone}")
        (answer,), _ = ray.wait(list(busy), num_returns=1)
        hand, job = busy.pop(answer)
        try:
            life, figures = _answered(answer, hand, job.task)
        except _gone_for_good() as error:  # it could not even begin, or its machine is gone
            jobs.again(job)
            gone = str(error).strip()
            _log.warning("%s: its worker or machine is gone, another does it", job.task.source)
            continue
        before, lives[id(hand)] = lives[id(hand)], life
        if life != before and None not in (life, before):
            _log.warning("%s: a worker died at it, another did it again", job.task.source)
        idle.append(hand)
        if jobs.end(job, figures):
            yield job.task, cast("Figures", figures)


def _useful(tasks: Sequence[Task], wanted: Wanted, most: int) -> int:
    """How many workers have something to do at once."""
    useful = 0
    for task in tasks:
        useful += len(jobs_of(task, wanted))
        if useful >= most:
            return most
    return useful


def _answered(
    answer: Any, hand: Any, task: Task  # noqa: ANN401 - Ray's reference and actor
) -> tuple[str | None, Figures | None]:  # fmt: skip
    """In which life a worker did something, None if it did not, and the figures."""
    ray = _ray()
    try:
        answered: tuple[str, Figures | None] = ray.get(answer)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InputError):
            return None, task.give_up(printable(error.cause))
        if isinstance(error.cause, Bodypose3dError):
            raise error.cause from None
        _log.debug("%s", error)
        return None, task.give_up(f"{task.source}: {type(error.cause).__name__}: {error.cause}")
    except ray.exceptions.ActorUnavailableError:
        _wait_for(hand)  # a machine that is gone is no fault of the source's
        return None, task.give_up(f"{task.source}: given up, since workers died of it")
    return answered


def _wait_for(hand: Any) -> None:  # noqa: ANN401 - Ray's actor
    """Wait until a worker that died has begun again; raises what it does that is gone for good."""
    while not _has_begun(hand):
        time.sleep(1.0)  # Ray takes some seconds to see that a machine is gone


def _has_begun(hand: Any) -> bool:  # noqa: ANN401 - Ray's actor
    ray = _ray()
    try:
        ray.get(hand.blind_to.remote({}))
    except ray.exceptions.ActorUnavailableError:
        return False
    return True


def _gone_for_good() -> tuple[type[Exception], ...]:
    exceptions = _ray().exceptions
    return exceptions.ActorDiedError, exceptions.ActorUnschedulableError


def _ray() -> Any:  # noqa: ANN401 - the module
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", _RAYS_OWN_WORDS)  # it is read on import
    try:
        import pyarrow  # noqa: F401 - what the workers write with
        import ray
    except ImportError as error:
        raise EngineError(
            f"{error.name} is not installed: pip install 'bodypose3d_ros[batch]'"
        ) from error
    return ray


def _connect(machines: Machines) -> None:
    ray = _ray()
    # What ails a source is among its figures; Ray's own log stays where Ray keeps it.
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    if machines.address is not None:
        try:
            _knock(machines.address)
            ray.init(address=machines.address, **quiet)
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineError(f"{machines.address}: no Ray cluster answers ({error})") from error
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    cores = len(os.sched_getaffinity(0))
    many = machines.workers or max(cores // machines.threads, 1)
    try:
        ray.init(
            address="local",
            num_cpus=many * machines.threads,
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE,
            **quiet,
        )
    except Exception as error:  # Ray's own is of no class
        raise EngineError(
            f"Ray does not start here ({error}): try again when the machine is less busy"
        ) from error


def _knock(address: str) -> None:
    """See whether anybody is there: Ray itself takes minutes to say that nobody is."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if port.isdecimal():
        socket.create_connection((host, int(port)), _KNOCK_SECONDS).close()


def places_of(nodes: Sequence[Mapping[str, Any]], machines: Machines) -> list[str]:
    """The machine of each worker that a cluster has room for: one on each first, then the next."""
    places = []
    for node in nodes:
        if node["Alive"]:
            has = node["Resources"]
            room = int(has.get("CPU", 0) // machines.threads)
            if machines.gpus:
                room = min(room, int(has.get("GPU", 0) / machines.gpus))
            places += [(number, node["NodeID"]) for number in range(room)]
    return [place for _, place in sorted(places, key=itemgetter(0))]

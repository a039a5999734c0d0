"""The networks there are, by name, and loading those that a user has chosen.

A new pose network is one module in ``pose/`` and one entry here; parameters of the node, options of
the command line and their documentation derive from it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..engines import Engine, models
from ..engines.load import ENGINES, load
from ..engines.timed import network_time
from ..errors import InputError
from .detection import Detector
from .detection.blazepose import BlazePoseDetector
from .lifting.shape_model import (
    BLAZEPOSE_FULL,
    BLAZEPOSE_HEAVY_SHAPE,
    BLAZEPOSE_LITE_SHAPE,
    ShapeModel,
)
from .pipeline import MAX_PEOPLE, Pipeline
from .pose import PoseModel, blazepose
from .pose.blazepose import BlazePose
from .pose.bodypose3dnet import BodyPose3DNet, Settings
from .settings import Setting, Value, checked, declared, setting
from .tracking.tracker import Tracker

_log = logging.getLogger(__name__)

PoseFactory = Callable[[Engine, ShapeModel, Mapping[str, Any]], PoseModel]
"""A pose model of its engine, what is known of its bodies, and settings of its own by name."""


@dataclass(frozen=True)
class Network:
    """A pose network that can be chosen by name."""

    model: models.Model
    """What is fetched."""
    file: str
    """Which of the model's files is the pose network."""
    factory: PoseFactory
    shape: ShapeModel
    settings: tuple[Setting, ...] = ()
    """What may be chosen about this network alone."""

    @property
    def name(self) -> str:
        """What users call it."""
        return self.model.name


def _blazepose(engine: Engine, shape: ShapeModel, own: Mapping[str, Any]) -> PoseModel:
    return BlazePose(engine, shape.of_height(blazepose.Settings(**own).person_height))


def _bodypose3dnet(engine: Engine, shape: ShapeModel, own: Mapping[str, Any]) -> PoseModel:
    return BodyPose3DNet(engine, Settings(**own), shape)


BLAZEPOSE = Network(
    models.BLAZEPOSE, "landmarks.onnx", _blazepose, BLAZEPOSE_FULL, declared(blazepose.Settings)
)
BLAZEPOSE_INT8 = replace(BLAZEPOSE, model=models.BLAZEPOSE_INT8)
BLAZEPOSE_LITE = replace(BLAZEPOSE, model=models.BLAZEPOSE_LITE, shape=BLAZEPOSE_LITE_SHAPE)
BLAZEPOSE_HEAVY = replace(BLAZEPOSE, model=models.BLAZEPOSE_HEAVY, shape=BLAZEPOSE_HEAVY_SHAPE)
BODYPOSE3DNET = tuple(
    Network(model, model.files[0], _bodypose3dnet, ShapeModel(), declared(Settings))
    for model in models.BODYPOSE3DNET
)
AUTO = "auto"
_BY_WEIGHT = (BLAZEPOSE_HEAVY, BLAZEPOSE, BLAZEPOSE_INT8, BLAZEPOSE_LITE)
_PEOPLE, _RUNS = 2, 5
# The rest of a frame's time is for crops, metres, messages, and other programs.
_SHARE_OF_FRAME = 0.7
NETWORKS = {
    network.name: network
    for network in (BLAZEPOSE, BLAZEPOSE_INT8, BLAZEPOSE_LITE, BLAZEPOSE_HEAVY, *BODYPOSE3DNET)
}


@dataclass(frozen=True)
class Options:
    """What a user may choose about who is found and how."""

    model: str = setting(
        BLAZEPOSE.name,
        "The pose network: a name that `bodypose3d models list` shows, the path of an ONNX file "
        "with BodyPose3DNet's contract, or auto: the heaviest BlazePose here that keeps up with "
        "rate.",
    )
    engine: str = setting(
        "auto", "What runs the networks; auto takes TensorRT where it is.", choices=ENGINES
    )
    threads: int = setting(
        0, "Threads of a network on the CPU; 0 takes all cores.", minimum=0, maximum=256
    )
    rate: float = setting(
        15.0,
        "Images a second that the network chosen by model: auto keeps up with, two people in view.",
        unit="Hz",
        minimum=0.1,
        maximum=1000.0,
    )
    max_people: int = setting(MAX_PEOPLE, "The most people looked for.", minimum=1, maximum=32)
    own: Mapping[str, Value] = field(default_factory=dict)
    """Settings of single networks, by name, where they are not the default."""

    def changed(self, values: Mapping[str, object]) -> Options:
        """These options with other values, by the names in ``SETTINGS``; others are passed over.

        Raises:
            InputError: A value is of another type, or outside what is allowed.
        """
        own = {**self.own, **checked(tuple(OWN_SETTINGS.values()), values)}
        own = {name: value for name, value in own.items() if value != OWN_SETTINGS[name].default}
        changes: dict[str, Any] = checked(declared(Options), values)
        return replace(self, **changes, own=own)

    def value(self, name: str) -> Value:
        """The value of any of ``SETTINGS``."""
        if name in OWN_SETTINGS:
            return self.own.get(name, OWN_SETTINGS[name].default)
        value: Value = getattr(self, name)
        return value


OWN_SETTINGS = {each.name: each for network in NETWORKS.values() for each in network.settings}
"""Settings of single networks. A name means the same to every network that has it."""
SETTINGS = {each.name: each for each in declared(Options)} | OWN_SETTINGS
"""Everything that may be chosen, by name, in the order it is documented."""


@dataclass(frozen=True)
class Networks:
    """A pose network and a detector, loaded and warm, for any number of pipelines.

    Who loads them closes them, after the last pipeline has done its work.
    """

    pose: PoseModel
    detector: Detector

    def pipeline(
        self, tracker: Tracker | None, *, max_people: int = MAX_PEOPLE, live: bool = False
    ) -> Pipeline:
        """A camera's pipeline on these networks, with a tracker of its own."""
        return Pipeline(self.pose, self.detector, tracker, max_people=max_people, live=live)

    def close(self) -> None:
        """Give the networks' memory back."""
        self.pose.close()
        self.detector.close()

    def __enter__(self) -> Networks:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def load_networks(options: Options | None = None) -> Networks:
    """The networks that were chosen, loaded and warm.

    Raises:
        InputError: A setting is not one of the network that was chosen.
        ModelError: The model is not here, or is not what it should be.
        EngineError: The engine is not here, or cannot run the model.
    """
    options = options or Options()
    network = heaviest_in_time(options) if options.model == AUTO else chosen(options.model)
    if foreign := sorted(set(options.own) - {each.name for each in network.settings}):
        raise InputError(f"{', '.join(foreign)}: not a setting of the model {network.name}")
    is_file = bool(Path(options.model).suffix)
    pose_file = Path(options.model) if is_file else models.path(network.model, network.file)
    detector_file = _detector_file(network)
    with ExitStack() as undo:

        def loaded(file: Path) -> Engine:
            engine = load(file, options.engine, threads=options.threads)
            undo.callback(engine.close)
            engine.warm_up()
            return engine

        pose = network.factory(loaded(pose_file), network.shape, options.own)
        detector = BlazePoseDetector(loaded(detector_file))
        undo.pop_all()
    return Networks(pose, detector)


def heaviest_in_time(options: Options) -> Network:
    """The heaviest BlazePose here that this machine runs at the rate that is wanted; logs why.

    Measured is what a frame takes of the networks: the detector on one area, and two people. The
    lightest one here is taken where none is fast enough.

    Raises:
        ModelError: None is here.
        EngineError: The engine is not here, or cannot run them.
    """
    here = [each for each in _BY_WEIGHT if models.is_fetched(each.model)]
    if not here:
        models.paths(BLAZEPOSE.name)  # raises, with the command that fetches it
    most = _SHARE_OF_FRAME / options.rate
    for network in here:
        seconds = sum(
            _seconds(file, people, options)
            for file, people in (
                (_detector_file(network), 1),
                (models.path(network.model, network.file), _PEOPLE),
            )
        )
        told = f"{network.name} takes {seconds * 1e3:.0f} ms a frame"
        if seconds <= most:
            _log.info("%s: chosen for %g Hz", told, options.rate)
            return network
        _log.info("%s: too slow for %g Hz", told, options.rate)
    _log.warning("nothing here is fast enough: %s is taken", here[-1].name)
    return here[-1]


def _seconds(file: Path, people: int, options: Options) -> float:
    """The median time of a run."""
    with closing(load(file, options.engine, threads=options.threads)) as engine:
        engine.warm_up()
        batch = {each.name: np.zeros(each.sizes(people), each.dtype) for each in engine.inputs}
        times = []
        for _ in range(_RUNS):
            with network_time() as spent:
                engine.infer(batch)
            times.append(spent.seconds)
    return float(np.median(times))


def _detector_file(network: Network) -> Path:
    """BlazePose's detector: every BlazePose brings the same one."""
    has_it = "detector.onnx" in network.model.files
    return models.path(network.model if has_it else models.BLAZEPOSE, "detector.onnx")


def chosen(model: str) -> Network:
    """The network of that name, or that an ONNX file's contract asks for.

    Raises:
        ModelError: There is none of that name.
    """
    if Path(model).suffix:
        return BODYPOSE3DNET[0]
    return NETWORKS[models.known(model).name]

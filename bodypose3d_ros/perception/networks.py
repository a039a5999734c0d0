"""The networks there are, by name, and loading those that a user has chosen.

A new pose network is one module in ``pose/`` and one entry here; parameters of the node, options of
the command line and their documentation derive from it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..engines import Engine, models
from ..engines.batches import zeros
from ..engines.load import ENGINES, load_all
from ..engines.models import NetworkFile
from ..engines.shared import Shared
from ..engines.timed import network_time
from ..engines.triton import TRITON, Connection, Server, TritonEngine
from ..errors import InputError, ModelError
from .detection import Detector, boxes
from .detection.blazepose import BlazePoseDetector
from .lifting.shape_model import (
    BLAZEPOSE_FULL,
    BLAZEPOSE_HEAVY_SHAPE,
    BLAZEPOSE_LITE_SHAPE,
    FLAT,
    ShapeModel,
)
from .pipeline import MAX_PEOPLE, Pipeline
from .pose import PoseModel, blazepose, bodypose3dnet, simcc
from .pose.blazepose import BlazePose
from .pose.bodypose3dnet import BodyPose3DNet
from .pose.simcc import SimCC
from .settings import Setting, Value, checked, declared, setting
from .tracking.tracker import Tracker

_log = logging.getLogger(__name__)

PoseFactory = Callable[[Engine, ShapeModel, Mapping[str, Any]], PoseModel]
"""A pose model of its engine, what is known of its bodies, and settings of its own by name."""


@dataclass(frozen=True)
class Network:
    """A pose network that can be chosen by name."""

    name: str
    factory: PoseFactory
    shape: ShapeModel
    settings: tuple[Setting, ...] = ()
    """What may be chosen about this network alone."""
    model: models.Model | None = None
    """What is fetched; None: users bring a file of their own."""
    file: str = ""
    """Which of the model's files is the pose network."""


def _blazepose(engine: Engine, shape: ShapeModel, own: Mapping[str, Any]) -> PoseModel:
    return BlazePose(engine, shape.of_height(blazepose.Settings(**own).person_height))


def _bodypose3dnet(engine: Engine, shape: ShapeModel, own: Mapping[str, Any]) -> PoseModel:
    return BodyPose3DNet(engine, bodypose3dnet.Settings(**own), shape)


def _simcc(engine: Engine, shape: ShapeModel, own: Mapping[str, Any]) -> PoseModel:
    return SimCC(engine, simcc.Settings(**own), shape)


def _of_blazepose(model: models.Model, shape: ShapeModel) -> Network:
    own = declared(blazepose.Settings)
    return Network(model.name, _blazepose, shape, own, model, "landmarks.onnx")


BLAZEPOSE = _of_blazepose(models.BLAZEPOSE, BLAZEPOSE_FULL)
BLAZEPOSE_INT8 = _of_blazepose(models.BLAZEPOSE_INT8, BLAZEPOSE_FULL)
BLAZEPOSE_LITE = _of_blazepose(models.BLAZEPOSE_LITE, BLAZEPOSE_LITE_SHAPE)
BLAZEPOSE_HEAVY = _of_blazepose(models.BLAZEPOSE_HEAVY, BLAZEPOSE_HEAVY_SHAPE)
BODYPOSE3DNET = tuple(
    Network(
        model.name,
        _bodypose3dnet,
        ShapeModel(),
        declared(bodypose3dnet.Settings),
        model,
        model.files[0],
    )
    for model in models.BODYPOSE3DNET
)
SIMCC = Network("simcc", _simcc, FLAT, declared(simcc.Settings))
AUTO = "auto"
_BY_WEIGHT = (BLAZEPOSE_HEAVY, BLAZEPOSE, BLAZEPOSE_INT8, BLAZEPOSE_LITE)
_PEOPLE, _RUNS = 2, 5
# The rest of a frame's time is for crops, metres, messages, and other programs.
_SHARE_OF_FRAME = 0.7
NETWORKS = {
    network.name: network
    for network in (
        *(BLAZEPOSE, BLAZEPOSE_INT8, BLAZEPOSE_LITE, BLAZEPOSE_HEAVY),
        *BODYPOSE3DNET,
        SIMCC,
    )
}
OWN_DETECTOR = BLAZEPOSE.name
"""The detector that comes with BlazePose; of others users bring the file."""
DETECTORS = (OWN_DETECTOR, *boxes.CONTRACTS)


@dataclass(frozen=True)
class Options:
    """What a user may choose about who is found and how."""

    model: str = setting(
        BLAZEPOSE.name,
        "The pose network: a name that `bodypose3d models list` shows, simcc for a 2D network of "
        "one's own, the path of an ONNX file with BodyPose3DNet's contract, or auto: the heaviest "
        "BlazePose here that keeps up with rate.",
    )
    model_file: str = setting(
        "", "The ONNX file of the pose network, for simcc; of another model instead of its own."
    )
    detector: str = setting(
        OWN_DETECTOR,
        "What finds people in the image: BlazePose's own detector, or the kind of detector_model.",
        choices=DETECTORS,
    )
    detector_model: str = setting("", "The ONNX file of a detector of another kind.")
    engine: str = setting(
        "auto",
        "What runs the networks; auto takes TensorRT where it is, triton a server (triton_url).",
        choices=(*ENGINES, TRITON),
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
    triton_url: str = setting(
        "",
        "The Triton server that runs the networks with engine: triton, HOST:PORT of its gRPC; "
        "grpcs://HOST:PORT for TLS.",
    )
    triton_timeout: float = setting(
        1.0,
        "How long an answer of it is waited for, less than a node's engine_timeout; then the image "
        "is left.",
        unit="s",
        minimum=0.01,
        maximum=60.0,
    )
    triton_model: str = setting(
        "", "What it calls the pose network; empty: as `bodypose3d engine export-triton` does."
    )
    triton_detector: str = setting("", "The same of the detector.")
    triton_root_certificates: str = setting(
        "", "PEM file of who signed its certificate, for TLS; empty: whom gRPC trusts."
    )
    triton_certificate: str = setting(
        "", "PEM file of this machine's certificate, where it asks for one."
    )
    triton_private_key: str = setting("", "PEM file of that certificate's key.")
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
    """A pose network and a detector, loaded and warm, for any number of pipelines and threads.

    Who loads them closes them, after the last pipeline has done its work.
    """

    pose: PoseModel
    detector: Detector
    engines: tuple[Shared, ...] = ()
    """What runs them."""

    @property
    def silent_for(self) -> float:
        """Seconds for which an engine that was asked has not answered."""
        return max((engine.silent_for for engine in self.engines), default=0.0)

    def give_up(self) -> None:
        """Wait no longer for an engine that hangs: who is asking gets an EngineError."""
        for engine in self.engines:
            engine.give_up()

    def pipeline(
        self,
        tracker: Tracker | None,
        *,
        max_people: int = MAX_PEOPLE,
        live: bool = False,
        guesses: bool = False,
    ) -> Pipeline:
        """A camera's pipeline on these networks, with a tracker of its own."""
        return Pipeline(
            self.pose, self.detector, tracker, max_people=max_people, live=live, guesses=guesses
        )

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
    _check_files(options)
    if options.engine == TRITON:
        _check_server(options)
    network = heaviest_in_time(options) if options.model == AUTO else chosen(options.model)
    if foreign := sorted(set(options.own) - {each.name for each in network.settings}):
        raise InputError(f"{', '.join(foreign)}: not a setting of the model {network.name}")
    with ExitStack() as undo:
        engines = _engines(network, options, undo)
        pose = network.factory(engines[0], network.shape, options.own)
        detector = _detector(engines[1], options.detector)
        undo.pop_all()
    return Networks(pose, detector, engines)


def _engines(network: Network, options: Options, undo: ExitStack) -> tuple[Shared, Shared]:
    """What runs the pose network, and the detector: warm, closed by ``undo``."""
    files = _pose_file(network, options), _detector_file(network, options)
    engines: list[Engine] = []
    if options.engine == TRITON:
        names = options.triton_model, options.triton_detector
        connection = Connection(_server(options))
        undo.callback(connection.close)
        for name, file in zip(names, files, strict=True):
            served = TritonEngine(connection, name or file.served_name)
            _tell_of_heatmaps(served, name or file.served_name)
            engines.append(served)
    else:
        paths = [file.path() for file in files]
        engines += load_all(paths, options.engine, threads=options.threads)
        for engine in engines:
            undo.callback(engine.close)
    for engine in engines:
        engine.warm_up()
    pose, detector = map(Shared, engines)
    return pose, detector


def _tell_of_heatmaps(served: TritonEngine, name: str) -> None:
    """Warn of answers that are too long for a thin line; they are as good as short ones."""
    if any(tensor.name == blazepose.HEATMAP for tensor in served.outputs):
        size = sum(array.nbytes for array in zeros(served.outputs).values())
        _log.warning(
            "%s answers with heatmaps, %d kB a person: what  bodypose3d engine export-triton  "
            "writes now as ONNX answers with 2 kB",
            name,
            round(size / 1e3),
        )


def _check_server(options: Options) -> None:
    """Refuse what cannot run on a server.

    Raises:
        InputError: None is named, or what it cannot be asked for.
    """
    if not options.triton_url:
        raise InputError("triton_url: name the server of the engine triton, HOST:PORT")
    if options.model == AUTO:
        raise InputError("model: auto measures this machine: name what the server is to run")


def _server(options: Options) -> Server:
    files = options.triton_root_certificates, options.triton_certificate, options.triton_private_key
    return Server(
        options.triton_url,
        options.triton_timeout,
        *(Path(file) if file else None for file in files),
    )


def _check_files(options: Options) -> None:
    """Refuse files without their kind, and kinds without their file.

    Raises:
        InputError: The message says which option is missing, or is one too many.
    """
    if options.model == SIMCC.name and not options.model_file:
        raise InputError("model_file: name the ONNX file of the model simcc")
    if options.model_file and (options.model == AUTO or Path(options.model).suffix):
        raise InputError(f"model_file: not with the model {options.model}: name what it is")
    if options.detector == OWN_DETECTOR and options.detector_model:
        kinds = ", ".join(boxes.CONTRACTS)
        raise InputError(f"detector: name the kind of detector_model, one of {kinds}")
    if options.detector != OWN_DETECTOR and not options.detector_model:
        raise InputError(f"detector_model: name the ONNX file of the {options.detector}")


def _pose_file(network: Network, options: Options) -> NetworkFile:
    if options.model_file:
        return NetworkFile(options.model_file)
    if network.model is None or Path(options.model).suffix:
        return NetworkFile(options.model)
    return NetworkFile(network.file, network.model)


def _detector_file(network: Network, options: Options) -> NetworkFile:
    """The user's, or BlazePose's detector: every BlazePose brings the same one."""
    if options.detector_model:
        return NetworkFile(options.detector_model)
    own = network.model
    has_it = own is not None and "detector.onnx" in own.files
    return NetworkFile("detector.onnx", own if has_it else models.BLAZEPOSE)


def _detector(engine: Engine, kind: str) -> Detector:
    if kind == OWN_DETECTOR:
        return BlazePoseDetector(engine)
    return boxes.BoxDetector(engine, boxes.CONTRACTS[kind])


def heaviest_in_time(options: Options) -> Network:
    """The heaviest BlazePose here that this machine runs at the rate that is wanted; logs why.

    Measured is what a frame takes of the networks: the detector on one area, and two people. The
    lightest one here is taken where none is fast enough.

    Raises:
        ModelError: None is here.
        EngineError: The engine is not here, or cannot run them.
    """
    here = [each for each in _BY_WEIGHT if each.model and models.is_fetched(each.model)]
    if not here:
        models.paths(BLAZEPOSE.name)  # raises, with the command that fetches it
    most = _SHARE_OF_FRAME / options.rate
    for network in here:
        seconds = _seconds(network, replace(options, model=network.name))
        told = f"{network.name} takes {seconds * 1e3:.0f} ms a frame"
        if seconds <= most:
            _log.info("%s: chosen for %g Hz", told, options.rate)
            return network
        _log.info("%s: too slow for %g Hz", told, options.rate)
    _log.warning("nothing here is fast enough: %s is taken", here[-1].name)
    return here[-1]


def _seconds(network: Network, options: Options) -> float:
    """The median times of a run of the pose network and of the detector, together."""
    with ExitStack() as undo:
        pose, detector = _engines(network, options, undo)
        return _median_seconds(pose, _PEOPLE) + _median_seconds(detector, 1)


def _median_seconds(engine: Shared, people: int) -> float:
    batch = zeros(engine.inputs, people)
    times = []
    for _ in range(_RUNS):
        with network_time() as spent:
            engine.infer(batch)
        times.append(spent.seconds)
    return float(np.median(times))


def chosen(model: str) -> Network:
    """The network of that name, or that an ONNX file's contract asks for.

    Raises:
        ModelError: There is none of that name.
    """
    if Path(model).suffix:
        return BODYPOSE3DNET[0]
    if model not in NETWORKS:
        raise ModelError(f"there is no model {model!r}: choose one of {', '.join(NETWORKS)}")
    return NETWORKS[model]

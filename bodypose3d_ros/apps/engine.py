"""``bodypose3d engine``: TensorRT engines, network files and those of a Triton server."""

from __future__ import annotations

import time
from pathlib import Path

import click

from ..engines import TensorInfo, models
from ..engines.load import MAX_BATCH, check_file
from ..errors import EngineError, ModelError
from ..perception.detection import boxes
from ..perception.pose import blazepose, bodypose3dnet, simcc
from .options import Number
from .terminal import err, listed, out


@click.group()
def engine() -> None:
    """TensorRT engines, network files, and export to Triton."""


fp16_option = click.option(
    "--fp16/--fp32",
    default=True,
    show_default=True,
    help="TensorRT: convolutions in half precision, or everything in full.",
)
max_batch_option = click.option(
    "--max-batch",
    type=click.IntRange(1),
    default=MAX_BATCH,
    show_default=True,
    metavar="N",
    help="The most people that one run takes.",
)


@engine.command()
@click.argument("model", metavar="NAME|FILE.onnx")
@fp16_option
@max_batch_option
def build(model: str, fp16: bool, max_batch: int) -> None:
    """Build a model's TensorRT engines before they are needed.

    They fit this machine and are kept; whatever loads the model with the same options takes them
    from there. NAME is one of `bodypose3d models list`.
    """
    from ..engines.cache import engines_folder, prepare
    from ..engines.plans import BuildOptions
    from ..engines.repository import networks_of
    from ..engines.tensorrt import load_tensorrt

    prepare(engines_folder())  # an engine that could not be kept is not worth the minutes here
    for file in [network.path() for network in networks_of(model).values()]:
        start = time.monotonic()
        with err.status(f"building {file.name}: from tens of seconds to minutes"):
            built = load_tensorrt(file, BuildOptions(fp16=fp16, max_batch=max_batch))
        built.close()
        if not built.kept:
            raise EngineError(f"{file.name}: the engine was built, but could not be kept")
        out.print(f"{file.name}: {built.description}, ready after {time.monotonic() - start:.0f} s")


@engine.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("model_names", metavar="[NAME|FILE.onnx]...", nargs=-1)
@max_batch_option
@click.option(
    "--queue-delay",
    type=Number(0, 1000),
    default=0.0,
    show_default=True,
    metavar="MS",
    help="How long a request waits for others to share its run, besides while the GPU is at work.",
)
@click.option(
    "--instances",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Runs of a network at the same time, on each GPU.",
)
@click.option(
    "--tensorrt",
    is_flag=True,
    help="TensorRT plans instead of ONNX: this machine's GPU and TensorRT must be the server's.",
)
@fp16_option
@click.option("--overwrite", is_flag=True, help="Replace networks that are in DIR.")
def export_triton(
    folder: Path,
    model_names: tuple[str, ...],
    max_batch: int,
    queue_delay: float,
    instances: int,
    tensorrt: bool,
    fp16: bool,
    overwrite: bool,
) -> None:
    """Write networks into DIR as a Triton server reads them.

    NAME is one of `bodypose3d models list`, blazepose if none is named. Nodes, and every command
    that estimates, use them with --engine triton --triton-url HOST:8001. BlazePose takes crops as
    bytes there, a quarter of what floats are, and answers in brief: 2 kB a person, not 640.
    """
    from ..engines.plans import BuildOptions
    from ..engines.repository import Serving, networks_of, write

    networks: dict[str, models.NetworkFile] = {}
    for each in model_names or (models.BLAZEPOSE.name,):
        networks |= networks_of(each)
    plan = BuildOptions(fp16=fp16, max_batch=max_batch) if tensorrt else None
    serving = Serving(max_batch, queue_delay, instances, plan)
    listed(write(networks, folder, serving, overwrite=overwrite))


@engine.command()
@click.argument("file", type=click.Path(path_type=Path))
def info(file: Path) -> None:
    """Tell what a network takes and gives, or what an engine is of.

    The network is an ONNX file, and it is said which fetched model it is of, and which option takes
    it, or what differs. An engine is a folder below engines in the cache, or the model.engine in
    it.
    """
    from ..engines.plans import ENGINE_FILE, RECORD_FILE

    folder = file.parent if file.name in (ENGINE_FILE, RECORD_FILE) else file
    if folder.is_dir() or file.suffix == ".engine":
        _tell_engine(folder)
    else:
        _tell_network(file)


def _tell_engine(folder: Path) -> None:
    from ..engines.plans import read_record

    built = read_record(folder)["built"]
    precision = "half (FP16)" if built["fp16"] else "full (FP32)"
    for name, value in (
        ("network", f"{built['network']}, SHA-256 {built['network_sha256']}"),
        ("TensorRT", built["tensorrt"]),
        ("GPU", built["gpu"]),
        ("precision", precision),
        ("largest batch", built["max_batch"]),
    ):
        out.print(f"{name + ':':15}{value}", soft_wrap=True, highlight=False)


def _tell_network(file: Path) -> None:
    from ..engines.onnxruntime import OnnxRuntimeEngine

    check_file(file)
    network = OnnxRuntimeEngine(file)
    for kind, tensors in (("input", network.inputs), ("output", network.outputs)):
        for tensor in tensors:
            out.print(f"{kind:7}{_described(tensor)}", soft_wrap=True, highlight=False)
    both = network.inputs, network.outputs
    network.close()
    digest, owners = models.owners(file)
    for name, called in owners.items():
        out.print(f"It is {called} of {name}, as it was fetched.", soft_wrap=True, highlight=False)
    out.print(f"SHA-256 {digest}", soft_wrap=True, highlight=False)
    differences = {
        "BodyPose3DNet: --model": bodypose3dnet.check_contract(*both),
        "BlazePose's landmark network: --model blazepose --model-file": blazepose.check_contract(
            *both
        ),
        "a SimCC network: --model simcc --model-file": simcc.check_contract(*both),
    } | {
        f"the detector {kind}: --detector {kind} --detector-model": boxes.check_contract(
            contract, *both
        )
        for kind, contract in boxes.CONTRACTS.items()
    }
    if fitting := [what for what, wrong in differences.items() if not wrong]:
        out.print(f"It has the tensors of {fitting[0]} takes it.", soft_wrap=True, highlight=False)
        return
    if owners:
        return
    told = (
        f"not {what.partition(':')[0]} ({'; '.join(wrong)})" for what, wrong in differences.items()
    )
    raise ModelError(f"{file.name} is of no known kind: {', '.join(told)}")


def _described(tensor: TensorInfo) -> str:
    shape = "x".join("N" if size is None else str(size) for size in tensor.shape)
    return f"{tensor.name} {shape} {tensor.dtype}"

"""A model repository: networks in the folders and with the descriptions that Triton reads.

Of each network ``NAME/config.pbtxt`` and ``NAME/1/model.onnx``, or ``model.plan``, TensorRT's.
BlazePose's ONNX files are written for a thin line: they take pixels as bytes, and keep heatmaps and
candidates that are nobody to themselves.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization.onnx_model import ONNXModel

from ..errors import EngineError, RefusedError, WriteError
from . import TensorInfo, models, plans
from .cache import scratch_folder
from .likeliest import of_the_likeliest
from .load import MAX_BATCH, check_file
from .onnxruntime import OnnxRuntimeEngine
from .pixels import taking_bytes
from .refinement import refining


@dataclass(frozen=True)
class Serving:
    """How a server is to run networks."""

    max_batch: int = MAX_BATCH
    """The most people that one run takes, of whatever robots."""
    queue_delay: float = 0.0
    """Milliseconds that a request waits for others to share its run; 0: those that wait anyhow."""
    instances: int = 1
    """Runs of a network at the same time: on each GPU, or on the CPU."""
    plan: plans.BuildOptions | None = None
    """The TensorRT plan to be served instead of ONNX."""


def networks_of(model: str) -> dict[str, models.NetworkFile]:
    """The ONNX files of a model's name, or the one of a path, by what a server calls them.

    Raises:
        ModelError: It is unknown, or a file that cannot be used.
    """
    if Path(model).suffix:
        check_file(Path(model))
        files = [models.NetworkFile(model)]
    else:
        known = models.known(model)
        files = [models.NetworkFile(file, known) for file in known.files]
    return {file.served_name: file for file in files}


def write(
    networks: Mapping[str, models.NetworkFile],
    folder: Path,
    serving: Serving,
    *,
    overwrite: bool = False,
) -> list[Path]:
    """Write networks into a repository, each whole or not at all.

    Args:
        networks: ONNX files by what the server is to call them.
        folder: The repository; made where missing.
        serving: How they are to be run.
        overwrite: Replace networks of these names that are there.

    Returns:
        The folder of each network.

    Raises:
        RefusedError: One of them is there already; none has been written.
        ModelError: A file is no network, not here, or not as it was fetched.
        WriteError: The repository cannot be written to.
        EngineError: tritonclient or, for a plan, TensorRT is missing.
    """
    targets = [folder / name for name in networks]
    for there in (target for target in targets if target.exists()):
        if not overwrite:
            raise RefusedError(f"{there}: exists already: choose another DIR, or --overwrite it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with scratch_folder(".export-", folder) as scratch:
            for name, file in networks.items():
                _write_one(scratch / name, file, serving)
            for target in targets:
                if target.exists():
                    shutil.rmtree(target)
                (scratch / target.name).rename(target)
    except OSError as error:
        raise WriteError(f"{folder}: cannot be written to ({error.strerror})") from error
    return targets


def _write_one(target: Path, file: models.NetworkFile, serving: Serving) -> None:
    version, described = target / "1", file.path()
    version.mkdir(parents=True)
    if serving.plan is None:
        described = _write_onnx(version / "model.onnx", file)
    network = OnnxRuntimeEngine(described, threads=1)
    text = _configuration(target.name, network, serving)
    network.close()
    (target / "config.pbtxt").write_text(text, encoding="utf-8")
    if serving.plan is not None:
        (version / "model.plan").write_bytes(plans.obtain(described, serving.plan).content)


def _write_onnx(target: Path, file: models.NetworkFile) -> Path:
    if file.part is None:
        shutil.copyfile(file.path(), target)
        return target
    network = onnx.load(file.path())
    # ONNX wants nodes in the order in which they run; the quantizer writes them otherwise.
    ONNXModel(network).topological_sort()
    network = taking_bytes(network, file.part.value_range)
    if file.part.refinement is not None:
        network = refining(network, file.part.refinement)
    if file.part.likeliest is not None:
        network = of_the_likeliest(network, file.part.likeliest)
    onnx.save(network, target)
    return target


def _configuration(name: str, network: OnnxRuntimeEngine, serving: Serving) -> str:
    """``config.pbtxt``: model_config.proto of Triton in protobuf's text format."""
    try:
        from google.protobuf import text_format
        from tritonclient.grpc.model_config_pb2 import ModelConfig
    except ImportError as error:
        raise EngineError(
            f"tritonclient does not load ({error}): pip install 'bodypose3d_ros[triton]'"
        ) from error
    config = ModelConfig(name=name, backend="onnxruntime" if serving.plan is None else "tensorrt")
    # A batch that is fixed is a dimension like any other to Triton, which batches nothing then.
    batched = network.max_batch is None
    if batched:
        config.max_batch_size = serving.max_batch
        config.dynamic_batching.max_queue_delay_microseconds = round(serving.queue_delay * 1000)
    for described, tensors in ((config.input, network.inputs), (config.output, network.outputs)):
        for tensor in tensors:
            described.add(name=tensor.name, **_described(tensor, batched=batched))
    config.instance_group.add(count=serving.instances)
    _add_warm_ups(config, network, serving.max_batch if batched else 1)
    return str(text_format.MessageToString(config))


def _described(tensor: TensorInfo, *, batched: bool) -> dict[str, Any]:
    from tritonclient.utils import np_to_triton_dtype

    sizes = tensor.shape[1:] if batched else tensor.shape
    dims = [-1 if size is None else size for size in sizes]
    return {"data_type": f"TYPE_{np_to_triton_dtype(tensor.dtype)}", "dims": dims}


def _add_warm_ups(config: Any, network: OnnxRuntimeEngine, largest: int) -> None:  # noqa: ANN401
    """Have the server run once by itself before it is ready: no robot is to have the slow run."""
    for batch in sorted({1, largest}):
        warm_up = config.model_warmup.add(name=f"zeros, {batch}", batch_size=batch)
        for tensor, told in zip(network.inputs, config.input, strict=True):
            zeros = warm_up.inputs[tensor.name]
            zeros.data_type, zeros.zero_data = told.data_type, True
            zeros.dims.extend(told.dims)

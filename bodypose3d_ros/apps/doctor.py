"""What this machine can run and what is missing, with the command that mends it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from ..engines import cache, cuda, models, versions
from ..errors import EngineError
from ..node import sockets

_DISTRIBUTIONS = {"rerun": "rerun-sdk"}
"""What packages are called where they are published, if not as they are imported."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    name: str
    fine: bool
    text: str
    mend: str = ""
    """The command that mends it."""
    needed: bool = False
    """Whether nothing runs without it."""


def examine() -> list[Finding]:
    """Look at everything."""
    findings = [_python()]
    for check in (
        _onnxruntime,
        _models,
        _ros,
        _dds,
        _gpu,
        _engines,
        _triton,
        _batch,
        _view,
        _sockets,
    ):
        findings += check()
    return findings


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", sys.version_info >= (3, 10), version, needed=True)


def _onnxruntime() -> list[Finding]:
    try:
        import onnxruntime
    except ImportError as error:
        mend = "pip install onnxruntime"
        return [Finding("ONNX Runtime", False, str(error), mend, needed=True)]
    providers = [p.removesuffix("ExecutionProvider") for p in onnxruntime.get_available_providers()]
    text = f"{onnxruntime.__version__} with {', '.join(providers)}"
    return [Finding("ONNX Runtime", True, text, needed=True)]


def _models() -> list[Finding]:
    findings = []
    for model in models.MODELS.values():
        needed = model is models.BLAZEPOSE
        name = f"model {model.name}"
        if not models.is_fetched(model):
            mend = f"bodypose3d models fetch {model.name}"
            findings.append(Finding(name, False, "not here", mend, needed))
            continue
        problems = models.verify(model.name)
        mend = f"rm -r {models.folder(model)} && bodypose3d models fetch {model.name}"
        text = "; ".join(problems) or str(models.folder(model))
        findings.append(Finding(name, not problems, text, mend if problems else "", needed))
    return findings


def _ros() -> list[Finding]:
    distro = os.environ.get("ROS_DISTRO", "")
    if importlib.util.find_spec("rclpy") is None:
        text = "no rclpy: the node runs over DDS instead"
        setups = sorted(Path("/opt/ros").glob("*/setup.bash"))
        return [Finding("ROS 2", False, text, f"source {setups[-1]}" if setups else "")]
    findings = [Finding("ROS 2", True, f"rclpy of {distro or 'an unnamed distribution'}")]
    if importlib.util.find_spec("bodypose3d_ros.msg") is None:
        text = "the messages are not built"
        mend = "colcon build --packages-select bodypose3d_ros && source install/setup.bash"
        findings.append(Finding("ROS 2 messages", False, text, mend))
    return findings


def _dds() -> list[Finding]:
    return [_installed("DDS without ROS 2", "cyclonedds", "pip install 'bodypose3d_ros[dds]'")]


def _gpu() -> list[Finding]:
    if shutil.which("nvidia-smi") or Path("/dev/nvidia0").exists() or Path("/dev/nvmap").exists():
        return [Finding("NVIDIA GPU", True, "driver found"), *_tensorrt(), *_pycuda()]
    text = "none: networks run on the CPU, and TensorRT and pycuda are of no use"
    return [Finding("NVIDIA GPU", False, text)]


def _tensorrt() -> list[Finding]:
    try:
        return [Finding("TensorRT", True, versions.import_tensorrt().__version__)]
    except EngineError as error:
        return [Finding("TensorRT", False, *_text_and_mend(error))]


def _pycuda() -> list[Finding]:
    try:
        return [Finding("pycuda", True, f"works on {cuda.device().name}")]
    except EngineError as error:
        return [Finding("pycuda", False, *_text_and_mend(error))]


def _engines() -> list[Finding]:
    folder = cache.engines_folder()
    if not folder.is_dir():
        return []
    try:
        cache.check_ownership(folder)
    except EngineError as error:
        return [Finding("TensorRT engines", False, *_text_and_mend(error))]
    return [Finding("TensorRT engines", True, f"{len(list(folder.glob('*/')))} in {folder}")]


def _triton() -> list[Finding]:
    return [_installed("Triton's client", "tritonclient", "pip install 'bodypose3d_ros[triton]'")]


def _batch() -> list[Finding]:
    return [_installed("Ray, for batch", "ray", "pip install 'bodypose3d_ros[batch]'")]


def _view() -> list[Finding]:
    return [_installed("Rerun, for view", "rerun", "pip install 'bodypose3d_ros[view]'")]


def _text_and_mend(error: EngineError) -> tuple[str, str]:
    """An error's last part says what to do."""
    text, _, mend = str(error).rpartition(": ")
    return text, mend


def _sockets() -> list[Finding]:
    findings = []
    if sockets.lacks_profile():
        text = "its shared memory holds no large image: one in three gets lost on the way"
        findings.append(Finding("Fast DDS", False, text, sockets.set_profile()))
    limit = sockets.receive_limit()
    fine = limit >= sockets.WANTED
    text = f"receive buffers of {limit >> 10} KiB"
    mend = "" if fine else sockets.raise_limit()
    if not fine:
        text += " at most: larger images get lost on the way"
        if where := sockets.where():
            mend += f"  #{where}"
    return [*findings, Finding("sockets", fine, text, mend)]


def _installed(name: str, package: str, mend: str) -> Finding:
    if importlib.util.find_spec(package) is None:
        return Finding(name, False, "not installed", mend)
    distribution = _DISTRIBUTIONS.get(package, package)
    try:
        return Finding(name, True, importlib.metadata.version(distribution))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, True, "installed")

"""The virtual environment beside ROS 2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bodypose3d_ros.hosts.ros2 import venv

ROOT = Path(__file__).parents[1]
SHOW = "from bodypose3d_ros.hosts.ros2.venv import enter; enter(); print('stayed')"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An environment whose Python says that it was started."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\necho entered "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv(venv.VARIABLE, str(tmp_path))
    return tmp_path


def run(*arguments, **environment):
    command = [sys.executable, "-c", SHOW, *arguments]
    return subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_a_program_goes_on_in_the_environment_with_its_arguments(place):
    assert run("--ros-args", "-r", "a:=b").stdout == "entered -c --ros-args -r a:=b\n"


def test_without_one_it_stays(tmp_path):
    assert run(BODYPOSE3D_VENV=str(tmp_path)).stdout == "stayed\n"


def test_in_one_it_stays():
    assert run(BODYPOSE3D_VENV=sys.prefix).stdout == "stayed\n"


def test_what_is_missing_is_said_with_the_command_that_mends_it(tmp_path):
    empty = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(ROOT)!r}); {SHOW}"],
        env={"BODYPOSE3D_VENV": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert empty.returncode == 1
    assert "onnxruntime" in empty.stderr
    assert "ros2 run bodypose3d_ros setup_venv" in empty.stderr


def test_every_python_version_has_its_own(monkeypatch):
    monkeypatch.delenv(venv.VARIABLE, raising=False)
    assert venv.folder().name == f"venv-{sys.version_info[0]}.{sys.version_info[1]}"


def test_numpy_keeps_the_major_version_that_ros_was_built_with(monkeypatch):
    monkeypatch.setattr("numpy.__version__", "1.26.4")
    assert venv._pins() == ["numpy<2"]

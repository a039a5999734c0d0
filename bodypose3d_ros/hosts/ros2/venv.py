"""The Python environment beside ROS 2 that holds what rosdep cannot install.

Ubuntu refuses pip into the system's Python. ``setup_venv`` makes an environment that sees the
system's packages and ROS 2's, and adds ours; the package's programs go on in it by themselves.
Only the standard library is imported here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

VARIABLE = "BODYPOSE3D_VENV"

_NEEDED = ("cv2", "numpy", "onnxruntime", "rosbags", "scipy")


def folder() -> Path:
    """Where it is, or would be: $BODYPOSE3D_VENV, else beside the user's other data.

    A path of its own for every version of Python, because every ROS 2 distribution has its own.
    """
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen)
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "bodypose3d" / f"venv-{sys.version_info[0]}.{sys.version_info[1]}"


def enter() -> None:
    """Go on with this program in the environment, if there is one and this is not in one already.

    An environment that the user has activated stays, unless $BODYPOSE3D_VENV names another.
    Ends the program when there is nothing that it can run in.
    """
    if (chosen := python()) != sys.executable:
        os.execv(chosen, [chosen, *sys.argv])  # noqa: S606 - the user's own program, again
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        sys.exit(f"{', '.join(missing)}: missing here. Run  ros2 run bodypose3d_ros setup_venv")


def python() -> str:
    """The Python that this package's programs run in."""
    there = folder() / "bin" / "python"
    is_inside = Path(sys.prefix).resolve() == folder().resolve()
    may_leave = VARIABLE in os.environ or sys.prefix == sys.base_prefix
    return str(there) if there.is_file() and may_leave and not is_inside else sys.executable


def setup() -> int:
    """Make the environment, or bring it up to date, and fetch the BlazePose model.

    Returns:
        The exit code.
    """
    where = folder()
    python = str(where / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    fetch = [python, "-m", "bodypose3d_ros", "models", "fetch", "blazepose"]
    commands = (
        [sys.executable, "-m", "venv", "--system-site-packages", str(where)],
        [*pip, "--requirement", str(_requirements()), *_pins()],
        fetch,
    )
    for command in commands:
        print("+", *command, flush=True)  # noqa: T201 - what it does is what the user wants to see
        if code := subprocess.run(command, check=False).returncode:
            print(  # noqa: T201
                f"failed. If venv is missing: sudo apt install python3-venv. {where} can be "
                "deleted at any time.",
                file=sys.stderr,
            )
            return code
    print(f"{where} is ready: ros2 run and ros2 launch use it by themselves")  # noqa: T201
    return 0


def _requirements() -> Path:
    """Colcon installs it into the package; in a source checkout it lies beside it."""
    package = Path(__file__).parents[2]
    places = (package / "share" / "requirements.txt", package.parent / "requirements.txt")
    return next(place for place in places if place.is_file())


def _pins() -> list[str]:
    """ROS 2's compiled messages need the major version of NumPy that they were built with."""
    try:
        from numpy import __version__
    except ImportError:
        return []
    return [f"numpy<{int(__version__.split('.')[0]) + 1}"]

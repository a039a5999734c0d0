"""Downloads: a file by HTTPS, a wheel by pip, a package by npm."""

from __future__ import annotations

import http.client
import logging
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from ..errors import ModelError

Progress = Callable[[int, int | None], None]
"""Called with the bytes so far and, where known, all of them."""

MOST = 1 << 30
"""Bytes of the largest download: more would fill the disk of a robot for nothing."""

_CHUNK = 1 << 20
_log = logging.getLogger(__name__)


def url(address: str, target: Path, progress: Progress | None) -> Path:
    """Fetch a file by HTTPS.

    Raises:
        ModelError: It cannot be downloaded, is larger than any model, comes by a way on which
            others could change it, or the download broke off.
    """
    done = 0
    try:
        with urllib.request.urlopen(address, timeout=60) as answer, target.open("wb") as file:  # noqa: S310 - https, from MODELS
            check_way(address, answer.url)
            length = answer.headers.get("Content-Length")
            total = int(length) if length else None
            _check_size(address, total or 0)
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                _check_size(address, done)
                if progress:
                    progress(done, total)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise ModelError(
            f"{address}: cannot be downloaded ({error}): try again later, or download it elsewhere "
            "and give models fetch the file with --from"
        ) from error
    if done == 0 or (total is not None and done != total):
        raise ModelError(f"{address}: the download broke off after {done} bytes; try again")
    return target


def check_way(asked: str, answered: str) -> None:
    """Refuse to be sent on from an encrypted address to one that is not.

    Raises:
        ModelError: We are.
    """
    if asked.startswith("https:") and not answered.startswith("https:"):
        raise ModelError(f"{asked}: sends on to {answered}, where anybody can change the file")


def _check_size(address: str, size: int) -> None:
    if size > MOST:
        raise ModelError(
            f"{address}: is larger than {MOST >> 20} MiB, and so no model: its publisher changed it"
        )


def wheel(requirement: str, name: str, scratch: Path) -> Path:
    """Let pip fetch a model's wheel alone: it knows the user's index and proxy.

    Raises:
        ModelError: pip could not.
    """
    # The platform is fixed because the checksum is: other tags carry the same model files.
    platform = ["--platform", "manylinux_2_28_x86_64", "--implementation", "cp"]
    options = ["--no-deps", "--only-binary=:all:", "--python-version", "3.11", *platform]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", *options]
    result = subprocess.run(
        [*command, "--dest", str(scratch), requirement],
        capture_output=True,
        text=True,
        check=False,
    )
    wheels = list(scratch.glob("*.whl"))
    if result.returncode or len(wheels) != 1:
        lines = result.stderr.strip().splitlines() or ["pip said nothing"]
        raise ModelError(
            f"pip could not download {requirement} ({lines[-1]}). Without internet: download its "
            "cp311 manylinux_2_28_x86_64 wheel elsewhere and run  bodypose3d models fetch "
            f"{name} --from FILE.whl"
        )
    return wheels[0]


def npm_package(package: str, scratch: Path) -> Path | None:
    """Let npm fetch one package, if it is here and can: it knows the user's registry and proxy."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    command = [npm, "pack", "--silent", "--pack-destination", str(scratch), package]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=scratch)
    packages = list(scratch.glob("*.tgz"))
    if result.returncode or len(packages) != 1:
        lines = result.stderr.strip().splitlines() or ["npm said nothing"]
        _log.warning("npm could not download %s (%s)", package, lines[-1])
        return None
    return packages[0]

"""What large images need on their way here, and the commands that give it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

RMEM_MAX = Path("/proc/sys/net/core/rmem_max")
WANTED = 32 << 20
"""Bytes of a socket's receive buffer: several images of 1920x1080 pixels."""

_PROFILE = (
    "FASTDDS_DEFAULT_PROFILES_FILE=$(ros2 pkg prefix --share bodypose3d_ros)/config/fastdds.xml"
)


def receive_limit(file: Path = RMEM_MAX) -> int | None:
    """The most that the kernel gives a socket, bytes; None where that is told elsewhere."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None  # not Linux


def receive_buffer_warning(message_bytes: int, limit_file: Path = RMEM_MAX) -> str | None:
    """What to do when messages of this size do not fit the kernel's socket buffers, or None.

    A message that does not fit is lost, best effort, whenever this process is not at the socket
    the moment it arrives.
    """
    limit = receive_limit(limit_file)
    if limit is None or message_bytes <= limit:
        return None
    return (
        f"images of {message_bytes / 1e6:.1f} MB do not fit a socket buffer of "
        f"{limit / 1e6:.1f} MB and may be lost: run "
        f"'{raise_limit(message_bytes)}' and start again, or use image_transport compressed"
    )


def mend(limit_file: Path = RMEM_MAX, environ: Mapping[str, str] = os.environ) -> str:
    """What to do where images are lost on the way."""
    if lacks_profile(environ):
        return f"start the camera and this node with {_PROFILE}"
    limit = receive_limit(limit_file)
    if limit is not None and limit < WANTED:
        return (
            f"run '{raise_limit()}' and start the camera and this node again, or send JPEG "
            "(image_transport: compressed) where the line is thin or loses packets"
        )
    return 'docs/ros2.md, "Images that are lost", tells what helps'


def lacks_profile(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether Fast DDS is used with the shared memory that holds no large image."""
    profiles = "FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"
    fast = "fastrtps" in environ.get("RMW_IMPLEMENTATION", "")
    return fast and not any(name in environ for name in profiles)


def set_profile() -> str:
    """The command that gives Fast DDS more."""
    return f"export {_PROFILE}"


def raise_limit(message_bytes: int = 0) -> str:
    """The command that lets sockets hold large images, and one of so many bytes in any case."""
    power_of_two = 1 << (message_bytes - 1).bit_length()
    return f"sudo sysctl -w net.core.rmem_max={max(WANTED, power_of_two)}"

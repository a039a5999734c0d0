"""What large images need on their way here, and the commands that give it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

WANTED = 32 << 20
"""Bytes of a socket's receive buffer: several images of 1920x1080 pixels."""

RMEM_MAX = Path("/proc/sys/net/core/rmem_max")
"""Where Linux has the limit; a container with a network of its own does not see it."""

_PROFILE = (
    "FASTDDS_DEFAULT_PROFILES_FILE=$(ros2 pkg prefix --share bodypose3d_ros)/config/fastdds.xml"
)


def receive_limit() -> int:
    """The most that a socket is given here, bytes, up to ``WANTED``.

    The kernel is asked with a socket, not /proc, which containers hide and other systems lack.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        return _granted(asking, WANTED)


def receive_buffer_warning(message_bytes: int) -> str | None:
    """What to do when messages of this size do not fit the kernel's socket buffers, or None.

    A message that does not fit is lost, best effort, whenever this process is not at the socket
    the moment it arrives.
    """
    limit = receive_limit()
    if message_bytes <= limit:
        return None
    return (
        f"images of {message_bytes / 1e6:.1f} MB do not fit a socket buffer of "
        f"{limit / 1e6:.1f} MB and may be lost: run '{raise_limit(message_bytes)}'{where()} and "
        "start again, or use image_transport compressed"
    )


def mend(environ: Mapping[str, str] = os.environ) -> str:
    """What to do where images are lost on the way."""
    if lacks_profile(environ):
        return f"start the camera and this node with {_PROFILE}"
    if receive_limit() < WANTED:
        return (
            f"run '{raise_limit()}'{where()} and start the camera and this node again, or send "
            "JPEG (image_transport: compressed) where the line is thin or loses packets"
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
    size = max(WANTED, 1 << (message_bytes - 1).bit_length())
    name = "kern.ipc.maxsockbuf" if sys.platform == "darwin" else "net.core.rmem_max"
    return f"sudo sysctl -w {name}={size}"


def where() -> str:
    """Where that command has to be run, if not here: a container's limit is its host's."""
    hidden = sys.platform == "linux" and not RMEM_MAX.exists()
    return " on the host of this container" if hidden else ""


def _granted(asking: socket.socket, wanted: int) -> int:
    """What a socket is given of a receive buffer of so many bytes.

    Linux gives what it can and counts twice that (socket(7)); others refuse what is too much.
    """
    while True:
        try:
            asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted)
        except OSError:
            wanted //= 2
            continue
        given = asking.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        return min(wanted, given // 2 if sys.platform == "linux" else given)

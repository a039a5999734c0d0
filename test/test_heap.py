"""What the C heap keeps while the node works, and gives back at cleanup. In a process of its own:
glibc's settings are for all of it."""

import platform
import subprocess
import sys

import pytest

KEEPS_AND_GIVES_BACK = """
import numpy as np
from pathlib import Path
from types import SimpleNamespace
from bodypose3d_ros.node import heap
from bodypose3d_ros.node.cameras import Cameras

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024  # MiB

heap.keep_image_buffers()
cameras = Cameras(SimpleNamespace(), lambda name: None)
cameras._networks = SimpleNamespace(close=lambda: None)
before = resident()
arrays = [np.ones(1 << 20, np.uint8) for _ in range(200)]
del arrays
kept = resident()
cameras.cleanup()
print(before, kept, resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="heap settings are glibc's")
def test_freed_buffers_are_kept_while_it_works_and_given_back_at_cleanup():
    run = subprocess.run([sys.executable, "-c", KEEPS_AND_GIVES_BACK], capture_output=True,
                         text=True, timeout=60, check=True)  # fmt: skip
    before, kept, after = map(int, run.stdout.split())
    assert kept > before + 150  # of 200 MiB
    assert after < before + 50

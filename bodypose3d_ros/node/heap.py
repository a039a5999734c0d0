"""What the C heap keeps: image buffers from one image to the next, but not networks."""

import ctypes

# From malloc.h of glibc.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_MIB = 1 << 20


def keep_image_buffers() -> None:
    """Tell glibc not to return freed image buffers to the kernel each time.

    Page faults are two thirds of the CPU time of publishing 1080p images otherwise. Nothing
    happens with another C library.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 * _MIB)
        mallopt(_M_TRIM_THRESHOLD, 512 * _MIB)


def give_back() -> None:
    """Return all that is free to the kernel. Nothing happens with another C library than glibc."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)

"""How the C library of this process keeps memory that was freed. Only glibc can be told; elsewhere nothing changes."""

from __future__ import annotations

import ctypes

_TOP_PAD, _MMAP_THRESHOLD = -2, -3  # M_TOP_PAD and M_MMAP_THRESHOLD of glibc's malloc.h
_KEPT_BYTES = 32 * 1024 * 1024  # of each arena; 4 MiB change nothing, 64 MiB no more
_LARGEST_BYTES = 32 * 1024 * 1024  # of a piece that comes from an arena; glibc allows no more


def keep_freed_memory() -> bool:
    """For processes that make and free much again and again: what is freed is not given back to the system.

    librdkafka makes and frees a megabyte or more for each batch of messages, a route worker several. Given back, each
    page of it is a fault when it comes again: a third of the CPU of a long search, 0.8 µs of an event that is routed.
    False where the C library has no such settings.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    set_option.restype, set_option.argtypes = ctypes.c_int, (ctypes.c_int, ctypes.c_int)
    return bool(set_option(_MMAP_THRESHOLD, _LARGEST_BYTES) and set_option(_TOP_PAD, _KEPT_BYTES))

"""How the C library of this process keeps memory that was freed. Only glibc can be told; elsewhere nothing changes."""

from __future__ import annotations

import ctypes

_TOP_PAD = -2  # M_TOP_PAD of glibc's malloc.h
_KEPT_BYTES = 32 * 1024 * 1024  # of each arena; 4 MiB change nothing, 64 MiB no more


def keep_freed_memory() -> bool:
    """For processes that read a lot and then end: what is freed is used again instead of given back to the system.

    librdkafka makes and frees a megabyte or more for each batch of messages. Given back, each page of it is a fault
    when it comes again: a third of the CPU of a long search. False where the C library has no such setting.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    set_option.restype, set_option.argtypes = ctypes.c_int, (ctypes.c_int, ctypes.c_int)
    return bool(set_option(_TOP_PAD, _KEPT_BYTES))

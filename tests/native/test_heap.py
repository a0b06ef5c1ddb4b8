from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

from router.native.heap import keep_freed_memory

# Makes and frees 16 MB again and again, in pieces too small for malloc to ask the system for each.
CHURN = """
import ctypes, resource, sys
from router.native.heap import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
c.free.argtypes, c.memset.argtypes = (ctypes.c_void_p,), (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
places = [0] * 160
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    for at in range(160):
        places[at] = c.malloc(100_000)
        c.memset(places[at], 1, 100_000)
    for place in places:
        c.free(place)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
GLIBC = platform.libc_ver()[0] == "glibc"


def faults(how: str) -> int:
    ran = subprocess.run([sys.executable, "-c", CHURN, how], capture_output=True, text=True, check=True)
    return int(ran.stdout)


@pytest.mark.skipif(not GLIBC, reason="only glibc has the setting")
def test_memory_that_was_freed_is_used_again_without_a_fault() -> None:
    assert faults("kept") * 4 < faults("given back")


def test_another_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())

    assert keep_freed_memory() is False

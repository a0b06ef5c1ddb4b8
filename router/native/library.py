"""Finds and loads the native library. It is compiled when the router is installed (`setup.py`), never at run time.

It may be missing (no compiler then, another platform, `ROUTER_NATIVE=0`): the router is slower and otherwise the same.
A library made of other sources than those beside it is not used: struct layouts would differ. Holds no state of the
router; what a crash in it leaves is what kill -9 leaves.
"""

from __future__ import annotations

import ctypes
import os
import sysconfig
import zlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
SWITCH = "ROUTER_NATIVE"
_OFF = frozenset(("0", "no", "off", "false"))


class Native(NamedTuple):
    """The library where it is in use, and otherwise the reason why not."""

    library: ctypes.CDLL | None
    path: Path
    reason: str = ""

    def __str__(self) -> str:
        return "in use" if self.library is not None else f"not in use: {self.reason}"


def library_name() -> str:
    """The file's name. It says the platform: a wheel is taken along to others, where the file is then left alone."""
    return f"hot-{sysconfig.get_platform()}.so"


def sources_checksum(folder: Path = HERE) -> int:
    """Of all C sources and headers by name and content; `setup.py` compiles it in."""
    checksum = 0
    for path in sorted(folder.glob("*.[ch]")):
        checksum = zlib.crc32(path.name.encode() + b"\0" + path.read_bytes(), checksum)
    return checksum


def native() -> Native:
    """The library, as the environment wants it. Never raises."""
    if os.environ.get(SWITCH, "").strip().lower() in _OFF:
        return Native(None, HERE / library_name(), f"{SWITCH}={os.environ[SWITCH].strip()}")
    return _loaded(HERE / library_name())


@cache
def _loaded(path: Path) -> Native:
    if not path.is_file():
        return Native(None, path, f"{path.name} was not built when the router was installed")
    try:
        library = ctypes.CDLL(str(path))
        made_of = library.router_sources
    except (OSError, AttributeError) as error:
        return Native(None, path, f"cannot load it: {error}")
    made_of.restype, made_of.argtypes = ctypes.c_uint32, []
    if made_of() != sources_checksum(path.parent):
        return Native(None, path, f"{path.name} was built of other sources; install the router again")
    return Native(library, path)

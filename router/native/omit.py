"""Takes values out of the events of a batch, natively (`omit.c`): those that a plan's action `omit` removes."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from router.document import Pointer, json_pointer
from router.native.library import native

_INDEX = 0xFFFFFFFF
_ADDRESS, _COUNT, _SIZE = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64
Array = npt.NDArray[Any]


def packed(paths: Iterable[Pointer]) -> bytes:
    """What to take out of an event, as the library reads it, in the order in which the values are kept."""
    made = []
    for path in paths:
        made.append(struct.pack("<I", len(path)))
        for part in path:
            if isinstance(part, int):
                made.append(struct.pack("<II", _INDEX, part))
            else:
                name = part.encode()
                made.append(struct.pack("<I", len(name)) + name)
        label = orjson.dumps(json_pointer(path)) + b":"
        made.append(struct.pack("<I", len(label)) + label)
    return b"".join(made)


def omit(
    block: memoryview, used: int, starts: Array, sizes: Array, rows: Array, sets: Array, omissions: Sequence[bytes]
) -> tuple[int, int]:
    """Write these rows' events anew behind the first `used` bytes of the block, each without what is packed in the one
    of `omissions` that `sets` names. Starts and sizes (64 bits) are brought up to date.

    Returns how many of the rows are done, fewer than all where there is no more room, and the bytes in use then.
    """
    library = native().library
    assert library is not None
    ends = np.array(list(map(len, omissions)), dtype=np.uint32).cumsum(dtype=np.uint32)
    rows, sets = rows.astype(np.uint32), sets.astype(np.uint32)
    place = ctypes.c_uint64(used)
    call = library.router_omit
    call.restype = _COUNT
    call.argtypes = [_ADDRESS, _ADDRESS, _SIZE, ctypes.c_char_p, *[_ADDRESS] * 3, _COUNT, _ADDRESS, _ADDRESS]
    done = call(
        np.frombuffer(block, dtype=np.uint8).ctypes.data, ctypes.byref(place), len(block) - used, b"".join(omissions),
        ends.ctypes.data, sets.ctypes.data, rows.ctypes.data, len(rows), starts.ctypes.data, sizes.ctypes.data,
    )  # fmt: skip
    return done, place.value

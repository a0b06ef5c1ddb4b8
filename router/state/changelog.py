"""The changelog's records: the fresh ids of one batch and partition in one value, 20 bytes an id before compression.

Layout, little-endian: version (1 byte), base time in ms (8), all keys (16 each), all times as distance from the base
(4 each in version 1, 8 in version 2, for the rare batch that spans more than 49 days).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence

from router.errors import RouterError

KEY_BYTES = 16
_HEAD = 9
_CODES = {1: "I", 2: "Q"}

Row = tuple[bytes, int]  # key, receive time in ms


class ChangelogError(RouterError):
    """A value that is not a changelog record."""


def pack(rows: Sequence[Row]) -> bytes:
    """One record of these rows; times are non-negative milliseconds."""
    base = min((at for _, at in rows), default=0)
    distances = [at - base for _, at in rows]
    version = 1 if max(distances, default=0) < 1 << 32 else 2
    times = array(_CODES[version], distances)
    if sys.byteorder == "big":
        times.byteswap()
    keys = b"".join([key for key, _ in rows])
    return bytes((version,)) + base.to_bytes(8, "little") + keys + times.tobytes()


def unpack(value: bytes) -> list[Row]:
    """The rows of a record. Raises ChangelogError for anything else."""
    code = _CODES.get(value[0]) if value else None
    if code is None or len(value) < _HEAD:
        raise ChangelogError(f"expected a changelog record of version 1 or 2, got {len(value)} other bytes")
    times = array(code)
    count, rest = divmod(len(value) - _HEAD, KEY_BYTES + times.itemsize)
    if rest:
        raise ChangelogError(f"expected whole rows of {KEY_BYTES + times.itemsize} bytes, got {rest} bytes more")
    end = _HEAD + count * KEY_BYTES
    times.frombytes(value[end:])
    if sys.byteorder == "big":
        times.byteswap()
    base = int.from_bytes(value[1:_HEAD], "little")
    keys = [value[at : at + KEY_BYTES] for at in range(_HEAD, end, KEY_BYTES)]
    return [(key, base + distance) for key, distance in zip(keys, times, strict=True)]

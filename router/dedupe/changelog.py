"""The changelog's records: the fresh ids of one batch and partition in one value, 20 bytes an id before compression.

Layout, little-endian: version (1 byte), base time in ms (8), all keys (16 each), all times as distance from the base
(4 each in version 1, 8 in version 2, for the rare batch that spans more than 49 days), CRC-32 of all that (4).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from zlib import crc32

from router.dedupe.window import Row
from router.errors import RouterError

KEY_BYTES = 16
LATEST_MS = (1 << 48) - 1  # the year 10889
_HEAD = 9
_TAIL = 4
_CODES = {1: "I", 2: "Q"}


class ChangelogError(RouterError):
    """A value that no router wrote; the topic is private, so somebody else writes to it or it was damaged."""


class NewerRecord(RouterError):
    """A record of a later version of the router: reading on without it would let repeats pass."""


def pack(rows: Sequence[Row]) -> bytes:
    """One record of these rows; times are milliseconds from 0 to LATEST_MS."""
    base = min((at for _, at in rows), default=0)
    distances = [at - base for _, at in rows]
    version = 1 if max(distances, default=0) < 1 << 32 else 2
    times = array(_CODES[version], distances)
    if sys.byteorder == "big":
        times.byteswap()
    keys = b"".join([key for key, _ in rows])
    record = bytes((version,)) + base.to_bytes(8, "little") + keys + times.tobytes()
    return record + crc32(record).to_bytes(_TAIL, "little")


def unpack(value: bytes) -> list[Row]:
    """The rows of a record. Raises ChangelogError, or NewerRecord for a whole record of an unknown version."""
    body = memoryview(value)[:-_TAIL]
    if len(body) < _HEAD or crc32(body) != int.from_bytes(value[-_TAIL:], "little"):
        raise ChangelogError(f"expected a changelog record, got {len(value)} other bytes")
    code = _CODES.get(value[0])
    if code is None:
        raise NewerRecord(f"expected a changelog record of version 1 or 2, got version {value[0]}")
    times = array(code)
    count, rest = divmod(len(body) - _HEAD, KEY_BYTES + times.itemsize)
    if rest:
        raise ChangelogError(f"expected whole rows of {KEY_BYTES + times.itemsize} bytes, got {rest} bytes more")
    end = _HEAD + count * KEY_BYTES
    times.frombytes(body[end:])
    if sys.byteorder == "big":
        times.byteswap()
    base = int.from_bytes(value[1:_HEAD], "little")
    if base + max(times, default=0) > LATEST_MS:
        raise ChangelogError("expected times before the year 10889, got a later one")
    keys = [value[at : at + KEY_BYTES] for at in range(_HEAD, end, KEY_BYTES)]
    return [(key, base + distance) for key, distance in zip(keys, times, strict=True)]

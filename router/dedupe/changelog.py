"""The changelog's records: the fresh ids of one batch and partition in one value, 22 bytes an id before compression.

Layout, little-endian: version (1 byte), base time in ms (8), all keys (16 each), all times as distance from the base
(4 each in version 3, 8 in version 4, for the rare batch that spans more than 49 days), all marks (2 each), CRC-32 of
all that (4). Versions 1 and 2 are 3 and 4 without marks; they are read, and no longer written.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from zlib import crc32

from router.dedupe.window import MARK_BYTES, NO_MARK, Row
from router.errors import RouterError

KEY_BYTES = 16
LATEST_MS = (1 << 48) - 1  # the year 10889
_HEAD = 9
_TAIL = 4
_CODES = {1: "I", 2: "Q", 3: "I", 4: "Q"}
_WITH_MARKS = 3  # the first version that has them


class ChangelogError(RouterError):
    """A value that no router wrote; the topic is private, so somebody else writes to it or it was damaged."""


class NewerRecord(RouterError):
    """A record of a later version of the router: reading on without it would let repeats pass."""


def pack(rows: Sequence[Row]) -> bytes:
    """One record of these rows; times are milliseconds from 0 to LATEST_MS."""
    keys, at, marks = zip(*rows, strict=True) if rows else ((), (), ())
    base = min(at, default=0)
    version = 3 if max(at, default=0) - base < 1 << 32 else 4
    times = array(_CODES[version], [one - base for one in at])
    if sys.byteorder == "big":
        times.byteswap()
    head = bytes((version,)) + base.to_bytes(8, "little")
    record = b"".join((head, *keys, times.tobytes(), *[mark or NO_MARK for mark in marks]))
    return record + crc32(record).to_bytes(_TAIL, "little")


def unpack(value: bytes) -> list[Row]:
    """The rows of a record. Raises ChangelogError, or NewerRecord for a whole record of an unknown version."""
    body = memoryview(value)[:-_TAIL]
    if len(body) < _HEAD or crc32(body) != int.from_bytes(value[-_TAIL:], "little"):
        raise ChangelogError(f"expected a changelog record, got {len(value)} other bytes")
    code = _CODES.get(value[0])
    if code is None:
        raise NewerRecord(f"expected a changelog record of version 1 to {max(_CODES)}, got version {value[0]}")
    times = array(code)
    mark_bytes = MARK_BYTES if value[0] >= _WITH_MARKS else 0
    size = KEY_BYTES + times.itemsize + mark_bytes
    count, rest = divmod(len(body) - _HEAD, size)
    if rest:
        raise ChangelogError(f"expected whole rows of {size} bytes, got {rest} bytes more")
    end = _HEAD + count * KEY_BYTES
    end_of_times = end + count * times.itemsize
    times.frombytes(body[end:end_of_times])
    if sys.byteorder == "big":
        times.byteswap()
    base = int.from_bytes(value[1:_HEAD], "little")
    if base + max(times, default=0) > LATEST_MS:
        raise ChangelogError("expected times before the year 10889, got a later one")
    keys = [value[at : at + KEY_BYTES] for at in range(_HEAD, end, KEY_BYTES)]
    marks = _marks(bytes(body[end_of_times:])) if mark_bytes else [b""] * count
    return [(key, base + distance, mark) for key, distance, mark in zip(keys, times, marks, strict=True)]


def _marks(joined: bytes) -> list[bytes]:
    marks = [joined[at : at + MARK_BYTES] for at in range(0, len(joined), MARK_BYTES)]
    return [b"" if mark == NO_MARK else mark for mark in marks]

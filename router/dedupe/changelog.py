"""The changelog's records: the fresh ids of one batch and partition in one value, 22 bytes an id before compression.

Layout, little-endian: version (1 byte), base time in ms (8), all keys (16 each), all times as distance from the base
(4 each in version 3, 8 in version 4, for the rare batch that spans more than 49 days), all marks (2 each), CRC-32 of
all that (4). Versions 1 and 2 are 3 and 4 without marks; they are read, and no longer written.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from zlib import crc32

import numpy as np

from router.dedupe.window import KEY, KEY_BYTES, MARK, MARK_BYTES, TIME, Rows
from router.errors import RouterError

LATEST_MS = (1 << 48) - 1  # the year 10889
_HEAD = 9
_TAIL = 4
_TIMES = {version: np.dtype(f"<u{4 if version % 2 else 8}") for version in (1, 2, 3, 4)}
_WITH_MARKS = 3  # the first version that has them


class ChangelogError(RouterError):
    """A value that no router wrote; the topic is private, so somebody else writes to it or it was damaged."""


class NewerRecord(RouterError):
    """A record of a later version of the router: reading on without it would let repeats pass."""


def pack(rows: Rows, sizes: Sequence[int]) -> list[bytes]:
    """A record of the first rows, one of those behind them and so on: `sizes` says of how many, at least one, each.

    Times are milliseconds from 0 to LATEST_MS.
    """
    if not sizes:
        return []
    ends = list(accumulate(sizes))
    starts = [0, *ends[:-1]]
    bases = np.minimum.reduceat(rows.times, starts)
    distances = rows.times - bases.repeat(sizes)
    version = 3 if distances[distances.argmax()] < 1 << 32 else 4  # max() takes thrice as long for a few rows
    width = _TIMES[version].itemsize
    keys, times, marks = rows.keys.tobytes(), distances.astype(_TIMES[version]).tobytes(), rows.marks.tobytes()
    return [
        _record(
            bytes((version,)) + base.to_bytes(8, "little"),
            keys[start * KEY_BYTES : end * KEY_BYTES],
            times[start * width : end * width],
            marks[start * MARK_BYTES : end * MARK_BYTES],
        )
        for base, start, end in zip(bases.tolist(), starts, ends, strict=True)
    ]


def _record(*parts: bytes) -> bytes:
    body = b"".join(parts)
    return body + crc32(body).to_bytes(_TAIL, "little")


def unpack(value: bytes) -> Rows:
    """The rows of a record. Raises ChangelogError, or NewerRecord for a whole record of an unknown version."""
    body = memoryview(value)[:-_TAIL]
    if len(body) < _HEAD or crc32(body) != int.from_bytes(value[-_TAIL:], "little"):
        raise ChangelogError(f"expected a changelog record, got {len(value)} other bytes")
    kind = _TIMES.get(value[0])
    if kind is None:
        raise NewerRecord(f"expected a changelog record of version 1 to {max(_TIMES)}, got version {value[0]}")
    mark_bytes = MARK_BYTES if value[0] >= _WITH_MARKS else 0
    size = KEY_BYTES + kind.itemsize + mark_bytes
    count, rest = divmod(len(body) - _HEAD, size)
    if rest:
        raise ChangelogError(f"expected whole rows of {size} bytes, got {rest} bytes more")
    end = _HEAD + count * KEY_BYTES
    end_of_times = end + count * kind.itemsize
    distances = np.frombuffer(body[end:end_of_times], kind)
    base = int.from_bytes(value[1:_HEAD], "little")
    if base + int(distances.max(initial=0)) > LATEST_MS:
        raise ChangelogError("expected times before the year 10889, got a later one")
    marks = np.frombuffer(body[end_of_times:], MARK) if mark_bytes else np.zeros(count, MARK)
    return Rows(np.frombuffer(body[_HEAD:end], KEY), distances.astype(TIME) + base, marks)

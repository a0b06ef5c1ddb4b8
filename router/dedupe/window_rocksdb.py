"""The window on RocksDB: exact for as many ids as the disk holds.

Rows live in column families of half a window by receive time. A family is dropped whole once every owned partition has
read a window past its end, so expired ids leave the disk at once and nothing is compacted away row by row. One store a
process, keys without partition. A Bloom filter in memory spares most look-ups; after a start it is filled along with
the look-ups, which ask RocksDB until then. Memory: about 5 bytes an id for filters; the rest is bounded. Used by the
consuming thread only.
kill -9 takes the rows since the last flush; the changelog from the flushed checkpoint on gives them back.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rocksdict import Cache, ColumnFamily, Options, Rdict, WriteBatch

from router.dedupe.bloom import Bloom, Probe, probe
from router.dedupe.window import MARK_BYTES, NO_MARK, First, Row, Rows, expired_before, key_array
from router.state.rocks import (
    append_only,
    estimated_rows,
    flush,
    guarded,
    open_store,
    options,
    scan,
    set_aside,
    write,
)

log = logging.getLogger(__name__)
CACHE_BYTES = 64 * 1024 * 1024
WRITE_BUFFER = 4 * 1024 * 1024  # fits the processor's cache: inserting costs half of what it does at 32 MiB
FILL_FACTOR = 8
TIME_BYTES = 4
FOLDER = "window"  # of a slot
CHECKPOINT = b"~checkpoint:"
FLOOR = b"~floor"  # rows received before it (ms) may have been dropped
_VALUE = np.dtype([("time", f">u{TIME_BYTES}"), ("mark", f"V{MARK_BYTES}")])
_VALUE_BYTES = np.dtype(f"V{_VALUE.itemsize}")


class _Family:
    """The rows of half a window. `unread` are those that the filter does not know yet."""

    def __init__(self, rows: Rdict, handle: ColumnFamily, start_ms: int, expected: int = 0) -> None:
        self.rows: Any = rows
        self.handle = handle
        self.start_ms = start_ms
        self.filter = Bloom(expected)
        self.unread: Iterator[tuple[bytes, bytes]] | None = None

    def first(self, value: bytes) -> First:
        """The time and the mark of a row; a row of an older version has no mark."""
        return self.start_ms + int.from_bytes(value[:TIME_BYTES], "big"), value[TIME_BYTES:]

    def values(self, rows: Rows) -> NDArray[np.void]:
        """What these rows are written as; a mark that is not known as NO_MARK."""
        values = np.empty(len(rows), _VALUE)
        values["time"] = rows.times - self.start_ms  # fits: `LONGEST_WINDOW_DAYS`
        values["mark"] = rows.marks
        return values.view(_VALUE_BYTES)

    def fill(self, count: int) -> None:
        """Take the next rows into the filter."""
        assert self.unread is not None
        keys = [key for key, _ in islice(self.unread, count)]
        if keys:
            self.filter.add(probe(key_array(keys)))
        else:
            self.unread = None

    def candidates(self, keys: list[bytes], at: Probe) -> list[int]:
        """Positions of the keys that may be here."""
        if self.unread is None:
            return self.filter.perhaps(at)
        self.fill(FILL_FACTOR * len(keys))
        return list(range(len(keys)))


class RocksWindow:
    """See `router.dedupe.window`."""

    def __init__(self, path: Path, identity: str, window_ms: int, cache_bytes: int = CACHE_BYTES) -> None:
        self.path = path
        self._span = max(1, window_ms // 2)
        self._window_ms = window_ms
        self._identity = identity
        self._cache = Cache(cache_bytes)
        self._db: Any = None  # Rdict; its stubs know no raw keys
        self._families: dict[int, _Family] = {}
        self._open()

    @classmethod
    def open(cls, path: Path, cluster_id: str, topic_id: str, *, window_ms: int) -> Self:
        """The store of this cluster and changelog topic; one that belongs elsewhere or is broken is set aside.

        Raises StateError when the folder cannot be used.
        """
        return cls(path, f"{cluster_id} {topic_id} {window_ms}", window_ms)

    def _open(self) -> None:
        self._db = open_store(self.path, self._identity, self._options)
        with guarded(self.path):
            for number in family_numbers(self.path):
                family = self._family(number)
                family.unread = scan(family.rows)
                self._families[number] = family

    def _options(self) -> Options:
        return append_only(options(cache=self._cache, write_buffer=WRITE_BUFFER, hold_filters=True))

    def _family(self, number: int) -> _Family:
        name = family_name(number)
        expected = max((estimated_rows(family.rows) for family in self._families.values()), default=0)
        rows, handle = self._db.get_column_family(name), self._db.get_column_family_handle(name)
        return _Family(rows, handle, number * self._span, max(expected, estimated_rows(rows)))

    def _create(self, number: int) -> _Family:
        self._db.create_column_family(family_name(number), options=self._options())
        families = self._families | {number: self._family(number)}
        self._families = {n: families[n] for n in sorted(families, reverse=True)}
        return self._families[number]

    def first_seen(self, keys: list[bytes], now_ms_min: int) -> list[First | None]:
        found: list[First | None] = [None] * len(keys)
        if not keys:
            return found
        at = probe(key_array(keys))
        oldest = now_ms_min - self._window_ms - self._span
        with guarded(self.path):
            for family in self._families.values():
                if family.start_ms >= oldest:
                    self._look(family, keys, at, found)
        return found

    def _look(self, family: _Family, keys: list[bytes], at: Probe, found: list[First | None]) -> None:
        places = [place for place in family.candidates(keys, at) if found[place] is None]
        if not places:
            return
        values = family.rows.get([keys[place] for place in places])
        for place, value in zip(places, values, strict=True):
            if value is not None:
                found[place] = family.first(value)

    def write(self, rows: Rows, checkpoints: dict[int, int]) -> None:
        with guarded(self.path):
            batch = WriteBatch(raw_mode=True)
            for partition, offset in checkpoints.items():  # first: the rows' family becomes the default of the batch
                batch.put(CHECKPOINT + str(partition).encode(), str(offset).encode())
            for number, part in self._by_family(rows):
                self._put(batch, self._families.get(number) or self._create(number), part)
            write(self._db, batch)

    def _by_family(self, rows: Rows) -> Iterator[tuple[int, Rows]]:
        numbers = rows.times // self._span
        different = sorted(set(numbers.tolist()))
        for number in different:
            yield number, rows if len(different) == 1 else rows.at(numbers == number)

    @staticmethod
    def _put(batch: WriteBatch, family: _Family, rows: Rows) -> None:
        """In key order, which halves the cost of the memtable; of equal keys the last one stays."""
        family.filter.add(probe(rows.keys))
        order = rows.keys.view(">u8")[::2].argsort(kind="stable")
        values = family.values(rows)[order].tolist()
        if np.count_nonzero(rows.marks.view(np.uint16)) < len(rows):
            values = [value.removesuffix(NO_MARK) for value in values]
        batch.set_default_column_family(family.handle)
        for key, value in zip(rows.keys[order].tolist(), values, strict=True):
            batch[key] = value

    def advance(self, watermark_ms: int, owned: Collection[int] | None = None) -> None:
        limit = expired_before(watermark_ms, self._window_ms)
        expired = [number for number in self._families if (number + 1) * self._span <= limit]
        if not expired:
            return
        with guarded(self.path):
            others = [] if owned is None else [p for p in checkpoints_of(self._db) if p not in owned]
            self._forget(others, floor_ms=(max(expired) + 1) * self._span)
            for number in expired:
                self._drop(number)

    def _drop(self, number: int) -> None:
        family = self._families.pop(number)
        family.unread = None
        family.rows.close()
        del family
        self._db.drop_column_family(family_name(number))
        log.info("window: dropped the ids of %d ms to %d ms", number * self._span, (number + 1) * self._span)

    def _forget(self, partitions: Collection[int], floor_ms: int | None = None) -> None:
        """Durably, before the rows go that these checkpoints vouch for."""
        batch = WriteBatch(raw_mode=True)
        for partition in partitions:
            batch.delete(CHECKPOINT + str(partition).encode())
        if floor_ms is not None:
            batch.put(FLOOR, str(floor_ms).encode())
        write(self._db, batch)
        self._flush()

    def checkpoint(self, partition: int) -> int | None:
        with guarded(self.path):
            found = self._db.get(CHECKPOINT + str(partition).encode())
        return None if found is None else int(found)

    def reset(self, why: str) -> None:
        """The store of before is set aside."""
        self._shut()
        set_aside(self.path, why)
        self._open()

    def rows(self) -> Iterator[Row]:
        """Every row, families from the newest, keys in order. Raises StateError at a damaged block."""
        for family in self._families.values():
            with guarded(self.path):
                for key, value in scan(family.rows):
                    yield key, *family.first(value)

    def close(self) -> None:
        """Flush, so that the next start has little to restore."""
        if self._db is not None:
            with guarded(self.path):
                self._flush()
                self._shut()

    def _flush(self) -> None:
        flush(self._db, [family.rows for family in self._families.values()])

    def _shut(self) -> None:
        for family in self._families.values():
            family.unread = None
            family.rows.close()
        self._families = {}
        self._db.close()
        self._db = None


def checkpoints_of(db: Any) -> dict[int, int]:
    """Changelog offsets by partition."""
    rows = scan(db, start=CHECKPOINT)
    return {int(key[len(CHECKPOINT) :]): int(value) for key, value in rows if key.startswith(CHECKPOINT)}


def family_name(number: int) -> str:
    """Of the rows received from `number` half windows on."""
    return f"w{number}"


def family_numbers(path: Path) -> list[int]:
    """The families of a store, newest first."""
    names = [name for name in Rdict.list_cf(str(path)) if name.startswith("w")]
    return sorted((int(name[1:]) for name in names), reverse=True)

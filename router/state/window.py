"""The windowed table of dedupe on RocksDB: 16-byte keys to first receive times, exact for all ids the disk holds.

Rows live in column families of half a window by receive time. A family is dropped whole once every owned partition has
read a window past its end, so expired ids leave the disk at once and nothing is compacted away row by row. One store a
process, keys without partition. Used by the consuming thread only.
kill -9 takes the rows since the last flush; the changelog from the flushed checkpoint on gives them back.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rocksdict import Cache, Options, Rdict, WriteBatch

from router.state.rocks import guarded, no_wal, open_store, options

log = logging.getLogger(__name__)
CACHE_BYTES = 256 * 1024 * 1024
WRITE_BUFFER = 32 * 1024 * 1024
_CHECKPOINT = b"~checkpoint:"


@dataclass(frozen=True, slots=True)
class WindowStat:
    """`families` maps the start of each (ms) to the ids in it, as RocksDB estimates them; `bytes` are on disk."""

    families: dict[int, int]
    bytes: int
    checkpoints: dict[int, int]


class Window:
    """The committed part of the window."""

    def __init__(self, path: Path, identity: str, window_ms: int, cache_bytes: int = CACHE_BYTES) -> None:
        self.path = path
        self._span = max(1, window_ms // 2)
        self._window_ms = window_ms
        self._identity = identity
        self._cache = Cache(cache_bytes)
        self._write = no_wal()
        self._db: Any = None  # Rdict; its stubs know no raw keys
        self._families: dict[int, tuple[Any, Any]] = {}
        self._newest_first: list[Any] = []
        self._open()

    @classmethod
    def open(cls, path: Path, cluster_id: str, topic_id: str, *, window_ms: int) -> Self:
        """The store of this cluster and changelog topic; one that belongs elsewhere or is broken is set aside."""
        return cls(path, f"{cluster_id} {topic_id} {window_ms}", window_ms)

    def _open(self) -> None:
        self._db = open_store(self.path, self._identity, self._options)
        names = Rdict.list_cf(str(self.path))
        for name in names:
            if name.startswith("w"):
                self._adopt(int(name[1:]), self._db.get_column_family(name))

    def _options(self) -> Options:
        return options(cache=self._cache, write_buffer=WRITE_BUFFER)

    def _adopt(self, number: int, family: Any) -> None:
        self._families[number] = (family, self._db.get_column_family_handle(f"w{number}"))
        self._newest_first = [self._families[n][0] for n in sorted(self._families, reverse=True)]

    def first_seen(self, keys: list[bytes], now_ms_min: int) -> list[int | None]:
        """The newest first receive time of each key, or None. One multi-get for each live family."""
        with guarded(self.path):
            return self._look(keys)

    def _look(self, keys: list[bytes]) -> list[int | None]:
        found: list[int | None] = [None] * len(keys)
        left = keys
        places: Iterable[int] = range(len(keys))
        for family in self._newest_first:
            values = family.get(left)
            if values.count(None) == len(values):
                continue
            rest, rest_places = [], []
            for place, key, value in zip(places, left, values, strict=True):
                if value is None:
                    rest.append(key)
                    rest_places.append(place)
                else:
                    found[place] = int.from_bytes(value, "big")
            left, places = rest, rest_places
            if not left:
                break
        return found

    def write(self, rows: list[tuple[bytes, int]], checkpoints: dict[int, int]) -> None:
        """Rows and the changelog offsets they reach, in one atomic write. Call it after they are committed."""
        with guarded(self.path):
            batch = WriteBatch(raw_mode=True)
            put = batch.put
            span, families = self._span, self._families
            for key, at in rows:
                number = at // span
                if number not in families:
                    self._adopt(number, self._db.create_column_family(f"w{number}", options=self._options()))
                put(key, at.to_bytes(6, "big"), families[number][1])
            for partition, offset in checkpoints.items():
                put(_CHECKPOINT + str(partition).encode(), str(offset).encode())
            self._db.write(batch, self._write)

    def advance(self, watermark_ms: int) -> None:
        """Every owned partition has read up to this receive time: drop the families that no event can ask for."""
        gone = [n for n in self._families if (n + 1) * self._span + self._window_ms <= watermark_ms]
        for number in gone:
            with guarded(self.path):
                family, handle = self._families.pop(number)
                self._newest_first = [self._families[n][0] for n in sorted(self._families, reverse=True)]
                del handle
                family.close()
                self._db.drop_column_family(f"w{number}")
            log.info("window: dropped the ids of %d ms to %d ms", number * self._span, (number + 1) * self._span)

    def checkpoint(self, partition: int) -> int | None:
        """The changelog offset that this store has reached, or None."""
        found = self._db.get(_CHECKPOINT + str(partition).encode())
        return None if found is None else int(found)

    def fits(self, partition: int, low: int, high: int) -> bool:
        """Whether the checkpoint can be of a log that spans these offsets; what lies before it has expired."""
        checkpoint = self.checkpoint(partition)
        return checkpoint is None or checkpoint <= high

    def reset(self) -> None:
        """Forget everything; a restore from the changelog follows."""
        for number in list(self._families):
            self._families.pop(number)[0].close()
            self._db.drop_column_family(f"w{number}")
        self._newest_first = []
        for key in list(self._db.keys()):
            if key.startswith(_CHECKPOINT):
                self._db.delete(key)

    def stat(self) -> WindowStat:
        """Counts, sizes and checkpoints."""
        families = {
            number * self._span: int(family.property_int_value("rocksdb.estimate-num-keys") or 0)
            for number, (family, _) in sorted(self._families.items())
        }
        size = sum(file.stat().st_size for file in self.path.iterdir() if file.is_file())
        checkpoints = {
            int(key[len(_CHECKPOINT) :]): int(value) for key, value in self._db.items() if key.startswith(_CHECKPOINT)
        }
        return WindowStat(families, size, checkpoints)

    def close(self) -> None:
        """Flush, so that the next start has little to restore."""
        with guarded(self.path):
            self._db.flush()
            for family, _ in self._families.values():
                family.close()
            self._families, self._newest_first = {}, []
            self._db.close()

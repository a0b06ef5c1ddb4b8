"""A look at a worker's stores as of their last flush, also while the worker runs: counts, sizes, how far they reach."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rocksdict import Rdict

from router.state.replica import POSITION
from router.state.rocks import guarded, open_to_read, scan
from router.state.window import FLOOR, TIME_BYTES, Row, checkpoints_of, family_name, family_numbers

WINDOW = "window"
IDENTITY = "identity"
_STATE_OF_IDENTITY = (b"i", b"p")  # the ledger of merges is pruned by each worker in its own time


@dataclass(frozen=True, slots=True)
class WindowView:
    """`families` maps the start of each (ms) to its ids as RocksDB estimates them; `floor_ms`: older rows may be gone.

    `checkpoints` are changelog offsets by partition; `bytes` are on disk.
    """

    families: dict[int, int]
    floor_ms: int
    checkpoints: dict[int, int]
    bytes: int


@dataclass(frozen=True, slots=True)
class ReplicaView:
    """`position` is the next offset of the log; `records` counts identifiers, profiles and merges, an estimate."""

    position: int
    records: int
    bytes: int


def slots(folder: Path) -> list[Path]:
    """The slots of route workers in a topology's state folder, by number."""
    found = [path for path in folder.glob("route-*") if path.name.removeprefix("route-").isdecimal()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("route-")))


class WindowReader:
    """An open look at a window. `span_ms` is half the window. Raises StateError."""

    def __init__(self, path: Path, span_ms: int, db: Rdict) -> None:
        self._path = path
        self._span = span_ms
        self._db: Any = db
        self._families: dict[int, Any] = {n: db.get_column_family(family_name(n)) for n in family_numbers(path)}
        with guarded(path, mark=False):
            self.checkpoints = checkpoints_of(self._db)
            self.floor_ms = int(self._db.get(FLOOR) or 0)

    def view(self) -> WindowView:
        counts = {number * self._span: _estimate(rows) for number, rows in sorted(self._families.items())}
        return WindowView(counts, self.floor_ms, self.checkpoints, size_of(self._path))

    def times(self, rows: Sequence[Row]) -> list[int | None]:
        """For each row, the time that its family has for the key, or None."""
        found: list[int | None] = [None] * len(rows)
        places: dict[int, list[int]] = {}
        for place, (_, at) in enumerate(rows):
            places.setdefault(at // self._span, []).append(place)
        with guarded(self._path, mark=False):
            for number, chosen in places.items():
                family = self._families.get(number)
                if family is None:
                    continue
                values = family.get([rows[place][0] for place in chosen])
                for place, value in zip(chosen, values, strict=True):
                    if value is not None:
                        found[place] = number * self._span + int.from_bytes(value[:TIME_BYTES], "big")
        return found

    def close(self) -> None:
        for rows in self._families.values():
            rows.close()
        self._db.close()


class ReplicaReader:
    """An open look at an identity replica. Raises StateError."""

    def __init__(self, path: Path, db: Rdict) -> None:
        self._path = path
        self._db: Any = db
        with guarded(path, mark=False):
            self.position = int(self._db.get(POSITION) or 0)

    def view(self) -> ReplicaView:
        return ReplicaView(self.position, _estimate(self._db), size_of(self._path))

    def state(self) -> Iterator[tuple[bytes, bytes]]:
        """Identifiers and profiles as they are stored, in key order: the same for every replica at this position."""
        with guarded(self._path, mark=False):
            for prefix in _STATE_OF_IDENTITY:
                for key, value in scan(self._db, start=prefix):
                    if not key.startswith(prefix):
                        break
                    yield key, value

    def close(self) -> None:
        self._db.close()


@contextmanager
def window_reader(slot: Path, window_ms: int) -> Iterator[WindowReader | None]:
    """The window of a slot, or None where there is none."""
    path = slot / WINDOW
    if not (path / "CURRENT").exists():
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="router-state-") as logs:
        reader = WindowReader(path, max(1, window_ms // 2), open_to_read(path, Path(logs)))
        try:
            yield reader
        finally:
            reader.close()


@contextmanager
def replica_reader(slot: Path) -> Iterator[ReplicaReader | None]:
    """The identity replica of a slot, or None where there is none."""
    path = slot / IDENTITY
    if not (path / "CURRENT").exists():
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="router-state-") as logs:
        reader = ReplicaReader(path, open_to_read(path, Path(logs)))
        try:
            yield reader
        finally:
            reader.close()


def size_of(path: Path) -> int:
    """Bytes on disk; files that the writer removes meanwhile count nothing."""
    total = 0
    for file in path.iterdir():
        try:
            total += file.stat().st_size
        except FileNotFoundError:
            continue
    return total


def _estimate(rows: Any) -> int:
    return int(rows.property_int_value("rocksdb.estimate-num-keys") or 0)

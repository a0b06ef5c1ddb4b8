"""A look at a worker's window as of its last flush, also while it runs; and its comparison with the changelog."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rocksdict import Rdict

from router.dedupe.window import Row
from router.dedupe.window_rocksdb import FLOOR, FOLDER, TIME_BYTES, checkpoints_of, family_name, family_numbers
from router.state.comparison import Comparison
from router.state.rocks import estimated_rows, guarded, open_to_read, size_of


@dataclass(frozen=True, slots=True)
class WindowView:
    """`families` maps the start of each (ms) to its ids as RocksDB estimates them; `floor_ms`: older rows may be gone.

    `checkpoints` are changelog offsets by partition; `bytes` are on disk.
    """

    families: dict[int, int]
    floor_ms: int
    checkpoints: dict[int, int]
    bytes: int


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
        counts = {number * self._span: estimated_rows(rows) for number, rows in sorted(self._families.items())}
        return WindowView(counts, self.floor_ms, self.checkpoints, size_of(self._path))

    def times(self, rows: Sequence[Row]) -> list[int | None]:
        """For each row, the time that its family has for the key, or None."""
        found: list[int | None] = [None] * len(rows)
        places: dict[int, list[int]] = {}
        for place, (_, at, _) in enumerate(rows):
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


@contextmanager
def window_reader(slot: Path, window_ms: int) -> Iterator[WindowReader | None]:
    """The window of a slot, or None where there is none."""
    path = slot / FOLDER
    if not (path / "CURRENT").exists():
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="router-state-") as logs:
        reader = WindowReader(path, max(1, window_ms // 2), open_to_read(path, Path(logs)))
        try:
            yield reader
        finally:
            reader.close()


def compare_window(window: WindowReader, rows: Sequence[Row], into: Comparison) -> None:
    """Hold rows of the changelog, all below the checkpoint, against the window."""
    wanted = [row for row in rows if row[1] >= window.floor_ms]
    into.expired += len(rows) - len(wanted)
    into.checked += len(wanted)
    for (_, at, _), found in zip(wanted, window.times(wanted), strict=True):
        if found is None:
            into.missing += 1
        elif found != at:
            into.different += 1

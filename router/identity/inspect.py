"""A look at a worker's identity store as of its last flush, also while the worker runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rocksdict import Rdict

from router.identity.store_rocksdb import FOLDER, POSITION
from router.state.rocks import estimated_rows, guarded, open_to_read, scan, size_of

_PROFILES = b"i"  # key prefix; the merges are pruned by each worker in its own time


@dataclass(frozen=True, slots=True)
class ReplicaView:
    """`position` is the next offset of the log; `records` counts identifiers, profiles and merges, an estimate."""

    position: int
    records: int
    bytes: int


class ReplicaReader:
    """An open look at an identity store as of its last flush. Raises StateError."""

    def __init__(self, path: Path, db: Rdict) -> None:
        self._path = path
        self._db: Any = db
        with guarded(path, mark=False):
            self.position = int(self._db.get(POSITION) or 0)

    def view(self) -> ReplicaView:
        return ReplicaView(self.position, estimated_rows(self._db), size_of(self._path))

    def state(self) -> Iterator[tuple[bytes, bytes]]:
        """Identifiers and profiles as they are stored, in key order: the same for every replica at this position."""
        with guarded(self._path, mark=False):
            for key, value in scan(self._db, start=_PROFILES):
                if not key.startswith(_PROFILES):
                    break
                yield key, value

    def close(self) -> None:
        self._db.close()


@contextmanager
def replica_reader(slot: Path) -> Iterator[ReplicaReader | None]:
    """The identity store of a slot, or None where there is none."""
    path = slot / FOLDER
    if not (path / "CURRENT").exists():
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="router-state-") as logs:
        reader = ReplicaReader(path, open_to_read(path, Path(logs)))
        try:
            yield reader
        finally:
            reader.close()

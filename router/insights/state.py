"""The tables on disk: one SQLite file in the process's slot, in which tables and positions change together.

Written every few seconds, only what has changed. kill -9 loses what was counted since and the next process reads those
records again, from the positions in the file: nothing is lost, nothing is counted twice. Without the file everything is
counted anew from what the topics still hold. A file that cannot be read is put aside, not deleted.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from router.errors import Unavailable
from router.insights.windows import Chunk

NAME = "insights.sqlite"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS chunks (part TEXT, name TEXT, content BLOB, PRIMARY KEY (part, name)) WITHOUT ROWID"
)
FORMAT = 1

log = logging.getLogger(__name__)


class InsightsState:
    """The file in this folder. Used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._unsaved: dict[tuple[str, str], bytes | None] = {}
        try:
            self._database = self._open()
        except sqlite3.OperationalError as error:  # no room, no rights, another's lock
            raise Unavailable(f"cannot open {self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            aside = self.path.with_suffix(".unreadable")
            log.error("%s cannot be read (%s): kept as %s, counting starts anew", self.path, error, aside.name)
            self.path.replace(aside)
            self._database = self._open()

    def load(self) -> dict[str, dict[str, bytes]]:
        """Chunks by part."""
        parts: dict[str, dict[str, bytes]] = {}
        for part, name, content in self._database.execute("SELECT part, name, content FROM chunks"):
            parts.setdefault(part, {})[name] = content
        return parts

    def add(self, parts: Mapping[str, list[Chunk]]) -> None:
        """What the next `save` writes, over what an earlier one could not."""
        self._unsaved |= {(part, name): content for part, chunks in parts.items() for name, content in chunks}

    def save(self) -> None:
        """Write what was added, all or nothing. Raises Unavailable; what was added stays for the next time."""
        changed = self._unsaved
        try:
            with self._database:
                gone = [key for key, content in changed.items() if content is None]
                kept = [(*key, content) for key, content in changed.items() if content is not None]
                self._database.executemany("DELETE FROM chunks WHERE part = ? AND name = ?", gone)
                self._database.executemany("INSERT OR REPLACE INTO chunks VALUES (?, ?, ?)", kept)
        except sqlite3.Error as error:
            raise Unavailable(f"cannot write {self.path}: {error}") from error
        self._unsaved = {}

    def close(self) -> None:
        self._database.close()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.path.parent.glob(f"{NAME}*"))

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            (found,) = database.execute("PRAGMA user_version").fetchone()
            if found not in (0, FORMAT):
                raise sqlite3.DatabaseError(f"expected format {FORMAT}, got {found}")
            database.execute(_SCHEMA)
            database.execute(f"PRAGMA user_version = {FORMAT}")
            database.execute("SELECT count(*) FROM chunks").fetchone()
        except sqlite3.DatabaseError:
            database.close()
            raise
        return database

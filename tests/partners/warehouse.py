"""A DuckDB file for the warehouse destination. It is down while another process has it open."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from router.warehouse.store_duckdb import DuckDbStore
from tests.partners.partner import Partner, Trouble

_NO_DATABASE = b"this is no database"
# What DuckDB locks, with no need to wait for its import.
_LOCK = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


class WarehousePartner(Partner):
    type = "warehouse"
    troubles = ("down", "refuse", "lose")
    secret = ""
    largest = 500_000

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = folder / "shop.duckdb"
        self.settings = {"url": f"duckdb:///{self.file}"}
        self._patch = pytest.MonkeyPatch()
        self._aside = folder / "aside.duckdb"
        self._other: subprocess.Popen[bytes] | None = None

    async def __aexit__(self, *_: object) -> None:
        self.recover()

    def accepted(self) -> list[str]:
        if not self.file.exists() or self._spoilt():
            return []
        import duckdb  # an extra: tests of other partners run without it

        with duckdb.connect(str(self.file), read_only=True) as database:
            if not database.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'tracks'").fetchall():
                return []
            return [name for (name,) in database.execute("SELECT id FROM web.tracks ORDER BY rowid").fetchall()]

    def _spoilt(self) -> bool:
        return self.file.exists() and self.file.read_bytes().startswith(_NO_DATABASE)

    def trouble(self, kind: Trouble) -> None:
        if kind == "down":
            self.file.touch()
            self._other = subprocess.Popen(
                [sys.executable, "-c", _LOCK, str(self.file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            assert self._other.stdout is not None
            assert self._other.stdout.readline() == b"locked\n"
        elif kind == "refuse":
            if self.file.exists():
                self.file.rename(self._aside)
            self.file.write_bytes(_NO_DATABASE * 1_000)
        else:
            commit = DuckDbStore.commit

            def lost(store: DuckDbStore) -> None:
                commit(store)
                raise OSError("the answer was lost")

            self._patch.setattr(DuckDbStore, "commit", lost)

    def recover(self) -> None:
        self._patch.undo()
        if self._other is not None:
            self._other.communicate()
            self._other = None
        if self._spoilt():
            self.file.unlink()
            if self._aside.exists():
                self._aside.rename(self.file)

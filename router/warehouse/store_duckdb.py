"""DuckDB: one file, for one machine.

A file is open for writing in one process at a time. It is opened for a load and closed when no other load waits, so
that others can query in between; while another process has it open, loads wait. As nobody else writes during a load,
repeats are found by an anti-join on `id`: a key would cost more than it gives. Rows go through a file of JSON beside
the database, `<name>.loading`, which lives as long as the load; kill -9 can leave it behind, and the next load
replaces it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from router.warehouse.fitting import TableFit
from router.warehouse.store import Failure, Place, Tables, WarehouseStore, quoted, target, used
from router.warehouse.values import ColumnType

if TYPE_CHECKING:
    import duckdb

_CONFIG = {
    "threads": "2", "memory_limit": "1GB", "TimeZone": "UTC", "autoinstall_known_extensions": "false",
    "preserve_insertion_order": "true",
}  # fmt: skip
_MODE = 0o640
_WORDS = (
    (r"could not set lock|conflicting lock", "retry", "LOCKED", "another process has the database open"),
    (r"no space left|disk full|quota exceeded", "refused", "ENOSPC", "the disk is full"),
    (r"read-only", "refused", "EROFS", "the database is read-only"),
    (r"permission denied", "refused", "EACCES", "no right to write the database file"),
    (r"no such file or directory", "refused", "ENOENT", "there is no such folder"),
    (r"not a valid duckdb database|serialization|storage version|is a directory|corrupt", "refused", "NOT_A_DATABASE",
     "the file is no DuckDB database, or one of another version"),
    (r"out of memory", "retry", "ENOMEM", "DuckDB ran out of memory"),
    (r"conversion error|invalid input|out of range", "rejected", "NOT_CONVERTED", "a column does not take a value"),
)  # fmt: skip


class DuckDbStore(WarehouseStore):
    key = ""
    mark = "?"
    type_names: ClassVar[Mapping[ColumnType, str]] = {
        "int": "BIGINT", "float": "DOUBLE", "boolean": "BOOLEAN", "datetime": "TIMESTAMPTZ", "text": "VARCHAR",
    }  # fmt: skip
    read_types: ClassVar[Mapping[str, ColumnType]] = {
        "bigint": "int", "double": "float", "boolean": "boolean", "timestamp with time zone": "datetime",
        "varchar": "text",
    }  # fmt: skip

    def __init__(self, path: Path) -> None:
        self._path = path
        self._staging = path.with_name(f"{path.name}.loading")
        self._connection: duckdb.DuckDBPyConnection | None = None

    @property
    def _db(self) -> duckdb.DuckDBPyConnection:
        import duckdb  # only where a topology has such a place

        if self._connection is None:
            self._connection = duckdb.connect(str(self._path), config=dict(_CONFIG))
        return self._connection

    def begin(self, schemas: Sequence[str]) -> Tables:
        self.execute("BEGIN")
        for schema in schemas:
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        return self.tables(
            self.rows(
                "SELECT schema_name, table_name, column_name, lower(data_type) FROM duckdb_columns() "
                "WHERE database_name = current_database() AND schema_name IN (SELECT unnest(?))",
                [list(schemas)],
            )
        )

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        self._db.execute(sql, list(values))

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._db.execute(sql, list(values)).fetchall()
        return found

    def insert(self, place: Place, fit: TableFit) -> int:
        return self._insert(place, fit, self._stage(fit))

    def _insert(self, place: Place, fit: TableFit, staged: str) -> int:
        columns = ", ".join(map(quoted, used(fit)))
        ((count,),) = self.rows(
            f"INSERT INTO {target(place)} ({columns}) SELECT {columns} FROM {staged} AS staged "
            f"WHERE NOT EXISTS (SELECT 1 FROM {target(place)} AS stored WHERE stored.id = staged.id)"
        )
        return int(count)

    def upsert(self, place: Place, fit: TableFit) -> None:
        staged = self._stage(fit)
        columns = [quoted(name) for name in used(fit) if name != "id"]
        changes = ", ".join(f"{name} = COALESCE(staged.{name}, stored.{name})" for name in columns)
        self.execute(
            f"UPDATE {target(place)} AS stored SET {changes} FROM {staged} AS staged WHERE stored.id = staged.id"
        )
        self._insert(place, fit, staged)

    def _stage(self, fit: TableFit) -> str:
        """The rows as a table expression."""
        with open(self._staging, "wb", opener=lambda path, flags: os.open(path, flags, _MODE)) as file:
            file.write(orjson.dumps(fit.rows))
        columns = ", ".join(f"{literal(name)}: '{self.type_names[fit.types[name]]}'" for name in used(fit))
        return f"read_json({literal(str(self._staging))}, format = 'array', columns = {{{columns}}})"

    def commit(self) -> None:
        self._staging.unlink(missing_ok=True)
        self.execute("COMMIT")

    def idle(self) -> None:
        self.close()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def ping(self) -> None:
        self.rows("SELECT 1")

    def failure(self, error: BaseException) -> Failure:
        said = str(error).lower()
        for pattern, kind, code, words in _WORDS:
            if re.search(pattern, said):
                return Failure(kind, code, words)  # type: ignore[arg-type]
        return Failure("retry", "WAREHOUSE_FAILED", type(error).__name__)


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

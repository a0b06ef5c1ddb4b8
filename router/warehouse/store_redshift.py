"""Amazon Redshift: rows by INSERT into a temporary table, then an anti-join on `id` and an UPDATE.

It speaks PostgreSQL's protocol, but has neither COPY from a client, nor `ON CONFLICT`, nor a key that it enforces, nor
`ALTER … TYPE` from one kind to another, nor advisory locks: a load holds the table `_loading` of each schema, so
several processes load one after the other. Text is at most 65,535 bytes a value; a longer one is a dead letter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

from router.warehouse.fitting import TableFit
from router.warehouse.store import Place, Tables, quoted, target, used
from router.warehouse.store_postgres import PostgresStore
from router.warehouse.values import ColumnType

_STAGED = "event_router_staged"
_LOADING = "_loading"
_INSERTED_AT_A_TIME = 200  # rows a statement, which may have 16 MB


class RedshiftStore(PostgresStore):
    key = ""
    type_names: ClassVar[Mapping[ColumnType, str]] = {
        "int": "bigint", "float": "double precision", "boolean": "boolean", "datetime": "timestamptz",
        "text": "varchar(65535)",
    }  # fmt: skip

    @property
    def options(self) -> dict[str, Any]:
        from psycopg import ClientCursor

        # It calls its encoding UNICODE, which the library does not know, and prepares no statements as PostgreSQL does.
        return {"client_encoding": "utf8", "cursor_factory": ClientCursor, "prepare_threshold": None}

    def begin(self, schemas: Sequence[str]) -> Tables:
        for schema in schemas:
            self._make(schema)
        self.commit()
        for schema in schemas:  # first in the transaction, or it would not see what the load before has committed
            self.execute(f"LOCK TABLE {target((schema, _LOADING))}")
        found = self.rows(
            "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns "
            f"WHERE table_schema IN ({_marks(schemas)}) AND table_name <> %s",
            [*schemas, _LOADING],
        )
        return self.tables(found)

    def _make(self, schema: str) -> None:
        """Even IF NOT EXISTS asks for the right to make one."""
        if not self.rows("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema]):
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        there = "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
        if not self.rows(there, [schema, _LOADING]):
            self.execute(f"CREATE TABLE IF NOT EXISTS {target((schema, _LOADING))} (at timestamptz)")

    def ping(self) -> None:
        self.rows("SELECT 1")
        self._db.rollback()

    def widen(self, place: Place, column: str) -> None:
        """A new column in the place of the old one."""
        table, old, new = target(place), quoted(column), quoted("_wider")
        self.execute(f"ALTER TABLE {table} ADD COLUMN {new} {self.type_names['float']}")
        self.execute(f"UPDATE {table} SET {new} = {old}")
        self.execute(f"ALTER TABLE {table} DROP COLUMN {old}")
        self.execute(f"ALTER TABLE {table} RENAME COLUMN {new} TO {old}")

    def of_ids(self, ids: Sequence[str]) -> tuple[str, Sequence[Any]]:
        return f"id IN ({_marks(ids)})", ids

    def insert(self, place: Place, fit: TableFit) -> int:
        return self._insert(place, self._stage(place, fit))

    def _insert(self, place: Place, names: Sequence[str]) -> int:
        columns = ", ".join(map(quoted, names))
        insert = (
            f"INSERT INTO {target(place)} ({columns}) SELECT {columns} FROM {_STAGED} "
            f"WHERE NOT EXISTS (SELECT 1 FROM {target(place)} AS stored WHERE stored.id = {_STAGED}.id)"
        )
        return int(self._db.execute(insert.encode()).rowcount)

    def upsert(self, place: Place, fit: TableFit) -> None:
        names, table = self._stage(place, fit), quoted(place[1])
        changes = ", ".join(
            f"{name} = COALESCE({_STAGED}.{name}, {table}.{name})" for name in map(quoted, names) if name != '"id"'
        )
        self.execute(f"UPDATE {target(place)} SET {changes} FROM {_STAGED} WHERE {table}.id = {_STAGED}.id")
        self._insert(place, names)

    def _stage(self, place: Place, fit: TableFit) -> list[str]:
        """The rows in the temporary table: the columns that it has."""
        names = used(fit)
        columns = ", ".join(map(quoted, names))
        self.execute(f"DROP TABLE IF EXISTS {_STAGED}")
        self.execute(f"CREATE TEMP TABLE {_STAGED} AS SELECT {columns} FROM {target(place)} WHERE FALSE")
        rows = iter(fit.rows)
        while part := list(islice(rows, _INSERTED_AT_A_TIME)):
            values = ", ".join([f"({_marks(names)})"] * len(part))
            self.execute(
                f"INSERT INTO {_STAGED} ({columns}) VALUES {values}", [row.get(name) for row in part for name in names]
            )
        return names


def _marks(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))

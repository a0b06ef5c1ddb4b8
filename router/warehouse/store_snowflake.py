"""Snowflake: rows as one file through a temporary stage, then one transaction for all tables of a load.

Snowflake commits at each DDL statement, so nothing is written before `commit`: it alters tables, stages the rows of all
tables (PUT, COPY INTO a temporary table), and only then begins a transaction. Each schema has a table `_LOADING`, whose
value says which load was the last: `begin` reads it, and the transaction begins by replacing it, which other loads wait
for. Where another load was there in between, nothing is changed, and the load is made again with what is there now. So
a load whose answer was lost is made of repeats. kill -9 leaves a session that Snowflake ends, with its transaction,
which holds up others for five minutes at most, and its temporary objects; and columns made or half widened, which the
next load finishes. Names are upper case, as Snowflake writes those without quotes; some are words of its SQL.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from router.warehouse import snowflake_failures
from router.warehouse.fitting import TableFit
from router.warehouse.snowflake_connection import connection
from router.warehouse.staged import LOADING, StagedStore
from router.warehouse.store import Failure, Place, Tables, quoted, target
from router.warehouse.values import ColumnType

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection
    from snowflake.connector.cursor import SnowflakeCursor

_STAGED = "_staged"  # no event's table begins like that
_NARROW = "_narrow_"  # nor a column: one of whole numbers that is being widened
_NO_LOAD = "AS SELECT ''::VARCHAR AS \"LOAD\""


class Noticed(Exception):
    """What the store itself found wrong."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


class SnowflakeStore(StagedStore):
    type_names: ClassVar[Mapping[ColumnType, str]] = {
        "int": "NUMBER(38, 0)", "float": "FLOAT", "boolean": "BOOLEAN", "datetime": "TIMESTAMP_TZ", "text": "VARCHAR",
    }  # fmt: skip
    read_types: ClassVar[Mapping[str, ColumnType]] = {
        "number 0": "int", "float": "float", "boolean": "boolean", "timestamp_tz": "datetime", "text": "text",
    }  # fmt: skip

    def __init__(self, url: str, password: str | None, key_file: Path | None, timeout: float) -> None:
        self._connect = partial(connection, url, password, key_file, timeout)
        self._connection: SnowflakeConnection | None = None
        super().__init__()

    def _forget(self) -> None:
        super()._forget()
        self._wanted: Tables = {}  # columns of the tables that are to change
        self._widens = False

    def _name(self, column: str) -> str:
        return quoted(column.upper())

    def _of(self, schema: str, table: str) -> str:
        return target((schema.upper(), table.upper()))

    @property
    def _db(self) -> SnowflakeConnection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _run(self, sql: str, values: Sequence[Any] = ()) -> SnowflakeCursor:
        return self._db.cursor().execute(sql, values or None)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        self._run(sql, values).close()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._run(sql, values) as cursor:
            return [tuple(row) for row in cursor.fetchall()]

    def begin(self, schemas: Sequence[str]) -> Tables:
        self._forget()
        for schema in schemas:
            if schema not in self._known:
                self._make(schema)
            ((last,),) = self.rows(f'SELECT MAX("LOAD") FROM {self._of(schema, LOADING)}')
            if last is None:  # somebody has emptied it
                self.execute(f"CREATE OR REPLACE TABLE {self._of(schema, LOADING)} {_NO_LOAD}")
            self._last[schema] = last or ""
        found = self._columns(schemas)
        if self._finish(found):
            found = self._columns(schemas)
        self._tables = found
        return {place: dict(types) for place, types in found.items()}

    def _make(self, schema: str) -> None:
        """Even IF NOT EXISTS asks for the right to make one."""
        if not self.rows("SELECT 1 FROM INFORMATION_SCHEMA.SCHEMATA WHERE SCHEMA_NAME = ?", [schema.upper()]):
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {self._name(schema)}")
        there = "SELECT 1 FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?"
        if not self.rows(there, [schema.upper(), LOADING.upper()]):
            self.execute(f"CREATE TABLE {self._of(schema, LOADING)} {_NO_LOAD}")  # with its row, by one load only
        self._known.add(schema)

    def _columns(self, schemas: Sequence[str]) -> Tables:
        """Names that somebody has written in small letters are none of ours."""
        found = self.rows(
            "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, NUMERIC_SCALE FROM INFORMATION_SCHEMA.COLUMNS "
            f"WHERE TABLE_SCHEMA IN ({', '.join('?' * len(schemas))})",
            [schema.upper() for schema in schemas],
        )
        return self.tables(
            (schema.lower(), table.lower(), column.lower(), kind.lower() if scale is None else f"number {scale}")
            for schema, table, column, kind, scale in found
            if table == table.upper() and column == column.upper() and table.lower() not in (LOADING, _STAGED)
        )

    def change(self, place: Place, fit: TableFit, *, new: bool) -> None:
        self._wanted[place] = fit.types
        if new:
            columns = ", ".join(f"{self._name(name)} {self.type_names[kind]}" for name, kind in fit.added.items())
            self._changes.append(f"CREATE TABLE IF NOT EXISTS {self._of(*place)} ({columns})")
            return
        if fit.added:
            added = (f"{self._name(name)} {self.type_names[kind]}" for name, kind in fit.added.items())
            self._changes.append(f"ALTER TABLE {self._of(*place)} ADD COLUMN {', '.join(added)}")
        for name in fit.widened:
            self.widen(place, name)

    def widen(self, place: Place, column: str) -> None:
        """A column of another name keeps the whole numbers until they are copied: no load writes to that one."""
        self._changes.append(
            f"ALTER TABLE {self._of(*place)} RENAME COLUMN {self._name(column)} TO {self._name(_NARROW + column)}"
        )
        self._widens = True

    def _finish(self, tables: Tables) -> bool:
        """Finish what was begun to be widened, by this load or by one that was killed; whether there was any.

        Each step can be taken twice. `_LOADING` is replaced first: no load is underway then that knew the old column.
        """
        narrow = [(place, name) for place, types in tables.items() for name in types if name.startswith(_NARROW)]
        for (schema, table), name in narrow:
            of, wide = self._of(schema, table), self._name(name.removeprefix(_NARROW))
            self.execute(f"ALTER TABLE {of} ADD COLUMN IF NOT EXISTS {wide} {self.type_names['float']}")
            self.execute("BEGIN TRANSACTION")
            self._mark(schema)
            self.execute(f"UPDATE {of} SET {wide} = COALESCE({wide}, {self._name(name)})")
            self.execute("COMMIT")
            self.execute(f"ALTER TABLE {of} DROP COLUMN IF EXISTS {self._name(name)}")
        return bool(narrow)

    def _staged(self, part: int, columns: Mapping[str, ColumnType]) -> str:
        values = ", ".join(f"{self._read(name, kind)} AS {self._name(name)}" for name, kind in columns.items())
        return f'SELECT {values} FROM {{staged}} WHERE "PART" = {part} AND {{ours}}'

    def _read(self, name: str, kind: ColumnType) -> str:
        if kind == "datetime":
            return f'TO_TIMESTAMP_TZ("CONTENT":"{name}"::VARCHAR)'
        return f'"CONTENT":"{name}"::{self.type_names[kind]}'

    def of_ids(self, ids: Sequence[str]) -> tuple[str, Sequence[Any]]:
        wanted = "SELECT VALUE::VARCHAR FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?)))"
        return f'"ID" IN ({wanted})', [orjson.dumps(ids).decode()]

    def commit(self) -> None:
        for sql in self._changes:
            self.execute(sql)
        schemas = sorted(self._last)
        if self._widens:
            self._finish(self._columns(schemas))
        if self._statements:
            staged = self._upload()
            self.execute("BEGIN TRANSACTION")
            for schema in sorted({schema for schema, _ in self._statements}):
                self._mark(schema)
            if self._wanted:
                self._compare(self._columns(schemas))
            for schema, sql in self._statements:
                ours = f"""EXISTS (SELECT 1 FROM {self._of(schema, LOADING)} WHERE "LOAD" = '{self._last[schema]}')"""
                self.execute(sql.replace("{staged}", staged).replace("{ours}", ours))
            self.execute("COMMIT")
            self._confirm(self._statements[0][0])
        self._forget()

    def _mark(self, schema: str) -> None:
        """Replace the name of the last load, which waits for a load underway, unless there was another since."""
        mine = uuid.uuid4().hex
        sql = f'UPDATE {self._of(schema, LOADING)} SET "LOAD" = ? WHERE "LOAD" = ?'
        with self._run(sql, [mine, self._last[schema]]) as cursor:
            if not cursor.rowcount:
                raise Noticed(snowflake_failures.IN_THE_WAY)
        self._last[schema] = mine

    def _confirm(self, schema: str) -> None:
        """Raise where the transaction is no more.

        Snowflake breaks one off that keeps others waiting and says nothing for minutes, as a frozen process does. Its
        further statements succeed then, and so does its COMMIT; they change nothing, as `_LOADING` names another load.
        """
        ((last,),) = self.rows(f'SELECT MAX("LOAD") FROM {self._of(schema, LOADING)}')
        if last != self._last[schema]:
            raise Noticed(snowflake_failures.IN_THE_WAY)

    def _compare(self, tables: Tables) -> None:
        """Where two loads made a table or a column at once, it may be of another type than this one needs."""
        for place, types in self._wanted.items():
            now = tables.get(place, {})
            if any(now.get(name) != kind for name, kind in types.items()):
                raise Noticed(snowflake_failures.IN_THE_WAY)

    def _upload(self) -> str:
        """The temporary table with all rows."""
        staged = self._of(self._statements[0][0], _STAGED)
        self.execute(f"CREATE OR REPLACE TEMPORARY STAGE {staged}")
        self.execute(f'CREATE OR REPLACE TEMPORARY TABLE {staged} ("PART" NUMBER(38, 0), "CONTENT" VARIANT)')
        given = self._rows.getvalue().count(b"\n")
        put = f"PUT file://rows.json @{staged} AUTO_COMPRESS = TRUE OVERWRITE = TRUE"
        self._db.cursor().execute(put, file_stream=self._rows)
        copied = self.rows(
            f'COPY INTO {staged} ("PART", "CONTENT") FROM (SELECT $1:part, $1:content FROM @{staged}) '
            "FILE_FORMAT = (TYPE = JSON) ON_ERROR = ABORT_STATEMENT"
        )
        if sum(row[3] for row in copied if len(row) > 3) != given:  # rows_loaded of each file
            raise Noticed(Failure("retry", "NOT_STAGED", "the rows of a load did not all arrive"))
        return staged

    def idle(self) -> None:
        """A session of hours would end by itself, and cost the load that meets it."""
        self.close()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def ping(self) -> None:
        """Without waking the virtual warehouse, which would cost a minute of it."""
        ((database, warehouse),) = self.rows("SELECT CURRENT_DATABASE(), CURRENT_WAREHOUSE()")
        if database is None or warehouse is None:
            raise Noticed(snowflake_failures.missing("database" if database is None else "warehouse"))

    def failure(self, error: BaseException) -> Failure:
        return error.failure if isinstance(error, Noticed) else snowflake_failures.failure(error)

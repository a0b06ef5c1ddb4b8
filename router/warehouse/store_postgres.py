"""PostgreSQL 12 or newer: rows by COPY into a temporary table, then `INSERT … ON CONFLICT` on the key `id`.

A load takes an advisory lock for each schema until it commits, so several processes load one after the other. One
connection is kept, and made anew after any error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from router.warehouse.fitting import TableFit
from router.warehouse.store import Failure, Place, Tables, WarehouseStore, quoted, target, used
from router.warehouse.values import ColumnType, Values

if TYPE_CHECKING:
    import psycopg

_FAILURES: dict[str, tuple[Literal["retry", "refused", "rejected"], str]] = {
    "NOT_ACCEPTED": ("refused", "the user or the password is not accepted"),
    "NO_DATABASE": ("refused", "there is no such database"),
    "NO_RIGHT": ("refused", "the user has no right to do this"),
    "NO_SCHEMA": (
        "refused",
        "the user has no right to make a schema: give CREATE on the database, or make one for each source",
    ),
    "READ_ONLY": ("refused", "the database is read-only"),
    "DISK_FULL": ("refused", "the disk of the database is full"),
    "NO_KEY": ("refused", "a table has no primary key on id"),
    "TOO_MANY_COLUMNS": ("refused", "a table has all the columns that PostgreSQL allows"),
    "BAD_URL": ("refused", "PostgreSQL's library does not understand the URL"),
    "NOT_POSTGRESQL": ("refused", "what listens there does not speak PostgreSQL's protocol"),
    "TLS": ("refused", "no encrypted connection as the URL asks for"),
    "ROW_TOO_LARGE": ("rejected", "a row is too large for PostgreSQL"),
    "NOT_CONVERTED": ("rejected", "a column does not take a value"),
    "TOO_MANY_CONNECTIONS": ("retry", "the database has no free connection"),
    "STARTING": ("retry", "the database is starting or stopping"),
    "IN_THE_WAY": ("retry", "another transaction was in the way"),
    "ENOTFOUND": ("retry", "the host is not known"),
    "ECONNREFUSED": ("retry", "nothing listens there"),
    "EHOSTUNREACH": ("retry", "the host cannot be reached from here"),
    "ETIMEDOUT": ("retry", "the database did not answer in time"),
}
# By the beginning of the SQLSTATE.
_STATES = {
    "28": "NOT_ACCEPTED", "3D000": "NO_DATABASE", "42501": "NO_RIGHT", "25006": "READ_ONLY", "53100": "DISK_FULL",
    "42P10": "NO_KEY", "54011": "TOO_MANY_COLUMNS", "54000": "ROW_TOO_LARGE", "22": "NOT_CONVERTED",
    "53300": "TOO_MANY_CONNECTIONS", "57P": "STARTING", "40": "IN_THE_WAY", "55P03": "IN_THE_WAY",
}  # fmt: skip
# Of libpq, before there is a connection, and so before there is a state.
_SAID = (
    (r"password authentication failed|no password supplied|no pg_hba\.conf entry", "NOT_ACCEPTED"),
    (r"role .* (does not exist|is not permitted to log in)", "NOT_ACCEPTED"),
    (r"database .* does not exist", "NO_DATABASE"),
    (r"permission denied for database", "NO_RIGHT"),
    (r"translate host name|name or service not known|failed to resolve|nodename nor servname", "ENOTFOUND"),
    (r"connection refused|no such file or directory", "ECONNREFUSED"),
    (r"no route to host|network is unreachable|host is unreachable", "EHOSTUNREACH"),
    (r"timeout|timed out", "ETIMEDOUT"),
    (r"invalid (uri query parameter|\w+ value|port number)|end of string reached|unexpected character", "BAD_URL"),
    (r"invalid response to ssl negotiation", "NOT_POSTGRESQL"),
    (r"certificate|ssl|tls", "TLS"),
    (r"too many (clients|connections)|remaining connection slots", "TOO_MANY_CONNECTIONS"),
    (r"starting up|shutting down", "STARTING"),
)


class PostgresStore(WarehouseStore):
    key = ', PRIMARY KEY ("id")'
    mark = "%s"
    type_names: ClassVar[Mapping[ColumnType, str]] = {
        "int": "bigint", "float": "numeric", "boolean": "boolean", "datetime": "timestamptz", "text": "text",
    }  # fmt: skip
    read_types: ClassVar[Mapping[str, ColumnType]] = {
        "bigint": "int", "numeric": "float", "double precision": "float", "boolean": "boolean",
        "timestamp with time zone": "datetime", "text": "text", "character varying": "text",
    }  # fmt: skip

    def __init__(self, url: str, password: str | None, timeout: float) -> None:
        self._url = url
        self._password = password
        self._timeout = timeout
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Of the connection, beside what the URL says."""
        return {}

    @property
    def _db(self) -> psycopg.Connection[tuple[Any, ...]]:
        import psycopg  # only where a topology has such a place

        if self._connection is None:
            given: dict[str, Any] = {} if self._password is None else {"password": self._password}
            self._connection = psycopg.connect(
                self._url,
                connect_timeout=max(2, round(self._timeout)),
                application_name="event-router",
                **given,
                **self.options,
            )
            self._connection.execute("SET TIME ZONE 'UTC'")
            self._connection.commit()
        return self._connection

    def begin(self, schemas: Sequence[str]) -> Tables:
        there = {name for (name,) in self.rows("SELECT nspname FROM pg_namespace WHERE nspname = ANY(%s)", [schemas])}
        for schema in schemas:
            self.execute("SELECT pg_advisory_xact_lock(hashtextextended('event-router warehouse ' || %s, 0))", [schema])
            if schema not in there:  # even IF NOT EXISTS asks for the right to make one
                self.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        return self.tables(
            self.rows(
                "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns "
                "WHERE table_schema = ANY(%s)",
                [list(schemas)],
            )
        )

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        self._db.execute(sql.encode(), values or None)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._db.execute(sql.encode(), values or None).fetchall()
        return found

    def insert(self, place: Place, fit: TableFit) -> int:
        names = self._stage(place, fit)
        columns = ", ".join(map(quoted, names))
        insert = f"INSERT INTO {target(place)} ({columns}) SELECT {columns} FROM staged ON CONFLICT (id) DO NOTHING"
        return int(self._db.execute(insert.encode()).rowcount)

    def upsert(self, place: Place, fit: TableFit) -> None:
        names = self._stage(place, fit)
        columns = ", ".join(map(quoted, names))
        changes = ", ".join(
            f"{name} = COALESCE(excluded.{name}, stored.{name})" for name in map(quoted, names) if name != '"id"'
        )
        self.execute(
            f"INSERT INTO {target(place)} AS stored ({columns}) SELECT {columns} FROM staged "
            f"ON CONFLICT (id) DO UPDATE SET {changes}"
        )

    def _stage(self, place: Place, fit: TableFit) -> list[str]:
        """The rows in the temporary table `staged`: the columns that it has."""
        names = used(fit)
        columns = ", ".join(map(quoted, names))
        self.execute("DROP TABLE IF EXISTS pg_temp.staged")
        self.execute(f"CREATE TEMP TABLE staged ON COMMIT DROP AS SELECT {columns} FROM {target(place)} WITH NO DATA")
        copy_in = f"COPY staged ({columns}) FROM STDIN (NULL '')"  # no value of a row is an empty text
        rows = iter(fit.rows)
        with self._db.cursor() as cursor, cursor.copy(copy_in.encode()) as copy:
            while part := "".join([_line(row, names) for row in islice(rows, _WRITTEN_AT_A_TIME)]):
                copy.write(part)
        return names

    def commit(self) -> None:
        self._db.commit()

    def idle(self) -> None:
        """The connection stays: the next load needs it."""

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def ping(self) -> None:
        from psycopg.errors import ReadOnlySqlTransaction

        ((read_only,),) = self.rows("SELECT current_setting('transaction_read_only')")
        self._db.rollback()
        if read_only == "on":  # a replica, or a user who is set to that
            raise ReadOnlySqlTransaction

    def failure(self, error: BaseException) -> Failure:
        state = getattr(error, "sqlstate", None) or ""
        by_state = (code for beginning, code in _STATES.items() if state.startswith(beginning))
        by_words = (code for pattern, code in _SAID if not state and re.search(pattern, str(error), re.IGNORECASE))
        code = next(by_state, None) or next(by_words, None)
        if code == "NO_RIGHT" and "permission denied for database" in str(error):
            code = "NO_SCHEMA"
        if code is None:
            return Failure("retry", "WAREHOUSE_FAILED", f"{type(error).__name__} {state}".rstrip())
        kind, words = _FAILURES[code]
        return Failure(kind, code, words)


def _line(row: Values, names: Sequence[str]) -> str:
    """Of COPY's text format: values between tabs, with a backslash in front of what would mean something else."""
    line = "\t".join(map(str, map(row.get, names, repeat(""))))
    if "\\" in line or "\n" in line or "\r" in line or line.count("\t") >= len(names):
        line = "\t".join([str(row.get(name, "")).translate(_ESCAPED) for name in names])
    return f"{line}\n"


_ESCAPED = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_WRITTEN_AT_A_TIME = 500  # rows

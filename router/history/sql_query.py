"""Asks a database for rows: PostgreSQL (extra `postgres`) or DuckDB (extra `duckdb`), read-only, a part at a time.

Values become JSON: times in UTC as ISO 8601, a decimal a number where it is one exactly, bytes as base64.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from router.errors import RouterError, Unavailable
from router.mask import SECRETS

AT_A_TIME = 5_000
_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class QueryRows:
    """`columns` in the order of the query; `raw` are rows as the database's library has them, to be read once."""

    columns: tuple[str, ...]
    raw: Iterator[Sequence[Any]]

    @property
    def rows(self) -> Iterator[dict[str, Any]]:
        """Objects of JSON values by column."""
        return (self._object(row) for row in self.raw)

    def with_value(self, column: str) -> Iterator[tuple[Any, dict[str, Any]]]:
        """The rows, each behind the value of a column as the library has it."""
        place = self.columns.index(column)
        return ((row[place], self._object(row)) for row in self.raw)

    def _object(self, row: Sequence[Any]) -> dict[str, Any]:
        return {name: json_value(value) for name, value in zip(self.columns, row, strict=True)}


class Ask(Protocol):
    """Several questions, one after the other, to one database."""

    def __call__(self, sql: str, values: Sequence[Any] = ()) -> QueryRows:
        """`$1` in the SQL stands for the first of the values."""


@contextmanager
def connected(url: str, place: str = "") -> Iterator[Ask]:
    """`place` stands before what errors say, such as `sources.crm: `.

    Raises Unavailable where the database is not there, RouterError where it refuses a query, then and later.
    """
    connect = _duckdb if url.startswith("duckdb:///") else _postgres
    module = _library("duckdb", "duckdb") if connect is _duckdb else _library("psycopg", "postgres")
    if connect is _duckdb and not Path(path := url.removeprefix("duckdb:///")).is_file():
        raise Unavailable(f"{place}expected a DuckDB file, got none at {path}")
    try:
        with connect(module, url) as ask:
            yield ask
    except module.Error as error:
        raise _translated(module, error, place) from error


@contextmanager
def asked(url: str, sql: str) -> Iterator[QueryRows]:
    """One question. Raises as `connected` does."""
    with connected(url) as ask:
        yield ask(sql)


@contextmanager
def _postgres(psycopg: Any, url: str) -> Iterator[Ask]:
    """By cursors of the server's, so that it holds the rows and not we."""
    connection = psycopg.connect(
        url, connect_timeout=_TIMEOUT_SECONDS, application_name="event-router",
        options="-c default_transaction_read_only=on -c timezone=UTC",
    )  # fmt: skip
    with connection, ExitStack() as cursors:

        def ask(sql: str, values: Sequence[Any] = ()) -> QueryRows:
            cursor = cursors.enter_context(psycopg.RawServerCursor(connection, f"event_router_{next(numbers)}"))
            cursor.execute(sql.strip().rstrip(";").encode(), list(values) or None)
            return _answer(cursor)

        numbers = count(1)
        yield ask


@contextmanager
def _duckdb(duckdb: Any, url: str) -> Iterator[Ask]:
    with duckdb.connect(url.removeprefix("duckdb:///"), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield lambda sql, values=(): _answer(connection.execute(sql, list(values) or None))


def _answer(cursor: Any) -> QueryRows:
    return QueryRows(tuple(column[0] for column in cursor.description or ()), _fetched(cursor))


def _fetched(cursor: Any) -> Iterator[Sequence[Any]]:
    while part := cursor.fetchmany(AT_A_TIME):
        yield from part


def _library(name: str, extra: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise Unavailable(f"{name} is not installed: pip install 'event-router[{extra}]'") from error


def _translated(module: Any, error: Exception, place: str) -> RouterError:
    """The first line of what the database says: further ones may have values."""
    said = SECRETS(next(iter(str(error).strip().splitlines()), type(error).__name__))
    away = (getattr(module, name, ()) for name in ("OperationalError", "IOException"))
    absent = any(isinstance(error, kind) for kind in away) and not getattr(error, "sqlstate", None)
    return Unavailable(f"{place}the database: {said}") if absent else RouterError(f"{place}the query: {said}")


def json_value(value: Any) -> Any:
    """A value of a database as JSON has it. Only finite numbers are numbers."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo is not None else value
        return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(bytes(value)).decode()
    if isinstance(value, dict):
        return {str(name): json_value(one) for name, one in value.items()}
    return [json_value(one) for one in value] if isinstance(value, list | tuple | set) else str(value)


def _number(value: Decimal) -> Any:
    if not value.is_finite():
        return None
    if value == value.to_integral_value():
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else str(value)

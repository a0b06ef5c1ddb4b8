"""ClickHouse: rows as JSON over HTTP, after a look at which of their ids a table has.

There are no transactions: each table's rows are inserted at once, one table after the other. A load that breaks off is
made again, as its events are not acknowledged, and what it had inserted is then a repeat; until then a part of it is
seen. Objects are new rows in front of the old ones: they are read with FINAL, or with the setting `final = 1`. One
process loads a schema at a time; what two insert at once of the same event, the engine of the table folds into one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from router.warehouse.fitting import TableFit
from router.warehouse.names import DISCARDS, NAMES, OBJECT_TABLES
from router.warehouse.objects import StoredObject
from router.warehouse.rows import VERSIONS
from router.warehouse.store import Failure, Place, Tables, WarehouseStore, quoted, target, unreachable
from router.warehouse.values import ColumnType, Values

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_BY_ID = OBJECT_TABLES | {DISCARDS, NAMES}
_TIME = "DateTime64(6, 'UTC')"
_READING = {"output_format_json_quote_64bit_integers": 0}
_INSERTING = {"async_insert": 0, "date_time_input_format": "best_effort", "input_format_skip_unknown_fields": 0}
# By the number of the exception.
_FAILURES: dict[tuple[int, ...], tuple[Literal["retry", "refused", "rejected"], str, str]] = {
    (192, 193, 194, 516): ("refused", "NOT_ACCEPTED", "the user or the password is not accepted"),
    (497,): ("refused", "NO_RIGHT", "the user has no right to do this"),
    (164,): ("refused", "READ_ONLY", "the user may only read"),
    (81,): ("refused", "NO_DATABASE", "there is no such database"),
    (243,): ("refused", "DISK_FULL", "the disk of the database is full"),
    (242,): ("retry", "READ_ONLY", "the table is read-only for now: its replica does not reach its keeper"),
    (241,): ("retry", "ENOMEM", "the database ran out of memory"),
    (252,): ("retry", "TOO_MANY_PARTS", "the database is behind with merging parts"),
    (202,): ("retry", "TOO_MANY_CONNECTIONS", "the database runs as many queries as it may"),
    (159, 209, 210): ("retry", "ETIMEDOUT", "the database did not answer in time"),
    (6, 27, 38, 41, 53, 69, 72, 117): ("rejected", "NOT_CONVERTED", "a column does not take a value"),
}


class ClickHouseStore(WarehouseStore):
    key = ""
    mark = ""  # no statement has parameters: ids go beside it
    times = ("1900-01-01", "2299-12-31")
    type_names: ClassVar[Mapping[ColumnType, str]] = {
        "int": "Nullable(Int64)", "float": "Nullable(Float64)", "boolean": "Nullable(Bool)",
        "datetime": f"Nullable({_TIME})", "text": "Nullable(String)",
    }  # fmt: skip
    read_types: ClassVar[Mapping[str, ColumnType]] = {
        **{made.lower(): kind for kind, made in type_names.items()}, "string": "text", _TIME.lower(): "datetime",
    }  # fmt: skip

    def __init__(self, url: str, password: str | None, timeout: float) -> None:
        self._url = urlsplit(url)
        self._password = password
        self._timeout = timeout
        self._client: Client | None = None

    @property
    def _db(self) -> Client:
        import clickhouse_connect  # only where a topology has such a place

        if self._client is None:
            options = parse_qs(self._url.query)
            secure = options.get("secure", ["false"])[0] == "true"
            self._client = clickhouse_connect.get_client(
                host=self._url.hostname, port=self._url.port or (8443 if secure else 8123), secure=secure,
                username=unquote(self._url.username or "default"), password=self._password or "",
                connect_timeout=max(2, round(self._timeout)), send_receive_timeout=max(300, round(self._timeout)),
                client_name="event-router", autogenerate_session_id=False, settings={"final": 1},
            )  # fmt: skip
        return self._client

    def begin(self, schemas: Sequence[str]) -> Tables:
        there = {name for (name,) in self.rows("SELECT name FROM system.databases")}
        for schema in schemas:
            if schema not in there:  # even IF NOT EXISTS asks for the right to make one
                self.execute(f"CREATE DATABASE IF NOT EXISTS {quoted(schema)}")
        names = ", ".join(f"'{schema}'" for schema in schemas)
        return self.tables(
            self.rows(f"SELECT database, table, name, lower(type) FROM system.columns WHERE database IN ({names})")
        )

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        self._db.command(sql)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._db.query(sql, tz_mode="aware").result_rows]

    def change(self, place: Place, fit: TableFit, *, new: bool) -> None:
        if not new:
            super().change(place, fit, new=False)
            return
        by_id = place[1] in _BY_ID
        own = {"id": "String"} | ({"uuid_ts": _TIME} if by_id else {})
        columns = ", ".join(
            f"{quoted(name)} {own.get(name) or self.type_names[kind]}" for name, kind in fit.added.items()
        )
        engine = (
            "ReplacingMergeTree(uuid_ts) ORDER BY id"
            if by_id
            else "ReplacingMergeTree ORDER BY (received_at, id) SETTINGS allow_nullable_key = 1"
        )
        self.execute(f"CREATE TABLE IF NOT EXISTS {target(place)} ({columns}) ENGINE = {engine}")

    def widen(self, place: Place, column: str) -> None:
        self.execute(f"ALTER TABLE {target(place)} MODIFY COLUMN {quoted(column)} {self.type_names['float']}")

    def insert(self, place: Place, fit: TableFit) -> int:
        found = self._of_ids(f"SELECT DISTINCT id FROM {target(place)}", fit.rows, final=0)
        there = {key for (key,) in found}
        rows = [row for row in fit.rows if row["id"] not in there]
        self._add(place, rows)
        return len(rows)

    def upsert(self, place: Place, fit: TableFit) -> None:
        """Whole rows, with what the stored ones have in the columns that do not change."""
        names = list(fit.types)
        found = self._of_ids(f"SELECT {', '.join(map(quoted, names))} FROM {target(place)}", fit.rows, final=1)
        stored = {row[names.index("id")]: dict(zip(names, row, strict=True)) for row in found}
        self._add(place, [{**stored.get(row["id"], {}), **row} for row in fit.rows])

    def objects(self, place: Place, columns: Iterable[str], ids: Sequence[str]) -> dict[str, StoredObject]:
        names = [name for name in columns if name not in ("id", VERSIONS)]
        values = "".join(f", {quoted(name)} IS NOT NULL" for name in names)
        found = self._of_ids(
            f"SELECT id, {VERSIONS}{values} FROM {target(place)}", [{"id": key} for key in ids], final=1
        )
        return self.read_objects(names, found)

    def _of_ids(self, select: str, rows: Sequence[Values], *, final: int) -> list[list[Any]]:
        """What a query finds of the rows with one of these ids, as values of JSON."""
        from clickhouse_connect.driver.external import ExternalData

        ids = ExternalData(
            file_name="ids", fmt="JSONEachRow", structure="id String",
            data=orjson.dumps([{"id": row["id"]} for row in rows]),
        )  # fmt: skip
        found = self._db.raw_query(
            f"{select} WHERE id IN (SELECT id FROM ids)", fmt="JSONCompactEachRow", external_data=ids,
            settings={**_READING, "final": final},
        )  # fmt: skip
        return [orjson.loads(line) for line in found.splitlines()]

    def _add(self, place: Place, rows: Sequence[Values]) -> None:
        if rows:
            names = list(dict.fromkeys(name for row in rows for name in row))
            self._db.raw_insert(target(place), names, orjson.dumps(rows), settings=_INSERTING, fmt="JSONEachRow")

    def commit(self) -> None:
        """Each insert was."""

    def idle(self) -> None:
        """The connection stays: the next load needs it."""

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def ping(self) -> None:
        self.rows("SELECT 1")

    def failure(self, error: BaseException) -> Failure:
        said = str(error)
        number = re.search(r"code: ?(\d+)", said, re.IGNORECASE)
        for numbers, known in _FAILURES.items():
            if number and int(number[1]) in numbers:
                return Failure(*known)
        if number is None and (failed := unreachable(said)) is not None:
            return failed
        return Failure("retry", "WAREHOUSE_FAILED", f"{type(error).__name__} {number[1] if number else ''}".rstrip())

"""What the tests of loads share: events, a store of each kind, and the tables as plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from threading import Condition, Lock
from typing import Any, ClassVar

from router.warehouse.fitting import TableFit
from router.warehouse.load import LoadCounts, Loader, LoadEvent, LoadRules, PendingRows
from router.warehouse.objects import StoredObject
from router.warehouse.rows import VERSIONS
from router.warehouse.store import Failure, Place, Tables, WarehouseStore, quoted, target
from router.warehouse.store_bigquery import BigQueryStore
from router.warehouse.store_snowflake import SnowflakeStore
from router.warehouse.values import ColumnType, Values, instant

Content = dict[str, dict[str, dict[str, Any]]]  # table, id, column


def event(number: int, kind: str = "track", *, source: str = "web", **fields: Any) -> LoadEvent:
    """Of user u1; `number` is its place in time."""
    at = f"2026-01-01T10:{number // 60:02}:{number % 60:02}.000Z"
    body = {"type": kind, "messageId": f"m{number}", "userId": "u1", "receivedAt": at, "timestamp": at} | fields
    return LoadEvent(source, body, f"e{number}", "p1")


def order(number: int, **properties: Any) -> LoadEvent:
    return event(number, event="Order Completed", properties=properties)


def load(store: WarehouseStore, *loads: Iterable[LoadEvent], rules: LoadRules | None = None) -> list[LoadCounts]:
    rules = rules or LoadRules()
    loader = Loader(store, rules)
    counts = []
    for events in loads:
        pending = PendingRows(rules)
        for one in events:
            pending.add(one)
        counts.append(loader.load(pending))
    return counts


def unlocked(lock: Lock | Condition, what: Callable[[], object]) -> Callable[[], None]:
    """Something that a double does amid one of its answers, but asks that same double for: without its lock."""

    def run() -> None:
        lock.release()
        try:
            what()
        finally:
            lock.acquire()

    return run


class MemoryStore(WarehouseStore):
    """Tables as dicts: what a load asks of a database, without one."""

    key, mark = "", "?"
    type_names: ClassVar[Mapping[ColumnType, str]] = {}
    read_types: ClassVar[Mapping[str, ColumnType]] = {}

    def __init__(self) -> None:
        self.types: Tables = {}
        self.content: dict[Place, dict[str, Values]] = {}

    def begin(self, schemas: Sequence[str]) -> Tables:
        return {place: dict(types) for place, types in self.types.items() if place[0] in schemas}

    def change(self, place: Place, fit: TableFit, *, new: bool) -> None:
        types = self.types.setdefault(place, {})
        self.content.setdefault(place, {})
        types |= fit.added | dict.fromkeys(fit.widened, "float")

    def insert(self, place: Place, fit: TableFit) -> int:
        new = {row["id"]: row for row in fit.rows if row["id"] not in self.content[place]}
        self.content[place] |= new
        return len(new)

    def objects(self, place: Place, columns: Iterable[str], ids: Sequence[str]) -> dict[str, StoredObject]:
        found = {key: self.content[place][key] for key in ids if key in self.content[place]}
        return {key: StoredObject.read(row[VERSIONS], row) for key, row in found.items()}

    def upsert(self, place: Place, fit: TableFit) -> None:
        for row in fit.rows:
            self.content[place].setdefault(row["id"], {}).update(row)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        raise NotImplementedError(sql)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        raise NotImplementedError(sql)

    def failure(self, error: BaseException) -> Failure:
        raise error

    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def idle(self) -> None: ...
    def close(self) -> None: ...
    def ping(self) -> None: ...


def columns(store: WarehouseStore, table: str, schema: str = "web") -> dict[str, str]:
    found = store.begin([schema]).get((schema, table), {})
    store.rollback()
    return dict(found)


def tables(store: WarehouseStore, schema: str = "web") -> Content:
    """All that a schema holds, but when it was loaded."""
    found = store.begin([schema])
    content = {place[1]: rows(store, place, types) for place, types in found.items()}
    store.rollback()
    return content


def rows(store: WarehouseStore, place: Place, types: Mapping[str, ColumnType]) -> dict[str, dict[str, Any]]:
    """By id, without NULLs: numbers as numbers, times in ISO 8601."""
    names = [name for name in types if name != "uuid_ts"]
    if isinstance(store, MemoryStore):
        found = [tuple(row.get(name) for name in names) for row in store.content[place].values()]
    else:
        sql = f"SELECT {', '.join(map(quoted, names))} FROM {target(place)}"
        found = store.rows(_spelt(store, sql))
    named = [{name: plain(value) for name, value in zip(names, row, strict=True) if value is not None} for row in found]
    assert len({one["id"] for one in named}) == len(named), f"an id stands twice in {place}"
    return {one["id"]: one for one in named}


def _spelt(store: WarehouseStore, sql: str) -> str:
    if isinstance(store, SnowflakeStore):
        return sql.upper()
    return sql.replace('"', "`") if isinstance(store, BigQueryStore) else sql


def plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return instant(value.astimezone(UTC).isoformat(timespec="microseconds"))
    return instant(value.replace(".000Z", "Z")) or value if isinstance(value, str) else value

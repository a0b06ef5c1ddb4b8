"""Redshift: the SQL that it is asked, word for word, and what that SQL does where it can be run: in PostgreSQL."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from router.warehouse.fitting import TableFit
from router.warehouse.store import WarehouseStore
from router.warehouse.store_redshift import RedshiftStore
from tests.warehouse.databases import MemoryStore, columns, event, load, order, tables
from tests.warehouse.test_load import same_tables


class Recorded(RedshiftStore):
    """Writes down what it would ask; there are no rows."""

    def __init__(self) -> None:
        super().__init__("postgresql://nobody@nowhere/none", None, 1.0)
        self.asked: list[str] = []

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        self.asked.append(sql)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self.asked.append(sql)
        return []

    def _insert(self, place: tuple[str, str], names: Sequence[str]) -> int:
        return 0

    def commit(self) -> None:
        self.asked.append("COMMIT")


def test_the_sql_of_a_load() -> None:
    store = Recorded()
    added = TableFit({"id": "text", "n": "float"}, added={"id": "text", "n": "float"})
    wider = TableFit({"id": "text", "n": "float"}, widened=["n"], rows=[{"id": "a", "n": 1.5}, {"id": "b"}])

    store.begin(["web"])
    store.change(("web", "users"), added, new=True)
    store.change(("web", "users"), wider, new=False)
    store.objects(("web", "users"), ["id", "n"], ["a", "b"])
    store.upsert(("web", "users"), wider)

    assert store.asked == [
        "SELECT 1 FROM pg_namespace WHERE nspname = %s",
        'CREATE SCHEMA IF NOT EXISTS "web"',
        "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
        'CREATE TABLE IF NOT EXISTS "web"."_loading" (at timestamptz)',
        "COMMIT",
        'LOCK TABLE "web"."_loading"',
        "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema IN (%s) AND table_name <> %s",
        'CREATE TABLE "web"."users" ("id" varchar(65535), "n" double precision)',
        'ALTER TABLE "web"."users" ADD COLUMN "_wider" double precision',
        'UPDATE "web"."users" SET "_wider" = "n"',
        'ALTER TABLE "web"."users" DROP COLUMN "n"',
        'ALTER TABLE "web"."users" RENAME COLUMN "_wider" TO "n"',
        'SELECT id, _versions, "n" IS NOT NULL FROM "web"."users" WHERE id IN (%s, %s)',
        "DROP TABLE IF EXISTS event_router_staged",
        'CREATE TEMP TABLE event_router_staged AS SELECT "id", "n" FROM "web"."users" WHERE FALSE',
        'INSERT INTO event_router_staged ("id", "n") VALUES (%s, %s), (%s, %s)',
        'UPDATE "web"."users" SET "n" = COALESCE(event_router_staged."n", "users"."n") FROM event_router_staged '
        'WHERE "users".id = event_router_staged.id',
    ]


@pytest.fixture
def store(database: str) -> Iterator[WarehouseStore]:
    made = RedshiftStore(database, "hush-4711", 60.0)
    yield made
    made.close()


@pytest.mark.postgres
def test_what_it_loads_is_what_a_store_in_memory_holds(store: WarehouseStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """In parts of any size, some of them twice; widened, updated, discarded; and nothing of a load that fails."""
    chance = random.Random(11)
    events = [order(number, score=number) for number in range(1, 300)]
    events += [order(300, score=9.5), order(301, score="many, with a % and a ' in it")]
    events += [event(number, "identify", traits={"plan": f"p{number}", "at": "2026-01-05"}) for number in (310, 305)]
    same_tables(MemoryStore(), store, events, chance)

    assert columns(store, "order_completed")["score"] == "float"
    assert {one["column_value"] for one in tables(store)["discards"].values()} == {"many, with a % and a ' in it"}
    before = tables(store)
    with monkeypatch.context() as patch:
        patch.setattr(type(store), "upsert", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            load(store, [order(400, coupon="X")])
    assert tables(store) == before

"""Snowflake: its connector against an account on DuckDB, and kills around each step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from router.warehouse.store import Failure, WarehouseStore
from router.warehouse.store_snowflake import SnowflakeStore
from tests.warehouse import test_load, test_questions
from tests.warehouse.databases import MemoryStore, columns, event, load, order, tables, unlocked
from tests.warehouse.snowflake import Hung, connected, why
from tests.warehouse.snowflake_account import Snowflake
from tests.warehouse.snowflake_sql import Refused

EVENTS = [order(1, total=5, score=5), event(2, "identify", traits={"plan": "pro"}), event(3, event="Other")]
LATER = [order(4, total=6, score=9.5, coupon="X"), event(5, "identify", traits={"plan": "free", "seats": 5})]


@pytest.fixture
def store(account: Snowflake) -> Iterator[SnowflakeStore]:
    made = connected(account)
    yield made
    made.close()


@pytest.mark.parametrize(
    "rule",
    [
        test_load.test_an_event_is_there_in_every_table_it_belongs_to,
        test_load.test_a_repeat_drops_by_its_id_days_later,
        test_load.test_new_names_become_columns_and_tables,
        test_load.test_a_column_of_whole_numbers_becomes_one_of_fractions,
        test_load.test_a_value_of_another_type_stands_in_the_discards,
        test_load.test_numbers_in_a_column_of_text_are_text,
        test_load.test_texts_come_back_as_they_were,
        test_load.test_three_thousand_traits,
        test_load.test_events_that_fall_on_one_table_share_it,
        test_load.test_each_source_has_a_schema_of_its_own,
        test_load.test_selective_sync_by_source_table_and_column,
        test_load.test_a_late_identify_does_not_overwrite_a_newer_one,
        test_load.test_an_identifier_belongs_to_the_profile_of_its_newest_event,
        test_load.test_a_database_and_one_in_memory_hold_the_same,
        test_questions.test_six_months_of_a_shop,
    ],
    ids=lambda rule: rule.__name__.removeprefix("test_"),
)
def test_what_holds_in_the_others_holds_here(rule: Callable[[WarehouseStore], None], store: SnowflakeStore) -> None:
    rule(store)


def test_a_schema_that_somebody_dropped_is_made_again(store: SnowflakeStore, account: Snowflake) -> None:
    """The load that meets it is tried again."""
    load(store, [order(1, code=7)])
    account.store.execute('DROP SCHEMA "WEB" CASCADE')

    assert why(store, lambda: load(store, [order(2, code="A7")])).code == "GONE"
    load(store, [order(2, code="A7")])
    assert columns(store, "order_completed")["code"] == "text"
    assert list(tables(store)["tracks"]) == ["m2"]


def test_nothing_of_a_load_that_fails_is_there(store: SnowflakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    test_load.test_nothing_of_a_load_that_fails_is_there(store, monkeypatch)


@pytest.mark.parametrize(
    "where",
    ["CREATE OR REPLACE TEMPORARY STAGE", "PUT ", "/stages/", "COPY INTO", "BEGIN", 'SET "LOAD"', 'INTO "WEB"."TRACKS"',
     'MERGE INTO "WEB"."USERS"', "COMMIT"],
)  # fmt: skip
def test_no_row_of_a_load_that_fails_is_there(store: SnowflakeStore, account: Snowflake, where: str) -> None:
    """At whichever step; the columns that were added stay, without values, and the next load has what it needs."""
    load(store, EVENTS)
    before = tables(store)
    account.trouble(where, Refused("000604", "57014", "SQL execution canceled by u4711"))

    failure = why(store, lambda: load(store, LATER))

    assert failure.kind == "retry"
    assert "u4711" not in failure.detail
    assert tables(store) == before
    load(store, LATER)
    memory = MemoryStore()
    load(memory, EVENTS, LATER)
    assert tables(store) == tables(memory)


def test_ddl_is_over_before_the_transaction_begins(store: SnowflakeStore, account: Snowflake) -> None:
    """It would commit it."""
    load(store, EVENTS, LATER)

    begun = False
    for sql in account.asked:
        begun = sql.startswith("BEGIN") or (begun and sql != "COMMIT")
        assert not (begun and sql.startswith(("CREATE", "ALTER", "DROP"))), sql


def test_an_answer_that_was_lost_costs_no_second_row(store: SnowflakeStore, account: Snowflake) -> None:
    """The connector asks once more, and is answered; where it cannot, the load is made again, of repeats."""
    account.trouble("COMMIT", Hung(), after=True)
    load(store, [order(1, total=5)])
    run = store.execute

    def lost(sql: str, values: object = ()) -> None:
        run(sql)
        if sql == "COMMIT":
            raise OSError("no answer")

    store.execute = lost  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no answer"):
        load(store, [order(2, total=6)])
    store.execute = run  # type: ignore[method-assign]
    (counts,) = load(store, [order(2, total=6)])

    assert (counts.rows["inserted"], counts.rows["repeated"]) == (0, 2)
    assert sorted(tables(store)["order_completed"]) == ["m1", "m2"]


def test_of_two_loads_at_once_the_second_is_made_again(store: SnowflakeStore, account: Snowflake) -> None:
    """Both found nothing of the event, and the one that commits first keeps it."""
    load(store, [event(9, event="Other")])
    other = connected(account)
    account.trouble("PUT ", unlocked(account.changed, lambda: load(other, [order(1, total=5)])))
    failure = why(store, lambda: load(store, [order(1, total=6)]))
    load(store, [order(1, total=6)])
    other.close()

    assert failure.code == "IN_THE_WAY"
    assert {name: row["total"] for name, row in tables(store)["order_completed"].items()} == {"m1": 5}


def test_of_two_loads_that_make_a_schema_at_once_the_second_is_made_again(
    store: SnowflakeStore, account: Snowflake
) -> None:
    other = connected(account)
    account.trouble(
        'CREATE TABLE "WEB"."_LOADING"', unlocked(account.changed, lambda: load(other, [order(1, total=5)]))
    )
    failure = why(store, lambda: load(store, [order(1, total=6)]))
    load(store, [order(1, total=6), order(2, total=7)])
    other.close()

    assert failure.code == "IN_THE_WAY"
    assert {name: row["total"] for name, row in tables(store)["order_completed"].items()} == {"m1": 5, "m2": 7}


def test_a_table_of_loads_that_somebody_emptied_is_made_again(store: SnowflakeStore, account: Snowflake) -> None:
    load(store, [order(1, total=5)])
    account.store.execute('DELETE FROM "WEB"."_LOADING"')

    (counts,) = load(store, [order(1, total=6), order(2, total=7)])

    assert (counts.rows["inserted"], counts.rows["repeated"]) == (2, 2)


def test_a_load_waits_for_one_that_is_underway(store: SnowflakeStore, account: Snowflake) -> None:
    """Until that one commits; then it is made again with what is there now."""
    load(store, [event(9, event="Other")])
    other = connected(account)
    failures: list[Failure] = []
    second = threading.Thread(target=lambda: failures.append(why(other, lambda: load(other, [order(1, total=6)]))))

    def meanwhile() -> None:
        asked = len(account.asked)
        second.start()
        while 'UPDATE "WEB"."_LOADING" SET "LOAD" = ? WHERE "LOAD" = ?' not in account.asked[asked:]:
            account.changed.wait(0.01)

    account.trouble('INTO "WEB"."TRACKS"', meanwhile)
    load(store, [order(1, total=5)])
    second.join()
    other.close()

    assert [one.code for one in failures] == ["IN_THE_WAY"]
    assert {name: row["total"] for name, row in tables(store)["order_completed"].items()} == {"m1": 5}


def test_a_transaction_that_was_broken_off_meanwhile(store: SnowflakeStore, account: Snowflake) -> None:
    """A load that is frozen keeps others waiting: Snowflake ends its transaction, and what it says then is not told."""
    load(store, [event(9, event="Other")])
    account.patience = 0.1
    other = connected(account)
    account.trouble('INTO "WEB"."ORDER_COMPLETED"', unlocked(account.changed, lambda: load(other, [order(1, total=5)])))
    failure = why(store, lambda: load(store, [order(1, total=6)]))
    load(store, [order(1, total=6), order(2, total=7)])
    other.close()

    assert failure.code == "IN_THE_WAY"
    found = tables(store)
    assert {name: row["total"] for name, row in found["order_completed"].items()} == {"m1": 5, "m2": 7}
    assert sorted(found["tracks"]) == ["m1", "m2", "m9"]


@pytest.mark.parametrize(
    ("where", "sql", "properties"),
    [
        ("ADD COLUMN", 'ALTER TABLE "WEB"."ORDER_COMPLETED" ADD COLUMN "CODE" VARCHAR', {"code": 7}),
        (
            'CREATE TABLE IF NOT EXISTS "WEB"."SEEN"',
            'CREATE TABLE "WEB"."SEEN" AS SELECT *, \'\' AS "CODE" FROM "WEB"."ORDER_COMPLETED" WHERE FALSE',
            {},
        ),
    ],
    ids=["column", "table"],
)
def test_what_two_loads_made_at_once_has_one_type(
    store: SnowflakeStore, account: Snowflake, where: str, sql: str, properties: dict[str, int]
) -> None:
    """That of the first; the second load is made again, and finds out what does not fit."""
    load(store, [order(1)])
    events = [order(2, **properties), event(3, event="Seen", properties={"code": 7})]
    account.trouble(where, lambda: account.store.execute(sql))

    assert why(store, lambda: load(store, events)).code == "IN_THE_WAY"
    load(store, events)
    found = tables(store)
    assert found["order_completed"]["m2"].get("code") == ("7" if properties else None)
    assert found["seen"]["m3"]["code"] == (7 if properties else "7")


KILLED = """
import sys
from router.warehouse.store_snowflake import SnowflakeStore
from tests.warehouse import test_snowflake
from tests.warehouse.databases import load
load(SnowflakeStore(sys.argv[1], "hush-4711", None, 2.0), test_snowflake.LATER)
"""


@pytest.mark.parametrize(
    "where",
    ['ADD COLUMN "COUPON"', "RENAME COLUMN", "ADD COLUMN IF NOT EXISTS", 'SET "SCORE"', "DROP COLUMN", "COPY INTO",
     'MERGE INTO "WEB"."USERS"', "COMMIT"],
)  # fmt: skip
def test_a_load_that_is_killed_is_made_again(account: Snowflake, where: str) -> None:
    """kill -9, wherever: the next load of the same events leaves each row once, and the column widened."""
    account.patience = 0.2
    store = connected(account)
    load(store, EVENTS)
    url = f"snowflake://loader@xy12345/shop?warehouse=loading&endpoint={account.url}"
    child = subprocess.Popen([sys.executable, "-c", KILLED, url], stderr=subprocess.DEVNULL)
    account.trouble(where, lambda: os.kill(child.pid, signal.SIGKILL))

    assert child.wait(60) == -signal.SIGKILL
    load(store, LATER)

    memory = MemoryStore()
    load(memory, EVENTS, LATER)
    assert tables(store) == tables(memory)
    assert all(columns(store, table) == columns(memory, table) for table in tables(memory))
    store.close()

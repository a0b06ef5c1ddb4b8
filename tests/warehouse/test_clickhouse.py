"""ClickHouse: what differs where there are no transactions, and what its troubles are called."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from router.warehouse.store import WarehouseStore
from router.warehouse.store_clickhouse import ClickHouseStore
from tests.warehouse import test_load, test_questions
from tests.warehouse.databases import MemoryStore, event, load, order, tables

EVENTS = [order(1, total=5), event(2, "identify", traits={"plan": "pro"}), event(3, event="Other")]


@pytest.mark.parametrize(
    "rule",
    [
        test_load.test_a_repeat_drops_by_its_id_days_later,
        test_load.test_a_column_of_whole_numbers_becomes_one_of_fractions,
        test_load.test_texts_come_back_as_they_were,
        test_load.test_a_late_identify_does_not_overwrite_a_newer_one,
        test_load.test_a_database_and_one_in_memory_hold_the_same,
        test_questions.test_six_months_of_a_shop,
    ],
    ids=lambda rule: rule.__name__.removeprefix("test_"),
)
def test_what_holds_in_the_others_holds_here(
    rule: Callable[[WarehouseStore], None], clickhouse: ClickHouseStore
) -> None:
    rule(clickhouse)


def test_a_load_that_broke_off_is_whole_when_it_is_made_again(
    clickhouse: ClickHouseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of it is there in between; nothing of it is there twice."""
    memory = MemoryStore()
    load(memory, EVENTS)
    with monkeypatch.context() as patch:
        patch.setattr(ClickHouseStore, "upsert", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            load(clickhouse, EVENTS)
    between = tables(clickhouse)
    (counts,) = load(clickhouse, EVENTS)

    assert sorted(between["tracks"]) == ["m1", "m3"]
    assert (counts.rows["inserted"], counts.rows["repeated"]) == (0, 5)
    assert tables(clickhouse) == tables(memory)


def test_what_two_processes_insert_at_once_is_one_row(
    clickhouse: ClickHouseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both found nothing of the event: the table's engine folds it into one, as a query with FINAL shows at once."""
    load(clickhouse, [order(1, total=5)])
    with monkeypatch.context() as patch:
        patch.setattr(ClickHouseStore, "_of_ids", lambda *_, **__: [])
        load(clickhouse, [order(1, total=5)])

    assert clickhouse.rows("SELECT count() FROM web.order_completed SETTINGS final = 0") == [(2,)]
    assert clickhouse.rows("SELECT count() FROM web.order_completed FINAL") == [(1,)]


def test_a_time_that_it_cannot_hold_stands_in_the_discards(clickhouse: ClickHouseStore) -> None:
    """It would become another one without a word."""
    load(clickhouse, [order(1, at="2026-01-05"), order(2, at="1066-10-14"), order(3, at="2400-01-01")])

    found = tables(clickhouse)
    assert [found["order_completed"][f"m{number}"].get("at") for number in (1, 2, 3)] == [
        "2026-01-05T00:00:00.000000Z", None, None,
    ]  # fmt: skip
    assert sorted(one["column_value"][:10] for one in found["discards"].values()) == ["1066-10-14", "2400-01-01"]


@pytest.mark.parametrize(
    ("said", "kind", "code"),
    [
        ("Code: 516. DB::Exception: default: Authentication failed", "refused", "NOT_ACCEPTED"),
        ("Received ClickHouse exception, code: 497, server response: somebody", "refused", "NO_RIGHT"),
        ("Code: 164. DB::Exception: default: Cannot execute query in readonly mode", "refused", "READ_ONLY"),
        ("Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space", "refused", "DISK_FULL"),
        ("Code: 252. DB::Exception: Too many parts (3000)", "retry", "TOO_MANY_PARTS"),
        ("Code: 27. DB::Exception: Cannot parse input: somebody", "rejected", "NOT_CONVERTED"),
        ("Code: 999. DB::Exception: somebody", "retry", "WAREHOUSE_FAILED"),
        ("Max retries exceeded: [Errno 111] Connection refused", "retry", "ECONNREFUSED"),
        ("Failed to resolve 'db.invalid'", "retry", "ENOTFOUND"),
    ],
)
def test_what_it_says_has_a_name(said: str, kind: str, code: str) -> None:
    """No text of its own is passed on: it may hold a value."""
    failure = ClickHouseStore("clickhouse://u@h:8123", None, 10.0).failure(RuntimeError(said))

    assert (failure.kind, failure.code) == (kind, code)
    assert "somebody" not in failure.detail


def test_a_wrong_password_and_nobody_there_have_names(clickhouse_server: str) -> None:
    wrong = ClickHouseStore(f"clickhouse://default@{clickhouse_server}", "no", 5.0)
    nobody = ClickHouseStore("clickhouse://default@127.0.0.1:1", "no", 5.0)
    codes = []
    for store in (wrong, nobody):
        with pytest.raises(Exception) as failed:  # noqa: PT011  of the client's own, which are not compared
            store.ping()
        codes.append(store.failure(failed.value).code)

    assert codes == ["NOT_ACCEPTED", "ECONNREFUSED"]

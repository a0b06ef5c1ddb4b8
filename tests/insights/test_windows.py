"""Laws of the windowed tables: what is counted is found again, whatever the names, the order and the clock."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from router.insights.windows import (
    AHEAD_MS,
    DAY_MS,
    DAYS,
    HOURS,
    MINUTE_MS,
    MINUTES,
    OTHERS,
    TIERS,
    CountTable,
    Key,
    Tier,
    tier_for,
)
from tests.insights.records import NOW

names = st.sampled_from([f"n{number}" for number in range(8)])
times = st.integers(0, 90 * 60).map(lambda seconds: NOW - seconds * 1000)
counted = st.lists(st.tuples(st.sampled_from(["a", "b"]), names, times, st.integers(1, 5)), max_size=60)


def totals(table: CountTable, tier: Tier = DAYS, since: int = 0) -> Counter[Key]:
    step = tier.ms * 1_000_000
    return Counter({key: int(rows.sum()) for key, rows in table.read(tier, since, NOW + DAY_MS, step).items()})


def by_source(found: Counter[Key]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for key, number in found.items():
        sums[key[0]] += number
    return sums


@given(counted, st.integers(1, 20), st.lists(st.integers(0, 60), max_size=3))
@settings(max_examples=60, deadline=None)
def test_sums_by_source_are_exact_in_every_tier_however_small_the_table(
    events: list[tuple[str, str, int, int]], room: int, seals: list[int]
) -> None:
    table = CountTable(["n"], room)
    expected: Counter[str] = Counter()
    for number, (source, name, at, amount) in enumerate(events):
        assert table.add((source, name), {"n": amount}, at, NOW)
        expected[source] += amount
        if number in seals:
            table.seal(NOW)

    for tier in TIERS:
        assert by_source(totals(table, tier)) == expected
    assert sum(OTHERS not in key for key in totals(table)) <= room


@given(counted, st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_what_is_sealed_and_loaded_answers_the_same(events: list[tuple[str, str, int, int]], cut: int) -> None:
    """As after a restart, also in mid-window: later counts go on top."""
    whole, first, kept = CountTable(["n"], 5), CountTable(["n"], 5), dict[str, bytes | None]()
    for number, (source, name, at, amount) in enumerate(events):
        whole.add((source, name), {"n": amount}, at, NOW)
        if number == cut:
            kept |= first.seal(NOW)
            first = CountTable(["n"], 5)
            first.load({name: chunk for name, chunk in kept.items() if chunk is not None})
        first.add((source, name), {"n": amount}, at, NOW)

    for tier in TIERS:
        assert totals(first, tier) == totals(whole, tier)
    assert [first.seen(key) for key in totals(whole)] == [whole.seen(key) for key in totals(whole)]


def test_a_step_holds_what_happened_in_it() -> None:
    table = CountTable(["ok", "bad"], 10)
    start = NOW - NOW % MINUTE_MS
    for minute, amount in ((0, 1), (1, 2), (4, 7)):
        table.add(("a", "x"), {"ok": amount, "bad": 1}, start - minute * MINUTE_MS, NOW)

    rows = table.read(MINUTES, start - 5 * MINUTE_MS, start + MINUTE_MS, 2 * MINUTE_MS)[("a", "x")]

    assert rows.tolist() == [[7, 1], [0, 0], [3, 2]]


def test_a_flood_of_names_leaves_known_names_their_rows() -> None:
    table = CountTable(["n"], 100)
    table.add(("web", "Order Completed"), {"n": 1}, NOW, NOW)
    for number in range(10_000):
        table.add(("web", f"flood {number}"), {"n": 1}, NOW, NOW)
    table.add(("web", "Order Completed"), {"n": 1}, NOW, NOW)

    found = totals(table)

    assert len(table) <= 101
    assert found["web", "Order Completed"] == 2
    assert sum(found.values()) == 10_002
    assert found["web", OTHERS] == 10_002 - 2 - 98  # a row is the others' own
    assert table.size < 200_000


def test_names_of_long_ago_give_way_and_stay_counted() -> None:
    table = CountTable(["n"], 10)
    for number in range(10):
        table.add(("web", f"old {number}"), {"n": 1}, NOW - 3 * DAY_MS - number, NOW - 3 * DAY_MS)
    table.add(("web", "new"), {"n": 1}, NOW, NOW)

    found = totals(table)

    assert found["web", "new"] == 1
    assert found["web", "old 9"] == 0
    assert sum(found.values()) == 11


def test_a_clock_that_jumps_a_year_ahead_and_back_loses_nothing() -> None:
    table = CountTable(["n"], 10)
    for minute in range(100):
        table.add(("web", "x"), {"n": 1}, NOW - minute * MINUTE_MS, NOW)
    ahead = NOW + 365 * DAY_MS
    table.add(("web", "x"), {"n": 1}, ahead, ahead)
    table.seal(ahead)

    table.add(("web", "x"), {"n": 1}, NOW, NOW)

    assert totals(table, MINUTES)["web", "x"] == 101


def test_a_record_from_the_future_counts_now_and_one_too_old_not_at_all() -> None:
    table = CountTable(["n"], 10)

    assert table.add(("web", "x"), {"n": 1}, NOW + AHEAD_MS + 1, NOW)
    assert not table.add(("web", "x"), {"n": 1}, NOW - 500 * DAY_MS, NOW)

    assert table.seen(("web", "x")) == (NOW, NOW)


def test_windows_are_bounded_by_number() -> None:
    table = CountTable(["n"], 5)
    for minute in range(MINUTES.windows + 500):
        at = NOW + minute * MINUTE_MS
        table.add(("web", "x"), {"n": 1}, at, at)
    end = NOW + (MINUTES.windows + 500) * MINUTE_MS

    assert len(table.read(MINUTES, NOW, end, MINUTE_MS)[("web", "x")].nonzero()[0]) == MINUTES.windows
    assert {name: chunk is None for name, chunk in table.seal(end)}[f"minute/{NOW - NOW % MINUTE_MS}"]


def test_the_finest_windows_that_reach_back_are_chosen() -> None:
    ages = [(0, MINUTES), (DAY_MS - 1, MINUTES), (DAY_MS + 1, HOURS), (13 * DAY_MS, HOURS), (300 * DAY_MS, DAYS)]

    assert [tier_for(NOW - age, NOW) for age, _ in ages] == [tier for _, tier in ages]
    assert tier_for(NOW - 30 * DAY_MS, NOW, MINUTE_MS) == DAYS

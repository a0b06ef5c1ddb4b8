"""Usage by month, and why a day differs from usual days: what records add up to, exactly where that is promised."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import pytest

from router.errors import UsageError
from router.insights.answers import answer
from router.insights.bodies import DOMAINS, host_of
from router.insights.days import day_of, month_later
from router.insights.known_ids import KEPT_DAYS, KnownIds
from router.insights.schema import ChangesAnswer, UsageAnswer
from router.insights.tables import InsightTables
from router.insights.windows import DAY_MS
from tests.insights.records import NOW, record, tables

TODAY = day_of(NOW)  # Friday, 15 January 2027
YESTERDAY = TODAY - timedelta(days=1)


def called(source: str, days_ago: int, event: str = "Page", host: str = "shop.example", **ids: Any) -> Any:
    """An accepted event with its body."""
    body = {"type": "track", "event": event, "context": {"page": {"url": f"https://{host}/a?b=c"}}, **ids}
    return record("events.resolved", NOW - days_ago * DAY_MS, body, b"p", source=source, type="track", event=event)


def filled(*records: Iterable[Any], began: int = 40) -> InsightTables:
    made = tables()
    made.began = made.bodies.began = NOW - began * DAY_MS
    for one in (one for some in records for one in some):
        made.take(one, NOW)
    return made


def usage(of: InsightTables, **query: str) -> UsageAnswer:
    found = answer(of, "/v1/usage", query, NOW)
    assert isinstance(found, UsageAnswer)
    return found


def changes(of: InsightTables, **query: str) -> ChangesAnswer:
    found = answer(of, "/v1/changes", query, NOW)
    assert isinstance(found, ChangesAnswer)
    return found


def test_usage_counts_calls_by_source_and_day_and_months_beside_each_other() -> None:
    records = [called("web", days) for days in (0, 0, 1, 14, 20, 46, 400)]
    records += [record("events.blocked", NOW, {}, source="app", type="track", event="x")]
    records += [record("events.invalid", NOW, b"\xff", source="")]
    made = filled(records, began=50)
    made.look({"": {"received": 12, "duplicate": 3}}, NOW, from_zero=True)

    found = usage(made, before="5")
    this, before = found.months[:2]

    assert (found.whole_days, [one.month for one in found.months][-1]) == (14, date(2026, 8, 1))
    assert [(row.source, row.events, row.blocked, row.invalid) for row in this.rows] == [
        ("web", 4, 0, 0), ("", 1, 0, 1), ("app", 1, 1, 0),
    ]  # fmt: skip
    assert (this.events, this.received, this.repeats, this.counted_from) == (6, 12, 3, date(2027, 1, 1))
    assert (this.daily[0], this.daily[13], this.daily[14], len(this.daily)) == (1, 1, 4, 31)
    assert (before.events, before.daily[25], len(before.daily), before.repeats) == (1, 1, 31, 0)
    assert [one.counted_from for one in found.months[1:]] == [
        date(2026, 12, 1), date(2026, 11, 26), None, None, None,
    ]  # fmt: skip
    assert [row.source for row in usage(made, source="app", before="0").months[0].rows] == ["app"]
    assert usage(made, month="2026-12", before="0").whole_days == 31


def test_a_replay_is_no_call() -> None:
    made = filled([called("web", 0)])
    value = {"destination": "crm", "outcome": "delivered", "code": "", "count": 7, "replay": "r1"}
    made.take(record("delivery.log", NOW, value), NOW)

    assert usage(made).months[0].events == 1


def test_a_day_is_compared_with_its_weekday_and_every_part_with_its_own_past() -> None:
    past = [called("web", 1 + 7 * week, anonymousId=f"a{n}") for week in (1, 2, 3, 4) for n in range(2 * week)]
    past += [called("app", 1 + 7 * week, "Open", "app.example") for week in (1, 2, 3, 4)]
    jump = [called("web", 1, "Page", "staging.example", anonymousId=f"new{n % 30}", userId="u1") for n in range(60)]
    known = [called("web", 1, anonymousId="a0"), called("app", 1, "Open", "app.example")]
    found = changes(filled(past, jump, known, began=60))

    assert (found.day, found.whole, found.weekday, len(found.compared)) == (YESTERDAY, True, True, 4)
    assert (found.events, found.usual) == (62, 6.0)
    assert [(row.source, row.events, row.usual, row.increase) for row in found.sources.rows] == [
        ("web", 61, 5.0, 56.0), ("app", 1, 1.0, 0.0),
    ]  # fmt: skip
    assert found.names.rows[0].model_dump(include={"source", "name", "increase"}) == {
        "source": "web", "name": "Page", "increase": 56.0,
    }  # fmt: skip
    assert found.domains is not None
    assert [(row.name, row.events, row.usual) for row in found.domains.rows] == [
        ("staging.example", 60, 0.0), ("shop.example", 1, 5.0), ("app.example", 1, 1.0),
    ]  # fmt: skip
    assert sum(row.increase or 0.0 for row in found.domains.rows) == found.events - (found.usual or 0.0)
    now, usual = found.senders, found.usual_senders
    assert now is not None
    assert usual is not None
    assert (now.looked_into, now.with_anonymous_id, now.anonymous_ids, now.users) == (62, 61, 31, 1)
    assert (now.new_ids, now.new_events, found.ids_one_in, found.ids_error) == (30, 60, 1, 0.0)
    assert (usual.looked_into, usual.anonymous_ids, usual.new_ids) == (6, 5, 2)  # 8 of them in four weeks
    app = changes(filled(past, jump, known, began=60), source="app")
    assert (app.events, app.usual, app.senders and app.senders.users) == (1, 1.0, 0)


@pytest.mark.parametrize(("began", "compared", "weekday"), [(60, 4, True), (16, 2, True), (9, 7, False), (2, 0, False)])
def test_days_not_counted_in_whole_are_not_compared_with(began: int, compared: int, weekday: bool) -> None:
    found = changes(filled([called("web", 1)], began=began))

    assert (len(found.compared), found.weekday, found.usual is None) == (compared, weekday, not compared)
    assert found.day == YESTERDAY


def test_on_the_first_day_today_is_shown_and_a_day_before_bodies_were_read_says_nothing_of_senders() -> None:
    first = changes(filled([called("web", 0)], began=0))
    assert (first.day, first.whole, first.events) == (TODAY, False, 1)

    made = filled([called("web", 1)])
    made.bodies.began = NOW
    old = changes(made)
    assert (old.events, old.senders, old.domains, old.no_domain) == (1, None, None, None)


def test_what_the_answers_are_made_of_survives_a_restart_and_is_counted_once() -> None:
    records = [called("web", n % 3, anonymousId=f"a{n % 7}", userId=f"u{n % 2}") for n in range(50)]
    before, after = filled(records), filled(began=0)
    after.load({name: {at: raw for at, raw in part if raw is not None} for name, part in before.seal(NOW).items()})
    for one in (records[-1], more := called("web", 1, anonymousId="a0")):
        after.take(one, NOW)
    before.take(more, NOW)

    for day in (TODAY, YESTERDAY):
        assert changes(after, day=str(day)) == changes(before, day=str(day))
    assert usage(after) == usage(before)
    assert after.bodies.ids.seal() == []


def test_domains_beyond_the_bound_are_counted_as_others() -> None:
    made = filled([called("web", 0, host=f"h{n}.example") for n in range(2_000)])
    found = changes(made, day=str(TODAY)).domains

    assert found is not None
    assert sum(row.events for row in found.rows) + found.other.events == 2_000
    assert found.other.events >= 2_000 - DOMAINS
    assert len(made.bodies.domains) <= DOMAINS + 1


def test_more_ids_than_are_kept_are_estimated_within_the_stated_error() -> None:
    ids, new = KnownIds(capacity=2000), 0
    for number in range(20_000):
        seen = ids.see(f"a{number}", 20_000)
        new += seen.weight if seen and seen.new else 0
    again = [ids.see(f"a{number}", 20_001) for number in range(20_000)]

    assert len(ids) <= 2000
    assert ids.one_in >= 8
    assert abs(new / 20_000 - 1) < 5 * (20_000 / ids.one_in) ** -0.5
    assert not any(one.young for one in again if one is not None)
    loaded = KnownIds(capacity=2000)
    loaded.load({name: raw for name, raw in ids.seal() if raw is not None})
    assert (len(loaded), loaded.one_in) == (len(ids), ids.one_in)
    assert [loaded.see(f"a{number}", 20_001) for number in range(20_000)] == again


def test_where_fewer_ids_come_more_of_them_are_looked_at_again_and_none_is_new_twice() -> None:
    ids, fewer = KnownIds(capacity=200), [f"stays{number}" for number in range(60)]
    for number in range(1_000):
        ids.see(f"a{number}", 20_000)
    assert (sampled := ids.one_in) >= 8

    day, rates, chunks = 20_000, [], dict(ids.seal())
    while ids.one_in > 1 and day < 20_000 + 10 * KEPT_DAYS:
        day += 1
        seen = [ids.see(one, day) for one in fewer]
        if day > 20_001:
            assert not any(one.new for one in seen if one), (day, ids.one_in)
        rates.append(ids.one_in)
        chunks |= dict(ids.seal())
        ids = KnownIds(capacity=200)
        ids.load({name: raw for name, raw in chunks.items() if raw is not None})

    assert rates[:KEPT_DAYS] == [sampled] * KEPT_DAYS
    assert rates == sorted(rates, reverse=True)
    assert sorted(set(rates), reverse=True) == [sampled >> step for step in range(sampled.bit_length())]
    assert sum(ids.see(one, day + 1) is not None for one in fewer) == len(fewer)


def test_where_many_ids_come_again_no_more_of_them_are_looked_at() -> None:
    ids = KnownIds(capacity=200)
    for number in range(1_000):
        ids.see(f"a{number}", 20_000)
    sampled, day = ids.one_in, 20_000
    for _ in range(3 * KEPT_DAYS):
        day += 1
        for number in range(1_000):
            ids.see(f"a{number}", day)

    assert ids.one_in == sampled
    assert len(ids) <= 200


def test_ids_not_seen_for_long_give_way_before_a_part_is_looked_at() -> None:
    ids = KnownIds(capacity=100)
    for number in range(100):
        ids.see(f"old{number}", 20_000)
    for number in range(60):
        ids.see(f"new{number}", 20_001 + KEPT_DAYS)

    assert (len(ids), ids.one_in) == (60, 1)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Shop.Example:8080/a?u=b@c", "shop.example"), ("https://user:pw@shop.example#x", "shop.example"),
        ("http://[::1]:80/", "[::1]"), ("https://shop.example", "shop.example"), ("file:///a/b", ""), ("/a", ""),
        ("", ""), (7, ""), ("https://<img src=x>/", "<img src=x>"), ("https://" + "x" * 900, "x" * 200),
    ],
)  # fmt: skip
def test_the_domain_of_a_page(url: Any, host: str) -> None:
    assert host_of({"context": {"page": {"url": url}}}) == host


def test_a_body_that_is_none_is_an_event_all_the_same() -> None:
    made = filled([record("events.resolved", NOW, b"[]", b"p", source="web", type="track", event="x")])

    assert (usage(made).months[0].events, made.unreadable, host_of({"context": 1})) == (1, 1, "")


@pytest.mark.parametrize(
    ("path", "query", "says"),
    [
        ("usage", {"month": "2025-12"}, "month: expected one from 2026-01 to 2027-01, got '2025-12'"),
        ("usage", {"month": "2027-1"}, "got '2027-1'"),
        ("usage", {"month": "0000-01"}, "got '0000-01'"),
        ("usage", {"before": "6"}, "before: expected a number of months from 0 to 5, got '6'"),
        ("usage", {"since": "1h"}, "expected the parameters before, month, source, got 'since'"),
        ("changes", {"day": "2027-01-16"}, "to 2027-01-15, got '2027-01-16'"),
        ("changes", {"day": "2026-02-30"}, "got '2026-02-30'"),
        ("changes", {"day": "yesterday"}, "day: expected one from"),
    ],
)
def test_a_month_or_a_day_that_is_none_is_refused_in_words(path: str, query: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError) as refused:
        answer(filled(), f"/v1/{path}", query, NOW)

    assert says in str(refused.value)


def test_months_are_those_of_the_calendar() -> None:
    assert [month_later(date(2027, 1, 1), number) for number in (-13, -1, 0, 1, 12)] == [
        date(2025, 12, 1), date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1), date(2028, 1, 1),
    ]  # fmt: skip

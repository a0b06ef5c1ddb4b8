"""What records add to the tables, and what the tables answer."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from router.errors import UsageError
from router.insights import schema
from router.insights.answers import Surroundings, answer
from router.insights.people import ERROR, KEYS, PeopleTable
from router.insights.samples import LARGEST, SampleTable
from router.insights.tables import InsightTables, bound_ms, bucket_of
from router.insights.windows import DAY_MS, HOUR_MS, MINUTE_MS
from tests.insights.records import NOW, delivery, record, resolved, tables, violation

AROUND = Surroundings(("web", "app"), ("crm", "lake"))


def ask(of: InsightTables, path: str, **query: str) -> Any:
    found = answer(of, f"/v1/{path}", query, NOW, AROUND)
    assert type(found) is schema.ANSWERS[f"/v1/{path}"]
    assert type(found).model_validate_json(found.model_dump_json()) == found
    return found


def filled() -> InsightTables:
    found = tables()
    for number in range(5):
        found.take(resolved(at=NOW - number * MINUTE_MS, person=f"p{number % 3}"), NOW)
    found.take(record("events.blocked", NOW, source="web", type="track", event="Signed Up"), NOW)
    found.take(record("events.invalid", NOW, b"\xff", source="web"), NOW)
    found.take(violation(), NOW)
    found.take(violation(outcome="blocked", path="/properties/age"), NOW)
    return found


def test_events_by_source_name_and_outcome() -> None:
    row, invalid = ask(filled(), "events").rows

    assert (row.source, row.type, row.event) == ("web", "track", "Signed Up")
    assert (row.resolved, row.blocked, row.invalid, row.violations) == (5, 1, 0, 2)
    assert (row.people.estimate, row.people.error) == (3, ERROR)
    assert (row.last_seen - row.first_seen).total_seconds() == 240
    assert sum(row.trend) == 6
    assert (invalid.source, invalid.type, invalid.invalid) == ("web", "", 1)


def test_ten_thousand_names_in_a_minute_are_said_to_be_left_out() -> None:
    found = tables()
    for number in range(10_000):
        found.take(resolved(f"<img src=x onerror=alert({number})>" + "x" * 300), NOW)

    answered = ask(found, "events", limit="2000")

    assert answered.left_out.events + sum(row.resolved for row in answered.rows) == 10_000
    assert answered.left_out.events == 10_000 - len(answered.rows) > 9_000
    assert "1000" in answered.left_out.names
    assert max(len(row.event) for row in answered.rows) == 200
    assert ask(found, "volume", source="web").rows[0].events == 10_000


def test_a_record_of_many_violations_counts_as_many() -> None:
    found = filled()
    found.take(violation(count=990), NOW)

    assert [(row.count, row.allowed) for row in ask(found, "violations").rows] == [(991, 991), (1, 0)]
    assert ask(found, "events", event="Signed Up").rows[0].violations == 992


def test_violations_with_samples_and_without_values() -> None:
    first, second = ask(filled(), "violations", source="web").rows

    assert {first.path, second.path} == {"/properties/plan", "/properties/age"}
    assert (first.count + second.count, first.allowed + second.allowed) == (2, 1)
    assert first.samples[0].message_id == "m1"
    assert ask(filled(), "violations", source="app").rows == ()


def test_destinations_with_latency_and_errors() -> None:
    found = tables()
    events = [[f"m{number}", 1, 100] for number in range(90)]
    summary = {"sum": 1.0, "p50": 100.0, "p95": 900.0, "max": 5000.0}
    found.take(delivery("delivered", 100, latency_ms=summary, events=events), NOW)
    sample = {
        "origin": "dest.crm:0:1",
        "event": {"type": "track"},
        "request": "POST /",
        "response": "400",
        "detail": "",
    }
    for number in range(5):
        found.take(delivery("dead", 2, code="400", samples=[sample | {"origin": f"dest.crm:0:{number}"}]), NOW)
    found.take(delivery("retry", 3, code="ETIMEDOUT"), NOW)
    found.take(delivery("delivered", 7, replay="r1"), NOW)

    crm, lake = ask(found, "destinations").rows

    assert (crm.delivered, crm.dead, crm.retries, crm.not_delivered, crm.replayed) == (100, 10, 3, 13, 7)
    assert crm.success == pytest.approx(100 / 113)
    assert crm.latency.named == 0.9
    assert 0.1 <= crm.latency.p50 <= 0.125
    assert 0.1 <= crm.latency.p95 <= 0.125 * 9
    assert len(crm.trend_p95) == len(crm.trend_delivered)
    assert [one for one in crm.trend_p95 if one is not None] == [crm.latency.p95]
    assert set(lake.trend_p95) == {None}
    assert [(row.code, row.outcome, row.count) for row in crm.errors] == [
        ("400", "dead", 10),
        ("ETIMEDOUT", "retry", 3),
    ]
    assert [one.origin for one in crm.errors[0].samples] == ["dest.crm:0:0", "dest.crm:0:3", "dest.crm:0:4"]
    assert (lake.name, lake.delivered, lake.success, lake.latency) == ("lake", 0, None, None)


def test_volume_against_the_same_hour_of_the_days_before() -> None:
    found = tables()
    for days, events in enumerate((20, 10, 12, 8, 10)):
        for _ in range(events):
            at = NOW - HOUR_MS - days * DAY_MS
            found.take(resolved(at=at), at)

    app, web = ask(found, "volume", since="30d").rows

    assert (web.last_hour, web.usual_hour, web.ratio) == (20, 10.0, 2.0)
    assert web.same_hour == (10, 12, 8, 10, None, None, None)
    assert (web.events, app.events, app.usual_hour) == (60, 0, 0.0)


def test_the_funnel_counts_what_totals_have_grown_by() -> None:
    found = tables()
    found.look({"": {"received": 100, "resolved": 100, "routed": 90}, "crm": {"delivered": 80}}, NOW, from_zero=False)
    grown = {"": {"received": 110, "resolved": 108, "blocked": 2, "routed": 98}, "crm": {"delivered": 85, "dead": 1}}
    found.look(grown, NOW, from_zero=False)
    found.look({"": {"received": 3}}, NOW, from_zero=False)

    answered = ask(found, "funnel")

    assert (answered.received, answered.blocked, answered.resolved, answered.routed) == (10, 2, 8, 8)
    assert (answered.delivered, answered.dead, sum(answered.trend_received)) == (5, 1, 10)

    fresh = tables()
    fresh.look({"": {"received": 5}}, NOW, from_zero=True)
    assert ask(fresh, "funnel").received == 5


def test_a_restart_in_mid_window_counts_nothing_twice_and_forgets_nothing() -> None:
    before, events = filled(), [resolved(), resolved(person="p9"), violation()]
    for one in events[:2]:
        before.take(one, NOW)
    kept = {name: {at: raw for at, raw in chunks if raw is not None} for name, chunks in before.seal(NOW).items()}

    after = tables()
    after.load(kept)
    for one in events:  # the first two are read again
        after.take(one, NOW)
    before.take(events[2], NOW)

    for path in schema.ANSWERS:
        assert ask(after, path.removeprefix("/v1/")) == ask(before, path.removeprefix("/v1/"))


def test_an_unreadable_record_is_counted_and_passed_over() -> None:
    found = tables()
    for raw in (b"{", b"[]", b'{"destination": 1}', b""):
        found.take(record("delivery.log", NOW, raw), NOW)

    assert found.unreadable == 4
    assert len(found.positions) == 1


def test_what_is_passed_over_is_counted_and_not_read_when_it_comes_all_the_same() -> None:
    found, rows = tables(), [resolved() for _ in range(5)]
    found.take(rows[0], NOW)
    found.skip("events.resolved", 0, rows[3].offset)
    for row in rows[1:]:
        found.take(row, NOW)

    answered = ask(found, "events")

    assert (answered.freshness.skipped, answered.rows[0].resolved) == (2, 3)


def test_people_are_estimated_within_the_stated_error() -> None:
    people = PeopleTable()
    for number in range(20_000):
        people.add(("web", "track", "x"), f"p{number}".encode(), NOW - number % 3 * HOUR_MS, NOW)
        people.add(("web", "track", "x"), f"p{number}".encode(), NOW, NOW)
    people.seal(NOW + 5 * HOUR_MS)

    start, found = people.estimates(NOW - 3 * HOUR_MS, NOW, NOW)

    assert start % HOUR_MS == 0
    assert abs(found["web", "track", "x"] / 20_000 - 1) < 3 * ERROR
    for number in range(KEYS * 2):
        people.add(("web", "track", f"n{number}"), b"p", NOW, NOW)
    assert len(people.estimates(NOW, NOW + 1, NOW)[1]) == KEYS


def test_samples_are_bounded_in_number_and_bytes() -> None:
    samples = SampleTable(3, 5 * 1024)
    for number in range(10):
        samples.add((f"k{number}", ""), {"n": number, "text": "x" * 1024})
    samples.add(("k9", ""), {"text": "x" * LARGEST})

    assert samples.size <= 5 * 1024
    assert (samples.of(("k0", "")), len(samples.of(("k9", "")))) == ([], 1)
    again = SampleTable(3, 5 * 1024)
    again.load({name: raw for name, raw in samples.seal() if raw is not None})
    assert again.of(("k9", "")) == samples.of(("k9", ""))


def test_a_bucket_of_latencies_is_at_most_a_quarter_too_high() -> None:
    for ms in (0.0, 1.0, 7.3, 125.0, 9_999.0, 3_600_000.0):
        bound = bound_ms(bucket_of(ms))
        assert max(ms, 1.0) <= bound * 1.000001
        assert bound <= max(ms, 1.0) * 1.2500001


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        ("events", {"sinse": "1h"}, "got 'sinse'"),
        ("events", {"since": "yesterday"}, "got yesterday"),
        ("events", {"since": "1h", "until": "2h"}, "before until"),
        ("events", {"step": "7s"}, "whole"),
        ("events", {"since": "24h", "step": "1m"}, "at most 400"),
        ("events", {"limit": "0"}, "1 to 2000"),
        ("funnel", {"source": "web"}, "got 'source'"),
    ],
)
def test_a_bad_parameter_is_refused_in_words(path: str, query: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ask(tables(), path, **query)


def test_an_answer_is_json() -> None:
    raw = ask(filled(), "events", since="2h", step="10m").model_dump_json()

    found = orjson.loads(raw)
    assert found["period"]["step"] == 600
    assert found["freshness"]["age_seconds"] == 0

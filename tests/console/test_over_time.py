"""What pages say of a chosen time: its picker, its charts, what is usual; from tables filled with invented records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from router.config.options import RunOptions
from router.console.charts import HEIGHT, Series, bars, line
from router.console.over_time import OverTime
from router.console.pages.destination import DestinationPage
from router.console.pages.overview import overview
from router.console.pages.source import source
from router.console.period import PERIODS, chosen_period
from router.errors import UsageError
from router.insights.answers import Surroundings, answer
from router.insights.schema import Period
from router.insights.windows import DAY_MS, HOUR_MS
from tests.console.pages import HOSTILE, SPAN, counts, html, inert, shop
from tests.insights.records import NOW, delivery, resolved, tables

AT = datetime(2026, 11, 27, 14, tzinfo=UTC)
HOUR = Period(since=AT, until=AT + timedelta(hours=1), step=900, window="minute")
SAMPLE = {"origin": "dest.crm:0:1", "event": {"event": HOSTILE}, "request": HOSTILE, "response": f"400\n\n{HOSTILE}"}


def insights(path: str, **query: str) -> OverTime:
    """An answer about two sources and two destinations, in the last hour and on the days before."""
    found = tables()
    for days in range(6):
        for number in range(40 if days == 0 else 110):
            at = NOW - HOUR_MS - days * DAY_MS
            found.take(resolved(at=at, name=f"event {number % 3}"), at)
    found.take(delivery("delivered", 90, latency_ms={"sum": 1.0, "p50": 90.0, "p95": 800.0, "max": 2000.0}), NOW)
    found.take(delivery("retry", 7, code="errors.awaiting-retry.503"), NOW)
    found.take(delivery("dead", 3, code="errors.discarded.400", samples=[SAMPLE]), NOW)
    found.take(delivery("filtered", 5, code=HOSTILE), NOW)
    found.look(
        {"": {"received": 120, "invalid": 5, "blocked": 5, "duplicate": 10, "resolved": 99}}, NOW, from_zero=True
    )
    return OverTime(answer(found, path, query, NOW, Surroundings(("web", "app"), ("crm", "ads"))))


def test_a_time_is_kept_by_every_link_and_moves_by_its_own_length() -> None:
    day = chosen_period({"last": "24h"}, NOW, {"tab": "delivery"})

    assert [one.words for one in day.choices if one.chosen] == ["24 h"]
    assert [one.href for one in day.choices] == [f"?tab=delivery&last={key}" for key in PERIODS]
    assert day.later == ""
    before = chosen_period(dict(part.split("=") for part in day.earlier[1:].replace("%3A", ":").split("&")), NOW)
    assert (before.end, before.end - before.start, before.last) == (day.start, DAY_MS, "")
    assert before.question == {"since": "2027-01-13T08:30:00.000Z", "until": "2027-01-14T08:30:00.000Z"}
    assert before.later == "?last=24h"
    times = {"from": before.question["since"], "to": before.question["until"]}
    assert chosen_period(times, NOW + 60_000).later == "?last=24h"
    assert chosen_period(times, NOW + DAY_MS).later.startswith("?from=2027-01-14")
    assert "from=2027-01-12" in before.earlier
    assert (SPAN.suffix, day.suffix, day.tab("letters")) == ("", "?last=24h", "?tab=letters&last=24h")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"last": "5y"}, "last: expected one of 15m, 1h, 24h, 7d, 30d, 395d, got '5y'"),
        ({"from": "yesterday", "to": "2026-01-01T00:00"}, "from: expected a time such as 2026-01-31T12:00Z"),
        ({"from": "2026-01-01T00:00"}, "to: expected a time"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "expected from before to"),
        ({"from": "2020-01-02", "to": "2026-01-01"}, "expected at most 13 months"),
    ],
)
def test_a_time_that_is_none_is_refused_in_words(query: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError) as refused:
        chosen_period(query, NOW)

    assert says in str(refused.value)


def test_bars_stand_on_each_other_and_the_smallest_is_seen() -> None:
    chart = bars(HOUR, [Series("delivered", "fine", (999_999, 0, 10, 0)), Series("lost", "trouble", (1, 0, 0, 5))])

    assert (chart.most, chart.empty) == ("1 M", False)
    green, red = chart.steps[0].blocks
    assert (green.y + green.height, round(red.y + red.height, 2)) == (HEIGHT, green.y)
    assert red.height == 1.5
    assert all(0 <= block.y <= HEIGHT for step in chart.steps for block in step.blocks)
    assert [len(step.blocks) for step in chart.steps] == [2, 0, 1, 1]
    assert chart.sentence == (
        "1,000,009 delivered, 6 lost in 4 steps of 15 min; most in the step of 14:00 UTC: 1,000,000"
    )
    assert chart.rows[3] == (AT + timedelta(minutes=45), ["0", "5"])
    assert bars(HOUR, [Series("delivered", "fine", (0, 0, 0, 0))]).empty


def test_a_line_has_gaps_where_nothing_was_delivered() -> None:
    chart = line(HOUR, "P95", (None, 2.0, 1.0, None))

    assert chart.lines == ["225.0,3.0 375.0,51.0"]
    assert (chart.most, chart.sentence) == ("2 s", "P95 from 1 s to 2 s")
    assert line(HOUR, "P95", (2.0, None, 1.0, None)).dots == [(75.0, 3.0), (375.0, 51.0)]
    assert line(HOUR, "P95", (None,) * 4).empty


def test_a_destination_s_page_shows_the_time_asked_for(tmp_path: Path) -> None:
    page = html(
        DestinationPage(shop(tmp_path), counts(), "crm", "delivery", SPAN).shown(found=insights("/v1/destinations"))
    )

    assert inert(page)
    assert 'title="90">90</strong><span class="quiet">90 % of attempts' in page
    assert "7 to be retried" in page
    assert "P50 108 ms, P99 2.5 s" in page
    assert 'aria-label="90 delivered, 10 not delivered in' in page
    assert 'aria-label="P95 from 808 ms to 808 ms"' in page
    assert page.index("the partner rejects the data") < page.index("the partner failed</span>")
    assert "tried again by itself" in page


def test_a_source_off_its_usual_volume_is_said_and_needs_attention(tmp_path: Path) -> None:
    topology, volume = shop(tmp_path).topology, insights("/v1/volume")
    page = html(source("web", topology, RunOptions(), counts(), SPAN, insights("/v1/events"), volume))
    first = html(overview(topology, counts(), SPAN, insights("/v1/funnel"), insights("/v1/destinations"), volume))

    assert "<strong>40</strong> events in the last whole hour, usually <strong>110</strong> at this hour: 36 %" in page
    assert "off its usual volume" in page
    assert "is off its usual volume: 40 events in the last whole hour, usually 110 at this hour" in first
    assert "120 received = 5 invalid + 10 duplicates + 5 blocked + 99 resolved" in first
    assert "does not add up by 1; at rest it must" in first
    assert "36 %" in first[first.index('id="sources-table"') :]

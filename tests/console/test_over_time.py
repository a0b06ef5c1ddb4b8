"""What pages say of a chosen time: its picker, its charts, what is usual; from tables filled with invented records."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from router.config.options import RunOptions
from router.console.change import change
from router.console.charts import HEIGHT, Series, UsualBand, bars, line
from router.console.over_time import NOT_ASKED, OverTime
from router.console.pages.destination import DestinationPage
from router.console.pages.overview import overview
from router.console.pages.source import source
from router.console.period import PERIODS, chosen_period
from router.errors import UsageError
from router.insights.answers import Surroundings, answer
from router.insights.schema import Period
from router.insights.tables import InsightTables
from router.insights.windows import DAY_MS, HOUR_MS
from router.process.snapshot import DestinationRow
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


@pytest.mark.parametrize(
    ("count", "expected", "says"),
    [
        (112, 100.0, "+12 % against 50 in the hour before"), (88, 100.0, "−12 % against 50 in the hour before"),
        (1001, 1000.0, "as before: 50 in the hour before"), (0, 100.0, "−100 % against 50 in the hour before"),
        (2500, 100.0, "25 times against 50 in the hour before"), (1006, 1000.0, "+1 % against 50 in the hour before"),
    ],
)  # fmt: skip
def test_a_change_is_said_in_words(count: int, expected: float, says: str) -> None:
    made = change(count, expected, 50, "in the hour before")

    assert made is not None
    assert made.says == says
    assert change(3, 0.0, 0, "in the hour before") == ("none before", "none in the hour before")
    assert change(0, 0.0, 0, "in the hour before") is None


def test_what_is_usual_is_drawn_behind_the_bars_and_has_gaps_where_nobody_knows() -> None:
    chart = bars(HOUR, [Series("received", "information", (5, 0, 0, 0))], UsualBand((1, 2, None, 4), (10, 8, None, 5)))

    assert chart.most == "10"
    assert chart.bands == ["0.0,2.0 150.0,2.0 150.0,21.6 300.0,21.6 300.0,80.4 150.0,80.4 150.0,90.2 0.0,90.2",
                           "450.0,51.0 600.0,51.0 600.0,60.8 450.0,60.8"]  # fmt: skip
    assert [step.says for step in chart.steps][1:3] == [
        "0 received; usually at this hour 2 to 8", "0 received; usually at this hour –",
    ]  # fmt: skip
    assert chart.headings == ["received", "usually at this hour"]
    assert chart.sentence.endswith("most in the step of 14:00 UTC: 5")


def test_a_destination_s_page_shows_the_time_asked_for(tmp_path: Path) -> None:
    page = html(
        DestinationPage(shop(tmp_path), counts(), "crm", "delivery", SPAN).shown(found=insights("/v1/destinations"))
    )

    assert inert(page)
    assert 'title="90">90</strong><span class="quiet">90 % of attempts' in page
    assert '<div id="away" data-live="away"></div>' in page  # there to be renewed once it has something to say
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
    assert "had 90 % of its attempts accepted in the last hour; its target is 99 %" in under_target(tmp_path)
    assert "120 received = 5 invalid + 10 duplicates + 5 blocked + 99 resolved" in first
    assert "does not add up by 1; at rest it must" in first
    assert "36 %" in first[first.index('id="sources-table"') :]


def under_target(tmp_path: Path) -> str:
    """The overview where no destination is in other trouble."""
    calm = counts(destinations=(DestinationRow("crm", routed=4, delivered=4),))
    return html(overview(shop(tmp_path).topology, calm, SPAN, delivery=insights("/v1/destinations")))


def days_of_traffic() -> InsightTables:
    """Of ten days: 60 received each hour, on the last day 90; half of it delivered."""
    found, now = tables(), NOW
    received = 0
    for hour in range(240, 0, -1):
        received += 90 if hour <= 24 else 60
        totals = {"": {"received": received, "resolved": received}, "crm": {"delivered": received // 2}}
        found.look(totals, now - hour * HOUR_MS, from_zero=True)
        for outcome, count in (("delivered", 30), ("dead", 1 if hour <= 24 else 2)):
            found.take(delivery(outcome, count, now - hour * HOUR_MS), now)
        for _ in range(2 if hour <= 24 else 1):
            found.take(resolved(at=now - hour * HOUR_MS), now)
    return found


def test_figures_are_compared_with_the_time_before_and_the_volume_with_the_days_before(tmp_path: Path) -> None:
    found, topology = days_of_traffic(), shop(tmp_path).topology
    span = chosen_period({"last": "24h"}, NOW)
    around = Surroundings(("web",), ("crm", "ads"))

    def asked(path: str, question: dict[str, str]) -> OverTime:
        return OverTime(answer(found, path, question, NOW, around))

    pairs = {
        path: (asked(path, span.question), asked(path, span.question_before))
        for path in ("/v1/funnel", "/v1/volume", "/v1/destinations")
    }
    now, before = pairs["/v1/funnel"]
    first = html(overview(topology, counts(), span, now, before=before))
    assert "Changes are against what was in the 24 hours before." in first
    assert re.search(r'Received</span>.*?aria-hidden="true">\+50 %</span>', first, re.S)
    assert 'class="band"' in first
    assert "usually at this hour 25 to 25" in first
    now, before = pairs["/v1/volume"]
    page = html(source("web", topology, RunOptions(), counts(), span, NOT_ASKED, now, before))
    assert "+100 % against 24 in the 24 hours before" in page
    now, before = pairs["/v1/destinations"]
    page = html(DestinationPage(shop(tmp_path), counts(), "crm", "delivery", span).shown(found=now, before=before))
    assert "as before: 720 in the 24 hours before" in page
    assert "−50 % against 48 in the 24 hours before" in page

    began = span.question_before | {"since": "2020-01-01T00:00Z"}
    alone = html(overview(topology, counts(), span, pairs["/v1/funnel"][0], before=asked("/v1/funnel", began)))
    assert "Changes are against" not in alone
    assert chosen_period({"last": "395d"}, NOW).question_before == {}

"""The page of usage: a month beside others by source and day, why a day differs, in words; from invented records."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pytest

from router.console.cumulated import month_chart
from router.console.day_changes import sentences
from router.console.over_time import OverTime
from router.console.pages.usage import usage, usage_question
from router.errors import UsageError
from router.insights.answers import answer
from router.insights.days import day_of
from router.insights.schema import ChangesAnswer, UsageMonth
from router.insights.tables import InsightTables
from router.insights.windows import DAY_MS
from tests.console.pages import HOSTILE, html, inert
from tests.console.recount import boxes, rows
from tests.insights.records import NOW, record, tables

TODAY = day_of(NOW)  # Friday, 15 January 2027


def called(source: str, days_ago: int, event: str, host: str, **ids: str) -> Any:
    body = {"type": "track", "event": event, "context": {"page": {"url": f"https://{host}/"}}, **ids}
    return record("events.resolved", NOW - days_ago * DAY_MS, body, b"p", source=source, type="track", event=event)


def jumped() -> InsightTables:
    """Six weeks of ten events a day, of ten people; yesterday a hostile event of ids made anew came 90 times more."""
    made = tables()
    made.began = made.bodies.began = NOW - 60 * DAY_MS
    for days in range(45, -1, -1):
        for number in range(10):
            made.take(called("web", days, "Page", "shop.example", anonymousId=f"a{number}", userId=f"u{number}"), NOW)
    for number in range(90):
        event = called("web", 1, HOSTILE, "evil.example/" + HOSTILE, anonymousId=f"n{number}", userId=f"u{number % 9}")
        made.take(event, NOW)
    made.take(called("app", 20, "Open", "app.example"), NOW)
    return made


def shown(of: InsightTables, **query: str) -> str:
    question = usage_question(query, TODAY)
    only = {"source": question.source} if question.source else {}
    month = {"month": f"{question.month:%Y-%m}", "before": str(question.before)}
    found = answer(of, "/v1/usage", month | only, NOW)
    changed = answer(of, "/v1/changes", ({"day": question.day} if question.day else {}) | only, NOW)
    return html(usage(["web", "app"], question, OverTime(found), OverTime(changed)))


def test_a_month_is_shown_by_source_and_day_beside_the_months_before() -> None:
    page = shown(jumped(), before="2")

    assert inert(page)
    assert boxes(page) == {"Events": 240, "Today": 10, "Blocked": 0, "Invalid": 0, "Repeats, not counted": 0}
    by_source = rows(page, "Events by source")
    assert [(by_source[name]["Events"], by_source[name]["Dec 2026"]) for name in ("web", "app")] == [
        ("240", "310"), ("0", "1"),
    ]  # fmt: skip
    assert "+64 % against 140 in the first 14 days of December" in page
    by_day = rows(page, "Events by day")
    assert (by_day["Thu 14 Jan"]["Events"], by_day["Fri 15 Jan"]["Jan 2027 to this day"]) == ("100", "240")
    assert by_day["Fri 15 Jan"]["Dec 2026 to this day"] == "150"
    assert 'href="/sources/web?from=2027-01-14&amp;to=2027-01-15"' in page
    assert "November 2026: counted from 16 November on." in page
    only = shown(jumped(), source="app", month="2026-12", before="0")
    assert (boxes(only)["Events"], "Repeats" in only) == (1, False)
    assert 'rel="next"' in only


def test_a_number_leads_to_a_list_where_there_is_one_and_says_where_there_is_none() -> None:
    page = shown(jumped())
    by_source, by_domain = (
        page.partition(f"{title}s that changed most")[2].partition("</table>")[0] for title in ("Source", "Domain")
    )

    assert 'href="/sources/web?from=2027-01-14&amp;to=2027-01-15"' in by_source
    assert "shop.example" in by_domain
    assert "<a " not in by_domain
    assert not re.search(r'data-label="(Usually|Change)"><a ', page)
    assert "no list leads to their events" in page


def test_why_a_day_jumped_is_said_in_sentences() -> None:
    page = re.sub(r"\s+", " ", shown(jumped()))

    assert "100 events on Thursday, 14 January 2027, 10 on average on the 4 Thursdays before: +90 (+900 %)." in page
    assert "By event: &lt;img src=x" in page
    assert "evil.example +90, 100 % of the increase, none on those days" in page
    assert "90 of them never seen before that day, usually 0: 90 events, 90 % of all." in page
    assert "9.0 new anonymousIds for each userId, usually 0.0: that is what reset()" in page
    assert "New anonymousIds are counted one by one." in page
    quiet = re.sub(r"\s+", " ", shown(jumped(), day="2027-01-13"))
    assert "10 events on Wednesday, 13 January 2027, as usual: 10 on average on the 4 Wednesdays before." in quiet
    assert "reset()" not in quiet
    assert "The day is not over: it is compared with whole days." in shown(jumped(), day=str(TODAY))


def test_ids_that_send_an_event_each_are_told_without_users_and_a_first_day_says_nothing_of_them() -> None:
    made = tables()
    made.began = made.bodies.began = NOW - 60 * DAY_MS
    for days in range(30, 1, -1):
        for number in range(40):
            made.take(called("web", days, "Page", "a.example", anonymousId=f"{days}-{number % 4}"), NOW)
    for number in range(100):
        made.take(called("web", 1, "Page", "a.example", anonymousId=f"n{number}"), NOW)

    found = answer(made, "/v1/changes", {}, NOW)
    assert isinstance(found, ChangesAnswer)
    said = [one.says for one in sentences(found)]

    assert "Each new anonymousId sent 1.0 events, usually 10.0: that is what reset()" in said[-1]
    alone = found.model_copy(update={"usual": None, "compared": (), "usual_senders": None, "whole": False})
    assert [one.tone for one in sentences(alone)] == ["quiet", "information", "information"]
    assert sentences(alone)[1].says == "The day is not over."


def test_without_insights_the_page_says_so() -> None:
    page = html(usage(["web"], usage_question({}, TODAY), OverTime(None, "no answer"), OverTime(None, "refused")))

    assert "Counts of a chosen time are not available: no answer" in page
    assert "What changed is not known: refused" in page
    assert "topics.resolved: false" not in page
    off = usage(["web"], usage_question({}, TODAY), OverTime(None), resolved=False)
    assert "Accepted events are in no number below" in html(off)


def test_lines_of_months_begin_where_counting_began_and_end_today() -> None:
    def month(first: date, days: int, counted_from: date | None) -> UsageMonth:
        daily = (10,) * days
        return UsageMonth(month=first, counted_from=counted_from, events=0, received=0, repeats=0, daily=daily, rows=())

    this, before = date(2027, 1, 1), date(2026, 12, 1)
    chart = month_chart([month(this, 31, this), month(before, 31, before + timedelta(days=29))], date(2027, 1, 2))

    assert [(line.name, line.last, line.dash) for line in chart.lines] == [
        ("January 2027", 20, ""), ("December 2026", 310, "7 4"),
    ]  # fmt: skip
    assert chart.lines[0].points == "0.0,99.0 19.35,95.9 38.71,92.81"
    assert chart.lines[1].points == "561.29,99.0 580.65,6.1 600.0,3.0"
    assert chart.days[0].says == "by day 1: January 2027 10, December 2026 10"
    assert month_chart([month(this, 31, None)], TODAY).sentence == "nothing was counted"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"month": "2025-12"}, "month: expected one from 2026-01 to 2027-01, got '2025-12'"),
        ({"month": HOSTILE}, "month: expected one from"),
        ({"before": "9"}, "before: expected a number of months from 0 to 5, got '9'"),
        ({"day": "soon"}, "day: expected one such as 2027-01-15, got 'soon'"),
    ],
)
def test_a_question_that_is_none_is_refused_in_words(query: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError) as refused:
        usage_question(query, TODAY)

    assert says in str(refused.value)

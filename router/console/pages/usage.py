"""`/usage`: how many events came by source, day after day of a month, beside months before; and why a day differs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from aiohttp import web

from router.console.change import CountChange, change
from router.console.cumulated import added_up, month_chart, month_name
from router.console.day_changes import compared_with, exactness, row_name, rows_to_show, sentences, signed
from router.console.over_time import NOT_ASKED, OverTime, ask
from router.console.page import Page
from router.console.sight import Sight
from router.console.templates import Shown
from router.errors import UsageError
from router.insights.days import MONTHS_BACK, MOST_BEFORE, day_of, month_later
from router.insights.schema import ChangesAnswer, SourceMonth, UsageAnswer, UsageMonth

BEFORE = 1


@dataclass(frozen=True, slots=True)
class UsageQuestion:
    """What the address asks for, checked; `day` is empty for the latest whole one."""

    month: date
    before: int
    source: str
    day: str
    today: date

    @property
    def months(self) -> list[date]:
        """Those there may be counts of, the latest first."""
        return [month_later(self.today.replace(day=1), -back) for back in range(MONTHS_BACK + 1)]

    def beside(self, step: int) -> str:
        """The page of the month before or after; empty where there is none."""
        month = month_later(self.month, step)
        return self.link(month=f"{month:%Y-%m}") if month in self.months else ""

    def link(self, **other: str) -> str:
        """This page, with something else asked for."""
        own = {"month": f"{self.month:%Y-%m}", "before": str(self.before), "source": self.source} | other
        return f"/usage?{urlencode({name: value for name, value in own.items() if value})}"


@dataclass(frozen=True, slots=True)
class UsageFigure:
    """A count of the month, and the page that lists what it counts."""

    title: str
    count: int
    href: str
    change: CountChange | None = None


class UsageLine(NamedTuple):
    """One source: its month, and what the months before had of it; `trend` ends today. No page is of no source."""

    row: SourceMonth
    href: str
    trend: tuple[int, ...]
    before: list[tuple[int, str]]
    change: CountChange | None


class UsageDay(NamedTuple):
    """One day: events, events since the month began, and the same sums of months before; None: not counted."""

    day: date
    events: int
    href: str
    sums: list[int | None]
    changed: str


async def answer(sight: Sight, request: web.Request) -> Shown:
    question = usage_question(request.query, day_of(int(time.time() * 1000)))
    address = sight.options.insights
    only = {"source": question.source} if question.source else {}
    day = {"day": question.day} if question.day else {}
    month = {"month": f"{question.month:%Y-%m}", "before": str(question.before)}
    found, changed = await asyncio.gather(
        ask(address, "/v1/usage", UsageAnswer, **month, **only),
        ask(address, "/v1/changes", ChangesAnswer, **day, **only),
    )
    topology = sight.loaded.topology
    return usage(list(topology.sources), question, found, changed, resolved=topology.topics.resolved)


def usage_question(query: Mapping[str, str], today: date) -> UsageQuestion:
    """Raises UsageError for a month, a number or a day that is none."""
    latest = today.replace(day=1)
    months = {f"{month:%Y-%m}": month for month in (month_later(latest, -back) for back in range(MONTHS_BACK + 1))}
    month, before, day = (
        query.get("month") or f"{latest:%Y-%m}",
        query.get("before") or str(BEFORE),
        query.get("day", ""),
    )
    if month not in months:
        raise UsageError(f"month: expected one from {list(months)[-1]} to {latest:%Y-%m}, got {month[:40]!r}")
    if before not in map(str, range(MOST_BEFORE + 1)):
        raise UsageError(f"before: expected a number of months from 0 to {MOST_BEFORE}, got {before[:40]!r}")
    try:
        asked = date.fromisoformat(day).isoformat() if day else ""
    except ValueError:
        raise UsageError(f"day: expected one such as {today}, got {day[:40]!r}") from None
    return UsageQuestion(months[month], int(before), query.get("source", "")[:200], asked, today)


def usage(
    sources: list[str],
    question: UsageQuestion,
    found: OverTime,
    changed: OverTime = NOT_ASKED,
    *,
    resolved: bool = True,
) -> Shown:
    """The page; `resolved`: accepted events are in a topic. Pure."""
    over, of_day = found.of(UsageAnswer), changed.of(ChangesAnswer)
    values: dict[str, Any] = {
        "resolved": resolved, "question": question, "sources": sources, "over": over, "away": found.away,
        "month_name": month_name,
        "earlier": question.beside(-1), "later": question.beside(1),
        "most_before": MOST_BEFORE, "of_day": of_day, "day_away": changed.away, "signed": signed, "row_name": row_name,
        "day_href": day_href, "compared_with": compared_with,
    }  # fmt: skip
    if over is not None:
        values |= {
            "figures": _figures(over, question), "chart": month_chart(over.months, question.today),
            "lines": _lines(over, question), "days": _days(over, question),
        }  # fmt: skip
    if of_day is not None:
        tables = [(title, rows) for title, rows in rows_to_show(of_day) if not (question.source and title == "Source")]
        values |= {"sentences": sentences(of_day), "exactness": exactness(of_day), "tables": tables} | _days_beside(
            of_day, question
        )
    return Shown("usage.html", "Usage", values)


def _days_beside(found: ChangesAnswer, question: UsageQuestion) -> dict[str, str]:
    before, after = (found.day + timedelta(days=step) for step in (-1, 1))
    links = {"day_before": before, "day_after": after}
    return {name: question.link(day=str(day)) if day <= question.today else "" for name, day in links.items()}


def day_href(source: str, day: date, until: date | None = None) -> str:
    """The page that lists what came on a day, or until another: of one source, or of all."""
    where = f"/sources/{quote(source, safe='')}" if source else "/sources"
    return f"{where}?{urlencode({'from': str(day), 'to': str(until or day + timedelta(days=1))})}"


def _figures(over: UsageAnswer, question: UsageQuestion) -> list[UsageFigure]:
    month, end = over.months[0], month_later(question.month, 1)
    href = day_href(question.source, question.month, end)
    made = [UsageFigure("Events", month.events, href, _change(over, question.source or None))]
    if month.month <= question.today < end:
        today = month.daily[question.today.day - 1]
        made.append(UsageFigure("Today", today, day_href(question.source, question.today)))
    made += [
        UsageFigure("Blocked", sum(row.blocked for row in month.rows), href),
        UsageFigure("Invalid", sum(row.invalid for row in month.rows), href),
    ]
    if not question.source:
        overview = f"/?{urlencode({'from': str(question.month), 'to': str(end)})}"
        made.append(UsageFigure("Repeats, not counted", month.repeats, overview))
    return made


def _change(over: UsageAnswer, source: str | None) -> CountChange | None:
    """Of whole days against the same days of the month before; None where those were not all counted."""
    if len(over.months) < 2 or not over.whole_days:
        return None
    now, then = over.months[:2]
    days = min(over.whole_days, len(then.daily))
    if then.counted_from is None or then.counted_from > then.month:
        return None
    counts = [sum(_daily(month, source)[:days]) for month in (now, then)]
    words = f"in the first {days} days of {then.month:%B}" if days < len(then.daily) else f"in {then.month:%B}"
    return change(counts[0], counts[1], counts[1], words)


def _daily(month: UsageMonth, source: str | None) -> tuple[int, ...]:
    if source is None:
        return month.daily
    return next((row.daily for row in month.rows if row.source == source), (0,) * len(month.daily))


def _lines(over: UsageAnswer, question: UsageQuestion) -> list[UsageLine]:
    this, end = over.months[0], month_later(question.month, 1)
    names = {row.source for month in over.months for row in month.rows}
    rows = {row.source: row for row in this.rows}
    none, begun = (0,) * len(this.daily), len(added_up(this, question.today))
    found = [rows.get(name, SourceMonth(source=name, events=0, blocked=0, invalid=0, daily=none)) for name in names]
    return [
        UsageLine(
            row,
            day_href(row.source, question.month, end) if row.source else "",
            row.daily[:begun],
            _before(over, row.source),
            _change(over, row.source),
        )
        for row in sorted(found, key=lambda row: (-row.events, row.source))
    ]


def _before(over: UsageAnswer, source: str) -> list[tuple[int, str]]:
    months = [(month, month_later(month.month, 1)) for month in over.months[1:]]
    return [(sum(_daily(month, source)), day_href(source, month.month, end) if source else "") for month, end in months]


def _days(over: UsageAnswer, question: UsageQuestion) -> list[UsageDay]:
    sums = [added_up(month, question.today) if month.counted_from else [] for month in over.months]
    month = over.months[0]
    return [
        UsageDay(
            day := question.month + timedelta(days=at), month.daily[at], day_href(question.source, day),
            [of[at] if at < len(of) else None for of in sums], question.link(day=str(day)) + "#changed",
        )
        for at in range(len(sums[0]))
    ]  # fmt: skip


PAGE = Page("/usage", "Usage", answer, "u")

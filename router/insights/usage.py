"""Usage: calls by source and day of a month and of months before it, from the tables by day. Pure.

A day counts what came of calls on it, in UTC: resolved, blocked or invalid. Repeats are in no topic, so they are known
for all sources together, from the totals that ride with offsets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

import numpy as np

from router.errors import UsageError
from router.insights.schema import Freshness, InsightsAnswer, Period, SourceMonth, UsageAnswer, UsageMonth
from router.insights.tables import FUNNEL, InsightTables
from router.insights.windows import DAY_MS, DAYS

MONTHS_BACK = 12
MOST_BEFORE = 5
OfDays = Callable[[InsightTables, Mapping[str, str], int, Freshness], InsightsAnswer]


def usage(tables: InsightTables, query: Mapping[str, str], now: int, fresh: Freshness) -> UsageAnswer:
    """The answer to `/v1/usage`. Raises UsageError."""
    today = day_of(now)
    month, before = _month(query.get("month"), today), _before(query.get("before", "1"))
    end = month_later(month, 1)
    return UsageAnswer(
        period=days_of(month, end), freshness=fresh, whole_days=max(0, (min(end, today) - month).days),
        months=tuple(_usage(tables, month_later(month, -back), query.get("source")) for back in range(before + 1)),
    )  # fmt: skip


def _usage(tables: InsightTables, month: date, source: str | None) -> UsageMonth:
    end, first = month_later(month, 1), first_day(tables)
    start_ms, end_ms = ms_of(month), ms_of(end)
    found = tables.events.sums(DAYS, start_ms, end_ms, DAY_MS)
    rows = [
        SourceMonth(
            source=name, events=int(counted[:, :3].sum()), blocked=int(counted[:, 1].sum()),
            invalid=int(counted[:, 2].sum()), daily=tuple(map(int, counted[:, :3].sum(axis=1))),
        )
        for name, counted in found.items()
        if source in (None, name) and counted[:, :3].any()
    ]  # fmt: skip
    of_funnel = sum(tables.funnel.sums(DAYS, start_ms, end_ms, end_ms - start_ms).values(), np.zeros((1, len(FUNNEL))))
    return UsageMonth(
        month=month, counted_from=max(first, month) if first < end else None, events=sum(row.events for row in rows),
        received=int(of_funnel[0, FUNNEL.index("received")]), repeats=int(of_funnel[0, FUNNEL.index("duplicate")]),
        daily=tuple(sum(row.daily[at] for row in rows) for at in range((end - month).days)),
        rows=tuple(sorted(rows, key=lambda row: (-row.events, row.source))),
    )  # fmt: skip


def first_day(tables: InsightTables) -> date:
    """The first day of which something may have been counted: perhaps not all of it."""
    earliest = tables.events.earliest(DAYS)
    return day_of(tables.began if earliest is None else min(tables.began, earliest))


def day_of(ms: int) -> date:
    """In UTC, of milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, UTC).date()


def ms_of(day: date) -> int:
    """When it begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def days_of(since: date, until: date) -> Period:
    """Whole days as the time that an answer covers."""
    start, end = (datetime.fromtimestamp(ms_of(day) / 1000, UTC) for day in (since, until))
    return Period(since=start, until=end, step=DAY_MS // 1000, window="day")


def month_later(month: date, number: int) -> date:
    """The first day of the month so many later; of an earlier one with a negative number."""
    year, at = divmod(month.year * 12 + month.month - 1 + number, 12)
    return date(year, at + 1, 1)


def _month(text: str | None, today: date) -> date:
    latest = today.replace(day=1)
    if text is None:
        return latest
    earliest = month_later(latest, -MONTHS_BACK)
    found = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", text, re.ASCII)
    month = date(max(1, int(found[1])), int(found[2]), 1) if found else date.min
    if not earliest <= month <= latest:
        raise UsageError(f"month: expected one from {earliest:%Y-%m} to {latest:%Y-%m}, got {text[:40]!r}")
    return month


def _before(text: str) -> int:
    if text not in map(str, range(MOST_BEFORE + 1)):
        raise UsageError(f"before: expected a number of months from 0 to {MOST_BEFORE}, got {text[:40]!r}")
    return int(text)


def day_asked(text: str | None, today: date, first: date) -> date:
    """A day within 13 months; without one yesterday, or today where counts began later. Raises UsageError."""
    if text is None:
        yesterday = today - timedelta(days=1)
        return yesterday if first <= yesterday else today
    earliest = today - timedelta(days=DAYS.windows - 1)
    try:
        day = date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) else date.min
    except ValueError:
        day = date.min
    if not earliest <= day <= today:
        raise UsageError(f"day: expected one from {earliest} to {today}, got {text[:40]!r}")
    return day

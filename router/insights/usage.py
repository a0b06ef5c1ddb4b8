"""Usage: calls by source and day of a month and of months before it, from the tables by day. Pure.

A day counts what came of calls on it, in UTC: resolved, blocked or invalid. Repeats are in no topic, so they are known
for all sources together, from the totals that ride with offsets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

import numpy as np

from router.insights.days import day_of, days_of, month_asked, month_later, months_before, ms_of
from router.insights.schema import Freshness, InsightsAnswer, SourceMonth, UsageAnswer, UsageMonth
from router.insights.tables import FUNNEL, InsightTables
from router.insights.windows import DAY_MS, DAYS

OfDays = Callable[[InsightTables, Mapping[str, str], int, Freshness], InsightsAnswer]


def usage(tables: InsightTables, query: Mapping[str, str], now: int, fresh: Freshness) -> UsageAnswer:
    """The answer to `/v1/usage`. Raises UsageError."""
    today = day_of(now)
    month, before = month_asked(query.get("month"), today), months_before(query.get("before", "1"))
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

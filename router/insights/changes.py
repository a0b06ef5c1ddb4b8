"""Why a count jumped: a day beside usual days, by source, event, domain, and by who sent the events. Pure.

Averages are compared, not medians: those of the parts add up to that of the whole, and so do their increases.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from router.insights.bodies import ANONYMOUS, USERS, BodyTables
from router.insights.days import day_asked, day_of, days_of, ms_of
from router.insights.people import ERROR
from router.insights.schema import ChangeRows, ChangesAnswer, CountChangeRow, Freshness, SendersOfDay
from router.insights.tables import InsightTables
from router.insights.usage import first_day
from router.insights.windows import DAY_MS, DAYS, OTHERS, RECENT_DAYS, CountTable, Key, Tier

ROWS = 20
WEEKS, FEWEST_WEEKS, DAYS_OF_A_WEEK = 4, 2, 7
Counts = dict[Key, float]
Comparison = tuple[Counts, Counts | None]  # of the day, and on average of those compared with
_OTHER: Key = ("", OTHERS, "")


class _Compared(NamedTuple):
    """The day, and those that it is compared with."""

    day: date
    with_days: tuple[date, ...]
    source: str | None

    def counts(self, table: CountTable, tier: Tier, columns: Iterable[int]) -> Comparison:
        """Of each key, these columns together."""
        wanted = list(columns)

        def on(day: date) -> Counts:
            found = table.read(tier, ms_of(day), ms_of(day) + DAY_MS, DAY_MS)
            sums = {key: int(rows[0, wanted].sum()) for key, rows in found.items() if self.source in (None, key[0])}
            return {key: number for key, number in sums.items() if number}

        return on(self.day), _average([on(day) for day in self.with_days])


def changes(tables: InsightTables, query: Mapping[str, str], now: int, fresh: Freshness) -> ChangesAnswer:
    """The answer to `/v1/changes`. Raises UsageError."""
    today, first, bodies = day_of(now), first_day(tables), tables.bodies
    bodies.flush(now)
    day = day_asked(query.get("day"), today, first)
    with_days, weekday = usual_days(day, first)
    asked = _Compared(day, with_days, query.get("source"))
    calls = asked.counts(tables.events, DAYS, range(3))
    by_source = _by(calls, lambda key: (key[0], "", ""))
    by_name = _by(calls, lambda key: _OTHER if OTHERS in key else key)
    known = day >= max(day_of(bodies.began), today - timedelta(days=RECENT_DAYS.windows - 1))
    looked_into = _Compared(day, tuple(one for one in with_days if one > day_of(bodies.began)), asked.source)
    domains = _by(
        looked_into.counts(bodies.domains, RECENT_DAYS, [0]), lambda key: _OTHER if OTHERS in key else ("", "", key[1])
    )
    found = [_senders(bodies, one, asked.source, now) for one in (day, *looked_into.with_days)]
    (senders, seen), usual_senders = found[0], _average_senders([one for one, _ in found[1:]])
    total, usual = (None if counts is None else sum(counts.values()) for counts in by_source)
    return ChangesAnswer(
        period=days_of(day, day + timedelta(days=1)), freshness=fresh, day=day, whole=day < today, compared=with_days,
        weekday=weekday, events=round(total or 0), usual=usual, sources=_rows(*by_source), names=_rows(*by_name),
        domains=_rows(*domains) if known else None,
        no_domain=_no_domain(senders, usual_senders, domains) if known else None,
        senders=senders if known else None, usual_senders=usual_senders if known else None,
        looked_into_since=datetime.fromtimestamp(bodies.began / 1000, UTC),
        ids_one_in=max(1, round(senders.new_ids / seen)) if seen else 1,
        ids_error=1 / math.sqrt(seen) if seen and senders.new_ids > seen else 0.0, sketch_error=ERROR,
    )  # fmt: skip


def usual_days(day: date, first: date) -> tuple[tuple[date, ...], bool]:
    """What a day is compared with, and whether that is its weekday; `first` may have been counted in part."""
    weeks = tuple(one for weeks in range(1, WEEKS + 1) if (one := day - timedelta(weeks=weeks)) > first)
    if len(weeks) >= FEWEST_WEEKS:
        return weeks, True
    return tuple(one for days in range(1, DAYS_OF_A_WEEK + 1) if (one := day - timedelta(days=days)) > first), False


def _average(found: list[Counts]) -> Counts | None:
    """Of each key over all of them; None of none."""
    if not found:
        return None
    return {key: sum(counts.get(key, 0) for counts in found) / len(found) for counts in found for key in counts}


def _by(counts: Comparison, of: Callable[[Key], Key]) -> Comparison:
    """By what `of` makes of a key."""
    day, usual = counts
    return _together(day, of), None if usual is None else _together(usual, of)


def _together(counts: Counts, of: Callable[[Key], Key]) -> Counts:
    sums: Counts = {}
    for key, number in counts.items():
        sums[of(key)] = sums.get(of(key), 0) + number
    return sums


def _rows(counts: Counts, usual: Counts | None) -> ChangeRows:
    made = [
        _row(key, counts.get(key, 0), None if usual is None else usual.get(key, 0.0))
        for key in {**counts, **(usual or {})}
        if key != _OTHER
    ]
    made.sort(key=lambda row: (-abs(row.events if row.increase is None else row.increase), row.source, row.name))
    rest = made[ROWS:]
    left = None if usual is None else usual.get(_OTHER, 0.0) + sum(row.usual or 0.0 for row in rest)
    other = _row(("", "", ""), counts.get(_OTHER, 0) + sum(row.events for row in rest), left)
    return ChangeRows(rows=tuple(made[:ROWS]), other=other, total_rows=len(made))


def _row(key: Key, events: float, usual: float | None) -> CountChangeRow:
    source, kind, name = key
    increase = None if usual is None else events - usual
    return CountChangeRow(source=source, type=kind, name=name, events=round(events), usual=usual, increase=increase)


def _no_domain(senders: SendersOfDay, usual: SendersOfDay | None, domains: Comparison) -> CountChangeRow:
    with_one, usually = (None if counts is None else sum(counts.values()) for counts in domains)
    left = None if usual is None or usually is None else usual.looked_into - usually
    return _row(("", "", ""), senders.looked_into - (with_one or 0), left)


def _senders(bodies: BodyTables, day: date, source: str | None, now: int) -> tuple[SendersOfDay, int]:
    """Of a day, and how many new ids were seen themselves."""
    start, counts = ms_of(day), bodies.counts
    found = counts.sums(RECENT_DAYS, start, start + DAY_MS, DAY_MS)
    sums = dict.fromkeys(counts.columns, 0)
    for name, counted in found.items():
        if source in (None, name):
            sums = {column: sums[column] + int(counted[0, counts.column(column)]) for column in sums}

    def kind(key: Key) -> Key:
        return (key[1],) if source in (None, key[0]) else ("",)

    people = bodies.people.estimates(start, start + DAY_MS, now, kind)[1]
    made = SendersOfDay(
        looked_into=sums["events"], with_anonymous_id=sums["anonymous"], new_ids=sums["new_ids"],
        anonymous_ids=people.get((ANONYMOUS,), 0), users=people.get((USERS,), 0), new_events=sums["new_events"],
    )  # fmt: skip
    return made, sums["new_ids_seen"]


def _average_senders(found: list[SendersOfDay]) -> SendersOfDay | None:
    if not found:
        return None
    return SendersOfDay(
        **{name: sum(getattr(one, name) for one in found) / len(found) for name in SendersOfDay.model_fields}
    )

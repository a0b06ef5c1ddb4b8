"""The tables' answers to questions: a path and its parameters in, a model of `router.insights.schema` out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from statistics import median
from typing import NamedTuple

import numpy as np
from pydantic import TypeAdapter, ValidationError

from router.config.types import parse_duration
from router.errors import UsageError
from router.insights import schema
from router.insights.changes import changes
from router.insights.people import ERROR
from router.insights.tables import FUNNEL, LATENCY_BUCKETS, InsightTables, bound_ms
from router.insights.usage import OfDays, usage
from router.insights.usual import usual_steps
from router.insights.windows import DAY_MS, HOUR_MS, HOURS, OTHERS, Counted, CountTable, Key, Tier, tier_for
from router.replay.selection import moment

STEPS, MOST_STEPS = 60, 400
LIMIT, MOST_ROWS = 200, 2000
PARAMETERS = {
    "since": "Start: a time, or an age such as `1h`; left out: `1h`",
    "until": "End: a time, an age or `now`; left out: `now`",
    "step": "Length of a step of the trends, such as `5m`, whole windows; left out: at most 60 steps",
    "source": "Only this source; of all but `/v1/funnel` and `/v1/destinations`",
    "destination": "Only this destination; of `/v1/destinations`",
    "event": "Only this event name; of `/v1/events` and `/v1/violations`",
    "limit": "At most this many rows, 1 to 2000; left out: 200; of `/v1/events` and `/v1/violations`",
    "month": "A month such as `2026-11`, at most twelve back; left out: this one; of `/v1/usage`",
    "before": "So many months before it, too: 0 to 5; left out: 1; of `/v1/usage`",
    "day": "A day such as `2026-11-27`; left out: yesterday, or today where counts began later; of `/v1/changes`",
}
_TAKES = {
    "/v1/funnel": (),
    "/v1/events": ("source", "event", "limit"),
    "/v1/violations": ("source", "event", "limit"),
    "/v1/destinations": ("destination",),
    "/v1/volume": ("source",),
}
_OF_DAYS: dict[str, tuple[tuple[str, ...], OfDays]] = {
    "/v1/usage": (("month", "before", "source"), usage),
    "/v1/changes": (("day", "source"), changes),
}


class Asked(NamedTuple):
    """A question as understood; times in ms."""

    tables: InsightTables
    period: schema.Period
    fresh: schema.Freshness
    tier: Tier
    since: int
    until: int
    step: int
    now: int
    only: Mapping[str, str]
    limit: int

    def read(self, table: CountTable) -> dict[Key, Counted]:
        return table.read(self.tier, self.since, self.until, self.step)

    def wants(self, **names: str) -> bool:
        return all(self.only.get(name, value) == value for name, value in names.items())


class Surroundings(NamedTuple):
    """What the tables do not know: names of the topology, and whether records wait to be counted."""

    sources: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    catching_up: bool = False


NOTHING_KNOWN = Surroundings()


def answer(
    tables: InsightTables, path: str, query: Mapping[str, str], now: int, around: Surroundings = NOTHING_KNOWN
) -> schema.InsightsAnswer:
    """Raises UsageError for a parameter that is not one; KeyError for a path that is none of `schema.ANSWERS`."""
    of_days = _OF_DAYS.get(path)
    known = set(of_days[0]) if of_days else {"since", "until", "step", *_TAKES[path]}
    for name in query:
        if name not in known:
            raise UsageError(f"{path}: expected the parameters {', '.join(sorted(known))}, got {name!r}")
    if of_days:
        return of_days[1](tables, query, now, _freshness(tables, now, around))
    asked = _asked(tables, query, now, around)
    return _ANSWERS[path](asked, around)


def _asked(tables: InsightTables, query: Mapping[str, str], now: int, around: Surroundings) -> Asked:
    since = moment(query.get("since", "1h"), "since", now)
    until = moment(query.get("until", "now"), "until", now)
    since, until = since if since is not None else now - HOUR_MS, until if until is not None else now
    if since >= until:
        raise UsageError(f"since: expected a time before until, got {query.get('since')!r} to {query.get('until')!r}")
    step = _step(query.get("step", ""))
    tier = tier_for(since, now, step)
    begin, end = since - since % tier.ms, until + -until % tier.ms
    if until >= now:
        end = until - until % tier.ms + tier.ms  # with the window that has just begun
    step = step or max(1, -(-(end - begin) // (STEPS * tier.ms))) * tier.ms
    if step % tier.ms or (end - begin) / step > MOST_STEPS:
        raise UsageError(
            f"step: expected whole {tier.name}s, and at most {MOST_STEPS} of them, got {query.get('step')!r}"
        )
    period = schema.Period(since=_time(begin), until=_time(end), step=step // 1000, window=tier.name)
    limit = _limit(query.get("limit", str(LIMIT)))
    only = {name: query[name] for name in ("source", "destination", "event") if name in query}
    return Asked(tables, period, _freshness(tables, now, around), tier, begin, end, step, now, only, limit)


def _step(text: str) -> int:
    try:
        return round(parse_duration(text) * 1000) if text else 0
    except ValueError as error:
        raise UsageError(f"step: {error}") from None


def _limit(text: str) -> int:
    try:
        limit = TypeAdapter(int).validate_python(text)
    except ValidationError:
        limit = 0
    if not 1 <= limit <= MOST_ROWS:
        raise UsageError(f"limit: expected a number from 1 to {MOST_ROWS}, got {text!r}")
    return limit


def _freshness(tables: InsightTables, now: int, around: Surroundings) -> schema.Freshness:
    behind = max(0.0, (now - tables.counted_to) / 1000) if tables.counted_to else None
    return schema.Freshness(
        now=_time(now),
        counted_to=_when(tables.counted_to),
        age_seconds=behind if around.catching_up else 0.0,
        began=_time(tables.began),
        catching_up=around.catching_up,
        skipped=tables.skipped,
        outside=tables.outside,
    )


def _funnel(asked: Asked, _: Surroundings) -> schema.FunnelAnswer:
    rows = asked.read(asked.tables.funnel).values()
    counted = sum(rows, np.zeros((1, len(FUNNEL)), np.int64))
    sums = dict(zip(FUNNEL, map(int, counted.sum(axis=0)), strict=True))
    steps = counted if len(counted) == _steps(asked) else np.zeros((_steps(asked), len(FUNNEL)), np.int64)
    usual = usual_steps(asked.tables.funnel, "received", asked.since, asked.step, _steps(asked), asked.tables.began)
    return schema.FunnelAnswer(
        period=asked.period,
        freshness=asked.fresh,
        pending=asked.tables.pending,
        trend_received=_trend(steps, FUNNEL.index("received")),
        trend_delivered=_trend(steps, FUNNEL.index("delivered")),
        usual_low=tuple(min(days) if days else None for days in usual),
        usual_high=tuple(max(days) if days else None for days in usual),
        looked_at=_when(asked.tables.looked_at),
        **sums,
    )


def _events(asked: Asked, _: Surroundings) -> schema.EventsAnswer:
    table = asked.tables.events
    start, people = asked.tables.people.estimates(asked.since, asked.until, asked.now)
    rows, left_out = [], 0
    for key, counted in asked.read(table).items():
        source, kind, name = key
        if not asked.wants(source=source, **({} if kind == OTHERS else {"event": name})):
            continue
        sums = counted.sum(axis=0)
        if kind == OTHERS:
            left_out += int(sums[:3].sum())
            continue
        first, last = _seen(table, key)
        estimate = people.get(key)
        rows.append(
            schema.EventRow(
                source=source, type=kind, event=name,
                **dict(zip(table.columns, map(int, sums), strict=True)),
                people=None if estimate is None else schema.People(estimate=estimate, error=ERROR, since=_time(start)),
                first_seen=first, last_seen=last, trend=_trend(counted, 0, 1, 2),
            )
        )  # fmt: skip
    rows.sort(key=lambda row: (-row.resolved - row.blocked - row.invalid, row.source, row.event))
    return schema.EventsAnswer(
        period=asked.period, freshness=asked.fresh, rows=tuple(rows[: asked.limit]), total_rows=len(rows),
        left_out=_left_out(left_out),
    )  # fmt: skip


def _violations(asked: Asked, _: Surroundings) -> schema.ViolationsAnswer:
    table, samples = asked.tables.violations, asked.tables.violation_samples
    rows, left_out = [], 0
    for key, counted in asked.read(table).items():
        source, event, rule, klass, kind, path = key
        if not asked.wants(source=source, **({} if event == OTHERS else {"event": event})):
            continue
        allowed, blocked = map(int, counted.sum(axis=0))
        if event == OTHERS:
            left_out += allowed + blocked
            continue
        first, last = _seen(table, key)
        examples = [(one["messageId"], one["receivedAt"], one["message"]) for one in samples.of(key)]
        rows.append(
            schema.ViolationRow(
                source=source, event=event, rule=rule, violation_class=klass, type=kind, path=path,
                count=allowed + blocked, allowed=allowed, blocked=blocked, first_seen=first, last_seen=last,
                trend=_trend(counted, 0, 1),
                samples=tuple(schema.ViolationExample(message_id=a, received_at=b, message=c) for a, b, c in examples),
            )
        )  # fmt: skip
    rows.sort(key=lambda row: (-row.count, row.source, row.event, row.path))
    return schema.ViolationsAnswer(
        period=asked.period, freshness=asked.fresh, rows=tuple(rows[: asked.limit]), total_rows=len(rows),
        left_out=_left_out(left_out),
    )  # fmt: skip


def _destinations(asked: Asked, around: Surroundings) -> schema.DestinationsAnswer:
    found = asked.read(asked.tables.deliveries)
    latencies: dict[str, dict[int, Counted]] = {}
    for (name, bucket), counted in asked.read(asked.tables.latencies).items():
        if bucket != OTHERS:
            latencies.setdefault(name, {})[int(bucket)] = counted
    errors: dict[str, list[schema.ErrorRow]] = {}
    for key, counted in asked.read(asked.tables.errors).items():
        errors.setdefault(key[0], []).append(_error(asked, key, counted))
    names = sorted({*around.destinations, *(key[0] for key in found)})
    empty = np.zeros((_steps(asked), len(asked.tables.deliveries.columns)), np.int64)
    rows = tuple(
        _destination(asked, name, found.get((name,), empty), latencies.get(name, {}), errors.get(name, []))
        for name in names
        if asked.wants(destination=name)
    )
    return schema.DestinationsAnswer(period=asked.period, freshness=asked.fresh, rows=rows)


def _destination(
    asked: Asked, name: str, counted: Counted, latencies: Mapping[int, Counted], errors: list[schema.ErrorRow]
) -> schema.DestinationRecord:
    table = asked.tables.deliveries
    sums = dict(zip(table.columns, map(int, counted.sum(axis=0)), strict=True))
    place = [table.column(one) for one in ("delivered", "unconfirmed")]
    delivered = sums["delivered"] + sums["unconfirmed"]
    retries = sums["retry"] + sums["refused"]
    failed = retries + sums["dead"]
    return schema.DestinationRecord(
        name=name, delivered=delivered, unconfirmed=sums["unconfirmed"], filtered=sums["filtered"], retries=retries,
        dead=sums["dead"], replayed=sums["replayed"], not_delivered=failed,
        success=delivered / (delivered + failed) if delivered + failed else None,
        latency=_latency(
            {bucket: int(one.sum()) for bucket, one in latencies.items()},
            sums["named"] / delivered if delivered else 0.0,
        ),
        last_delivered=_last(table, name, delivered),
        trend_delivered=_trend(counted, *place),
        trend_not_delivered=_trend(counted, *(table.column(one) for one in ("retry", "refused", "dead"))),
        trend_p95=_trend_p95(latencies, _steps(asked)),
        errors=tuple(sorted(errors, key=lambda row: (-row.count, row.code))),
    )  # fmt: skip


def _last(table: CountTable, name: str, delivered: int) -> datetime | None:
    seen = table.seen((name,))
    return _time(seen[1]) if seen and delivered else None


def _error(asked: Asked, key: Key, counted: Counted) -> schema.ErrorRow:
    first, last = _seen(asked.tables.errors, key)
    samples = [
        schema.DeliverySample(
            time=one["time"], origin=one["origin"], event=one["event"], request=one.get("request", ""),
            response=one.get("response", ""), detail=one.get("detail", ""),
        )
        for one in asked.tables.delivery_samples.of(key)
    ]  # fmt: skip
    return schema.ErrorRow(
        code=key[2], outcome=key[1], count=int(counted.sum()), first_seen=first, last_seen=last,
        trend=_trend(counted, 0), samples=tuple(samples),
    )  # fmt: skip


def _latency(counts: Mapping[int, int], named: float) -> schema.Latency | None:
    if not counts:
        return None
    p50, p95, p99 = (_quantile(counts, q) for q in (0.5, 0.95, 0.99))
    return schema.Latency(p50=p50, p95=p95, p99=p99, named=min(1.0, named))


def _trend_p95(latencies: Mapping[int, Counted], steps: int) -> tuple[float | None, ...]:
    """Of each step; None for one in which nothing was delivered."""
    columns = ({bucket: int(one[at].sum()) for bucket, one in latencies.items()} for at in range(steps))
    return tuple(_quantile(counts, 0.95) if any(counts.values()) else None for counts in columns)


def _quantile(counts: Mapping[int, int], q: float) -> float:
    left = q * sum(counts.values())
    for bucket in sorted(counts):
        left -= counts[bucket]
        if left <= 1e-9:
            return bound_ms(bucket) / 1000
    return bound_ms(LATENCY_BUCKETS - 1) / 1000


def _volume(asked: Asked, around: Surroundings) -> schema.VolumeAnswer:
    by_source = asked.tables.events.sums(asked.tier, asked.since, asked.until, asked.step)
    names = sorted({*around.sources, *by_source})
    empty = np.zeros((_steps(asked), 4), np.int64)
    hours = _hours(asked)
    rows = tuple(
        _source(asked, name, by_source.get(name, empty), hours.get(name, {}))
        for name in names
        if asked.wants(source=name)
    )
    return schema.VolumeAnswer(period=asked.period, freshness=asked.fresh, rows=rows)


def _hours(asked: Asked) -> dict[str, dict[int, int]]:
    """By source: the last whole hour (0) and the same hour so many days ago."""
    table, hour = asked.tables.events, asked.now - asked.now % HOUR_MS - HOUR_MS
    found: dict[str, dict[int, int]] = {}
    for days in range(8):
        start = hour - days * DAY_MS
        for name, counted in table.sums(HOURS, start, start + HOUR_MS, HOUR_MS).items():
            found.setdefault(name, {})[days] = int(counted[:, :3].sum())
    return found


def _source(asked: Asked, name: str, counted: Counted, hours: Mapping[int, int]) -> schema.SourceVolume:
    resolved, blocked, invalid, violations = map(int, counted.sum(axis=0))
    hour = asked.now - asked.now % HOUR_MS - HOUR_MS
    earliest = asked.tables.events.earliest(HOURS)
    there = [earliest is not None and hour - days * DAY_MS >= earliest for days in range(1, 8)]
    same = tuple(hours.get(days, 0) if known else None for days, known in enumerate(there, 1))
    days = [count for count in same if count is not None]
    usual = float(median(days)) if len(days) >= 3 else None
    seen = [asked.tables.events.last(key) for key in asked.tables.events.keys_of(name)]
    return schema.SourceVolume(
        source=name, events=resolved + blocked + invalid, blocked=blocked, invalid=invalid, violations=violations,
        last_seen=_when(max(seen, default=0)), trend=_trend(counted, 0, 1, 2), last_hour=hours.get(0, 0),
        usual_hour=usual, ratio=hours.get(0, 0) / usual if usual else None, same_hour=same,
    )  # fmt: skip


def _steps(asked: Asked) -> int:
    return max(1, -(-(asked.until - asked.since) // asked.step))


def _trend(counted: Counted, *columns: int) -> tuple[int, ...]:
    return tuple(map(int, counted[:, list(columns)].sum(axis=1)))


def _seen(table: CountTable, key: Key) -> tuple[datetime | None, datetime | None]:
    seen = table.seen(key)
    return (None, None) if seen is None else (_time(seen[0]), _time(seen[1]))


def _left_out(events: int) -> schema.LeftOut:
    words = (
        "names beyond those that the tables hold: 1000, of which 250 in a minute and 500 in an hour" if events else ""
    )
    return schema.LeftOut(events=events, names=words)


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _when(ms: int) -> datetime | None:
    return _time(ms) if ms else None


_ANSWERS: dict[str, Callable[[Asked, Surroundings], schema.InsightsAnswer]] = {
    "/v1/funnel": _funnel,
    "/v1/events": _events,
    "/v1/violations": _violations,
    "/v1/destinations": _destinations,
    "/v1/volume": _volume,
}

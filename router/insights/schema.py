"""Every answer of insights, typed: what `router insights` serves as JSON, and what the console reads.

The tables are in the insights process alone, so the console asks over loopback HTTP:
`GET http://HOST:PORT/v1/{funnel,events,violations,destinations,volume,usage,changes}`, the address being `insights` of
its RunOptions (`router up` chooses the port and hands it to its children). In a test, or in process, `answer` of
`router.insights.answers` gives the same models of the same tables. Parameters: `since` and `until` (an age such as
`1h`, or a time), `step` (such as `5m`), `source`, `destination`, `event`, `limit`; of usage `month` and `before`, of
changes `day`. A count is exact unless it says so.
A trend has one number a step, the first for the step that begins at `period.since`.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

DeliveryOutcome = Literal["delivered", "unconfirmed", "filtered", "retry", "refused", "dead"]


class InsightsModel(BaseModel):
    """Base of the answers: immutable, nothing else in them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Period(InsightsModel):
    """The time that an answer covers: what was asked for, rounded out to whole windows."""

    since: datetime
    until: datetime
    step: int = Field(description="Seconds between two numbers of a trend")
    window: Literal["minute", "hour", "day"] = Field(description="The finest windows kept for all of this time")


class Freshness(InsightsModel):
    """How far the counts have come."""

    now: datetime = Field(description="When the answer was made, by the clock of insights")
    counted_to: datetime | None = Field(description="Time of the latest record counted; null before the first")
    age_seconds: float | None = Field(
        description="How old the counts are: 0 when everything there is has been counted, else the age of the latest "
        "record counted; null while that is not known"
    )
    began: datetime = Field(description="Since when there are counts: nothing before it is in any answer")
    catching_up: bool = Field(description="Records wait to be counted, or Kafka cannot be asked whether any do")
    skipped: int = Field(
        description="Records of `events.resolved` passed over since `began`, insights being too far behind: counts by "
        "event are too low by these; those of funnel and destinations are not"
    )
    outside: int = Field(description="Records too old for every window, since `began`")


class InsightsAnswer(InsightsModel):
    """What each answer has."""

    period: Period
    freshness: Freshness


class FunnelAnswer(InsightsAnswer):
    """`/v1/funnel`. Exact: from the totals that ride with committed offsets, so to the last commit, also after kill -9.

    received = invalid + blocked + duplicate + resolved; and at rest, over all time,
    routed + redriven = delivered + filtered + dead + pending.
    """

    received: int
    invalid: int
    blocked: int
    duplicate: int
    resolved: int
    routed: int = Field(description="Deliveries: an event for three destinations is three")
    redriven: int
    delivered: int
    filtered: int = Field(description="By mappings and caps of destinations, after routing")
    dead: int
    pending: int = Field(description="Routed or redriven and not final, now: not of the period")
    trend_received: tuple[int, ...]
    trend_delivered: tuple[int, ...]
    usual_low: tuple[float | None, ...] = Field(
        description="Of each step: the least received in a time as long, at this hour of the last seven days; null "
        "with under 3 of them, and for steps of a day or more"
    )
    usual_high: tuple[float | None, ...] = Field(description="The most of them")
    looked_at: datetime | None = Field(description="When the totals were last read of Kafka; null: not yet")


class People(InsightsModel):
    """How many different profiles, by a HyperLogLog sketch."""

    estimate: int
    error: float = Field(description="Standard error, relative: the truth is within twice this in 95 of 100 cases")
    since: datetime = Field(description="People are counted by the hour and by the day: from the start of that window")


class EventRow(InsightsModel):
    """One event name of one source."""

    source: str
    type: str = Field(description="Call type; empty in the row of the others and of invalid records")
    event: str = Field(description="Name of a track event, page or screen; else empty; at most 200 characters of it")
    resolved: int
    blocked: int
    invalid: int
    violations: int = Field(description="Violations found in its events, whatever was done about them")
    people: People | None = Field(description="Null where no sketch is kept: the 64 first names of a window have one")
    first_seen: datetime | None = Field(description="Since `began`; null for the others")
    last_seen: datetime | None
    trend: tuple[int, ...] = Field(description="Resolved, blocked and invalid together")


class LeftOut(InsightsModel):
    """What the bounded tables hold no row for: counted, but not by name."""

    events: int
    names: str = Field(description="Why in words; empty when nothing is left out")


class EventsAnswer(InsightsAnswer):
    """`/v1/events`, of `source` and `event` where asked, most frequent first."""

    rows: tuple[EventRow, ...]
    total_rows: int = Field(description="Rows there are, of which `limit` are given")
    left_out: LeftOut


class ViolationExample(InsightsModel):
    """One violation as it was found; never the value."""

    message_id: str
    received_at: str
    message: str


class ViolationRow(InsightsModel):
    """One way to break a plan: by source, rule, place."""

    source: str
    event: str
    rule: str
    violation_class: str = Field(description="unplanned_event, unplanned_property, violation, common, source_rule")
    type: str = Field(description="Of JSON Schema, such as Required or Type")
    path: str = Field(description="JSON pointer into the event")
    count: int
    allowed: int
    blocked: int
    first_seen: datetime | None
    last_seen: datetime | None
    trend: tuple[int, ...]
    samples: tuple[ViolationExample, ...]


class ViolationsAnswer(InsightsAnswer):
    """`/v1/violations`, of `source` and `event` where asked, most frequent first."""

    rows: tuple[ViolationRow, ...]
    total_rows: int
    left_out: LeftOut


class DeliverySample(InsightsModel):
    """What was sent and answered, as delivery wrote it into `delivery.log`: masked there."""

    time: str
    origin: str = Field(description="topic:partition:offset of the event")
    event: Any = Field(description="The event; text where it was cut")
    request: str
    response: str
    detail: str


class ErrorRow(InsightsModel):
    """What went wrong at one destination, by code. `outcome` filtered: the code is the reason."""

    code: str
    outcome: DeliveryOutcome
    count: int = Field(description="Attempts of events: an event that is retried three times counts three times")
    first_seen: datetime | None
    last_seen: datetime | None
    trend: tuple[int, ...]
    samples: tuple[DeliverySample, ...] = Field(description="The oldest and the newest two that are kept")


class Latency(InsightsModel):
    """Receive time to acceptance, in seconds, to the next bound of a histogram: at most 25 % too high."""

    p50: float
    p95: float
    p99: float
    named: float = Field(description="Share of deliveries with a time of their own; the others by their summary")


class DestinationRecord(InsightsModel):
    """One destination, from `delivery.log`: exact where delivery ran without a kill -9, which can repeat a record."""

    name: str
    delivered: int
    unconfirmed: int = Field(description="Of those delivered: the partner says yes to anything")
    filtered: int
    retries: int = Field(description="Events to be tried again, each time; the partner refusing us included")
    dead: int
    replayed: int = Field(description="Final events of replays; in no other number")
    not_delivered: int = Field(description="retries + dead")
    success: float | None = Field(description="delivered / (delivered + retries + dead); null without traffic")
    latency: Latency | None
    last_delivered: datetime | None
    trend_delivered: tuple[int, ...]
    trend_not_delivered: tuple[int, ...]
    trend_p95: tuple[float | None, ...] = Field(description="Of each step, as `latency.p95`; null without a delivery")
    errors: tuple[ErrorRow, ...] = Field(description="Most frequent first")


class DestinationsAnswer(InsightsAnswer):
    """`/v1/destinations`, of `destination` where asked: every destination of the topology, by name."""

    rows: tuple[DestinationRecord, ...]


class SourceVolume(InsightsModel):
    """One source, and its usual volume at this hour."""

    source: str
    events: int = Field(description="Resolved, blocked and invalid; repeats are in no topic")
    blocked: int
    invalid: int
    violations: int
    last_seen: datetime | None
    trend: tuple[int, ...]
    last_hour: int = Field(description="Events of the last whole hour of the clock")
    usual_hour: float | None = Field(description="Median of the same hour of the last seven days; null with under 3")
    ratio: float | None = Field(description="last_hour / usual_hour")
    same_hour: tuple[int | None, ...] = Field(description="One, two … seven days ago; null before `began`")


class VolumeAnswer(InsightsAnswer):
    """`/v1/volume`, of `source` where asked: every source of the topology, by name."""

    rows: tuple[SourceVolume, ...]


class SourceMonth(InsightsModel):
    """The calls of one source in one month."""

    source: str = Field(description="Empty for invalid records of which no source is known")
    events: int = Field(description="Resolved, blocked and invalid: each call of a batch is one")
    blocked: int
    invalid: int
    daily: tuple[int, ...] = Field(description="Events of each day of the month, the first first")


class UsageMonth(InsightsModel):
    """A month of the calendar, in UTC."""

    month: date = Field(description="Its first day")
    counted_from: date | None = Field(description="The first of its days with counts; null where all lie before them")
    events: int
    received: int = Field(description="What the route workers read, of all sources: also repeats. Exact, as the funnel")
    repeats: int = Field(description="Of those: dropped as duplicates, of all sources; in no number by source")
    daily: tuple[int, ...] = Field(description="Events of each day")
    rows: tuple[SourceMonth, ...] = Field(description="Every source with an event in the month, most first")


class UsageAnswer(InsightsAnswer):
    """`/v1/usage`: calls by source and day of `month`, and of up to five months before it, of `source` where asked.

    Counted as they were accepted, blocked or found invalid, by the day (UTC) on which that was. Replays and redrives
    are no calls, and in none of these numbers. Exact but for `freshness.skipped`.
    """

    whole_days: int = Field(description="Days of the month that are over")
    months: tuple[UsageMonth, ...] = Field(description="The month asked for, then those before it, the latest first")


class CountChangeRow(InsightsModel):
    """A count of the day, and what it is on average on the days compared with."""

    source: str
    type: str = Field(description="Call type; empty where rows are not by event")
    name: str = Field(description="Event name or domain; empty where rows are by source")
    events: int
    usual: float | None = Field(description="Null without a day to compare with")
    increase: float | None = Field(description="events - usual")


class ChangeRows(InsightsModel):
    """Those that changed most, and the sum of all others."""

    rows: tuple[CountChangeRow, ...]
    other: CountChangeRow
    total_rows: int


class SendersOfDay(InsightsModel):
    """What bodies of events say of who sent them; of usual days, on average."""

    looked_into: float = Field(description="Events whose body was read: accepted and blocked ones. Exact")
    with_anonymous_id: float = Field(description="Of those: with an anonymousId. Exact")
    anonymous_ids: float = Field(description="Different anonymousIds, by a sketch")
    users: float = Field(description="Different userIds, by a sketch")
    new_ids: float = Field(description="anonymousIds never seen before that day, by any source")
    new_events: float = Field(description="Events with one of those")


class ChangesAnswer(InsightsAnswer):
    """`/v1/changes`: what brought more or fewer events on `day` than usual, of `source` or of all.

    Compared with the same weekday of the four weeks before; where counts reach back to fewer than two of them, with the
    days of the week before. Events by source and name are exact, those of domains too, but for names and domains beyond
    the tables' bounds. Who sent them is kept for 62 days.
    """

    day: date
    whole: bool = Field(description="The day is over")
    compared: tuple[date, ...] = Field(description="The days compared with, the latest first; none: not known yet")
    weekday: bool = Field(description="They are the same weekday")
    events: int
    usual: float | None
    sources: ChangeRows
    names: ChangeRows
    domains: ChangeRows | None = Field(description="By the domain of `context.page.url`; null for a day not kept")
    no_domain: CountChangeRow | None = Field(description="Events whose body has none")
    senders: SendersOfDay | None = Field(description="Null for a day not kept")
    usual_senders: SendersOfDay | None
    looked_into_since: datetime = Field(description="Since when bodies are read: no id is known from before")
    ids_one_in: int = Field(description="New ids are counted of one id in so many, and multiplied; 1: of all")
    ids_error: float = Field(description="Standard error of `senders.new_ids`, relative; 0 where all are looked at")
    sketch_error: float = Field(description="Standard error of `anonymous_ids` and `users`, relative")


ANSWERS: dict[str, type[InsightsAnswer]] = {
    "/v1/funnel": FunnelAnswer,
    "/v1/events": EventsAnswer,
    "/v1/violations": ViolationsAnswer,
    "/v1/destinations": DestinationsAnswer,
    "/v1/volume": VolumeAnswer,
    "/v1/usage": UsageAnswer,
    "/v1/changes": ChangesAnswer,
}

SHARED: tuple[type[InsightsModel], ...] = (
    *(Period, Freshness, EventRow, People, LeftOut, ViolationRow, ViolationExample),
    *(DestinationRecord, Latency, ErrorRow, DeliverySample, SourceVolume),
    *(UsageMonth, SourceMonth, ChangeRows, CountChangeRow, SendersOfDay),
)
"""What answers are made of."""

"""The four agents in a row over one batch: validate, dedupe, identify, fanout.

Pure but for the state it is given: it stages what is to be written (`Batch`) and writes nothing itself. Whoever runs it
makes records, changelog and offsets durable, then the local state; see `router.runtime`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import orjson

from router.agents.dedupe import Dedupe, Fresh
from router.agents.fanout import Choice, Fanout
from router.agents.identify import who
from router.agents.intake import Intake, Message, Rejected
from router.agents.openers import openers
from router.agents.straight import Straight
from router.agents.validate import SourceRules, Verdict, mark
from router.agents.way import Kind, Way
from router.events.event import LET_GO, Body, Event
from router.events.records import (
    Fan,
    Headers,
    Place,
    Record,
    blocked_record,
    event_headers,
    invalid_record,
    keyed_record,
    violation_generated,
    violation_record,
)
from router.events.topics import Topics

Lanes = Mapping[tuple[str, int], int]  # topic and partition to their position in this mapping
REMEMBERED = 10_000
_lane = attrgetter("lane")


@dataclass(slots=True)
class Batch:
    """What one batch comes to: `fans` for the clean stream and the destinations, `records` for all other topics.

    Counters are by lane (routed: by lane and destination), to be added to the totals.
    """

    records: list[Record] = field(default_factory=list)
    fans: list[Fan] = field(default_factory=list)
    fresh: Fresh = field(default_factory=dict)
    received: Counter[int] = field(default_factory=Counter)
    invalid: Counter[int] = field(default_factory=Counter)
    blocked: Counter[int] = field(default_factory=Counter)
    duplicate: Counter[int] = field(default_factory=Counter)
    resolved: Counter[int] = field(default_factory=Counter)
    rekeyed: Counter[int] = field(default_factory=Counter)
    routed: Counter[tuple[int, str]] = field(default_factory=Counter)
    filtered: Counter[tuple[str, str]] = field(default_factory=Counter)  # destination, reason
    violations: Counter[tuple[str, str]] = field(default_factory=Counter)  # source, class
    unknown_integrations: Counter[str] = field(default_factory=Counter)

    def outputs(self) -> Iterator[Record]:
        """Every message to produce."""
        yield from self.records
        for topics, value, key, headers in self.fans:
            for topic in topics:
                yield topic, value, key, headers

    def merge(self, other: Batch) -> None:
        """Add what another part of the same batch came to."""
        self.records += other.records
        self.fans += other.fans
        self.fresh.update(other.fresh)
        for name in ("received", "invalid", "blocked", "duplicate", "resolved", "rekeyed", "filtered", "violations"):
            getattr(self, name).update(getattr(other, name))
        self.routed.update(other.routed)
        self.unknown_integrations.update(other.unknown_integrations)


@dataclass(frozen=True, slots=True)
class Forward:
    """Where a source's blocked events and violations go besides their own topics."""

    blocked_to: str | None = None
    violations_to: str | None = None


class Chain:
    """Built once for a topology; `run` is called for every batch, by one thread."""

    def __init__(
        self,
        topics: Topics,
        intake: Intake,
        rules: Mapping[str, SourceRules],
        dedupe: Dedupe,
        identify: Callable[[Sequence[Event]], None],
        fanout: Fanout,
        *,
        rekey: bool = True,
        forward: Mapping[str, Forward] | None = None,
    ) -> None:
        self.topics = topics
        self.intake = intake
        self.rules = dict(rules)
        self.dedupe = dedupe
        self.identify = identify
        self.fanout = fanout
        self.rekey = rekey
        self.forward = dict(forward or {})
        self.stage = ""  # the agent at work, for whoever catches its exception
        self._places: list[tuple[str, int]] = []
        self._ways: dict[Kind, Way] = {}
        self._straight = Straight(intake, self._ways, self._way, fanout, self.ripen)

    def run(self, messages: Sequence[Message], lanes: Lanes) -> Batch:
        """Process messages. Bad data becomes records; an exception is a bug or a fault of the state."""
        batch = Batch()
        self.stage = "intake"
        self._places = list(lanes)
        events: list[Event] = []
        straight, depth = self._straight, self.intake.limits.depth
        values = [message.value() for message in messages]
        for message, value, opened in zip(messages, values, openers(values), strict=True):
            lane = lanes[message.topic(), message.partition()]
            event = straight(message, value, lane) if opened <= depth else None
            if event is not None:
                events.append(event)
            else:
                for unripe in self._taken(message, lane, batch):
                    self.ripen(unripe)
                    events.append(unripe)
        batch.received.update(map(_lane, events))
        self.process(events, batch)
        return batch

    def take(self, message: Message, lanes: Lanes, batch: Batch) -> list[Event]:
        """The events of one message that are to be processed here, not yet ripe. What is no event is rejected."""
        self.stage = "intake"
        self._places = list(lanes)
        events = self._taken(message, lanes[message.topic(), message.partition()], batch)
        batch.received.update(map(_lane, events))
        return events

    def _taken(self, message: Message, lane: int, batch: Batch) -> list[Event]:
        events: list[Event] = []
        rejected: list[Rejected] = []
        for taken in self.intake(message, lane):
            if type(taken) is Event:
                events.append(taken)
            else:
                assert isinstance(taken, Rejected)
                rejected.append(taken)
        batch.received.update(map(_lane, rejected))
        self.reject(rejected, batch)
        return self._rekeyed(events, batch) if self.rekey else events

    def ripen(self, event: Event) -> None:
        """All that needs the body: validate, choose destinations, take the keys, serialise once for all topics. It is
        done while the body is fresh from the parser: a whole batch of bodies would not fit the processor's cache.
        """
        self.stage = "validate"
        body, rules = event.body, self.rules[event.source]
        verdict = event.verdict = rules.check(body)
        if verdict is not None and verdict.blocked:
            event.digest = self.dedupe.digest(event.source, body["messageId"], True)
            return
        mark(body, rules.stamp)
        self.stage = "fanout"
        kind = (event.source, event.type, event.name)
        way = self._ways.get(kind) or self._way(kind)
        event.out = way.headers if event.headers is None else event_headers(event)
        integrations = body.get("integrations")
        event.choice = self.fanout(*kind, integrations) if integrations else way.choice
        self.stage = "identify"
        event.digest = self.dedupe.digest(event.source, body["messageId"], False)
        event.ids = who(body)
        body.pop("profileId", None)
        event.value = orjson.dumps(body)
        if verdict is None and event.type != "alias":
            event.body = LET_GO
        self.stage = "intake"

    def process(self, events: Sequence[Event], batch: Batch) -> None:
        """The agents that work on whole batches, over events that are ripe."""
        self.stage = "dedupe"
        judged = [event for event in events if event.verdict is not None]
        passed = self._block(judged, events, batch)
        survivors = self.dedupe(passed, batch.fresh)
        if len(survivors) != len(passed):
            batch.duplicate.update(map(_lane, passed))
            batch.duplicate.subtract(map(_lane, survivors))
        if judged:
            self._report(survivors, batch)
        self.stage = "identify"
        self.identify(survivors)
        self.stage = "fanout"
        self._emit(survivors, batch)

    def reject(self, rejected: Iterable[Rejected], batch: Batch) -> None:
        for item in rejected:
            topic = self.topics.invalid
            batch.records.append(invalid_record(topic, item.invalid, item.place, item.key, item.stage, item.source))
            batch.invalid[item.lane] += 1

    def _rekeyed(self, events: list[Event], batch: Batch) -> list[Event]:
        """Events without a message key go once round by `events.keyed`, so that a device's events meet."""
        keyed = [event for event in events if event.key is not None]
        if len(keyed) != len(events):
            for event in events:
                if event.key is None:
                    batch.records.append(self._around(event, event.body, event.source))
                    batch.rekeyed[event.lane] += 1
        return keyed

    def _block(self, judged: Sequence[Event], events: Sequence[Event], batch: Batch) -> Sequence[Event]:
        """Write down what the plan blocks; returns what passes."""
        blocked = [event for event in judged if event.verdict.blocked]
        if not blocked:
            return events
        first = self.dedupe(blocked, batch.fresh)
        batch.duplicate.update(map(_lane, blocked))
        batch.duplicate.subtract(map(_lane, first))
        for event in first:
            plan = self.rules[event.source].stamp
            batch.records.append(blocked_record(self.topics.blocked, event, event.verdict.violations, plan))
            batch.blocked[event.lane] += 1
            forward = self.forward.get(event.source)
            if forward and forward.blocked_to:
                batch.records.append(self._around(event, event.body, forward.blocked_to))
        self._report(first, batch)
        return [event for event in events if event.verdict is None or not event.verdict.blocked]

    def _report(self, events: Iterable[Event], batch: Batch) -> None:
        """One record for each violation of events that are no repeats."""
        for event in events:
            verdict: Verdict | None = event.verdict
            if verdict is None:
                continue
            outcome = "blocked" if verdict.blocked else "allowed"
            forward = self.forward.get(event.source)
            for number, violation in enumerate(verdict.violations):
                batch.records.append(violation_record(self.topics.violations, event, violation, outcome))
                batch.violations[event.source, violation.klass] += 1
                if forward and forward.violations_to:
                    generated = violation_generated(event, violation, number)
                    batch.records.append(self._around(event, generated, forward.violations_to))

    def _around(self, event: Event, body: Body, source: str) -> Record:
        """The record that sends a body round by `events.keyed`, as an event of that source."""
        origin = Place(*self._places[event.lane], event.offset)
        return keyed_record(self.topics.keyed, body, source, event.received, origin, event.headers)

    def _emit(self, events: Sequence[Event], batch: Batch) -> None:
        """Complete each event by its profile and write it to the clean stream and to each destination chosen."""
        append, join = batch.fans.append, b"".join
        for event in events:
            key = event.profile.encode()
            value = join((memoryview(event.value)[:-1], b',"profileId":"', key, b'"}'))
            choice: Choice = event.choice
            append((choice.topics, value, key, event.out))
            if choice.unknown:
                batch.unknown_integrations[event.source] += choice.unknown
        batch.resolved.update(map(_lane, events))
        for (lane, choice), count in Counter([(event.lane, event.choice) for event in events]).items():
            for destination in choice.chosen:
                batch.routed[lane, destination] += count
            for refusal in choice.refused:
                batch.filtered[refusal] += count

    def _way(self, of: Kind) -> Way:
        """Compile the way of a kind of events."""
        if len(self._ways) >= REMEMBERED:
            self._ways.clear()
        source, kind, name = of
        rules = self.rules[source]
        headers: Headers = [("source", source.encode()), ("type", kind.encode()), ("event", name.encode())]
        way = Way(
            headers,
            self.fanout(source, kind, name, {}),
            rules.conforms(kind, name),
            self.dedupe.prefix(source),
            rules.stamp,
        )
        self._ways[of] = way
        return way

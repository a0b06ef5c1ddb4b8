"""The native short cut through the agents: events that the scanner takes come prepared, as columns.

The scanner takes an event only where it makes the very bytes that the agents would (`router/native/scan.c`). What it
leaves open of an event is asked of the agent whose rule it is, about that part of the event alone; agents behind Route
look into the finished event as they always do, and it has an object of its own for as long as they look.

Events that an agent before Route may change or stop take the long way, which alone defines what is right; a name is
learned when it was seen there. One of a thousand events that the scanner takes goes both ways: a difference is counted
and switches it off. Pure.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from router import metrics
from router.agents.agent import Agent, Prepare, RouteKey
from router.agents.batch import Batch
from router.agents.decode import Decode, Message
from router.agents.events import Alike, Events
from router.agents.identify import Identify
from router.agents.route import Choice, Route
from router.agents.scan_answers import OpenEvent, ScanAnswers
from router.agents.scan_input import ScanInputs
from router.agents.scan_kinds import USUAL, ScanKind, ScanKinds, only
from router.agents.scan_verdicts import ScanVerdicts
from router.events.event import Event
from router.events.message_batch import Array
from router.identity import Identifiers
from router.native.scanner import ASKS_FORMAT, BREAKS, LONG_IDS, NOT_TAKEN, ODD_ID, EventScanner, ScanLimits, Scanned

log = logging.getLogger(__name__)
FEWEST = 8  # messages: below that the long way is as fast
CHECKED = 1000  # one event of so many goes both ways
REMEMBERED = 10_000  # choices that were not the usual ones
REMEMBERED_PEOPLE = 65_536  # pairs of userId and anonymousId


class ScannedEvents(NamedTuple):
    """A row for each message of a batch. Rows of those that are `left` to the long way mean nothing, nor do those of
    events that agents have changed, which are in `changed` with their messages' indices.
    """

    events: Events
    changed: list[tuple[int, Event]]
    left: list[int]


class Scan:
    """The scanner of one pipeline, for one thread."""

    def __init__(
        self, scanner: EventScanner, decode: Decode, agents: Sequence[Agent], prepare: Callable[[Event], None]
    ) -> None:
        self._scanner = scanner
        self._decode = decode
        self._prepare = prepare
        self._kinds = ScanKinds(scanner, agents)
        self._inputs = ScanInputs(decode, self._kinds.sources)
        self._verdicts = ScanVerdicts()
        self._answers = ScanAnswers()
        self._alike: dict[tuple[Alike, Choice], Alike] = {}
        self._people: dict[bytes, Identifiers] = {}
        self._pair = only(agents, Identify).pair
        self._until_check = CHECKED
        self._off = False

    @classmethod
    def build(cls, decode: Decode, agents: Sequence[Agent], prepare: Callable[[Event], None]) -> Scan | None:
        """None without the native library, and where a usual agent is missing."""
        if any(sum(type(agent) is kind for agent in agents) != 1 for kind in USUAL):
            return None
        limits, certain = decode.limits, decode.placeholders.certainly_not
        metadata = only(agents, Route).reads_metadata
        scanner = EventScanner.open(
            ScanLimits(decode.most_bytes, limits.depth, limits.message_id, metadata, certain.short, certain.starts)
        )
        return cls(scanner, decode, agents, prepare) if scanner else None

    def learn(self, key: RouteKey, steps: Sequence[tuple[Agent, Prepare]]) -> None:
        """Take such events from the next batch on, if all that `steps` do with them is understood."""
        if not self._off:
            self._kinds.learn(key, steps)

    def events(self, messages: Sequence[Message], lanes: Array) -> ScannedEvents | None:
        """The prepared events of messages in these lanes; None where all of them have to take the long way."""
        kinds = self._kinds.all
        if self._off or not kinds or len(messages) < FEWEST:
            return None
        given = self._inputs.of(messages)
        found = self._scanner.scan(given.values, given.ends, given.received, given.sources, spare=self._verdicts.omits)
        if found is None:
            return None
        numbers = found.kinds
        events = Events(
            lanes, given.received, found.digests, self._identifiers(found),
            [kind.alike for kind in kinds], numbers.clip(0), *found.places_of_events(), {}, found.output, found.used,
            messages, np.arange(len(messages)),
        )  # fmt: skip
        self._verdicts.judge(kinds, found, events)
        changed = self._close(found, events, messages)
        taken = np.flatnonzero(numbers != NOT_TAKEN).tolist()
        own = dict(changed)
        for index in taken[self._until_check - 1 :: CHECKED]:
            one, row = (Events.of([own[index]]), 0) if index in own else (events, index)
            if not self._is_right(messages[index], one, row):
                return None
        self._until_check = (self._until_check - len(taken)) % CHECKED or CHECKED
        return ScannedEvents(events, changed, np.flatnonzero(numbers == NOT_TAKEN).tolist())

    def _identifiers(self, found: Scanned) -> list[Identifiers]:
        """Of whom the events are."""
        people, persons, numbers = self._people, found.persons, found.kinds
        known = list(map(people.get, persons))
        for index in [index for index, ids in enumerate(known) if ids is None]:
            if numbers[index] != NOT_TAKEN:
                known[index] = people.get(persons[index]) or self._new_person(found, index)
        return known  # type: ignore[return-value]  # but for those that are not taken

    def _new_person(self, found: Scanned, index: int) -> Identifiers:
        """The identifiers of an event, remembered by the digest that stands for them."""
        user, anonymous, message_id = found.ids(index)
        pair: Identifiers = self._pair(user, anonymous)
        if pair and not found.rows["more"][index] & LONG_IDS:
            if len(self._people) >= REMEMBERED_PEOPLE:
                self._people.clear()
            self._people[found.persons[index]] = pair
        return pair or (("message", message_id),)

    def _close(self, found: Scanned, events: Events, messages: Sequence[Message]) -> list[tuple[int, Event]]:
        """Have the agents answer what the scanner leaves open, and look into events: into `events`, and into the kinds
        of `found` for those that have to take the long way. Returns those that they have changed.
        """
        changed = []
        others: dict[Alike, int] = {}  # than those of the kinds, by their places
        for index in self._open(found):
            kind, more = self._kinds.all[found.kinds[index]], int(found.rows["more"][index])
            if more & ODD_ID and self._decode.placeholders.matches(found.message_id(index)):
                found.kinds[index] = NOT_TAKEN
            elif more & ~(ODD_ID | LONG_IDS | BREAKS | ASKS_FORMAT) or kind.looks:
                message, alike = messages[index], events.alike(index)
                event = _event(kind, alike, events, index, message)
                one = OpenEvent(found, index, kind, more, message.value() or b"", found.sections(index))
                if not self._answers.answer(event, one):
                    found.kinds[index] = NOT_TAKEN
                elif event.value:
                    event.message_id = found.message_id(index)
                    changed.append((index, event))
                else:
                    events.ids[index] = event.ids
                    if event.choice is not alike.choice:
                        other = self._alike_of(alike, event.choice)
                        place = events.of_kind[index] = others.setdefault(other, len(events.kinds))
                        if place == len(events.kinds):
                            events.kinds.append(other)
        return changed

    def _open(self, found: Scanned) -> list[int]:
        """The events that the scanner leaves a question about, or that an agent looks into."""
        looked_into = np.array([bool(kind.looks) for kind in self._kinds.all])
        asked = (found.rows["more"] & ~np.uint32(LONG_IDS | BREAKS | ASKS_FORMAT)) != 0
        indices: list[int] = np.flatnonzero((found.kinds != NOT_TAKEN) & (asked | looked_into[found.kinds])).tolist()
        return indices

    def _alike_of(self, alike: Alike, choice: Choice) -> Alike:
        """What events have in common that make this choice, and are alike otherwise."""
        found = self._alike.get((alike, choice))
        if found is None:
            if len(self._alike) >= REMEMBERED:
                self._alike.clear()
            found = self._alike[alike, choice] = replace(alike, choice=choice)
        return found

    def _is_right(self, message: Message, events: Events, row: int) -> bool:
        """Whether the long way leads to the same for an event. Where it does not, the scanner is not used again."""
        lane = int(events.lanes[row])
        found = self._decode.take(message, lane, Batch([("", 0)] * (lane + 1)))
        for one in found:
            self._prepare(one)
        same = len(found) == 1 and _said(Events.of(found), 0) == _said(events, row)
        metrics.SCAN_CHECKS.labels("same" if same else "different").inc()
        if not same:
            source = events.alike(row).source
            log.error("the native scanner differs from the agents; it is not used any more", extra={"source": source})
            self._off = True
            metrics.NATIVE.labels("scan").set(0)
        return same


def _event(kind: ScanKind, alike: Alike, events: Events, index: int, message: Message) -> Event:
    """The object of a row, without its value."""
    event = Event.prepared(kind.source, kind.type, kind.name, int(events.received[index]), message.key())
    event.lane, event.offset = int(events.lanes[index]), message.offset()
    event.digest, event.ids, event.value = events.digests[index], events.ids[index], b""
    event.mark, event.choice, event.out, event.verdict = alike.mark, alike.choice, kind.headers, alike.verdict
    return event


def _said(events: Events, row: int) -> tuple[Any, ...]:
    """All that the agents read of an event; choices by what they say, None of an event that an agent ends."""
    alike, event = events.alike(row), events.objects.get(row)
    choice: Choice | None = alike.choice
    said = choice and (choice.chosen, choice.topics, choice.refused, choice.unknown, choice.bodies)
    own = event.own if event and choice and choice.bodies else None
    special = (event.keep, event.headers) if event else (False, None)
    ours = events.lanes[row], events.received[row], events.digests[row], events.ids[row], events.value(row)
    named = alike.source, alike.type, alike.name, alike.mark, alike.verdict
    return *ours, *special, *named, alike.headers, said, own

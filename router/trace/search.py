"""What every search for events needs: the question, what was found so far, and reading with the id in mind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from router.config.loader import Loaded
from router.config.topics import topics_of
from router.events.event import Body
from router.trace.needles import names_event, needles
from router.trace.reading import TopicPart
from router.trace.records import Evidence, Sighting, text_id
from router.trace.scan import Scanner
from router.trace.wanted import Wanted

MARGIN_MS = 1_000  # clocks of the brokers that stamp a partition before and after a change of its leader


@dataclass(frozen=True, slots=True)
class Question:
    """`since` and `until` in ms since 1970; of a person, the latest `count` events."""

    id: str
    since: int
    until: int
    count: int


class EventSearch:
    """`found` is what was found so far; `ids` are the messageIds of the events, in the order of time."""

    def __init__(self, loaded: Loaded, scanner: Scanner, question: Question) -> None:
        self.topology = loaded.topology
        self.topics = topics_of(loaded.topology)
        self.scanner = scanner
        self.question = question
        self.found = Evidence()
        self.ids: list[str] = []

    def clean(self) -> list[str]:
        """Topics with the events that passed all agents."""
        if self.topology.topics.resolved:
            return [self.topics.resolved]
        return [self.topics.destination(name) for name in self.topology.destinations]

    def written(self, ids: Sequence[str], since: int) -> None:
        """Where route has written these events: the clean stream, until all are found that must be there."""
        missing = set(ids)
        wanted = self.holding(ids, names_event)

        def note(one: Sighting) -> None:
            self.found.resolved.append(one)
            missing.difference_update(text_id(body.get("messageId")) for body in one.bodies)

        blocked = all(one.blocked for one in self.found.first_seen) and bool(self.found.first_seen)
        if not blocked:
            self.scanner.scan(self.scanner.parts(self.clean(), since), wanted, note, lambda: not missing)

    def holding(self, ids: Sequence[str], names: Callable[[Body, str], bool]) -> Wanted:
        """Messages with an event that one of the ids names, or that are no event and have its bytes."""

        def exactly(one: Sighting) -> bool:
            return not one.bodies or any(names(body, id_) for body in one.bodies for id_ in ids)

        return Wanted(needles=[needle for id_ in ids for needle in needles(id_)], exactly=exactly)

    def collect(self, parts: Sequence[TopicPart], wanted: Wanted, into: str) -> None:
        """Keep the wanted messages; without `into` by their topic."""
        known = {one.place for one in (*self.found.received, *self.found.resolved)}
        by_topic = dict.fromkeys(self.clean(), self.found.resolved) | {
            self.topics.blocked: self.found.blocked,
            self.topics.invalid: self.found.invalid,
            self.topics.violations: self.found.violations,
        }

        def note(one: Sighting) -> None:
            if one.place not in known:
                kept = getattr(self.found, into) if into else by_topic.get(one.place.topic, self.found.received)
                kept.append(one)

        self.scanner.scan(parts, wanted, note)

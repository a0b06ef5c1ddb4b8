"""Finds the messages of one event or one person, by key and time. It commits nothing and disturbs nobody.

Only an id that is neither a messageId that the dedupe changelog has nor a person's is searched for in all that was
received.
"""

from __future__ import annotations

from router.config.loader import Loaded
from router.config.topics import input_topics
from router.events.event import Body
from router.kafka.partitioner import partition_for
from router.trace.by_message_id import MessageIdFinder
from router.trace.by_person import PersonFinder
from router.trace.needles import names_event, names_person
from router.trace.records import Evidence, text_id
from router.trace.scan import Scanner
from router.trace.search import MARGIN_MS, EventSearch, Question

WRITTEN_MS = 60_000  # all that route says of an event is one transaction; producers may keep a message so long


class Finder:
    """`found` is filled by `find`; `ids` are the messageIds of the events found, in the order of time."""

    def __init__(self, loaded: Loaded, scanner: Scanner, question: Question) -> None:
        self._search = EventSearch(loaded, scanner, question)
        self._scanner = self._search.scanner
        self._asked = self._search.question
        self._topics = self._search.topics
        self._topology = self._search.topology
        self._found = self._search.found

    @property
    def found(self) -> Evidence:
        return self._found

    @property
    def ids(self) -> list[str]:
        return self._search.ids

    def find(self) -> None:
        """Find what route has received and written. Raises Unavailable."""
        if not MessageIdFinder(self._search).find() and not PersonFinder(self._search).find():
            self._everywhere()
        self._beside()

    def _everywhere(self) -> None:
        topics = [*input_topics(self._topology), self._topics.invalid, self._topics.blocked]
        self._search.collect(
            self._scanner.parts(topics, self._asked.since, self._asked.until),
            self._search.holding([self._asked.id], _either),
            "",
        )
        found = [*self._found.received, *self._found.blocked]
        names = {
            text_id(body.get("messageId")) for one in found for body in one.bodies if _either(body, self._asked.id)
        }
        self._search.ids = sorted(names - {""})[-self._asked.count :]
        if self._search.ids:
            self._search.written(self._search.ids, min(one.time for one in found) - MARGIN_MS)

    def _beside(self) -> None:
        """What route has said of the events found: violations, and why they are blocked or invalid."""
        received = self._found.received
        times = [one.time for one in received] + [first.time for first in self._found.first_seen]
        if not self._search.ids or not times:
            return
        since, until = min(times) - MARGIN_MS, None
        if self._found.resolved and len(self._found.resolved) >= len(self._search.ids):
            until = max(one.time for one in self._found.resolved) + WRITTEN_MS
        keys = {one.key for one in received if one.key is not None} if all(one.key for one in received) else set()
        topics = [self._topics.violations]
        if not self._found.blocked and (
            not self._found.first_seen or any(one.blocked for one in self._found.first_seen)
        ):
            topics += [self._topics.blocked, self._topics.invalid]
        wanted = self._search.holding(self._search.ids, names_event)
        for topic in topics:
            count = self._scanner.topics.get(topic, 0)
            only = {partition_for(key, count) for key in keys} if keys and count else None
            self._search.collect(self._scanner.parts([topic], since, until, only), wanted, "")


def _either(body: Body, id_: str) -> bool:
    return names_event(body, id_) or names_person(body, id_)

"""Finds an event by its messageId: the dedupe changelog, 22 bytes an event, says where and when it was received.

All other topics are then read around that time, in the partition of its key.
"""

from __future__ import annotations

from collections.abc import Iterable

from router.agents.dedupe import dedupe_key, key_of_blocked, key_prefix
from router.config.topics import input_topics
from router.dedupe.changelog import ChangelogError, NewerRecord, unpack
from router.events.event import fallback_id
from router.trace.needles import names_event
from router.trace.reading import TopicPart
from router.trace.records import FirstSeen, Sighting
from router.trace.search import MARGIN_MS, EventSearch
from router.trace.wanted import Wanted

GENERATED = "er-"  # how a messageId begins that the router gave
_MOST_ITEMS = 1_000  # of a message, that may have no messageId of their own


class MessageIdFinder:
    """Of the first events of their messageIds."""

    def __init__(self, search: EventSearch) -> None:
        self._search = search
        self._scanner = search.scanner
        self._asked = search.question
        self._topics = search.topics
        self._topology = search.topology
        self._found = search.found

    def find(self) -> bool:
        """False: no event of this messageId was the first one, as far as the changelog says."""
        self._first_seen(self._asked.id)
        if self._found.first_seen:
            self._search.ids = [self._asked.id]
            self._event_by_time()
        return bool(self._found.first_seen)

    def _first_seen(self, message_id: str) -> None:
        across = self._topology.dedupe.scope == "all"
        keys: dict[bytes, tuple[str, bool]] = {}
        for source in [""] if across else self._topology.sources:
            key = dedupe_key(key_prefix(source), message_id)
            keys |= {key: (source, False), key_of_blocked(key): (source, True)}

        def note(one: Sighting) -> None:
            self._note_first_seen(one.value, keys, one.place.partition)

        parts = self._scanner.parts([self._topics.dedupe_changelog], self._asked.since)
        self._scanner.scan(parts, Wanted(needles=keys), note)
        self._found.first_seen.sort(key=lambda one: one.time)

    def _note_first_seen(self, value: bytes, keys: dict[bytes, tuple[str, bool]], partition: int) -> None:
        try:
            rows = [row for row in unpack(value) if row[0] in keys]
        except (ChangelogError, NewerRecord):
            return  # the workers that restore from it say so, and refuse to start
        for key, at, _ in rows:
            source, blocked = keys[key]
            if self._asked.since <= at <= self._asked.until:
                self._found.first_seen.append(FirstSeen(self._asked.id, source, partition, at, blocked))

    def _event_by_time(self) -> None:
        """The message at the time of receipt, wherever it is, and repeats behind it in its partition."""
        message_id, topics = self._asked.id, input_topics(self._topology)
        generated = message_id.startswith(GENERATED)
        wanted = (
            Wanted(all_messages=True, exactly=self._generated)
            if generated
            else self._search.holding([message_id], names_event)
        )
        for first in self._found.first_seen:
            near = first.time - MARGIN_MS, first.time + MARGIN_MS
            self._search.collect(self._scanner.parts(topics, *near), wanted, "received")
        if not self._found.received:  # topics of sources may have times of their producers
            parts = self._scanner.parts(topics, self._asked.since, near[1], {first.partition})
            self._search.collect([part for part in parts if part.topic != self._topics.raw], wanted, "received")
        if not generated:
            self._search.collect(self._after(self._found.received), wanted, "received")
        self._search.written([message_id], self._found.first_seen[0].time)

    def _after(self, sightings: Iterable[Sighting]) -> list[TopicPart]:
        """What is behind these messages in their partitions."""
        places: dict[tuple[str, int], int] = {}
        for one in sightings:
            at = places.setdefault(one.place[:2], one.place.offset + 1)
            places[one.place[:2]] = min(at, one.place.offset + 1)
        parts = self._scanner.parts({topic for topic, _ in places}, None, self._asked.until)
        return [
            part._replace(low=max(part.low, places[part.topic, part.partition]))
            for part in parts
            if (part.topic, part.partition) in places and places[part.topic, part.partition] < part.high
        ]

    def _generated(self, one: Sighting) -> bool:
        """Whether the router gave the id to an event of this message."""
        origin = (self._scanner.cluster_id, *one.place, one.time)
        for index in range(min(_MOST_ITEMS, one.value.count(b"{"))):
            if fallback_id(*origin, index) == self._asked.id:
                self._found.fallback[one.place] = self._asked.id
                return True
        return False

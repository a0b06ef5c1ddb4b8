"""Finds what became of events behind route: in each destination's topics, from the time and in the partition of each.

All destinations are read at once, those that are switched off too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from router.config.models import Topology
from router.config.topics import topics_of
from router.delivery.records import KEPT_OF_OVERSIZE
from router.delivery.tracker import decode
from router.kafka.partitioner import partition_for
from router.replay.redrive_log import RedriveLog
from router.trace.needles import needles
from router.trace.reading import TopicPart
from router.trace.records import (
    DestinationRecords,
    Evidence,
    FailedAttempt,
    GroupProgress,
    LoggedEvent,
    Sighting,
    json_object,
)
from router.trace.scan import Scanner
from router.trace.wanted import Wanted

MARGIN_MS = 1_000
ROUTED_MS = 60_000  # all topics get an event in one transaction; producers may keep a message so long


class DeliveryFinder:
    """Adds to what `Finder` has found of the events `ids`."""

    def __init__(self, topology: Topology, scanner: Scanner, found: Evidence, ids: list[str]) -> None:
        self._topology = topology
        self._topics = topics_of(topology)
        self._scanner = scanner
        self._found = found
        self._ids = ids
        self._needles = [needle for id_ in ids for needle in needles(id_)]
        self._by_topic = {self._topics.destination(name): name for name in topology.destinations}
        self._admin = scanner.admin
        found.destinations = {name: DestinationRecords() for name in topology.destinations}

    def find(self) -> None:
        """Raises Unavailable, and RouterError for a record of redrives that no router wrote."""
        self._route_progress()
        if not self._found.resolved:
            return
        self._routed()
        self._dead_or_put_off()
        self._redriven()
        self._progress()
        self._logged()

    def _route_progress(self) -> None:
        places = [one.place[:2] for one in self._found.received]
        committed = self._admin.committed(self._topics.route_group, dict.fromkeys(places), stable=False)
        self._found.route = {place: GroupProgress(at.offset) for place, at in committed.items()}

    def _routed(self) -> None:
        clean = [one for one in self._found.resolved if one.place.topic not in self._by_topic]
        for one in self._found.resolved:
            if one not in clean:
                self._of(one).routed.append(one)
        if not clean:
            return
        times = [one.time for one in clean]
        until = max(times) + ROUTED_MS
        self._collect("routed", self._by_topic, self._numbers(clean), min(times) - MARGIN_MS, until)

    def _dead_or_put_off(self) -> None:
        for kind, topic_of in (("dead", self._topics.dead), ("retries", self._topics.retry)):
            topics = {topic_of(name): name for name, one in self._found.destinations.items() if one.routed}
            routed = [one for each in self._found.destinations.values() for one in each.routed]
            if routed:
                since = min(one.time for one in routed) - MARGIN_MS
                self._collect(kind, topics, {one.place.partition for one in routed}, since, None)

    def _redriven(self) -> None:
        """Dead letters that were sent again, and where they stand since then."""
        dead = {name: one.dead for name, one in self._found.destinations.items() if one.dead}
        if not dead:
            return
        topics = {name: self._topics.dead(name) for name in dead}
        places = RedriveLog(self._scanner.cluster, self._topics.redrives, topics).read()
        again = [
            one
            for name, each in dead.items()
            for one in each
            if (name, one.place.partition, one.place.offset) in places
        ]
        self._found.redriven = {str(one.place) for one in again}
        if again:
            wanted = {self._topics.destination(name): name for name in dead}
            since = min(one.time for one in again) - MARGIN_MS
            self._collect("routed", wanted, {one.place.partition for one in again}, since, None)

    def _progress(self) -> None:
        for name, one in self._found.destinations.items():
            places = dict.fromkeys(each.place[:2] for each in (*one.routed, *one.retries))
            committed = self._admin.committed(self._topics.deliver_group(name), places, stable=False)
            for (topic, partition), at in committed.items():
                done = frozenset(decode(at.metadata, at.offset)[1])
                of = one.progress if topic == self._topics.destination(name) else one.retried
                of[partition] = GroupProgress(at.offset, done)

    # The delivery log

    def _logged(self) -> None:
        """What the log says, of each destination until nothing more can come."""
        pending = {name: self._unexplained(name) for name in self._found.destinations}
        origins = {
            str(each.place).encode(): name for name, one in self._found.destinations.items() for each in one.routed
        }
        parts: list[TopicPart] = []
        for name in (name for name, left in pending.items() if left):
            since = min(each.time for each in self._found.destinations[name].routed) - MARGIN_MS
            count = self._scanner.topics.get(self._topics.delivery_log, 0)
            if count:
                only = {partition_for(name.encode(), count)}
                parts += self._scanner.parts([self._topics.delivery_log], since, None, only)
        earliest = {part.partition: part for part in sorted(parts, key=lambda part: -part.low)}

        def note(one: Sighting) -> None:
            for name, explained in self._note(json_object(one.value), one.time):
                pending[name].discard(explained)

        wanted = Wanted(needles=[*self._needles, *origins])
        self._scanner.scan(list(earliest.values()), wanted, note, lambda: not any(pending.values()))

    def _unexplained(self, name: str) -> set[str]:
        """Events of a destination of which the log may know more: ids, and places of those that are not final."""
        one, log = self._found.destinations[name], self._topology.destinations[name].delivery.log
        dead = {letter.headers.get("origin") for letter in one.dead}
        left: set[str] = set()
        for each in one.routed:
            progress = one.progress.get(each.place.partition)
            if progress is None or not progress.passed(each.place.offset):
                left.add(str(each.place))
            elif str(each.place) not in dead:
                left.update(id_ for id_ in self._ids if log.names(id_) and each.body_of(id_) is not None)
        return left

    def _note(self, record: dict[str, Any], time: int) -> list[tuple[str, str]]:
        """Keep what a record says of the events; returns destination and id of those whose end it tells."""
        one = self._found.destinations.get(str(record.get("destination")))
        if one is None:
            return []
        name, outcome, code = str(record["destination"]), str(record.get("outcome")), str(record.get("code"))
        told = []
        for message_id, attempts, ms in _triples(record.get("events")):
            if message_id in self._ids:
                source = str(record.get("source"))
                one.logged.append(LoggedEvent(time, outcome, code, source, message_id, attempts, ms))
                told.append((name, message_id))
        places = {str(each.place) for each in one.routed}
        for sample in record.get("samples") or ():
            if isinstance(sample, dict) and sample.get("origin") in places:
                said = str(sample.get("response") or sample.get("detail") or "")
                one.attempts.append(FailedAttempt(time, code, str(sample["origin"]), said))
        return told

    # Reading

    def _of(self, one: Sighting) -> DestinationRecords:
        return self._found.destinations[self._by_topic[one.place.topic]]

    def _numbers(self, found: Iterable[Sighting]) -> set[int]:
        """The partitions of these profiles: as many in each destination's topic."""
        counts = {count for topic in self._by_topic if (count := self._scanner.topics.get(topic))}
        return {partition_for(one.key or b"", count) for one in found for count in counts}

    def _collect(
        self, kind: str, topics: dict[str, str], numbers: set[int], since: int, until: int | None
    ) -> None:  # fmt: skip
        """Keep messages with one of the events, by the destination of their topic."""

        def note(one: Sighting) -> None:
            kept: list[Sighting] = getattr(self._found.destinations[topics[one.place.topic]], kind)
            if one not in kept and self._is_about(one):
                kept.append(one)

        wanted = Wanted(needles=self._needles, value_size=KEPT_OF_OVERSIZE)
        self._scanner.scan(self._scanner.parts(topics, since, until, numbers), wanted, note)

    def _is_about(self, one: Sighting) -> bool:
        """By its body; a dead letter that was cut off has none, but the place of the event in a header."""
        origin = one.headers.get("origin")
        places = {str(each.place) for of in self._found.destinations.values() for each in of.routed}
        return any(one.body_of(id_) is not None for id_ in self._ids) or origin in places


def _triples(events: Any) -> Sequence[tuple[str, int, int | None]]:
    """What a record of the log names; what no router wrote is left out."""
    found = events if isinstance(events, list) else []
    return [tuple(one) for one in found if isinstance(one, list) and len(one) == 3 and isinstance(one[0], str)]

"""What a replay reads: messages of a topic within times, found by Kafka's index of times, from a position on.

Reading joins no group and commits nothing: the position is the replay's own (`router.replay.replay_state`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple, Protocol, cast

import orjson
from confluent_kafka import Consumer, Message, TopicPartition

from router.errors import RouterError
from router.kafka import clients
from router.kafka.admin import REQUEST_SECONDS, Admin, Watermarks
from router.kafka.cluster import Cluster
from router.kafka.failure import translated
from router.kafka.span import span
from router.kafka.timeline import timeline
from router.replay.dead_letters import RawHeaders, ends

MARGIN_MS = 60_000  # clocks of the producers of one partition may differ


@dataclass(eq=False)
class Candidate:
    """One message. `time` is when it was routed (of an archive, when the event was received), in ms since 1970.

    `mark`: this part of the source goes on there once the message is dealt with.
    """

    value: bytes
    key: bytes | None
    headers: RawHeaders
    time: int
    source: str
    type: str
    event: str
    mark: tuple[str, Any]
    place: str = ""

    @cached_property
    def body(self) -> Mapping[str, Any] | None:
        """The JSON object; None for anything else."""
        try:
            body = orjson.loads(self.value)
        except orjson.JSONDecodeError:
            return None
        return body if isinstance(body, dict) else None


class MissingRange(NamedTuple):
    """What is no longer there: the part, and from when to when or how many messages."""

    part: str
    since: int | None = None
    until: int | None = None
    messages: int | None = None


class ReplaySource(Protocol):
    """`extent` says what there is to read; a replay keeps it, and gives it back when it goes on."""

    @property
    def extent(self) -> dict[str, Any]: ...

    def missing(self, position: Mapping[str, Any]) -> list[MissingRange]:
        """What cannot be read any more. Raises RouterError where going on would be wrong."""

    def candidates(self, position: Mapping[str, Any]) -> Iterator[Candidate]:
        """From the position on, in an order that keeps each profile's."""


class TopicSource:
    """A topic of events, its partitions merged by time. `extent` is first and last offset by partition."""

    def __init__(self, cluster: Cluster, topic: str, extent: Mapping[str, Any]) -> None:
        self.extent = dict(extent)  # as ReplaySource has it
        self._cluster = cluster
        self._topic = topic

    @classmethod
    def between(cls, cluster: Cluster, topic: str, since: int, until: int) -> TopicSource:
        """All messages of these times, in ms, that are there now. Raises RouterError."""
        bounds = ends(Admin(cluster), topic)
        if not bounds:
            raise RouterError(f"expected the topic {topic} at {cluster.bootstrap}, got none: see router topics apply")
        first = _offsets_at(cluster, topic, bounds, since)
        last = _offsets_at(cluster, topic, bounds, until + MARGIN_MS)
        extent = {
            str(number): [first.get(number, at.low), max(first.get(number, at.low), last.get(number, at.high))]
            for number, at in bounds.items()
        }
        return cls(cluster, topic, extent)

    def missing_before(self, since: int) -> list[MissingRange]:
        """Of a replay that begins: partitions whose beginning retention took, if that may have been in the range."""
        found = []
        for number, at in ends(Admin(self._cluster), self._topic).items():
            start, end = self.extent[str(number)]
            if at.low == 0 or start > at.low or start == end:
                continue
            first: Message | None = next(
                chain.from_iterable(span(self._cluster, self._topic, number, start, end)), None
            )
            if first is not None and first.timestamp()[1] > since:
                found.append(MissingRange(str(number), since, first.timestamp()[1]))
        return found

    def missing(self, position: Mapping[str, Any]) -> list[MissingRange]:
        found = []
        bounds = ends(Admin(self._cluster), self._topic)
        for part, (start, end) in self.extent.items():
            low = bounds[int(part)].low if int(part) in bounds else end
            at = position.get(part, start)
            if at < min(low, end):
                found.append(MissingRange(part, messages=min(low, end) - at))
        return found

    def candidates(self, position: Mapping[str, Any]) -> Iterator[Candidate]:
        now = ends(Admin(self._cluster), self._topic)
        bounds = {}
        for part, (start, end) in self.extent.items():
            number = int(part)
            if number in now:
                begin = max(position.get(part, start), now[number].low)
                bounds[number] = Watermarks(min(begin, end), min(end, now[number].high))
        return map(candidate, timeline(self._cluster, self._topic, bounds))


def share(extent: Mapping[str, Any], position: Mapping[str, Any]) -> float:
    """How much of a topic is dealt with, from 0 to 1."""
    total = sum(end - start for start, end in extent.values())
    left = sum(max(0, end - position.get(part, start)) for part, (start, end) in extent.items())
    return 1 - left / total if total else 1.0


def candidate(message: Message) -> Candidate:
    """A message of a topic of events, whoever wrote it."""
    headers = cast("RawHeaders", message.headers() or ())
    named = {name: (raw or b"").decode(errors="replace") for name, raw in headers}
    number, offset = message.partition() or 0, message.offset() or 0
    return Candidate(
        message.value() or b"",
        message.key(),
        headers,
        message.timestamp()[1],
        named.get("source", ""),
        named.get("type", ""),
        named.get("event", ""),
        (str(number), offset + 1),
        f"{message.topic()}:{number}:{offset}",
    )


def _offsets_at(cluster: Cluster, topic: str, bounds: Mapping[int, Watermarks], ms: int) -> dict[int, int]:
    """The first offset at or after a time in each partition, its end where there is none; nothing where the broker has
    no index of times: whoever reads looks at the times as well.
    """
    if not cluster.capabilities.retention:
        return {}
    asked = [TopicPartition(topic, number, max(0, ms)) for number in bounds]
    with translated(f"times of {topic}"):
        consumer = Consumer(clients.reader(cluster))
        try:
            found = {one.partition: one.offset for one in consumer.offsets_for_times(asked, REQUEST_SECONDS)}
        finally:
            consumer.close()
    return {
        number: min(max(found[number], at.low), at.high) if found[number] >= 0 else at.high
        for number, at in bounds.items()
    }

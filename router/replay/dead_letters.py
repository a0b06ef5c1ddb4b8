"""Dead letters as they stand in `dest.<name>.dead`, and what the delivery log keeps about them.

Reading joins no group and commits nothing.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
from confluent_kafka import Message

from router.kafka.admin import Admin, Watermarks
from router.kafka.cluster import Cluster
from router.kafka.span import span

Place = tuple[str, int, int]  # destination, partition, offset
RawHeaders = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message. `time` is when it was given up, in ms since 1970.

    `code`, `stage`, `attempts` and `origin` are what delivery wrote beside the event; `length` is that of the whole
    value where only its first 64 KiB are kept, else None. `body` is None for anything but a JSON object.
    """

    destination: str
    partition: int
    offset: int
    time: int
    key: bytes | None
    value: bytes | None
    headers: RawHeaders = field(repr=False)
    code: str
    stage: str
    attempts: int
    origin: str
    source: str
    event: str
    type: str
    length: int | None
    body: Mapping[str, Any] | None = field(repr=False)

    @property
    def message_id(self) -> str:
        return str((self.body or {}).get("messageId") or "")

    @property
    def place(self) -> Place:
        return self.destination, self.partition, self.offset


def read_letter(destination: str, message: Message) -> DeadLetter:
    """A message of the destination's dead letters: total, whoever wrote it."""
    headers = cast("RawHeaders", message.headers() or ())
    named = {name: (raw or b"").decode(errors="replace") for name, raw in headers}
    value = message.value()
    body = _body(value)
    content = body or {}
    attempts, length = named.get("attempts", ""), named.get("length", "")
    return DeadLetter(
        destination,
        message.partition() or 0,
        message.offset() or 0,
        message.timestamp()[1],
        message.key(),
        value,
        headers,
        named.get("error-code", ""),
        named.get("error-stage", ""),
        int(attempts) if attempts.isdecimal() else 0,
        named.get("origin", ""),
        named.get("source", ""),
        named.get("event") or str(content.get("event", "")),
        named.get("type") or str(content.get("type", "")),
        int(length) if length.isdecimal() else None,
        body,
    )


def _body(value: bytes | None) -> dict[str, Any] | None:
    try:
        body = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) else None


def ends(admin: Admin, topic: str) -> dict[int, Watermarks]:
    """Where each partition of a topic begins and ends now for a reader of committed records; empty: no such topic."""
    count = admin.topics().get(topic, 0)
    found = admin.watermarks([(topic, number) for number in range(count)], uncommitted=False)
    return {number: at for (_, number), at in found.items()}


def letters(cluster: Cluster, destination: str, topic: str, bounds: Mapping[int, Watermarks]) -> Iterator[DeadLetter]:
    """All dead letters within these bounds, partition by partition, in their order. Raises Unavailable."""
    for number, at in sorted(bounds.items()):
        for messages in span(cluster, topic, number, at.low, at.high):
            for message in messages:
                yield read_letter(destination, message)


@dataclass(slots=True)
class LetterGroup:
    """Dead letters of one destination and reason; times in ms since 1970. `sample` is the latest.

    `redriven` of them have been sent again.
    """

    destination: str
    code: str
    count: int
    first: int
    last: int
    sample: DeadLetter
    redriven: int = 0


def grouped(found: Iterable[DeadLetter], redriven: Container[Place] = ()) -> list[LetterGroup]:
    """By destination and reason, in the order of destinations, the largest group first."""
    groups: dict[tuple[str, str], LetterGroup] = {}
    for letter in found:
        group = groups.get((letter.destination, letter.code))
        if group is None:
            first = LetterGroup(letter.destination, letter.code, 0, letter.time, letter.time, letter)
            group = groups[letter.destination, letter.code] = first
        group.count += 1
        group.redriven += letter.place in redriven
        group.first = min(group.first, letter.time)
        if letter.time >= group.last:
            group.last, group.sample = letter.time, letter
    return sorted(groups.values(), key=lambda group: (group.destination, -group.count, group.code))

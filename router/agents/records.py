"""What the agents write: one record shape for each topic, and the side outputs' values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from router.event import Body, Event, Invalid
from router.plan import Violation

MAX_VALUE = 900_000
KEPT_OF_OVERSIZE = 64 * 1024
Headers = list[tuple[str, bytes]]


class Record(NamedTuple):
    """A message to produce."""

    topic: str
    value: bytes
    key: bytes | None
    headers: Headers | None


class Place(NamedTuple):
    """Where a message stands."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


def invalid_record(
    topic: str, invalid: Invalid, origin: Place | str, key: bytes | None, stage: str = "parse", source: str = ""
) -> Record:
    """An `events.invalid` message: the original bytes and key, the reason and origin in the headers.

    What the producer could not take is kept as its first 64 KiB, with its whole length in the header `length`.
    """
    raw = invalid.raw
    headers = [
        ("error-code", invalid.reason.encode()),
        ("error-stage", stage.encode()),
        ("origin", str(origin).encode()),
    ]
    if source:
        headers.append(("source", source.encode()))
    if len(raw) > MAX_VALUE:
        headers.append(("length", str(len(raw)).encode()))
        raw = raw[:KEPT_OF_OVERSIZE]
    return Record(topic, raw, key, headers)


def event_headers(event: Event) -> Headers:
    """`source`, `type`, `event`, and the producer's own after them."""
    own = event.headers or ()
    return [("source", event.source.encode()), ("type", event.type.encode()), ("event", event.name.encode()), *own]


def blocked_record(topic: str, event: Event, violations: Iterable[Violation]) -> Record:
    """An `events.blocked` message: the event whole, its violations as JSON in the header `violations`."""
    reasons = orjson.dumps([violation_summary(violation) for violation in violations])
    headers = [*event_headers(event), ("error-code", b"blocked"), ("error-stage", b"validate"), ("violations", reasons)]
    return Record(topic, orjson.dumps(event.body), event.key, headers)


def violation_summary(violation: Violation) -> dict[str, Any]:
    """What one violation is, without the value."""
    return {
        "class": violation.klass,
        "type": violation.type,
        "path": violation.pointer,
        "message": violation.message,
    }


def violation_record(topic: str, event: Event, violation: Violation, outcome: str) -> Record:
    """An `events.violations` message: one violation of one event; `outcome` is allowed or blocked."""
    body: Body = event.body
    value = {
        "messageId": body["messageId"],
        "receivedAt": body["receivedAt"],
        "source": event.source,
        "callType": event.type,
        "event": event.name,
        **violation_summary(violation),
        "plan": violation.plan,
        "rule": violation.rule,
        "version": violation.version,
        "outcome": outcome,
    }
    return Record(topic, orjson.dumps(value), event.key, None)

"""What the agents write: one record shape for each topic, and the side outputs' values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import orjson

from router.events.event import Body, Event, Invalid, device_key
from router.events.parser import encode
from router.events.times import iso

MAX_VALUE = 900_000
KEPT_OF_OVERSIZE = 64 * 1024
ViolationClass = Literal["unplanned_event", "unplanned_property", "violation", "common", "source_rule"]
Headers = list[tuple[str, str | bytes | None]]

DEAD_LETTER_HEADERS = frozenset({"error-code", "error-stage", "attempts", "origin", "partner-answer", "length"})
REDRIVEN = "redriven"  # header: the place (topic:partition:offset) of the dead letter that an event was
FIRST_ORIGIN = "first-origin"  # header of a redriven event: its place when it was first to be delivered
RECEIVED_AT = "received-at"  # header: receive time in ms
REPLAY = "replay"  # header: the id of the replay that sent an event once more
RETRY_HEADERS = frozenset(
    {"error-code", "error-stage", "attempts", "origin", "parked-at", "retry-at", "retry-until", "retry-left"}
)
Record = tuple[str, bytes, bytes | None, Headers | None]  # a message to produce: topic, value, key, headers
PlacedRecord = tuple[str, int, bytes | None, bytes | None, Headers]  # topic, partition, value, key, headers


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which an event breaks its tracking plan: where and what, never the value.

    `klass` decides the action; `type` is the kind in words, such as Required, Type, Enum, Pattern.

    `pointer` is a JSON pointer into the event, such as /properties/total. `rule` is the rule's event or page name, or
    its call type; `version` is the rule's, 0 where no rule was found.
    """

    klass: ViolationClass
    type: str
    pointer: str
    message: str
    plan: str
    rule: str
    version: int


class Place(NamedTuple):
    """Where a message stands."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


def invalid_record(
    topic: str, invalid: Invalid, origin: Place | str, key: bytes | None, stage: str = "parse", source: str = "",
    *, received: int = 0,
) -> Record:  # fmt: skip
    """An `events.invalid` message: the original bytes and key, the reason, origin and receive time in the headers.

    What the producer could not take is kept as its first 64 KiB, with its whole length in the header `length`.
    """
    raw = invalid.raw
    headers: Headers = [
        ("error-code", invalid.reason.encode()),
        ("error-stage", stage.encode()),
        ("origin", str(origin).encode()),
    ]
    if source:
        headers.append(("source", source.encode()))
    if received:
        headers.append((RECEIVED_AT, str(received).encode()))
    if len(raw) > MAX_VALUE:
        headers.append(("length", str(len(raw)).encode()))
        raw = raw[:KEPT_OF_OVERSIZE]
    return topic, raw, key, headers


def event_headers(event: Event) -> Headers:
    """`source`, `type`, `event`, and the producer's own after them."""
    own = event.headers or ()
    return [("source", event.source.encode()), ("type", event.type.encode()), ("event", event.name.encode()), *own]


def blocked_record(topic: str, event: Event, violations: Iterable[Violation], plan: str) -> Record:
    """An `events.blocked` message: the event whole; in headers its violations as JSON, and the plan and revision."""
    reasons = orjson.dumps([violation_summary(violation) for violation in violations])
    headers: Headers = [
        *event_headers(event),
        ("error-code", b"blocked"),
        ("error-stage", b"validate"),
        ("violations", reasons),
        ("plan", plan.encode()),
    ]
    return topic, encode(event.body), event.key, headers


def violation_summary(violation: Violation) -> dict[str, Any]:
    """What one violation is, without the value."""
    return {
        "class": violation.klass,
        "type": violation.type,
        "path": violation.pointer,
        "message": violation.message,
    }


def violation_record(topic: str, event: Event, violation: Violation, outcome: str, count: int = 1) -> Record:
    """An `events.violations` message: a violation of an event; `outcome` is allowed or blocked.

    With a `count` above 1 it stands for so many events with the same violation, of which `event` is the first.
    """
    value = {
        "messageId": event.message_id,
        "receivedAt": iso(event.received),
        "source": event.source,
        "callType": event.type,
        "event": event.name,
        **violation_summary(violation),
        "plan": violation.plan,
        "rule": violation.rule,
        "version": violation.version,
        "outcome": outcome,
        "count": count,
    }
    return topic, orjson.dumps(value), event.key, None


def keyed_record(topic: str, body: Body, source: str, received: int, origin: Place, headers: Headers | None) -> Record:
    """An `events.keyed` message: an event on its way round to the partition of its device, or to another source."""
    ours: Headers = [
        ("source", source.encode()),
        (RECEIVED_AT, str(received).encode()),
        ("origin", str(origin).encode()),
    ]
    return topic, encode(body), device_key(body), [*ours, *(headers or ())]


def violation_generated(event: Event, violation: Violation, number: int) -> Body:
    """Segment's "Violation Generated" track call for one violation of an event."""
    body = event.body
    context = body.get("context", {})
    app = context.get("app")
    return {
        "type": "track",
        "event": "Violation Generated",
        "userId": "schema-violations",
        "messageId": blake2b(f"{body['messageId']}\0{number}".encode(), digest_size=16).hexdigest(),
        "timestamp": body["receivedAt"],
        "context": {key: context[key] for key in ("app", "library") if key in context},
        "properties": {
            "eventMessageID": body["messageId"],
            "eventName": event.name,
            "eventSentAt": body.get("sentAt"),
            "eventTimestamp": body["timestamp"],
            "eventType": event.type,
            "appVersion": app.get("version") if isinstance(app, dict) else None,
            "sourceID": event.source,
            "sourceName": event.source,
            "sourceSlug": event.source,
            "trackingPlanID": violation.plan,
            "trackingPlanName": violation.plan,
            "violationDescription": violation.message,
            "violationField": violation.pointer,
            "violationType": violation.type,
        },
    }

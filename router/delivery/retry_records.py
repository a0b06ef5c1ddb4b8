"""What stands in `dest.<name>.retry`: the event as it came, and in headers how far its attempts have got.

Added are `error-code`, `error-stage`, `attempts`, `origin` (its place in the destination's topic), `parked-at`,
`retry-at` (when it is due) and `retry-until` (when its attempts end) or, while the partner wants us to wait,
`retry-left` (how long they last from then on). Times are in ms since 1970, `retry-left` in ms. An entry has the
partition number of its origin.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from confluent_kafka import Message

from router.delivery.item import Partition, QueuedEvent, RawHeaders
from router.delivery.read import read_item
from router.events.records import RETRY_HEADERS, Headers, PlacedRecord


class Now(NamedTuple):
    """One moment in seconds: of the monotonic clock, and since 1970."""

    clock: float
    wall: float

    def ms(self, clock: float) -> int:
        """A time of the monotonic clock, in ms since 1970."""
        return round((clock - self.clock + self.wall) * 1000)

    def of_ms(self, ms: int) -> float:
        """The reverse."""
        return ms / 1000 - self.wall + self.clock


def retry_entry(topic: str, event: QueuedEvent, now: Now) -> PlacedRecord:
    """The message of an event that was parked."""
    assert event.due is not None
    added: dict[str, object] = {
        "error-code": event.code, "error-stage": "deliver", "attempts": event.attempts, "origin": event.origin,
        "parked-at": round(event.parked_at * 1000), "retry-at": now.ms(event.due) if event.due else 0,
    }  # fmt: skip
    if event.deadline is not None:
        added["retry-until"] = now.ms(event.deadline)
    elif event.left is not None:
        added["retry-left"] = round(event.left * 1000)
    own = [(name, raw) for name, raw in event.headers if name not in RETRY_HEADERS]
    headers: Headers = [*own, *((name, str(value).encode()) for name, value in added.items())]
    return topic, event.partition.number, event.value, event.key, headers


def read_entry(destination: str, partition: Partition, message: Message, now: Now) -> QueuedEvent:
    """A message of the retry topic: total, whoever wrote it. What says nothing of its times is due at once."""
    raw = cast("RawHeaders", message.headers() or ())
    named = {name: (value or b"").decode(errors="replace") for name, value in raw if name in RETRY_HEADERS}
    offset = message.offset() or 0
    place = named.get("origin") or f"{partition.topic}:{partition.number}:{offset}"
    own = [(name, value) for name, value in raw if name not in RETRY_HEADERS]
    event = read_item(destination, partition, offset, message.value(), message.key(), own, now.clock, place)
    event.came_from, event.parked = place, True
    event.code, event.attempts = named.get("error-code", ""), _number(named, "attempts") or 0
    event.failures = event.attempts
    event.parked_at = (_number(named, "parked-at") or message.timestamp()[1]) / 1000
    at, until, left = (_number(named, name) for name in ("retry-at", "retry-until", "retry-left"))
    event.due = now.of_ms(at) if at else 0.0
    event.deadline = now.of_ms(until) if until is not None else None
    event.left = left / 1000 if left is not None else None
    return event


def _number(named: dict[str, str], name: str) -> int | None:
    text = named.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else None


def origin_offset(event: QueuedEvent, topic: str) -> int | None:
    """The offset in the destination's `topic` from which an entry came; None for an entry of another origin."""
    name, _, rest = event.came_from.partition(":")
    number, _, offset = rest.partition(":")
    mine = name == topic and number == str(event.partition.number) and offset.isdecimal()
    return int(offset) if mine else None


def open_entries(events: Iterable[QueuedEvent], topic: str) -> list[QueuedEvent]:
    """The entries of a partition that are not final, each event once, in the order in which they came.

    After a kill in at_least_once an entry may stand there twice; the later one counts, and the other is final.
    """
    latest: dict[Any, QueuedEvent] = {}
    for event in events:
        if not event.partition.tracker.take(event.offset):
            continue
        before = latest.get(event.came_from)
        if before is not None:
            before.partition.tracker.finish(before.offset)
        latest[event.came_from] = event
    return sorted(latest.values(), key=lambda event: origin_offset(event, topic) or 0)

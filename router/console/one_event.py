"""One event by its place, `topic:partition:offset`: the whole of it as a page shows it, and as it is to be tried."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from confluent_kafka import Message

from router.config.topics import source_topics
from router.console.sight import Sight
from router.console.text import LONGEST_BODY, payload, visible
from router.errors import RouterError, UsageError
from router.kafka.span import span

_NUMBER = re.compile(r"[0-9]{1,18}\Z")


class EventPlace(NamedTuple):
    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


class TakenEvent(NamedTuple):
    """`text` is what a page may show, masked; `body` is the event as it lies there."""

    text: str
    body: dict[str, Any]


def place_of(sight: Sight, text: str) -> EventPlace:
    """Raises UsageError for a place that is none, or of another kind of topic."""
    rest, topology, topics = text.rsplit(":", 2), sight.loaded.topology, sight.topics
    known = {topics.raw, topics.resolved, topics.blocked, topics.invalid, *source_topics(topology)}
    known |= {topics.dead(name) for name in topology.destinations}
    if len(rest) != 3 or rest[0] not in known or not all(_NUMBER.match(one) for one in rest[1:]):
        raise UsageError("expected topic:partition:offset of an event")
    return EventPlace(rest[0], int(rest[1]), int(rest[2]))


def as_shown(sight: Sight, place: EventPlace) -> dict[str, Any]:
    """What a row is opened for: the event as text, masked. Raises RouterError where it is no longer there."""
    value = _read(sight, place).value() or b""
    try:
        body = json.loads(value)
    except ValueError:
        text = visible(sight.mask.text(value[:LONGEST_BODY].decode(errors="replace")))
        return {"title": "no JSON", "body": text, "raw": text}
    masked = sight.mask.value(body)
    line = json.dumps(masked, ensure_ascii=False, separators=(",", ":"), default=str)
    return {"title": _title(masked), "body": payload(masked), "raw": visible(line[:LONGEST_BODY])}


def taken(sight: Sight, place: EventPlace) -> TakenEvent:
    """The event to try. Raises RouterError where there is none any more, UsageError for what is no event."""
    try:
        body = json.loads(_read(sight, place).value() or b"")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise UsageError(f"{place}: expected a JSON object, got a message that is none: it cannot be tried")
    return TakenEvent(payload(sight.mask.value(body)), body)


def _read(sight: Sight, place: EventPlace) -> Message:
    for messages in span(sight.cluster, place.topic, place.partition, place.offset, place.offset + 1):
        return messages[0]
    raise RouterError("this event is no longer there: its topic keeps it no longer, or its transaction was aborted")


def _title(body: Any) -> str:
    """As the call was written: `track("Order Completed")`."""
    if not isinstance(body, dict):
        return "no event"
    name = body.get("event") or body.get("name") or body.get("groupId") or ""
    call = visible(body.get("type", "event"), 40)
    return f"{call}({visible(json.dumps(name, ensure_ascii=False), 80) if name else ''})"

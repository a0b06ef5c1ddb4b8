"""A message of a destination's topic as an item: total, whatever the bytes are."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import orjson

from router.delivery.item import Partition, QueuedEvent, RawHeaders
from router.destinations.base import Delivery
from router.events.records import FIRST_ORIGIN, REDRIVEN, REPLAY

REJECTED = "MESSAGE_REJECTED"


def read_item(
    destination: str, partition: Partition, offset: int, value: bytes | None, key: bytes | None,
    headers: RawHeaders, taken: float, origin: str = "",
) -> QueuedEvent:  # fmt: skip
    """`taken` is the monotonic time. Anything but a JSON object has the fault MESSAGE_REJECTED.

    A redriven event keeps the place at which it first stood, and so its idempotency key; so does one of the retry lane,
    which came from `origin`. A dead letter of a replay is, once it is redriven, an event as any other.
    """
    body = _body(value)
    raw = dict(headers)
    content: dict[str, Any] = body or {}
    source, message_id = _name(raw.get("source")), content.get("messageId")
    if not message_id:  # it is known by its place
        origin = _text(raw.get(FIRST_ORIGIN)) or origin or f"{partition.topic}:{partition.number}:{offset}"
    delivery = Delivery(
        value or b"",
        _text(key),
        source,
        _name(raw.get("type")) or str(content.get("type", "")),
        _name(raw.get("event")) or str(content.get("event", "")),
        idempotency_key(destination, source, message_id, origin),
        content,
    )
    received = epoch(content.get("receivedAt"))
    return QueuedEvent(
        partition, offset, value, key, headers, delivery, received, taken, REJECTED if body is None else "",
        redriven=REDRIVEN in raw, replay="" if REDRIVEN in raw else _text(raw.get(REPLAY)),
    )  # fmt: skip


def idempotency_key(destination: str, source: str, message_id: object, place: str) -> str:
    """32 hex digits, the same for the same event and destination for ever; without a messageId, by its offset."""
    identity = f"id\0{source}\0{message_id}" if message_id else f"at\0{place}"
    return blake2b(f"{destination}\0{identity}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def epoch(value: object) -> float | None:
    """Seconds since 1970 from an ISO-8601 time with its zone; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at.timestamp() if at.tzinfo else None


def _body(value: bytes | None) -> dict[str, Any] | None:
    if not value:
        return None
    try:
        body = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) else None


def _text(raw: bytes | None) -> str:
    return str(raw, "utf-8", "replace") if raw else ""


_name = lru_cache(4096)(_text)  # of what many messages have in common

"""Events as connectors get them, for tests."""

from __future__ import annotations

from typing import Any

import orjson

from router.destinations.base import Delivery


def delivery(number: int, *, attempt: int = 1, **fields: Any) -> Delivery:
    """Track event `m<number>` of one of seven profiles."""
    body = {
        "type": "track", "event": "Order Completed", "messageId": f"m{number}", "profileId": f"p{number % 7}",
        "userId": f"u{number % 7}", "receivedAt": "2026-01-01T00:00:00.000Z", "properties": {"name": "Zoë ☃ \u2028"},
    } | fields  # fmt: skip
    return Delivery(
        value=orjson.dumps(body), key=str(body["profileId"]), source="web", type="track", event="Order Completed",
        idempotency_key=f"{number:032x}", body=body, attempt=attempt,
    )  # fmt: skip


def call(kind: str, name: str, number: int = 1, **fields: Any) -> Delivery:
    """A call of any type; what is no track call has `name` as its name."""
    made = delivery(number, **({"type": kind, "event": name, "properties": {"plan": "pro"}} | fields))
    made.type, made.event = kind, name if kind == "track" else ""
    if kind != "track":
        made.body["name"] = made.body.pop("event")
    return made

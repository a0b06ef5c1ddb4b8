"""Records as the router writes them, for tables of insights."""

from __future__ import annotations

from itertools import count
from typing import Any

import orjson

from router.insights.tables import InsightRecord, InsightTables
from router.insights.windows import HOUR_MS

NOW = 1_800_000_000_000 // HOUR_MS * HOUR_MS + 30 * 60_000  # half past an hour
KINDS = {
    "events.resolved": "resolved",
    "events.blocked": "blocked",
    "events.invalid": "invalid",
    "events.violations": "violations",
    "delivery.log": "delivery",
}
_offsets = count()


def tables() -> InsightTables:
    return InsightTables(KINDS, NOW - 30 * 24 * HOUR_MS)


def record(topic: str, at: int, value: Any = None, key: bytes | None = None, **headers: str) -> InsightRecord:
    raw = value if isinstance(value, bytes) or value is None else orjson.dumps(value)
    return InsightRecord(topic, 0, next(_offsets), at, key, raw, headers)


def resolved(name: str = "Signed Up", source: str = "web", at: int = NOW, person: str = "p1") -> InsightRecord:
    return record("events.resolved", at, key=person.encode(), source=source, type="track", event=name)


def violation(at: int = NOW, **other: Any) -> InsightRecord:
    value = {
        "messageId": "m1", "receivedAt": "2026-01-01T00:00:00.000Z", "source": "web", "callType": "track",
        "event": "Signed Up", "class": "violation", "type": "Type", "path": "/properties/plan", "message": "no text",
        "plan": "shop@1", "rule": "Signed Up", "version": 1, "outcome": "allowed",
    }  # fmt: skip
    return record("events.violations", at, value | other)


def delivery(outcome: str, count: int = 1, at: int = NOW, code: str = "", **other: Any) -> InsightRecord:
    value = {
        "time": "2026-01-01T00:00:00.000Z", "destination": "crm", "outcome": outcome, "code": code, "source": "web",
        "count": count, "attempts": count,
    }  # fmt: skip
    return record("delivery.log", at, value | other)

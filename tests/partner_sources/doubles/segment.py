"""Segment's Webhooks destination: an event a post, HMAC-SHA1 over the body."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from tests.partner_sources.doubles.double import KEY, PartnerDouble


def event(kind: str, number: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "type": kind,
        "messageId": f"segment:ajs-next-{number}",
        "userId": "u42",
        "anonymousId": "a1",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "receivedAt": "2026-01-01T00:00:00.500Z",
        "sentAt": "2026-01-01T00:00:00.100Z",
        "context": {"traits": {"email": "ada@example.com"}, "library": {"name": "analytics.js"}},
        "integrations": {"Amplitude": False},
        "projectId": "p1",
        **fields,
    }


SETTINGS = {"shared_secret": KEY}


class SegmentDouble(PartnerDouble):
    type = "segment"
    settings = SETTINGS
    items = (
        event("track", 1, event="Order Completed", properties={"total": 9.5}),
        event("identify", 2, traits={"plan": "plus"}),
        event("group", 3, groupId="g1"),
    )
    unknown = None
    batches = signs_time = False

    def headers(self, body: bytes, now: float, key: str) -> Mapping[str, str]:
        return {"X-Signature": hmac.digest(key.encode(), body, "sha1").hex()}

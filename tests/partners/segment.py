"""Segment's tracking API: 400 for too much or no JSON, 200 for all else, even where it loses the events."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from router.destinations.base import Delivery
from router.destinations.shared import keys, person
from tests.partners.partner import Call, HttpPartner, Reply

_TYPES = ("identify", "track", "page", "screen", "group", "alias")


class SegmentPartner(HttpPartner):
    """`events` are those that it took, each with the `sentAt` of its batch; it knows a messageId again."""

    type = "segment"
    throttled = Reply(429, {"success": False}, {"Retry-After": "1", "X-RateLimit-Reset": "2"})

    def configure(self) -> Mapping[str, Any]:
        self.events: dict[str, dict[str, Any]] = {}
        return {**super().configure(), "write_key": self.secret}

    def name(self, event: Delivery) -> str:
        return person.message_id(event) or keys.as_hex(event)

    def answer(self, call: Call) -> Reply:
        if call.path != "/v1/batch":
            return Reply(404, "not found")
        if len(call.body) > 500_000:
            return Reply(400, {"success": False, "message": "Exceed payload limit"})
        try:
            body = json.loads(call.body)
        except ValueError:
            return Reply(400, {"success": False, "message": "malformed JSON"})
        given = b64decode(call.headers.get("authorization", "").removeprefix("Basic ")).decode()
        batch = body["batch"]
        if any(len(json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode()) > 32_768 for one in batch):
            return Reply(400, {"success": False, "message": "Exceed payload limit"})
        if given == f"{self.secret}:" and len(batch) <= 2_500:
            for one in filter(_is_taken, batch):
                self.take([one["messageId"]])
                self.events.setdefault(one["messageId"], one | {"sentAt": body["sentAt"]})
        return Reply(200, {"success": True})


def _is_taken(one: dict[str, Any]) -> bool:
    try:
        datetime.fromisoformat(one["timestamp"])
    except ValueError:
        return False
    known = one.get("userId") or one.get("anonymousId")
    return one.get("type") in _TYPES and bool(known) and 0 < len(one["messageId"]) <= 100

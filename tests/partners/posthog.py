"""PostHog's capture endpoint: 401 for an unknown project, 200 for all else; what is wrong is dropped without a word."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from router.destinations.base import Delivery
from router.destinations.shared import keys
from tests.partners.partner import Call, HttpPartner, Reply

_NOBODY = ("anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email", "undefined", "true",
           "false", "none", "null", "nan", "[object object]", "0", "")  # fmt: skip


class PosthogPartner(HttpPartner):
    """`joined` has the ids that are one person's now, `events` what was taken; `full` is a project without quota."""

    type = "posthog"
    throttled = Reply(429, {"type": "validation_error", "code": "throttled"}, {"Retry-After": "1"})

    def configure(self) -> Mapping[str, Any]:
        self.events: list[dict[str, Any]] = []
        self.joined: dict[str, str] = {}
        self.full = False
        return {**super().configure(), "api_key": self.secret}

    def name(self, event: Delivery) -> str:
        return keys.as_uuid(event)

    def answer(self, call: Call) -> Reply:
        if call.path != "/batch/":
            return Reply(404, "not found")
        if len(call.body) > 20_000_000:
            return Reply(413, "payload too large")
        if not isinstance(batch := call.json.get("batch"), list) or not batch:
            return Reply(400, {"type": "validation_error", "code": "invalid_payload"})
        if call.json.get("api_key") != self.secret:
            return Reply(401, {"type": "authentication_error", "detail": f"{call.json.get('api_key')} is not valid"})
        if self.full:
            return Reply(200, {"status": 1, "quota_limited": ["events"]})
        for one in filter(_is_taken, batch):
            self.events.append(one)
            self.take([one["uuid"]])
            self._join(one)
        return Reply(200, {"status": 1})

    def _join(self, one: dict[str, Any]) -> None:
        properties = one["properties"]
        if one["event"] == "$identify" and "$anon_distinct_id" in properties:
            self.joined[properties["$anon_distinct_id"]] = one["distinct_id"]
        if one["event"] == "$create_alias":
            self.joined[properties["alias"]] = one["distinct_id"]


def _is_taken(one: dict[str, Any]) -> bool:
    try:
        UUID(one["uuid"])
        at = datetime.fromisoformat(one["timestamp"])
    except ValueError:
        return False
    ids = [one["distinct_id"], one["properties"].get("$anon_distinct_id", "-"), one["properties"].get("alias", "-")]
    return at.tzinfo is not None and bool(one["event"]) and not any(who.lower() in _NOBODY for who in ids)

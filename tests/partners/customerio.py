"""Customer.io's Track API v2: Basic auth, 500 KB and 1,000 items a batch, 207 with what it refuses, ids are ULIDs."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from router.destinations.base import Delivery
from router.destinations.shared import keys
from tests.partners.partner import Call, HttpPartner, Reply

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")
_PERSON = (
    "identify",
    "event",
    "page",
    "screen",
    "delete",
    "suppress",
    "unsuppress",
    "add_device",
    "delete_device",
    "merge",
)
_OBJECT = ("identify", "identify_anonymous", "delete", "delete_relationships")


class CustomerioPartner(HttpPartner):
    type = "customerio"
    throttled = Reply(429, {"meta": {"error": "too many requests"}}, {"Retry-After": "1"})

    def configure(self) -> Mapping[str, Any]:
        return {**super().configure(), "site_id": "site-1", "api_key": self.secret}

    def name(self, event: Delivery) -> str:
        return keys.as_ulid(event)

    def answer(self, call: Call) -> Reply:
        given = b64decode(call.headers.get("authorization", "").removeprefix("Basic ")).decode()
        if given != f"site-1:{self.secret}":
            return Reply(401, {"meta": {"error": "unauthorized"}})
        if call.path == "/auth":
            return Reply(200, {"meta": "nice credentials."})
        if call.path != "/api/v2/batch":
            return Reply(404, {"meta": {"error": "not found"}})
        items = call.json.get("batch")
        if not isinstance(items, list) or not items:
            return Reply(400, {"errors": [{"reason": "required", "field": "batch", "message": "batch is required"}]})
        if len(call.body) > 500_000 or len(items) > 1_000:
            return Reply(413, {"meta": {"error": "too large"}})
        errors = [
            {"batch_index": number, "reason": "invalid", "field": field, "message": f"{field} is not valid"}
            for number, item in enumerate(items)
            if (field := _wrong(item))
        ]
        bad = {error["batch_index"] for error in errors}
        self.take([str(item["id"]) for number, item in enumerate(items) if number not in bad and "id" in item])
        return Reply(207 if errors else 200, {"errors": errors} if errors else {})


def _wrong(item: dict[str, Any]) -> str:
    """The field that is not valid, or an empty text."""
    if item.get("action") not in (_OBJECT if item.get("type") == "object" else _PERSON):
        return "action"
    if item["action"] == "merge":
        return "" if item.get("primary") and item.get("secondary") else "primary"
    known = item.get("identifiers")
    if not isinstance(known, dict) or not known:
        return "identifiers"
    if item["type"] == "object":
        return "" if {"object_id", "object_type_id"} <= known.keys() else "identifiers"
    if len(known) != 1 or not {"id", "email", "cio_id", "anonymous_id"} >= known.keys():
        return "identifiers"
    if item["action"] in ("event", "page", "screen"):
        if not item.get("name") or len(item["name"].encode()) > 100:
            return "name"
        if not _ULID.match(item.get("id", "")):
            return "id"
    if "timestamp" in item and not isinstance(item["timestamp"], int):
        return "timestamp"
    if any(len(name.encode()) > 150 for name in item.get("attributes", {})):
        return "attributes"
    return ""

"""Mixpanel's ingestion: Basic auth for imports, 400 with the records that failed, 200 with status 0 for updates."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from router.destinations.base import Delivery
from router.destinations.mixpanel import insert_id
from tests.partners.partner import Call, HttpPartner, Reply

_PLACEHOLDERS = ("anon", "anonymous", "nil", "none", "null", "n/a", "undefined", "00000000-0000-0000-0000-000000000000")
_NOW = 4_102_444_800_000  # the double lives in 2100: tests need no clock
_OPERATIONS = ("$set", "$set_once", "$add", "$append", "$union", "$unset", "$remove", "$delete")


class MixpanelPartner(HttpPartner):
    type = "mixpanel"
    throttled = Reply(429, {"code": 429, "error": "exceeded rate limit", "status": "Too Many Requests"})

    def configure(self) -> Mapping[str, Any]:
        return {**super().configure(), "token": self.secret}

    def name(self, event: Delivery) -> str:
        return insert_id(event)

    def answer(self, call: Call) -> Reply:
        if call.path == "/import":
            return self._import(call)
        if call.path == "/track":
            wrong = [one for one in call.json if one["properties"].get("token") != self.secret]
        elif call.path in ("/engage", "/groups"):
            wrong = [one for one in call.json if not self._is_update(one)]
        else:
            return Reply(404, "not found")
        if len(call.json) > 2_000 or len(call.body) > 2_000_000:
            return Reply(413, {"status": 0, "error": "request entity too large"})
        return Reply(200, {"status": 0, "error": "an update is not valid"} if wrong else {"status": 1, "error": None})

    def _import(self, call: Call) -> Reply:
        given = b64decode(call.headers.get("authorization", "").removeprefix("Basic ")).decode()
        account = given == f"robot:{self.secret}" and call.query.get("project_id") == "42"
        if given != f"{self.secret}:" and not account:
            return Reply(401, {"code": 401, "error": "Unauthorized", "status": "Unauthorized"})
        if len(call.json) > 2_000 or len(call.body) > 10_000_000:
            return Reply(413, {"code": 413, "error": "request exceeds max limit", "status": "Request Entity Too Large"})
        failed = [
            {"index": index, "insert_id": one["properties"].get("$insert_id"), "field": field, "message": "is invalid"}
            for index, one in enumerate(call.json)
            if (field := _wrong(one))
        ]
        bad = {one["index"] for one in failed}
        good = [one["properties"]["$insert_id"] for index, one in enumerate(call.json) if index not in bad]
        self.take(good)
        answer = {"num_records_imported": len(good)}
        if not failed:
            return Reply(200, {"code": 200, "status": "OK", **answer})
        return Reply(400, {"code": 400, "status": "Bad Request", "failed_records": failed, **answer})

    def _is_update(self, update: dict[str, Any]) -> bool:
        named = update.get("$distinct_id") or (update.get("$group_key") and update.get("$group_id"))
        added = update.get("$add", {}).values()
        return (
            update.get("$token") == self.secret
            and bool(named)
            and any(one in update for one in _OPERATIONS)
            and all(isinstance(one, int | float) for one in added)
        )


def _wrong(event: dict[str, Any]) -> str:
    """The field that is not valid, or an empty text."""
    own = event["properties"]
    if not event.get("event"):
        return "event"
    if own["distinct_id"].lower() in _PLACEHOLDERS:
        return "properties.distinct_id"
    if not 31_536_000_000 <= own["time"] <= _NOW + 3_600_000:
        return "properties.time"
    if not 0 < len(own["$insert_id"]) <= 36:
        return "properties.$insert_id"
    return "properties" if len(own) > 255 else ""

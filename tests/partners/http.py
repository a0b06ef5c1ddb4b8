"""Somebody's API, as an `http` destination describes it: arrays of its own, a bearer token, request keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.partners.partner import Call, HttpPartner, Reply


class AnyPartner(HttpPartner):
    type = "http"
    largest = 500_000

    def configure(self) -> Mapping[str, Any]:
        return {
            "url": "https://api.example.com/v1/{type}",
            "base_url": self.url,
            "allow_private": True,
            "headers": {"Authorization": f"Bearer {self.secret}", "X-Kind": "{type}"},
            "body": {"token": self.secret, "id": {"path": "messageId"}, "content": {"path": "$"}},
            "format": "array",
            "idempotency_header": "X-Request-Id",
            "status": {409: "delivered"},
        }

    def answer(self, call: Call) -> Reply:
        if call.headers.get("authorization") != f"Bearer {self.secret}":
            return Reply(401, {"error": "unauthorised"})
        kind = call.headers.get("x-kind")
        if call.method != "POST" or call.path != f"/v1/{kind}" or len(call.headers.get("x-request-id", "")) != 32:
            return Reply(400, {"error": "bad request"})
        items = call.json
        if not all(item.keys() == {"token", "id", "content"} and item["token"] == self.secret for item in items):
            return Reply(422, {"error": "bad item", "items": items})
        names = [str(item["id"]) for item in items]
        known = set(names) <= set(self.accepted())
        self.take(names)
        return Reply(409, {"error": "known"}) if known else Reply(202, {"ok": True})

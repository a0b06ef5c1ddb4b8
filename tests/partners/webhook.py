"""A webhook's receiver: takes one event or an array, checks the signature, tells repeats by the idempotency key."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import orjson

from router.destinations.webhook import SIGNATURE_HEADER, TIMESTAMP_HEADER, verify
from tests.partners.partner import Call, HttpPartner, Reply


class WebhookPartner(HttpPartner):
    type = "webhook"
    largest = 500_000

    def configure(self) -> Mapping[str, Any]:
        return {
            "url": f"{self.url}/crm",
            "secret": self.secret,
            "headers": {"X-Team": "shop"},
            "allow_private": True,
        }

    def answer(self, call: Call) -> Reply:
        stamp = call.headers.get(TIMESTAMP_HEADER.lower(), "")
        if not verify(
            self.secret.encode(), stamp, call.headers.get(SIGNATURE_HEADER.lower(), ""), call.body, time.time()
        ):
            return Reply(401, "bad signature")
        try:
            events = call.json if call.body.startswith(b"[") else [call.json]
        except orjson.JSONDecodeError:
            return Reply(400, "not JSON")
        if "idempotency-key" not in call.headers:
            return Reply(400, "no key")
        self.take([str(event.get("messageId")) for event in events])
        return Reply(200, "ok")

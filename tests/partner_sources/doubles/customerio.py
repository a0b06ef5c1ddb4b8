"""Customer.io: one event a post, HMAC-SHA256 over `v0:time:body`."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from tests.partner_sources.doubles.double import KEY, PartnerDouble

OPENED: dict[str, Any] = {
    "event_id": "01E4C4CT6YDC7Y5M7FE1GWWPQJ",
    "object_type": "email",
    "metric": "opened",
    "timestamp": 1585250199,
    "data": {
        "customer_id": "u42",
        "identifiers": {"id": "u42", "email": "ada@example.com", "cio_id": "d9c106000001"},
        "delivery_id": "RPILAgUBcRhIBqSfeiIwdIYJKxTY",
        "action_id": 96,
        "campaign_id": 7,
        "content_id": 1146,
        "journey_id": "01GW20GXAAXBKZD8J96M8FNV3R",
        "parent_action_id": 95,
        "subject": "Still thinking of it?",
        "recipient": "ada@example.com",
    },
}


def event(kind: str, metric: str, number: int = 0, **data: Any) -> dict[str, Any]:
    return OPENED | {
        "event_id": f"01E4C4CT6YDC7Y5M7FE1GWWP{number:02}",
        "object_type": kind,
        "metric": metric,
        "data": OPENED["data"] | data,
    }


SETTINGS = {"signing_key": KEY, "campaigns": {"7": "Abandoned cart"}}


class CustomerioDouble(PartnerDouble):
    type = "customerio"
    settings = SETTINGS
    items = (
        OPENED,
        event("email", "delivered", 1),
        event("email", "clicked", 2, href="https://shop.example/cart", link_id=12),
        event("email", "bounced", 3, failure_message="550 no such user"),
        event("push", "delivered", 4, recipients=[{"device_id": "t1", "device_platform": "ios"}]),
        event("sms", "sent", 5, recipient="+4915112345678"),
        {
            "event_id": "01E4C4CT6YDC7Y5M7FE1GWWPQZ",
            "object_type": "customer",
            "metric": "unsubscribed",
            "timestamp": "1585250199",
            "data": {"customer_id": "u42", "email_address": "ada@example.com"},
        },
    )
    unknown = event("hologram", "projected", 9)
    batches = False

    def headers(self, body: bytes, now: float, key: str) -> Mapping[str, str]:
        time = str(int(now))
        signature = hmac.digest(key.encode(), f"v0:{time}:".encode() + body, "sha256").hex()
        return {"X-CIO-Timestamp": time, "X-CIO-Signature": signature}

"""Klaviyo: a list of events a post, HMAC-SHA256 over body and time."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from typing import Any

from tests.partner_sources.doubles.double import KEY, PartnerDouble


def event(topic: str, number: int = 0, **properties: Any) -> dict[str, Any]:
    return {
        "external_id": f"4vRpBTbx{number:02}",
        "topic": f"event:klaviyo.{topic}",
        "payload": {
            "data": {
                "type": "event",
                "id": f"4vRpBT{number:02}",
                "attributes": {
                    "timestamp": 1712950405,
                    "datetime": "2024-04-12 19:33:25+00:00",
                    "uuid": f"e4f1d280-f902-11ee-8001-2ca1a1ff7f{number:02}",
                    "event_properties": {
                        "Subject": "Still thinking of it?",
                        "Campaign Name": "Abandoned cart",
                        "$message": "01HVB4",
                        **properties,
                    },
                },
                "relationships": {"profile": {"data": {"type": "profile", "id": "01H7WD"}}},
            },
            "included": [
                {"type": "metric", "id": "TbtsEr", "attributes": {"name": "Opened Email"}},
                {"type": "profile", "id": "01H7WD", "attributes": {"email": "ada@example.com", "external_id": "u42"}},
            ],
        },
    }


SETTINGS = {"secret": KEY}


class KlaviyoDouble(PartnerDouble):
    type = "klaviyo"
    settings = SETTINGS
    items = (
        event("opened_email", 1),
        event("received_email", 2),
        event("clicked_email", 3, URL="https://shop.example/cart"),
        event("received_push", 4),
        event("unsubscribed_from_list", 5, List="Newsletter"),
    )
    unknown = event("projected_hologram", 9)

    def body(self, items: Sequence[Any]) -> bytes:
        meta = b'{"klaviyo_account_id": "Xq", "klaviyo_webhook_id": "01HV", "timestamp": "2024-04-12T19:33:26+00:00"}'
        return b'{"data": ' + super().body(items) + b', "meta": ' + meta + b"}"

    def headers(self, body: bytes, now: float, key: str) -> Mapping[str, str]:
        time = formatdate(now, usegmt=True)
        signature = hmac.digest(key.encode(), body + time.encode(), "sha256").hex()
        return {"Klaviyo-Signature": signature, "Klaviyo-Timestamp": time, "Klaviyo-Webhook-Id": "01HV"}

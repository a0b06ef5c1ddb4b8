"""Mandrill: a list of events in a form, HMAC-SHA1 over URL and fields."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from router.partner_sources.base import Post
from tests.partner_sources.doubles.double import KEY, NOW, PartnerDouble

URL = "https://events.example.com/v1/hooks/mail?x=1"


def event(kind: str, number: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "event": kind,
        "_id": f"exampleaaaaaaaaaaaaaaaaaaaaaaaaa{number}",
        "ts": 1384954004,
        "msg": {
            "ts": 1365109999,
            "subject": "Still thinking of it?",
            "email": "ada@example.com",
            "sender": "shop@example.com",
            "tags": ["cart"],
            "state": "sent",
            "metadata": {"user_id": "u42", "campaign_name": "Abandoned cart"},
        },
        **fields,
    }


SETTINGS = {"webhook_key": KEY, "url": URL}


class MandrillDouble(PartnerDouble):
    type = "mandrill"
    settings = SETTINGS
    items = (
        event("send", 1),
        event("open", 2, ip="203.0.113.7", user_agent="Mozilla/5.0"),
        event("click", 2, url="https://shop.example/cart"),
        event("click", 2, url="https://shop.example/help"),
        event("hard_bounce", 3),
        event("unsub", 4),
    )
    signs_time = False
    unknown = event("hologram", 9)

    def body(self, items: Sequence[Any]) -> bytes:
        return urlencode({"mandrill_events": super().body(items).decode()}).encode()

    def headers(self, body: bytes, now: float, key: str) -> Mapping[str, str]:
        pairs = sorted(parse_qsl(body.decode(), keep_blank_values=True))
        signed = URL + "".join(name + value for name, value in pairs)
        code = hmac.digest(key.encode(), signed.encode(), "sha1")
        return {"X-Mandrill-Signature": base64.b64encode(code).decode()}

    def pings(self) -> list[Post]:
        return [self.post(self.body([]), NOW, "test-webhook"), self.post(self.body([]))]

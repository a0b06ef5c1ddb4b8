"""Braze Currents: a batch of events a post, known by a bearer token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.partner_sources.doubles.double import KEY, PartnerDouble


def event(kind: str, number: int = 0, **properties: Any) -> dict[str, Any]:
    return {
        "event_type": f"users.{kind}",
        "id": f"a1234567-89ab-cdef-0123-4567890000{number:02}",
        "time": 1477502783,
        "user": {
            "user_id": "0123456789abcdef01234567",
            "external_user_id": "u42",
            "device_id": "fedcba9876543210fedcba98",
            "timezone": "America/Chicago",
        },
        "properties": {
            "app_id": "01234567-89ab-cdef-0123-456789abcdef",
            "campaign_id": "11234567-89ab-cdef-0123-456789abcdef",
            "campaign_name": "Abandoned cart",
            "dispatch_id": "12345678901234567890123456789012",
            **properties,
        },
    }


SETTINGS = {"token": KEY}


class BrazeDouble(PartnerDouble):
    type = "braze"
    settings = SETTINGS
    items = (
        event("messages.email.Delivery", 1, email_address="ada@example.com"),
        event("messages.email.Click", 2, email_address="ada@example.com", link_url="https://shop.example/cart"),
        event("messages.pushnotification.Send", 3, platform="ios"),
        event("messages.pushnotification.Open", 4, platform="ios", device_model="iPhone 15"),
        event("canvas.Entry", 5, canvas_id="c1", canvas_name="Win back"),
        event("behaviors.Uninstall", 6),
    )
    unknown = event("messages.hologram.Project", 9)
    signs_body = signs_time = False

    def body(self, items: Sequence[Any]) -> bytes:
        return b'{"events": ' + super().body(items) + b"}"

    def headers(self, body: bytes, now: float, key: str) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {key}"}

    def pings(self) -> list[Any]:
        return [self.post(b'{"events": []}'), self.post(b'[{"events": []}]')]

"""Iterable: one event a post, known by a token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.partner_sources.doubles.double import KEY, PartnerDouble


def event(name: str, number: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "email": "ada@example.com",
        "userId": "u42",
        "eventName": name,
        "dataFields": {
            "createdAt": "2016-12-02 20:31:39 +00:00",
            "campaignId": 49313,
            "campaignName": "Abandoned cart",
            "templateId": 79190,
            "messageId": f"d0aa7801f91f4824997a631f3ed583{number:02}",
            "emailSubject": "Still thinking of it?",
            "emailId": "c49313:t79190:mail",
            "workflowId": None,
            **fields,
        },
    }


SETTINGS = {"token": KEY}


class IterableDouble(PartnerDouble):
    type = "iterable"
    settings = SETTINGS
    items = (
        event("emailSend", 1),
        event("emailOpen", 2, ip="192.168.0.1", userAgent="Mozilla/5.0", city="San Francisco", country="United States"),
        event("emailClick", 3, url="https://shop.example/cart", linkId="3145668"),
        event("emailUnSubscribe", 4, unsubSource="EmailLink"),
        event("pushOpen", 5, messageId=None),
        event("smsReceived", 6, fromPhoneNumber="+16503926753"),
        event("inAppOpen", 7),
    )
    unknown = event("hologramSend", 9)
    batches = signs_body = signs_time = False

    def headers(self, body: bytes, now: float, key: str) -> Mapping[str, str]:
        return {"Authorization": key}

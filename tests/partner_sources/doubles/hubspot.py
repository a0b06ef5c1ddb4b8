"""HubSpot: a list of changes a post, HMAC-SHA256 over method, URL, body and time."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import Any

from tests.partner_sources.doubles.double import KEY, PartnerDouble

URL = "https://events.example.com/v1/hooks/mail"


def change(kind: str, number: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "eventId": 100 + number,
        "subscriptionId": 138,
        "portalId": 62515,
        "appId": 54321,
        "occurredAt": 1564113600000,
        "subscriptionType": kind,
        "attemptNumber": 0,
        "objectId": 1246965,
        "changeSource": "CRM_UI",
        **fields,
    }


SETTINGS = {"client_secret": KEY, "url": URL, "user_id": "account_id"}


class HubspotDouble(PartnerDouble):
    type = "hubspot"
    settings = SETTINGS
    items = (
        change("contact.creation"),
        change("contact.propertyChange", 1, propertyName="email", propertyValue="ada@example.com"),
        change("contact.propertyChange", 2, propertyName="account_id", propertyValue="u42"),
        change("company.propertyChange", 3, propertyName="name", propertyValue="ada@example.com"),
        change("object.propertyChange", 4, objectTypeId="0-3", propertyName="dealstage", propertyValue="closedwon"),
        change("contact.deletion", 5),
    )
    unknown = change("hologram.projection", 9)

    def headers(self, body: bytes, now: float, key: str) -> Mapping[str, str]:
        time = str(int(now * 1000))
        code = hmac.digest(key.encode(), b"POST" + URL.encode() + body + time.encode(), "sha256")
        return {"X-HubSpot-Signature-v3": base64.b64encode(code).decode(), "X-HubSpot-Request-Timestamp": time}

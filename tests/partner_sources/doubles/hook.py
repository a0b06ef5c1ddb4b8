"""A partner that nobody here knows: a ticket system, whose posts a topology maps."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from tests.partner_sources.doubles.double import KEY, PartnerDouble


def ticket(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"t{number}",
        "at": 1767225600,
        "kind": "closed",
        "customer": {"ref": "u42", "mail": "ada@example.com"},
        "score": "4.5",
        **fields,
    }


SETTINGS = {"signing_key": KEY, "prefix": "sha256=", "timestamp_header": "X-Timestamp"}
MAP = {
    "type": {"value": "track"},
    "event": {"template": "Ticket {kind}"},
    "userId": "customer.ref",
    "messageId": {"template": "hook:{id}"},
    "timestamp": {"path": "at", "as": "iso8601"},
    "context.traits.email": "customer.mail",
    "properties": {"score": {"path": "score", "as": "number"}},
}


class HookDouble(PartnerDouble):
    type = "hook"
    settings = SETTINGS
    map = MAP
    items = (ticket(1), ticket(2, kind="reopened"))
    unknown = None

    def headers(self, body: bytes, now: float, key: str) -> Mapping[str, str]:
        time = str(int(now))
        signature = hmac.digest(key.encode(), time.encode() + b"." + body, "sha256").hex()
        return {"X-Timestamp": time, "X-Signature": f"sha256={signature}"}

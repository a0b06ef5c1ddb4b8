"""Mailchimp: one form a post, known by a token in the URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from tests.partner_sources.doubles.double import KEY, PartnerDouble


def form(kind: str, fired_at: str = "2009-03-26 21:35:57", **data: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "fired_at": fired_at,
        "data": {
            "id": "8a25ff1d98",
            "list_id": "a6b5da1054",
            "email": "ada@example.com",
            "email_type": "html",
            "ip_opt": "203.0.113.7",
            "merges": {"EMAIL": "ada@example.com", "FNAME": "Ada", "LNAME": "Lovelace", "USERID": "u42"},
            **data,
        },
    }


def flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    """`{"data": {"id": 1}}` as `data[id]=1`."""
    if isinstance(value, dict):
        return [pair for key, one in value.items() for pair in flat(one, f"{name}[{key}]" if name else str(key))]
    return [(name, "" if value is None else str(value))]


SETTINGS = {"token": KEY, "user_id": "USERID"}
CAMPAIGN = {
    "type": "campaign",
    "fired_at": "2009-03-26 21:31:21",
    "data": {"id": "5aa2102003", "subject": "Winter sale", "status": "sent", "reason": "", "list_id": "a6b5da1054"},
}


class MailchimpDouble(PartnerDouble):
    type = "mailchimp"
    settings = SETTINGS
    items = (
        form("subscribe"),
        form("unsubscribe", action="unsub", reason="manual", campaign_id="4fjk2ma9xd"),
        form("profile"),
        form("upemail", new_email="ada@example.com", old_email="countess@example.com"),
        form("cleaned", reason="hard"),
        CAMPAIGN,
    )
    unknown = form("hologram")
    batches = signs_body = signs_time = False

    def body(self, items: Sequence[Any]) -> bytes:
        return urlencode(flat(items[0])).encode()

    def headers(self, body: bytes, now: float, key: str) -> Mapping[str, str]:
        return {"Content-Type": "application/x-www-form-urlencoded"}

    def query(self, key: str) -> str:
        return f"token={quote(key)}"

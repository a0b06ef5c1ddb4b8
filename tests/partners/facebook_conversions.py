"""Meta's Conversions API: a request is refused whole for one bad or old event; an event id is known for 48 hours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from router.destinations.base import Delivery
from tests.deliveries import delivery
from tests.partners.graph import GraphPartner, error
from tests.partners.partner import Call, Reply

_HASHED = ("em", "ph", "fn", "ln", "ge", "db", "ct", "st", "zp", "country", "external_id")
_SOURCES = ("website", "app", "email", "phone_call", "chat", "physical_store", "system_generated", "other")
_DAYS_7 = 7 * 86_400


class FacebookConversionsPartner(GraphPartner):
    type = "facebook-conversions"

    def configure(self) -> Mapping[str, Any]:
        return {**super().configure(), "dataset_id": "1234"}

    def event(self, number: int, **fields: Any) -> Delivery:
        return delivery(number, **{"properties": {"total": "9,50", "currency": "EUR"}} | fields)

    def take_call(self, call: Call, path: str) -> Reply:
        if path == "1234":
            return Reply(200, {"id": "1234"})
        if call.method != "POST" or path != "1234/events":
            return error(100, 33)
        events = call.json["data"]
        if not 0 < len(events) <= 1_000:
            return error(100)
        for one in events:
            if one["event_time"] < self.now - _DAYS_7:
                return error(100, 2804003)
            if _invalid(one):
                return error(100, 2804019)
        self.take([one["event_id"] for one in events])
        return Reply(200, {"events_received": len(events), "messages": [], "fbtrace_id": "A"})


def _invalid(event: Mapping[str, Any]) -> bool:
    user, bought = event.get("user_data", {}), event.get("custom_data", {})
    return (
        not event.get("event_name")
        or event["action_source"] not in _SOURCES
        or not user
        or any(name in user and not re.fullmatch("[0-9a-f]{64}", user[name]) for name in _HASHED)
        or (event["action_source"] == "website" and not user.get("client_user_agent"))
        or (event["action_source"] == "app" and len(event.get("app_data", {}).get("extinfo", ())) != 16)
        or (event["event_name"] == "Purchase" and not (bought.get("currency") and "value" in bought))
        or any(value is None or value == "" for value in (*user.values(), *bought.values()))
    )

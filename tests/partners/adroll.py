"""NextRoll's Audience API: a token and an application's key, appended members, a quota a day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.destinations.base import Delivery
from router.destinations.shared import person
from tests.deliveries import delivery
from tests.partners.partner import Call, HttpPartner, Reply

SEGMENT, CLIENT = "SEGMENT1", "client-1"


class AdrollPartner(HttpPartner):
    type = "adroll"
    throttled = Reply(429, {"errors": [{"message": "quota"}]}, {"Retry-After": "3600"})

    def configure(self) -> Mapping[str, Any]:
        segment = {"id": SEGMENT, "entered": ["Order Completed"]}
        return {
            **super().configure(), "access_token": self.secret, "client_id": CLIENT, "audiences": {"gold": segment},
        }  # fmt: skip

    def event(self, number: int, **fields: Any) -> Delivery:
        who = {"userId": f"u{number}@shop.example", "profileId": f"p{number}"}
        return delivery(number, **who | fields)

    def name(self, event: Delivery) -> str:
        return person.email(event)

    def answer(self, call: Call) -> Reply:
        if call.headers.get("authorization") != f"Token {self.secret}" or call.query.get("apikey") != CLIENT:
            return Reply(401, {"errors": [{"message": "not authorised"}]})
        if call.path == "/audience/v1/advertisers":
            return Reply(200, {"results": []})
        if call.path != f"/audience/v1/segments/{SEGMENT}":
            return Reply(404, {"errors": [{"message": "no such segment"}]})
        people = [one.get("email", "") for one in call.json["data"]]
        if not people or not all("@" in one for one in people):
            return Reply(400, {"errors": [{"message": "email"}]})
        self.take(people)
        segment = {"segment_id": SEGMENT, "name": "Gold", "type": "crm", "emails": len(self.accepted())}
        return Reply(200, {"result": "success", "segment": segment})

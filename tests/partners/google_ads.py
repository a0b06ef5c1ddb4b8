"""Google's Data Manager API: OAuth, a request is refused whole for one bad field, a transaction has one id."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

from router.destinations.base import Connector, Delivery
from router.destinations.http import HttpDestination
from tests.deliveries import delivery
from tests.partners.partner import Call, HttpPartner, Reply

ACTION, USER_LIST, ACCOUNT = "777", "888", "1234567890"
_HASH = re.compile("[0-9a-f]{64}")
_HASHED = ("emailAddress", "phoneNumber")


def refused(*fields: str) -> Reply:
    violations = [{"field": field, "description": "invalid", "reason": "INVALID_HEX_ENCODING"} for field in fields]
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}
    return Reply(400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "details": [detail]}})


class GoogleAdsPartner(HttpPartner):
    type = "google-ads"
    throttled = Reply(429, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}})

    def configure(self) -> Mapping[str, Any]:
        return {
            **super().configure(), "client_id": "client", "client_secret": "client-secret",
            "refresh_token": self.secret, "token_url": f"{self.url}/token", "account_id": "123-456-7890",
            "conversions": {"Order Completed": ACTION}, "audiences": {"gold": USER_LIST}, "terms_accepted": True,
        }  # fmt: skip

    def connector(self, **settings: Any) -> Connector:
        made = super().connector(**settings)
        assert isinstance(made, HttpDestination)
        made.clock = lambda: 1_767_225_600.0  # 2026-01-01T00:00:00Z
        return made

    def event(self, number: int, **fields: Any) -> Delivery:
        return delivery(number, **{"userId": f"u{number}@shop.example"} | fields)

    def answer(self, call: Call) -> Reply:
        if call.path == "/token":
            return self._grant(parse_qs(call.body.decode()))
        if call.headers.get("authorization") != "Bearer access-1":
            return Reply(401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}})
        if call.path == "/v1/requestStatus:retrieve":
            return refused("request_id")
        wrong = list(_wrong(call.path, call.json))
        if wrong:
            return refused(*wrong)
        self.take([one["transactionId"] for one in call.json.get("events", ())])
        return Reply(200, {"requestId": "r-1"})

    def _grant(self, form: Mapping[str, list[str]]) -> Reply:
        if form["client_secret"] != ["client-secret"]:
            return Reply(401, {"error": "invalid_client"})
        if form["grant_type"] != ["refresh_token"] or form["refresh_token"] != [self.secret]:
            return Reply(400, {"error": "invalid_grant"})
        return Reply(200, {"access_token": "access-1", "expires_in": 3_599, "token_type": "Bearer"})


def _wrong(path: str, payload: Mapping[str, Any]) -> Iterator[str]:
    name = "events" if path == "/v1/events:ingest" else "audienceMembers"
    target = ACTION if name == "events" else USER_LIST
    (where,) = payload["destinations"]
    if where["productDestinationId"] != target or where["operatingAccount"]["accountId"] != ACCOUNT:
        yield "destinations[0].product_destination_id"
    if path == "/v1/audienceMembers:ingest" and not payload.get("termsOfService"):
        yield "terms_of_service"
    if payload["encoding"] != "HEX" or not 0 < len(payload[name]) <= (2_000 if name == "events" else 10_000):
        yield name
    for place, item in enumerate(payload[name]):
        for number, one in enumerate(item.get("userData", {}).get("userIdentifiers", ())):
            if len(one) != 1 or any(key in one and not _HASH.fullmatch(one[key]) for key in _HASHED):
                yield f"{name}[{place}].user_data.user_identifiers[{number}]"
        if name == "events" and not (item.get("eventSource") and item.get("eventTimestamp") and _known(item)):
            yield f"events[{place}]"


def _known(item: Mapping[str, Any]) -> bool:
    return bool(item.get("adIdentifiers") or item.get("userData"))

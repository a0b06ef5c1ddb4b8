"""Klaviyo's API: a private key and a revision, jobs that are refused whole and point at the fault, unique ids."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from router.destinations.base import Delivery
from router.destinations.shared import keys, person
from tests.partners.partner import Call, HttpPartner, Reply

_BULK_EVENTS = "/data/attributes/events-bulk-create/data"
_BULK_PROFILES = "/data/attributes/profiles/data"


class KlaviyoPartner(HttpPartner):
    type = "klaviyo"
    throttled = Reply(429, {"errors": [{"code": "throttled"}]}, {"Retry-After": "1"})

    def configure(self) -> Mapping[str, Any]:
        return {**super().configure(), "api_key": self.secret}

    def name(self, event: Delivery) -> str:
        return person.message_id(event) or keys.as_hex(event)

    def answer(self, call: Call) -> Reply:
        if call.headers.get("authorization") != f"Klaviyo-API-Key {self.secret}":
            return Reply(401, {"errors": [{"code": "not_authenticated"}]})
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", call.headers.get("revision", "")):
            return Reply(400, {"errors": [{"code": "invalid", "detail": "revision"}]})
        if call.path == "/api/accounts":
            return Reply(200, {"data": []})
        if len(call.body) > 5_000_000:
            return Reply(413, {"errors": [{"code": "payload_too_large"}]})
        data = call.json["data"]
        wrong = list(_wrong(call.path, data))
        if wrong:
            return Reply(400, {"errors": [{"code": "invalid", "source": {"pointer": pointer}} for pointer in wrong]})
        if call.path == "/api/profile-import":
            return Reply(201, {"data": {"type": "profile", "id": "01"}})
        self.take([one["attributes"]["unique_id"] for one in _events(call.path, data)])
        return Reply(202, "")


def _events(path: str, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    if path == "/api/events":
        return [dict(data)]
    items = data["attributes"].get("events-bulk-create", {}).get("data", [])
    return [one for item in items for one in item["attributes"]["events"]["data"]]


def _wrong(path: str, data: Mapping[str, Any]) -> Iterator[str]:
    """A pointer to each fault."""
    attributes = data["attributes"]
    match path, data["type"]:
        case "/api/events", "event":
            yield from _event("/data", attributes)
            yield from _profile("/data/attributes/profile/data", attributes["profile"]["data"])
        case "/api/event-bulk-create-jobs", "event-bulk-create-job":
            if len(_events(path, data)) > 1_000:
                yield _BULK_EVENTS
            for place, item in enumerate(attributes["events-bulk-create"]["data"]):
                at, inner = f"{_BULK_EVENTS}/{place}", item["attributes"]
                yield from _profile(f"{at}/attributes/profile/data", inner["profile"]["data"])
                for one in inner["events"]["data"]:
                    yield from _event(f"{at}/attributes/events/data", one["attributes"])
        case "/api/profile-import", "profile":
            yield from _profile("/data", data)
        case "/api/profile-bulk-import-jobs", "profile-bulk-import-job":
            people = attributes["profiles"]["data"]
            for place, one in enumerate(people):
                yield from _profile(f"{_BULK_PROFILES}/{place}", one)
        case "/api/profile-subscription-bulk-create-jobs", "profile-subscription-bulk-create-job":
            people = attributes["profiles"]["data"]
            if len(people) > 100:
                yield _BULK_PROFILES
            for place, one in enumerate(people):
                for channel, field in (("email", "email"), ("sms", "phone_number")):
                    if channel in one["attributes"]["subscriptions"] and not one["attributes"].get(field):
                        yield f"{_BULK_PROFILES}/{place}/attributes/{field}"
        case _:
            yield "/data/type"


def _profile(at: str, one: Mapping[str, Any]) -> Iterator[str]:
    known = one["attributes"]
    if not any(known.get(name) for name in ("email", "phone_number", "external_id", "anonymous_id")):
        yield f"{at}/attributes"
    if "phone_number" in known and not re.fullmatch(r"\+[1-9]\d{6,14}", known["phone_number"]):
        yield f"{at}/attributes/phone_number"


def _event(at: str, one: Mapping[str, Any]) -> Iterator[str]:
    if not 0 < len(one["metric"]["data"]["attributes"]["name"]) < 128:
        yield f"{at}/attributes/metric/data/attributes/name"
    if len(one["properties"]) > 400 or any(name.startswith("$") for name in one["properties"]):
        yield f"{at}/attributes/properties"
    if one["time"] < "2000" or not one["unique_id"]:
        yield f"{at}/attributes/time"

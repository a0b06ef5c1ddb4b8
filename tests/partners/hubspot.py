"""HubSpot's CRM and events API: a Bearer token, 100 contacts named once each, 207 by trace, no dedupe of events."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from router.destinations.base import Delivery
from router.destinations.shared import keys
from tests.partners.partner import Call, HttpPartner, Reply

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.(?!invalid\Z)[^@\s.]+\Z")  # it knows the top-level domains
_EVENT_NAME = re.compile(r"pe42_[a-z0-9_]+\Z")
_ASSOCIATION = re.compile(r"/crm/v4/objects/contacts/(\d+)/associations/default/companies/(\d+)\Z")


class HubspotPartner(HttpPartner):
    type = "hubspot"
    throttled = Reply(429, {"status": "error", "errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"})

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._events: list[str] = []
        self.records: dict[tuple[str, str], dict[str, Any]] = {}  # contacts and companies, by kind and id of ours
        self.associations: set[tuple[str, str]] = set()

    def configure(self) -> Mapping[str, Any]:
        return {**super().configure(), "access_token": self.secret, "hub_id": 42, "company_property": "group_id"}

    def event(self, number: int, **fields: Any) -> Delivery:
        return super().event(number, **({"context": {"traits": {"email": f"u{number % 7}@example.com"}}} | fields))

    def name(self, event: Delivery) -> str:
        return keys.as_uuid(event)

    def take(self, names: Sequence[str]) -> None:
        self._events += names

    def accepted(self) -> list[str]:
        return self._events

    def answer(self, call: Call) -> Reply:
        if call.headers.get("authorization") != f"Bearer {self.secret}":
            return Reply(401, {"status": "error", "category": "INVALID_AUTHENTICATION"})
        if call.method == "PUT" and (pair := _ASSOCIATION.match(call.path)):
            self.associations.add((pair[1], pair[2]))
            return Reply(200, {"status": "COMPLETE"})
        match call.method, call.path:
            case "GET", "/crm/v3/objects/contacts":
                return Reply(200, {"results": []})
            case "POST", "/crm/v3/objects/contacts/batch/upsert":
                return self._upsert("contact", call.json["inputs"])
            case "POST", "/crm/v3/objects/companies/batch/upsert":
                return self._upsert("company", call.json["inputs"])
            case "POST", "/events/v3/send/batch":
                return self._send(call.json["inputs"])
        return Reply(404, {"status": "error", "category": "OBJECT_NOT_FOUND"})

    def _upsert(self, kind: str, inputs: Sequence[Mapping[str, Any]]) -> Reply:
        ids = [one["id"] for one in inputs]
        if not ids or len(ids) > 100 or len(set(ids)) < len(ids):
            return Reply(400, {"status": "error", "category": "VALIDATION_ERROR", "message": "duplicate or too many"})
        if any(not isinstance(value, str | int | float) for one in inputs for value in one["properties"].values()):
            return Reply(400, {"status": "error", "category": "VALIDATION_ERROR", "message": "property values"})
        bad = [one for one in inputs if kind == "contact" and not _EMAIL.match(one["id"])]
        results = []
        for one in inputs:
            if one not in bad:
                record = self.records.setdefault((kind, one["id"]), {"id": str(len(self.records) + 1)})
                record |= one["properties"]
                results.append({"id": record["id"], "properties": one["properties"]})
        errors = [
            {"category": "VALIDATION_ERROR", "context": {"objectWriteTraceId": [one["objectWriteTraceId"]]}}
            for one in bad
        ]
        answer = {"status": "COMPLETE", "results": results}
        return Reply(207, {**answer, "errors": errors, "numErrors": len(errors)}) if errors else Reply(200, answer)

    def _send(self, inputs: Sequence[Mapping[str, Any]]) -> Reply:
        if not inputs or len(inputs) > 500 or any(_wrong(one) for one in inputs):
            return Reply(400, {"status": "error", "category": "VALIDATION_ERROR"})
        self.take([one["uuid"] for one in inputs])
        return Reply(204)


def _wrong(event: Mapping[str, Any]) -> bool:
    known = {"email", "utk", "objectId"} & event.keys()
    return not known or not _EVENT_NAME.match(event.get("eventName", "")) or not event["occurredAt"].endswith("Z")

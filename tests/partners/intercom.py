"""Intercom's REST API: a Bearer token and a version, one thing a request, events known by their second."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from router.destinations.base import Delivery
from router.destinations.shared import dates, person
from tests.partners.partner import Call, HttpPartner, Reply, second

_CONTACT = re.compile(r"/contacts/(\d+)(/companies(?:/(\d+))?)?\Z")


class IntercomPartner(HttpPartner):
    type = "intercom"
    throttled = Reply(429, {"type": "error.list"}, {"X-RateLimit-Reset": "1"})

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.contacts: dict[str, dict[str, Any]] = {}
        self.companies: dict[str, dict[str, Any]] = {}  # by our id
        self.members: set[tuple[str, str]] = set()  # contact, company
        self.tags: list[tuple[str, str]] = []
        self.unknown: set[str] = set()  # user ids of events that it has no contact for

    def configure(self) -> Mapping[str, Any]:
        return {**super().configure(), "access_token": self.secret}

    def event(self, number: int, **fields: Any) -> Delivery:
        """Of a contact that it knows."""
        made = super().event(number, **({"timestamp": second(number)} | fields))
        user = person.user_id(made)
        if not any(one.get("external_id") == user for one in self.contacts.values()):
            record = str(100 + len(self.contacts))
            self.contacts[record] = {"id": record, "role": "user", "external_id": user}
        return made

    def name(self, event: Delivery) -> str:
        return f"{event.event} {dates.unix_seconds(dates.event_time(event))}"

    def answer(self, call: Call) -> Reply:
        if call.headers.get("authorization") != f"Bearer {self.secret}":
            return _error(401, "unauthorized")
        if call.headers.get("intercom-version") != "2.10":
            return _error(400, "intercom_version_invalid")
        if found := _CONTACT.match(call.path):
            return self._contact(call, found)
        match call.method, call.path:
            case "GET", "/me":
                return Reply(200, {"type": "admin"})
            case "POST", "/events":
                return self._event(call.json)
            case "POST", "/contacts/search":
                return Reply(200, {"type": "list", "data": self._found(call.json["query"])})
            case "POST", "/contacts":
                return self._create(call.json)
            case "POST", "/contacts/merge":
                lead, user = self.contacts.get(call.json["from"]), self.contacts.get(call.json["into"])
                if lead is None or user is None or (lead["role"], user["role"]) != ("lead", "user"):
                    return _error(400, "invalid_merge")
                del self.contacts[call.json["from"]]
                return Reply(200, user)
            case "POST", "/companies":
                company = self.companies.setdefault(call.json["company_id"], {"id": str(9_000 + len(self.companies))})
                company |= call.json
                return Reply(200, company)
            case "POST", "/tags":
                self.tags += [(call.json["name"], one["company_id"]) for one in call.json["companies"]]
                return Reply(200, {"type": "tag"})
        return _error(404, "not_found")

    def _event(self, given: dict[str, Any]) -> Reply:
        known = given.get("user_id") or given.get("email")
        if known in self.unknown:
            return _error(404, "not_found")
        if not known or not given.get("event_name") or not isinstance(given.get("created_at"), int):
            return _error(400, "parameter_not_found")
        metadata = given.get("metadata", {})
        nested = [set(one) for one in metadata.values() if isinstance(one, list | dict)]
        if len(metadata) > 10 or any(keys not in ({"amount", "currency"}, {"url", "value"}) for keys in nested):
            return _error(422, "parameter_invalid")
        self.take([f"{given['event_name']} {given['created_at']}"])
        return Reply(202)

    def _found(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        terms = query["value"] if query["operator"] == "OR" else [query]
        return [one for one in self.contacts.values() if any(one.get(t["field"]) == t["value"] for t in terms)]

    def _create(self, given: dict[str, Any]) -> Reply:
        lead = given.get("role") == "lead"
        if (lead and "external_id" in given) or not (given.get("external_id") or given.get("email")):
            return _error(400, "parameter_invalid")
        same = [
            one for one in self.contacts.values() if not lead and one.get("external_id") == given.get("external_id")
        ]
        if same:
            return _error(409, "conflict")
        made = {**given, "id": str(100 + len(self.contacts))}
        self.contacts[made["id"]] = made
        return Reply(200, made)

    def _contact(self, call: Call, found: re.Match[str]) -> Reply:
        contact = self.contacts.get(found[1])
        if contact is None:
            return _error(404, "not_found")
        match call.method:
            case "PUT":
                contact |= call.json
            case "POST":
                self.members.add((found[1], call.json["id"]))
            case "DELETE" if found[2]:
                self.members.discard((found[1], found[3]))
            case "DELETE":
                del self.contacts[found[1]]
        return Reply(200, contact)


def _error(status: int, code: str) -> Reply:
    return Reply(status, {"type": "error.list", "errors": [{"code": code, "message": "in words"}]})

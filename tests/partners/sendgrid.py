"""SendGrid's v3 API: a Bearer token, contacts taken to be looked at later, mail by template, no dedupe of mail."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from router.destinations.base import Delivery
from router.destinations.shared import keys, person
from tests.partners.partner import Call, HttpPartner, Reply

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+\Z")
_IDENTIFIERS = frozenset(("email", "phone_number_id", "external_id", "anonymous_id"))


class SendgridPartner(HttpPartner):
    type = "sendgrid"
    throttled = Reply(429, {"errors": [{"message": "too many requests"}]}, {"X-RateLimit-Reset": "1"})

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._mails: list[str] = []
        self.contacts: dict[str, dict[str, Any]] = {}  # by e-mail address or external id

    def configure(self) -> Mapping[str, Any]:
        mails = {"Order Completed": "d-0123456789abcdef"}
        return {**super().configure(), "api_key": self.secret, "mails": mails, "sender": "shop@example.com"}

    def event(self, number: int, **fields: Any) -> Delivery:
        return super().event(number, **({"context": {"traits": {"email": f"u{number}@example.com"}}} | fields))

    def name(self, event: Delivery) -> str:
        return person.message_id(event) or keys.as_hex(event)

    def take(self, names: Sequence[str]) -> None:
        self._mails += names

    def accepted(self) -> list[str]:
        return self._mails

    def answer(self, call: Call) -> Reply:
        if call.headers.get("authorization") != f"Bearer {self.secret}":
            return _error(401, "authorization")
        match call.method, call.path:
            case "GET", "/v3/scopes":
                return Reply(200, {"scopes": ["mail.send"]})
            case "PUT", "/v3/marketing/contacts":
                return self._upsert(call)
            case "POST", "/v3/marketing/contacts/search/emails":
                found = {
                    email: {"contact": self.contacts[email]} for email in call.json["emails"] if email in self.contacts
                }
                return Reply(200, {"result": found}) if found else _error(404, "emails")
            case "DELETE", "/v3/marketing/contacts":
                ids = call.query["ids"].split(",")
                self.contacts = {key: one for key, one in self.contacts.items() if one["id"] not in ids}
                return Reply(202, {"job_id": "j1"})
            case "POST", "/v3/mail/send":
                return self._send(call.json)
        return _error(404, "path")

    def _upsert(self, call: Call) -> Reply:
        contacts = call.json["contacts"]
        if len(call.body) > 6_000_000 or len(contacts) > 30_000:
            return _error(413, "contacts")
        for number, one in enumerate(contacts):
            if not _IDENTIFIERS & one.keys() or not _EMAIL.match(one.get("email", "a@b.c")):
                return _error(400, f"contacts[{number}].email")
            if any(isinstance(value, bool | dict | list) for value in one.get("custom_fields", {}).values()):
                return _error(400, f"contacts[{number}].custom_fields")
        for one in contacts:
            known = self.contacts.setdefault(one.get("email") or one["external_id"], {"id": f"c{len(self.contacts)}"})
            known |= one
        return Reply(202, {"job_id": "j1"})

    def _send(self, mail: Mapping[str, Any]) -> Reply:
        people = mail.get("personalizations") or []
        emails = [to["email"].lower() for one in people for to in one["to"]]
        if not 1 <= len(people) <= 1_000 or len(set(emails)) < len(emails):
            return _error(400, "personalizations")
        if not mail["template_id"].startswith("d-") or not _EMAIL.match(mail["from"]["email"]):
            return _error(400, "template_id")
        if bad := [number for number, email in enumerate(emails) if not _EMAIL.match(email)]:
            return _error(400, f"personalizations.{bad[0]}.to.0.email")
        self.take([one["custom_args"]["message_id"] for one in people])
        return Reply(202)


def _error(status: int, field: str) -> Reply:
    return Reply(status, {"errors": [{"message": "in words", "field": field, "help": None}]})

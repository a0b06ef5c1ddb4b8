"""Mailchimp's Marketing API: Basic auth, members by the hash of their address, events without dedupe, a terse 429."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Sequence
from hashlib import md5
from pathlib import Path
from typing import Any

from router.destinations.base import Delivery
from router.destinations.shared import dates, person
from tests.partners.partner import Call, HttpPartner, Reply, second

_MEMBER = re.compile(r"/3\.0/lists/a1/members/([0-9a-f]{32})(/tags|/events|/actions/delete-permanent)?\Z")
_NAME = re.compile(r"[A-Za-z0-9_-]{2,30}\Z")


class MailchimpPartner(HttpPartner):
    type = "mailchimp"
    secret = "hush-4711-us21"
    throttled = Reply(429, {"title": "Too Many Requests", "status": 429})  # without a word on how long

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._events: list[str] = []
        self.members: dict[str, dict[str, Any]] = {}  # by hash
        self.forgotten: set[str] = set()

    def configure(self) -> dict[str, Any]:
        return {**super().configure(), "api_key": self.secret, "list_id": "a1"}

    def event(self, number: int, **fields: Any) -> Delivery:
        """Of a member that it knows."""
        known = {"context": {"traits": {"email": f"u{number % 7}@example.com"}}, "timestamp": second(number)}
        made = super().event(number, **(known | fields))
        self.add(person.email(made))
        return made

    def add(self, email: str, status: str = "subscribed") -> None:
        self.members.setdefault(_hash(email), {"email_address": email, "status": status})

    def name(self, event: Delivery) -> str:
        return dates.iso(dates.event_time(event))

    def take(self, names: Sequence[str]) -> None:
        self._events += names

    def accepted(self) -> list[str]:
        return self._events

    def answer(self, call: Call) -> Reply:
        given = b64decode(call.headers.get("authorization", "").removeprefix("Basic ")).decode()
        if given.partition(":")[2] != self.secret:
            return _problem(401, "API Key Invalid")
        if (call.method, call.path) == ("GET", "/3.0/lists/a1"):
            return Reply(200, {"id": "a1"})
        if not (found := _MEMBER.match(call.path)):
            return _problem(404, "Resource Not Found")
        member, what = found[1], found[2]
        if call.method == "PUT":
            return self._put(member, call.json)
        if member not in self.members:
            return _problem(404, "Resource Not Found")
        if what == "/events":
            return self._event(call.json)
        if what == "/tags":
            tags = {one["name"]: one["status"] for one in call.json["tags"]}
            self.members[member]["tags"] = self.members[member].get("tags", {}) | tags
            return Reply(204)
        del self.members[member]
        self.forgotten |= {member} if what else set()
        return Reply(204)

    def _put(self, member: str, given: dict[str, Any]) -> Reply:
        email = given["email_address"]
        if member != _hash(email) or any(isinstance(one, bool) for one in given.get("merge_fields", {}).values()):
            return _problem(400, "Invalid Resource")
        if member in self.forgotten:
            return _problem(400, "Forgotten Email Not Subscribed")
        known = self.members.get(member)
        status = given.get("status") or (known["status"] if known else given["status_if_new"])
        if known and (known["status"], given.get("status")) == ("unsubscribed", "subscribed"):
            return _problem(400, "Member In Compliance State")
        fields = {**(known or {}).get("merge_fields", {}), **given.get("merge_fields", {})}
        self.members[member] = {**(known or {}), "email_address": email, "status": status, "merge_fields": fields}
        return Reply(200, self.members[member])

    def _event(self, given: dict[str, Any]) -> Reply:
        values = given.get("properties", {}).values()
        if not _NAME.match(given["name"]) or not all(isinstance(value, str) for value in values):
            return _problem(400, "Invalid Resource")
        self.take([given["occurred_at"]])
        return Reply(204)


def _hash(email: str) -> str:
    return md5(email.lower().encode(), usedforsecurity=False).hexdigest()


def _problem(status: int, title: str) -> Reply:
    return Reply(status, {"title": title, "status": status, "detail": "in words"})

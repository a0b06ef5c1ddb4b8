"""Iterable's API: a key in `Api-Key`, bulk of 1,000 or 4 MB, 200 that lists what was not taken, ids that overwrite."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from router.destinations.base import Delivery
from router.destinations.shared import keys, person
from tests.partners.partner import Call, HttpPartner, Reply

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+\Z")
_DONE = {"msg": "", "code": "Success", "params": None}


class IterablePartner(HttpPartner):
    type = "iterable"
    throttled = Reply(429, {"msg": "Too many requests", "code": "RateLimitExceeded", "params": None})

    def configure(self) -> Mapping[str, Any]:
        return {**super().configure(), "api_key": self.secret}

    def name(self, event: Delivery) -> str:
        return person.message_id(event) or keys.as_hex(event)

    def answer(self, call: Call) -> Reply:
        if call.headers.get("api-key") != self.secret:
            return Reply(401, {"msg": "Invalid API key", "code": "BadApiKey", "params": None})
        if call.path == "/api/lists":
            return Reply(200, {"lists": []})
        if len(call.body) > 4_000_000:
            return Reply(413, "too large")
        match call.method, call.path:
            case "POST", "/api/events/trackBulk":
                return self._bulk(call.json["events"], "disallowedEventNames")
            case "POST", "/api/users/bulkUpdate":
                return self._bulk(call.json["users"])
            case "POST", "/api/events/track" | "/api/users/update":
                return self._single([call.json])
            case "POST", "/api/commerce/trackPurchase" | "/api/commerce/updateCart":
                return self._single([{**call.json["user"], "id": call.json.get("id"), "items": call.json["items"]}])
            case "POST", "/api/users/registerDeviceToken" | "/api/users/registerBrowserToken":
                return self._single([call.json])
            case "POST", "/api/users/updateEmail":
                return Reply(200, _DONE)
            case "POST", "/api/lists/subscribe":
                return self._bulk(call.json["subscribers"])
            case "DELETE", _:
                return Reply(200, _DONE)
        return Reply(404, "not found")

    def _single(self, items: Sequence[Mapping[str, Any]]) -> Reply:
        wrong = _wrong(items[0])
        if wrong:
            return Reply(400, {"msg": "not valid", "code": wrong, "params": None})
        self._keep(items)
        return Reply(200, _DONE)

    def _bulk(self, items: Sequence[Mapping[str, Any]], *more: str) -> Reply:
        if len(items) > 1_000:
            return Reply(400, {"msg": "too many", "code": "BadParams", "params": None})
        emails = [one["email"] for one in items if _wrong(one) == "InvalidEmailAddressError"]
        users = [str(one.get("userId", "")) for one in items if _wrong(one) == "InvalidUserIdError"]
        self._keep([one for one in items if not _wrong(one)])
        failed = len(emails) + len(users)
        lists = {"invalidEmails": emails, "invalidUserIds": users, **{name: [] for name in more}}
        return Reply(200, {"successCount": len(items) - failed, "failCount": failed, **lists, "failedUpdates": lists})

    def _keep(self, items: Sequence[Mapping[str, Any]]) -> None:
        self.take([one["id"] for one in items if one.get("id")])


def _wrong(item: Mapping[str, Any]) -> str:
    """The code of what is not valid, or an empty text."""
    email, user = item.get("email"), item.get("userId")
    if email is not None and not _EMAIL.match(email):
        return "InvalidEmailAddressError"
    if email is None and not (isinstance(user, str) and 0 < len(user) <= 52):
        return "InvalidUserIdError"
    at = item.get("createdAt", 0)
    if not isinstance(at, int) or at > 10_000_000_000 or not isinstance(item.get("dataFields", {}), dict):
        return "BadJsonBody"
    needed = {"id", "name", "price", "quantity"}
    return "" if all(needed <= one.keys() for one in item.get("items", ())) else "BadJsonBody"

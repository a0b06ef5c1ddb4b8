"""Braze's /users routes: a Bearer key, 75 objects and 50 aliases a request, 201 with what it refuses, no dedupe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.destinations.base import Delivery
from router.destinations.shared import dates
from tests.partners.partner import Call, HttpPartner, Reply, second

_ARRAYS = ("attributes", "events", "purchases")
_LISTS = {"/users/identify": "aliases_to_identify", "/users/merge": "merge_updates", "/users/delete": "external_ids"}
_IDS = ("external_id", "user_alias", "braze_id", "email")


class BrazePartner(HttpPartner):
    type = "braze"
    throttled = Reply(429, {"message": "Rate limit exceeded"}, {"X-Ratelimit-Retry-After": "1"})

    def configure(self) -> Mapping[str, Any]:
        return {**super().configure(), "instance": "fra-01", "api_key": self.secret}

    def event(self, number: int, **fields: Any) -> Delivery:
        return super().event(number, **({"timestamp": second(number)} | fields))

    def name(self, event: Delivery) -> str:
        return dates.iso(dates.event_time(event))

    def answer(self, call: Call) -> Reply:
        if call.headers.get("authorization") != f"Bearer {self.secret}":
            return Reply(401, {"message": "Invalid API key"})
        if call.path in _LISTS:
            given = call.json.get(_LISTS[call.path])
            return Reply(201, {"message": "success"}) if given and len(given) <= 50 else Reply(400, {"message": "bad"})
        if call.path != "/users/track":
            return Reply(404, {"message": "Invalid URL"})
        arrays = {name: call.json.get(name, []) for name in _ARRAYS}
        count = sum(map(len, arrays.values()))
        if not count:
            return Reply(400, {"message": "Valid data must be provided in 'attributes', 'events' or 'purchases'"})
        if count > 75 or len(call.body) > 4_000_000 or (call.headers.get("x-braze-batch") == "true") != (count > 1):
            return Reply(413 if count > 75 else 400, {"message": "too much in one request"})
        return self._track(arrays)

    def _track(self, arrays: Mapping[str, list[dict[str, Any]]]) -> Reply:
        errors = [
            {"type": f"'{field}' is required", "input_array": array, "index": index}
            for array, objects in arrays.items()
            for index, one in enumerate(objects)
            if (field := _wrong(array, one))
        ]
        if len(errors) == sum(map(len, arrays.values())):
            return Reply(400, {"message": errors[0]["type"], "errors": errors})
        bad = {(error["input_array"], error["index"]) for error in errors}
        self.take([
            one["time"] for array in ("events", "purchases") for index, one in enumerate(arrays[array])
            if (array, index) not in bad
        ])  # fmt: skip
        return Reply(201, {"message": "success", "errors": errors} if errors else {"message": "success"})


def _wrong(array: str, one: Mapping[str, Any]) -> str:
    """The field that is missing or wrong, or an empty text."""
    if sum(name in one for name in _IDS) != 1:
        return "external_id"
    if array == "attributes":
        return "gender" if one.get("gender") not in (None, "M", "F", "O", "N", "P") else ""
    needed = ("name", "time") if array == "events" else ("product_id", "currency", "price", "time")
    if missing := next((name for name in needed if one.get(name) in (None, "")), ""):
        return missing
    if "price" in one and not isinstance(one["price"], int | float):
        return "price"
    return next((name for name in one.get("properties", {}) if name in ("time", "event_name") or name[:1] == "$"), "")

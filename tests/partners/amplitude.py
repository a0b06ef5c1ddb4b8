"""Amplitude's HTTP API v2: the key is in the body, 400 names items that are wrong, 429 people who send too much."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import orjson

from router.destinations.base import Delivery
from router.destinations.shared import keys, person
from tests.partners.partner import Call, HttpPartner, Reply

_TOO_MANY = {"code": 429, "error": "Too many requests for some devices and users", "eps_threshold": 30}
_NOBODY = ("anonymous", "nil", "none", "null", "n/a", "undefined", "unset", "lmy47d", "0", "-1", "true", "false")
_OPERATIONS = ("$set", "$setOnce", "$unset", "$add", "$append", "$prepend")


class AmplitudePartner(HttpPartner):
    """People in `busy` send too much in a second, those in `spent` in a day; `joined` are the mapped user ids."""

    type = "amplitude"
    throttled = Reply(429, _TOO_MANY)

    def configure(self) -> Mapping[str, Any]:
        self.busy: set[str] = set()
        self.spent: set[str] = set()
        self.joined: dict[str, str] = {}
        return {**super().configure(), "api_key": self.secret}

    def name(self, event: Delivery) -> str:
        return person.message_id(event) or keys.as_hex(event)

    def answer(self, call: Call) -> Reply:
        if call.path == "/usermap":
            return self._map(parse_qs(call.body.decode()))
        if call.path not in ("/2/httpapi", "/batch"):
            return Reply(404, "not found")
        if call.json.get("api_key") != self.secret:
            return Reply(400, {"code": 400, "error": "Invalid API key: " + str(call.json.get("api_key"))})
        items = call.json["events"]
        if len(items) > 2_000 or len(call.body) > (1_000_000 if call.path == "/2/httpapi" else 20_000_000):
            return Reply(413, {"code": 413, "error": "Payload too large"})
        wrong: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for place, item in enumerate(items):
            for kind, field in _faults(item, call.json.get("options", {}).get("min_id_length", 5)):
                wrong[kind][field].append(place)
        if wrong:
            return Reply(400, {"code": 400, "error": "Request missing required field", **wrong})
        slow = {one: 31 for item in items if (one := item.get("user_id")) in self.busy}
        spent = {one: 500_001 for item in items if (one := item.get("user_id")) in self.spent}
        if slow or spent:
            places = [place for place, item in enumerate(items) if item.get("user_id") in slow]
            told = {"throttled_users": slow, "throttled_events": places, "exceeded_daily_quota_users": spent}
            return Reply(429, {**_TOO_MANY, "throttled_devices": {}, **told})
        self.take([item["insert_id"] for item in items])
        return Reply(200, {"code": 200, "events_ingested": len(items), "payload_size_bytes": len(call.body)})

    def _map(self, form: Mapping[str, list[str]]) -> Reply:
        if form.get("api_key") != [self.secret]:
            return Reply(400, "invalid_api_key")
        self.joined |= {one["user_id"]: one["global_user_id"] for one in orjson.loads(form["mapping"][0])}
        return Reply(200, "success")


def _faults(item: dict[str, Any], least: int) -> list[tuple[str, str]]:
    """What is wrong with an item: the list of the answer that names it, and the field."""
    faults = [("events_with_missing_fields", one) for one in ("event_type", "insert_id") if not item.get(one)]
    ids = {name: item[name] for name in ("user_id", "device_id") if name in item}
    if not ids:
        faults.append(("events_with_missing_fields", "user_id"))
    for name, value in ids.items():
        if not isinstance(value, str) or value.lower() in _NOBODY:
            faults.append(("events_with_invalid_fields", name))
        elif len(value) < least:
            faults.append(("events_with_invalid_id_lengths", name))
    at = item.get("time")
    if not isinstance(at, int) or not 0 <= at < 100_000_000_000_000:
        faults.append(("events_with_invalid_fields", "time"))
    for field in ("user_properties", "group_properties"):
        sets = item.get(field, {})
        if not sets.keys() <= set(_OPERATIONS) or sum(map(len, sets.values())) > 1_024:
            faults.append(("events_with_invalid_fields", field))
    faults += [
        ("events_with_invalid_fields", one)
        for one in ("price", "revenue", "quantity")
        if one in item and not isinstance(item[one], int | float)
    ]
    return faults

"""Google's Measurement Protocol: 204 whatever comes; what breaks a rule is dropped without a word.

`/debug/mp/collect` names it and records nothing. No event is known again, but purchases are by their transaction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from router.destinations.base import Connector, Delivery
from router.destinations.ga4 import Ga4
from tests.partners.partner import Call, HttpPartner, Reply

NOW = datetime(2026, 1, 2, tzinfo=UTC).timestamp()  # the double lives a day after the events of the tests
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}\Z")
_PREFIXES = ("_", "firebase_", "ga_", "google_", "gtag.")
_RESERVED_EVENTS = ("ad_click", "app_update", "error", "first_open", "first_visit", "session_start", "user_engagement")
_RESERVED_PROPERTIES = ("first_open_time", "first_visit_time", "last_deep_link_referrer", "user_id")
_LENGTHS = {"page_title": 300, "page_referrer": 420, "page_location": 1_000}


class Ga4Partner(HttpPartner):
    """`events` has what Google recorded."""

    type = "ga4"

    def configure(self) -> Mapping[str, Any]:
        self.events: list[dict[str, Any]] = []
        self._recorded: list[str] = []
        return {**super().configure(), "api_secret": self.secret, "measurement_id": "G-ABC123"}

    def connector(self, **settings: Any) -> Connector:
        one = super().connector(**settings)
        assert isinstance(one, Ga4)
        one.clock = lambda: NOW
        return one

    def event(self, number: int, **fields: Any) -> Delivery:
        """An order of a browser: its id is the name that the purchase has."""
        return super().event(number, **{"anonymousId": "a1", "properties": {"order_id": f"m{number}"}} | fields)

    def take(self, names: Sequence[str]) -> None:
        self._recorded += names

    def accepted(self) -> list[str]:
        return self._recorded

    def answer(self, call: Call) -> Reply:
        messages = [*self._faults(call)]
        if call.path == "/debug/mp/collect":
            return Reply(200, {"validationMessages": messages})
        if call.path != "/mp/collect":
            return Reply(404, "not found")
        if not messages and call.query.get("api_secret") == self.secret:
            self.events += call.json["events"]
            self.take([one["params"].get("transaction_id", "") for one in call.json["events"]])
        return Reply(204)

    def _faults(self, call: Call) -> list[dict[str, str]]:
        body, stream = call.json, "client_id" if "measurement_id" in call.query else "app_instance_id"
        faults = [] if body.get(stream) else [_fault(stream, "VALUE_REQUIRED")]
        if len(call.body) > 130_000 or not 0 < len(body.get("events", ())) <= 25:
            faults.append(_fault("events", "EXCEEDED_MAX_ENTITIES"))
        for name, one in body.get("user_properties", {}).items():
            value = one.get("value")
            if len(name) > 24 or name in _RESERVED_PROPERTIES or (isinstance(value, str) and len(value) > 36):
                faults.append(_fault(f"user_properties.{name}", "NAME_RESERVED"))
        for place, one in enumerate(body.get("events", ())):
            faults += [_fault(f"events[{place}].{field}", code) for field, code in _wrong(one)]
        return faults


def _fault(field: str, code: str) -> dict[str, str]:
    return {"fieldPath": field, "description": f"{field} is not valid", "validationCode": code}


def _wrong(event: dict[str, Any]) -> list[tuple[str, str]]:
    """Fields of an event that break a rule, each with Google's code."""
    name, params = event.get("name", ""), event.get("params", {})
    wrong = []
    if not _NAME.match(name):
        wrong.append(("name", "NAME_INVALID"))
    if name in _RESERVED_EVENTS or name.startswith(_PREFIXES):
        wrong.append(("name", "NAME_RESERVED"))
    if not event.get("timestamp_micros", 0) / 1_000_000 >= NOW - 72 * 3_600:
        wrong.append(("timestamp_micros", "VALUE_OUT_OF_BOUNDS"))
    if len(params) > 25:
        wrong.append(("params", "EXCEEDED_MAX_ENTITIES"))
    for key, value in params.items():
        if not _NAME.match(key) or key.startswith(_PREFIXES):
            wrong.append((f"params.{key}", "NAME_INVALID"))
        if key == "items":
            bad = [one for one in value if not (one.get("item_id") or one.get("item_name"))]
            wrong += [("params.items", "VALUE_REQUIRED")] * bool(bad)
        elif not isinstance(value, str | int | float):
            wrong.append((f"params.{key}", "VALUE_INVALID"))
        elif isinstance(value, str) and len(value) > _LENGTHS.get(key, 100):
            wrong.append((f"params.{key}", "VALUE_OUT_OF_BOUNDS"))
    if "value" in params and not re.fullmatch(r"[A-Z]{3}", params.get("currency", "")):
        wrong.append(("params.currency", "VALUE_REQUIRED"))
    return wrong

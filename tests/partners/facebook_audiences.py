"""Meta's Custom Audiences: rows of hashes in one schema, all or nothing, a count of rows that could not be used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from router.destinations.base import Delivery
from tests.deliveries import delivery
from tests.partners.graph import GraphPartner, error
from tests.partners.partner import Call, Reply

AUDIENCE = "2384"
_PLAIN = frozenset(("EXTERN_ID", "MADID", "LOOKALIKE_VALUE"))


class FacebookAudiencesPartner(GraphPartner):
    """`accepted` are the members' ids, in the order in which they came: an audience is a set."""

    type = "facebook-audiences"

    def configure(self) -> Mapping[str, Any]:
        return {**super().configure(), "audiences": {"gold": {"id": AUDIENCE, "entered": ["Order Completed"]}}}

    def event(self, number: int, **fields: Any) -> Delivery:
        return delivery(number, **{"userId": f"u{number}", "profileId": f"p{number}"} | fields)

    def name(self, event: Delivery) -> str:
        return str(event.body["userId"])

    def take_call(self, call: Call, path: str) -> Reply:
        if path == AUDIENCE and call.method == "GET":
            return Reply(200, {"id": AUDIENCE})
        if path != f"{AUDIENCE}/users":
            return error(100, 33)
        schema, rows = call.json["payload"]["schema"], call.json["payload"]["data"]
        if not 0 < len(rows) <= 10_000 or any(len(row) != len(schema) for row in rows):
            return error(100)
        people = [dict(zip(schema, row, strict=True)) for row in rows]
        if any(value and name not in _PLAIN and not re.fullmatch("[0-9a-f]{64}", value)
               for one in people for name, value in one.items()):  # fmt: skip
            return error(100)
        names = [one["EXTERN_ID"] for one in people]
        if call.method == "DELETE":
            for name in names:
                self._taken.pop(name, None)
        else:
            self.take(names)
        invalid = sum(not any(one.values()) for one in people)
        answer = {"audience_id": AUDIENCE, "session_id": "1", "num_received": len(rows)}
        return Reply(200, answer | {"num_invalid_entries": invalid, "invalid_entry_samples": {}})

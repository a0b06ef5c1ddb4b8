"""POST /v1/track and its five sisters, also as /v1/t: one event, whose type the path gives."""

from __future__ import annotations

from router.events.event import Limits
from router.gateway.bodies import Items, single
from router.gateway.endpoint import Endpoint


class CallEndpoint(Endpoint):
    """One call type."""

    def __init__(self, call: str) -> None:
        self.name = self.type = call
        self.paths = (f"/v1/{call}", f"/v1/{call[0]}")

    def decode(self, body: bytes, query: str, limits: Limits) -> Items | str:
        return single(body, limits.batch_bytes)

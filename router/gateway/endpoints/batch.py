"""POST /v1/batch, also as /v1/b and /v1/import: many events, each with a type of its own."""

from __future__ import annotations

from router.events.event import Limits
from router.gateway.bodies import Items, batch
from router.gateway.endpoint import Endpoint


class BatchEndpoint(Endpoint):
    """`{"batch": [event, …]}`, with `context`, `integrations`, `sentAt` and `writeKey` for all of its items."""

    name = "batch"
    paths = ("/v1/batch", "/v1/b", "/v1/import")

    def decode(self, body: bytes, query: str, limits: Limits) -> Items | str:
        return batch(body, limits.batch_bytes)

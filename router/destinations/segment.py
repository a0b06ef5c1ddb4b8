"""Segment, or what speaks its tracking API: a RudderStack data plane, another event-router, by `base_url`.

Events go as they are, in batches: ids, names, properties, traits (null too), context and integrations. `timestamp` is
the router's corrected one, and `sentAt` the time of the very request, so that the receiver finds no skew. Receive time
and profile are in `context.router`, with the hops that end a loop of routers. Segment answers 200 to nearly everything,
even to a wrong write key or an EU workspace at the US address, so events count as unconfirmed there: look for them in
its debugger once. kill -9 or a timeout repeats nothing that counts: the receiver knows a messageId for 24 hours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, ClassVar, Literal

from pydantic import Field

from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings, Skip, itemized
from router.destinations.registry import destination
from router.destinations.request import basic_auth
from router.destinations.response import HttpResponse
from router.destinations.shared import context, dates, keys, person, shape

MESSAGE_ID_CHARACTERS = 100
_BATCH_BYTES, _SENT_AT_BYTES = 500_000, 40
_OURS = ("receivedAt", "originalTimestamp", "profileId")  # no input there: they go along in context.router
_DROPPED = frozenset((*_OURS, "sentAt", "writeKey"))
Item = dict[str, Any]


class SegmentSettings(PartnerSettings):
    regions: ClassVar = {"us": "https://api.segment.io", "eu": "https://events.eu1.segmentapis.com"}

    write_key: ApiKey = Field(
        examples=["${SEGMENT_WRITE_KEY}"], description="Of the source that is to get the events; Segment takes any text"
    )
    integrations: Literal["keep", "drop"] | dict[str, bool] = Field(
        "keep", description="The integrations object of events: as it is, left out, or this one; names differ by vendor"
    )
    event_bytes: int = Field(32_768, ge=1_024, description="Bytes of the largest event that the receiver takes")
    max_hops: int = Field(3, ge=1, description="How many routers an event may have come through, this one included")


@destination("segment")
class Segment(HttpDestination):
    summary = "All calls as they are, for Segment, RudderStack or another event-router"
    integrations = ("Segment.io", "Segment", "Segment Connections")
    limits = RequestLimits(count=2_500, batch=100, request_bytes=_BATCH_BYTES - _SENT_AT_BYTES)
    idempotency = "message_id"
    maps = "items"
    wait_headers = ("retry-after", "x-ratelimit-reset")
    Settings = SegmentSettings
    settings: SegmentSettings

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        sent, items, skips = itemized(events, self._items, keep=("too_large",))
        yield from skips
        if sent:
            body = b'{"batch":[' + b",".join(items) + b"]}"
            yield HttpRequest("POST", "/v1/batch", sent, body, {"Content-Type": "application/json"})

    def dated(self, request: HttpRequest, now: float) -> bytes:
        """With `sentAt`, new at each attempt: the receiver corrects every time in the batch by it."""
        sent_at = dates.iso(datetime.fromtimestamp(now, UTC))
        return b'{"sentAt":"' + sent_at.encode() + b'",' + request.body[1:]

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        outcome = self.by_status(request, response)
        if outcome.kind is Kind.DELIVERED and self.settings.base_url is None:
            outcome = Outcome(Kind.UNCONFIRMED, response.code)
        return [outcome] * len(request.events)

    def authenticate(self, request: HttpRequest, now: float) -> Mapping[str, str]:
        return {"Authorization": basic_auth(self.settings.write_key.get_secret_value(), "")}

    def _items(self, event: Delivery) -> list[bytes] | str:
        """The event as the receiver gets it, or the reason why it is not sent."""
        before = context.at(event, "router")
        known: Item = before if isinstance(before, dict) else {}
        via = [one for one in _listed(known.get("via")) if isinstance(one, str)]
        hops = known.get("hops")
        hops = hops if isinstance(hops, int) and hops > 0 else len(via)
        if self._hop in via:
            return "loop"
        if hops >= self.settings.max_hops:
            return "too_many_hops"
        passed = {**known, "hops": hops + 1, "via": [*via, self._hop]}
        passed |= {name: event.body[name] for name in _OURS if name in event.body}
        item = {name: value for name, value in event.body.items() if name not in _DROPPED}
        item["messageId"] = _message_id(event)
        item["timestamp"] = dates.iso(dates.event_time(event))
        item["context"] = {**person.context(event), "router": passed}
        content = shape.json_bytes(self.shaped(event, self._with_integrations(item)))
        return [content] if len(content) <= self.settings.event_bytes else "too_large"

    def _with_integrations(self, item: Item) -> Item:
        wanted = self.settings.integrations
        if wanted == "keep":
            return item
        without = {name: value for name, value in item.items() if name != "integrations"}
        return without if wanted == "drop" else {**without, "integrations": wanted}

    @property
    def _hop(self) -> str:
        """This destination in `context.router.via`: the same wherever it runs, another for another receiver."""
        return sha256(f"{self.name} {self.settings.address}".encode()).hexdigest()[:12]


def _message_id(event: Delivery) -> str:
    given = person.message_id(event)
    return given if 0 < len(given) <= MESSAGE_ID_CHARACTERS else keys.as_hex(event)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []

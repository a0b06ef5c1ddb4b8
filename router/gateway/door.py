"""From a request body to Kafka messages: authorise, check and fill each item. Pure and total.

What is an event becomes a message of `events.raw`; what is none, from a sender with a valid key, is kept in
`events.invalid` as the bytes that came, with the reason. An item of a batch never takes a neighbour with it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from uuid import uuid4

import orjson

from router.config.models import LimitsConfig
from router.events.event import CALL_TYPES, Body, Invalid, Limits, device_key, iso, limited, merged, shape_problem
from router.events.records import KEPT_OF_OVERSIZE, MAX_VALUE, Headers, Record, invalid_record
from router.gateway.address import wants_address
from router.gateway.answers import Fault
from router.gateway.bodies import Items, batch, single
from router.gateway.keys import Grant, WriteKeys

NO_SOURCE = "none"
STAGE = "gateway"


class Call(NamedTuple):
    """An endpoint: its name, and the type it gives its one event; no type for a batch."""

    name: str
    type: str = ""


ENDPOINTS: dict[str, Call] = {
    **{f"/v1/{name}": Call(name, name) for name in CALL_TYPES},
    **{f"/v1/{name[0]}": Call(name, name) for name in CALL_TYPES},
    **{path: Call("batch") for path in ("/v1/batch", "/v1/b", "/v1/import")},
}


@dataclass(slots=True)
class Taken:
    """What became of a body: messages to produce, faults of refused items, and the counts of both.

    `sources` counts events per source, `refusals` refused items per source and code, `spent` both per key.
    """

    events: list[Record] = field(default_factory=list)
    kept: list[Record] = field(default_factory=list)
    rejected: list[Fault] = field(default_factory=list)
    sources: Counter[str] = field(default_factory=Counter)
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)
    spent: Counter[bytes] = field(default_factory=Counter)


class Claim(NamedTuple):
    """What a presented key is worth: a grant, or the code of what is wrong with it."""

    grant: Grant | None
    problem: str = ""

    @property
    def source(self) -> str:
        return self.grant.source if self.grant else NO_SOURCE


_NO_KEY = Claim(None, "no_write_key")


@dataclass(slots=True)
class _Request:
    """What holds for all items: whether the header named the key, the client's address, the receive time."""

    type: str
    by_header: bool
    claim: Claim
    ip: str
    at: str
    received: bytes
    taken: Taken = field(default_factory=Taken)
    claims: dict[str, Claim] = field(default_factory=dict)


class Door:
    """Takes request bodies for the topics `raw` and `invalid`. `clock` gives seconds since 1970."""

    def __init__(
        self,
        keys: WriteKeys,
        limits: Limits,
        *,
        raw: str,
        invalid: str,
        max_events: int,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._keys = keys
        self._limits = replace(limits, event_bytes=min(limits.event_bytes, MAX_VALUE))
        self._raw = raw
        self._invalid = invalid
        self._max_events = max_events
        self._clock = clock
        self._new_id = new_id

    def claim(self, key: Any) -> Claim:
        """What a key from a header or a body is worth."""
        if type(key) is not str or not key:
            return _NO_KEY
        grant = self._keys.find(key)
        if grant is None:
            return Claim(None, "unknown_write_key")
        return Claim(grant, "" if grant.enabled else "source_disabled")

    def take(self, body: bytes, call: Call, header: Claim | None, ip: str) -> Taken:
        """All items of a body. `header` is the claim of the request's own header; without it the body names keys."""
        now = int(self._clock() * 1000)
        request = _Request(call.type, header is not None, header or _NO_KEY, ip, iso(now), str(now).encode())
        items = single(body) if call.type else batch(body, self._limits.batch_bytes)
        if isinstance(items, str):
            self._reject(request, None, items, body, request.claim)
        else:
            self._items(request, items, body)
        return request.taken

    def keep(self, body: bytes, reason: str, source: str, length: int | None = None) -> Record:
        """The `events.invalid` message of a body refused as a whole; with `length`, only its beginning is here."""
        record = invalid_record(self._invalid, Invalid(reason, body), STAGE, None, STAGE, source)
        if length is None:
            return record
        topic, _, key, headers = record
        return topic, body[:KEPT_OF_OVERSIZE], key, [*(headers or ()), ("length", str(length).encode())]

    def _items(self, request: _Request, items: Items, body: bytes) -> None:
        if request.type:
            self._item(request, None, items.values[0], items)
            return
        if not request.by_header:
            request.claim = self.claim(items.envelope.get("writeKey"))
        if len(items.values) > self._max_events:
            self._reject(request, None, "too_many_events", body, request.claim)
            return
        for index, item in enumerate(items.values):
            if type(item) is Invalid:
                self._reject(request, index, item.reason, item.raw, request.claim)
            else:
                self._item(request, index, merged(item, items.envelope), items)

    def _item(self, request: _Request, index: int | None, item: Any, items: Items) -> None:
        if type(item) is not dict:
            self._reject(request, index, "not_object", items.raw(index), request.claim)
            return
        claim = self._claim_of(request, item.pop("writeKey", None))
        reason = claim.problem or self._problem(item, request.type)
        if not reason:
            self._fill(item, request)
            value = _dumped(item)
            checked = limited(item, value, self._limits) if value else Invalid("too_deep", b"")
            if not isinstance(checked, Invalid):
                self._accept(request, item, value, claim)
                return
            reason = checked.reason
        self._reject(request, index, reason, items.raw(index), claim, device_key(item))

    def _claim_of(self, request: _Request, written: Any) -> Claim:
        """The item's own key counts only where no header names one; the batch's key is each item's by then."""
        if request.by_header or type(written) is not str:
            return request.claim
        claim = request.claims.get(written)
        if claim is None:
            claim = request.claims[written] = self.claim(written)
        return claim

    def _problem(self, item: Body, kind: str) -> str:
        if kind and item.setdefault("type", kind) != kind:
            return "type_mismatch"
        return shape_problem(item, self._limits)

    def _fill(self, item: Body, request: _Request) -> None:
        item["receivedAt"] = request.at
        if not item.get("messageId"):
            item["messageId"] = self._new_id()
        if request.ip:
            context = item.setdefault("context", {})
            if wants_address(context, item.get("channel")):
                context["ip"] = request.ip

    def _accept(self, request: _Request, item: Body, value: bytes, claim: Claim) -> None:
        grant = claim.grant
        assert grant is not None
        headers: Headers = [("write-key", grant.header), ("received-at", request.received)]
        taken = request.taken
        taken.events.append((self._raw, value, device_key(item), headers))
        taken.sources[grant.source] += 1
        taken.spent[grant.digest] += 1

    def _reject(
        self, request: _Request, index: int | None, reason: str, raw: bytes, claim: Claim, key: bytes | None = None
    ) -> None:
        """Without a valid key the sender is told of the key, and nothing is kept."""
        taken = request.taken
        code = claim.problem or reason
        if claim is _NO_KEY and index is None:
            code = reason  # the body that might have named a key could not be read
        taken.rejected.append(Fault(code, index))
        taken.refusals[claim.source, code] += 1
        if claim.grant is not None and not claim.problem:
            taken.spent[claim.grant.digest] += 1
            taken.kept.append(invalid_record(self._invalid, Invalid(code, raw), STAGE, key, STAGE, claim.source))


def limits_of(config: LimitsConfig) -> Limits:
    """The limits of a topology file as those of an event."""
    return Limits(config.event_bytes, config.batch_bytes, config.depth, config.keys, config.message_id)


def _dumped(item: Body) -> bytes:
    try:
        return orjson.dumps(item)
    except TypeError:  # orjson writes fewer levels than it reads
        return b""

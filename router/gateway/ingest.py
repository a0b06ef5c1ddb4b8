"""From the items of a request to Kafka records: authenticate, check and complete each one. Pure and total.

A valid event becomes a record of `events.raw`. Anything else, from a sender with a valid key, is kept in
`events.invalid` as the bytes that came, with the reason. An item of a batch never takes a neighbour with it. What a
source does with personal data is done here, before anything is written; only bytes that are no event are kept as they
came.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import uuid4

from router.events.event import Body, Invalid, Limits, device_key, shape_problem
from router.events.parser import Repairs, encode
from router.events.reader import limited, merged
from router.events.records import KEPT_OF_OVERSIZE, MAX_VALUE, RECEIVED_AT, Headers, Record, invalid_record
from router.events.times import iso
from router.gateway.address import Client, from_end_user
from router.gateway.answers import Fault
from router.gateway.bodies import Items
from router.gateway.credentials import NO_KEY, Credential, WriteKeys

STAGE = "gateway"
Treat = Callable[[Body], Body]  # an event as its source lets it be written
_counts: Callable[[], defaultdict[Any, int]] = partial(defaultdict, int)


@dataclass(slots=True)
class IngestResult:
    """What became of a request's items: records to produce, faults of refused items, and the counts of both.

    `sources` counts events by source, `refusals` refused items by source and code, `spent` both by key,
    `repairs` what was put right by source and repair.
    """

    events: list[Record] = field(default_factory=list)
    invalid: list[Record] = field(default_factory=list)
    rejected: list[Fault] = field(default_factory=list)
    sources: defaultdict[str, int] = field(default_factory=_counts)  # a Counter takes four times as long to make
    refusals: defaultdict[tuple[str, str], int] = field(default_factory=_counts)
    spent: defaultdict[bytes, int] = field(default_factory=_counts)
    repairs: defaultdict[tuple[str, str], int] = field(default_factory=_counts)


@dataclass(slots=True)
class _Request:
    """What holds for all items. `credential` is that of the head, else of the batch; `by_head`: no item has its own."""

    items: Items
    type: str
    by_head: bool
    credential: Credential
    client: Client
    at: str
    received: bytes
    result: IngestResult = field(default_factory=IngestResult)
    credentials: dict[str, Credential] = field(default_factory=dict)


class Ingest:
    """Writes to the topics `raw` and `invalid`. `privacy` by source; `clock` gives seconds since 1970."""

    def __init__(
        self,
        keys: WriteKeys,
        limits: Limits,
        *,
        raw: str,
        invalid: str,
        max_events: int,
        privacy: Mapping[str, Treat] | None = None,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self.keys = keys
        self.limits = replace(limits, event_bytes=min(limits.event_bytes, MAX_VALUE))
        self._raw = raw
        self._invalid = invalid
        self._max_events = max_events
        self._privacy = privacy or {}
        self._clock = clock
        self._new_id = new_id

    def take(
        self, items: Items | str, body: bytes, kind: str, credential: Credential | None, client: Client
    ) -> IngestResult:
        """All items of a request, or the code of why `body` has none. `kind` is the call type its path gives, if any.

        `credential` is the valid one of the request's head; without it the body names keys.
        """
        now = int(self._clock() * 1000)
        head, at, received = credential or NO_KEY, iso(now), str(now).encode()
        found = Items(body, []) if isinstance(items, str) else items
        request = _Request(found, kind, credential is not None, head, client, at, received)
        if isinstance(items, str):
            self._reject(request, None, items, body, head)
        elif found.alone:
            self._item(request, None, found.values[0])
        else:
            self._batch(request, body)
        for repair, number in found.repairs.items():
            request.result.repairs[request.credential.source, repair] += number
        return request.result

    def keep(self, body: bytes, reason: str, source: str, length: int | None = None) -> Record:
        """The `events.invalid` record of a body refused as a whole; with `length`, only its beginning is here."""
        record = invalid_record(self._invalid, Invalid(reason, body), STAGE, None, STAGE, source)
        if length is None:
            return record
        topic, _, key, headers = record
        return topic, body[:KEPT_OF_OVERSIZE], key, [*(headers or ()), ("length", str(length).encode())]

    def _batch(self, request: _Request, body: bytes) -> None:
        items = request.items
        if not request.by_head:
            request.credential = self.keys.find(items.envelope.get("writeKey")).on(request.client.origin)
        if len(items.values) > self._max_events:
            self._reject(request, None, "too_many_events", body, request.credential)
            return
        for index, item in enumerate(items.values):
            if type(item) is Invalid:
                self._reject(request, index, item.reason, item.raw, request.credential)
            else:
                self._item(request, index, merged(item, items.envelope))

    def _item(self, request: _Request, index: int | None, item: Any) -> None:
        if type(item) is not dict:
            self._reject(request, index, "not_object", request.items.raw(index), request.credential)
            return
        credential = self._credential_of(request, item.pop("writeKey", None))
        reason = credential.problem or self._problem(item, request.type, request.items.repairs)
        treat = self._privacy.get(credential.source)
        if not reason:
            self._complete(item, request)
            if treat is not None:
                item = _private(treat, item)
                reason = "no_id" if item and device_key(item) is None else ""
        if not reason:
            value = _dumped(item)
            checked = limited(item, value, self.limits) if value else Invalid("too_deep", b"")
            if not isinstance(checked, Invalid):
                self._accept(request, item, value, credential)
                return
            reason = checked.reason
        if treat is not None:
            item = _private(treat, item)
        raw = request.items.raw(index) if treat is None else _dumped(item)
        self._reject(request, index, reason, raw, credential, device_key(item))

    def _credential_of(self, request: _Request, written: Any) -> Credential:
        """An item's own key counts only where no header names one; without its own it has the batch's."""
        if request.by_head or type(written) is not str:
            return request.credential
        credential = request.credentials.get(written)
        if credential is None:
            found = self.keys.find(written).on(request.client.origin)
            credential = request.credentials[written] = found
        return credential

    def _problem(self, item: Body, kind: str, repairs: Repairs) -> str:
        if kind and item.setdefault("type", kind) != kind:
            return "type_mismatch"
        return shape_problem(item, self.limits, repairs)

    def _complete(self, item: Body, request: _Request) -> None:
        """Fill what the sender left out and the gateway knows."""
        item["receivedAt"] = request.at
        if not item.get("messageId"):
            item["messageId"] = self._new_id()
        client = request.client
        if not client.ip and not client.user_agent:
            return
        context = item.setdefault("context", {})
        if from_end_user(context, item.get("channel")):
            if client.ip:
                context.setdefault("ip", client.ip)
            if client.user_agent:
                context.setdefault("userAgent", client.user_agent)

    def _accept(self, request: _Request, item: Body, value: bytes, credential: Credential) -> None:
        headers: Headers = [("write-key", credential.header), (RECEIVED_AT, request.received)]
        result = request.result
        result.events.append((self._raw, value, device_key(item), headers))
        result.sources[credential.source] += 1
        result.spent[credential.digest] += 1

    def _reject(
        self,
        request: _Request,
        index: int | None,
        reason: str,
        raw: bytes,
        credential: Credential,
        key: bytes | None = None,
    ) -> None:
        """Without a valid key the answer names the key's problem, and nothing is kept."""
        result = request.result
        code = credential.problem or reason
        if credential is NO_KEY and index is None:
            code = reason  # the body that might have named a key could not be read
        result.rejected.append(Fault(code, index))
        result.refusals[credential.source, code] += 1
        if not credential.problem:
            result.spent[credential.digest] += 1
            result.invalid.append(
                invalid_record(self._invalid, Invalid(code, raw), STAGE, key, STAGE, credential.source)
            )


def _private(treat: Treat, item: Body) -> Body:
    """The item as its source lets it be written; of one that is nested too deep to be treated, nothing."""
    try:
        return treat(item)
    except RecursionError:
        return {}


def _dumped(item: Body) -> bytes:
    """Empty for an item that is nested too deep: orjson writes fewer levels than it reads."""
    try:
        return encode(item) if item else b""
    except TypeError:
        return b""

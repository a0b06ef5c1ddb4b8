"""Takes a request by the topology of the moment it came: from its key to Kafka's acknowledgement.

In order: path and method, encoding, key in the header, broker, rate, body, inflating, `Door`, rate and room, Kafka.
What is refused before its body is read costs the least. Every message of a request is acknowledged before the answer,
those for `events.invalid` too: a 400 to a sender with a valid key means that the bytes are kept there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import hdrs, web

from router import metrics
from router.config.models import GatewayConfig
from router.events.records import Record
from router.gateway.address import client_address
from router.gateway.answers import Answer, accepted, all_refused, refused
from router.gateway.counts import Counts
from router.gateway.door import NO_SOURCE, Call, Claim, Door, Taken
from router.gateway.inflate import InflateError, coding, gunzip
from router.gateway.keys import basic_user
from router.gateway.origin import Origins
from router.gateway.rate import Buckets
from router.gateway.reading import BodyReader

RETRY_SECONDS = 2  # after 503: long enough for a broker to elect a leader
OTHER = Call("other")


class Log(Protocol):
    """Where messages become durable."""

    @property
    def in_flight(self) -> int: ...

    async def submit(self, records: Sequence[Record]) -> str: ...


class Refusal(Exception):
    """The request is answered before any of its events is taken."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass
class Around:
    """What outlives a change of the topology: where messages go, whether they can, and what is counted."""

    log: Log
    blocked: Callable[[], str]
    failed: Callable[[], None]
    counts: Counts = field(default_factory=Counts)


class Desk:
    """Of one topology; requests that began at it end at it. Rates and the memory of bodies go on from desk to desk."""

    def __init__(self, config: GatewayConfig, door: Door, around: Around, before: Desk | None = None) -> None:
        self._config = config
        self._door = door
        self._log = around.log
        self._blocked = around.blocked
        self._failed = around.failed
        self._counts = around.counts
        self.origins = Origins(config.cors_origins)
        self._buckets = Buckets(config.events_per_second)
        if before is not None and before._config.events_per_second == config.events_per_second:
            self._buckets = before._buckets
        memory = before.reader.memory if before is not None else None
        self.reader: BodyReader = BodyReader(config.body_bytes, config.body_timeout, memory)

    async def answer(self, request: web.BaseRequest, call: Call) -> Answer:
        """Raises Refusal for what is answered before any event is taken."""
        started = time.perf_counter()
        if call is OTHER:
            raise Refusal(refused("not_found", close=True))
        if request.method != hdrs.METH_POST:
            raise Refusal(refused("method_not_allowed", close=True))
        encoding = coding(request.headers.get(hdrs.CONTENT_ENCODING, ""))
        if encoding is None:
            raise Refusal(refused("unsupported_encoding", close=True))
        claim = self._header_claim(request)
        self._admit(claim)
        body = await self._body(request, claim)
        if encoding == "gzip":
            body = await self._inflated(body, claim)
        taken = self._door.take(body, call, claim, self._client(request))
        answer = await self._store(taken)
        if answer.status == 200:
            metrics.GATEWAY_ACK_SECONDS.observe(time.perf_counter() - started)
        return answer

    def _header_claim(self, request: web.BaseRequest) -> Claim | None:
        """The claim of the Basic user name; None when there is none, so that the body has to name the key."""
        user = basic_user(request.headers.get(hdrs.AUTHORIZATION, ""))
        if not user:
            return None
        claim = self._door.claim(user)
        if claim.problem:
            self._counts.events(claim.source, claim.problem, 1)
            raise Refusal(refused(claim.problem, close=True))
        return claim

    def _admit(self, claim: Claim | None) -> None:
        """Refuse before the body is read what would be refused after it."""
        code = self._blocked()
        if code:
            raise Refusal(refused(code, retry_after=RETRY_SECONDS, close=True))
        if claim is not None and claim.grant is not None:
            self._check_rate([claim.grant.digest])

    def _check_rate(self, keys: list[bytes]) -> None:
        wait = max(map(self._buckets.wait, keys), default=0.0)
        if wait:
            raise Refusal(refused("rate_limited", retry_after=wait))

    async def _body(self, request: web.BaseRequest, claim: Claim | None) -> bytes:
        length = request.content_length
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
            if length is not None and length > self._config.body_bytes:
                raise Refusal(refused("body_too_large", close=True))
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        data, code = await self.reader.read(request.content)
        if not code:
            return data
        if code == "body_too_large":
            raise await self._kept(data, code, claim, length if length is not None else len(data))
        raise Refusal(refused(code, retry_after=RETRY_SECONDS if code == "overloaded" else 0, close=True))

    async def _inflated(self, data: bytes, claim: Claim | None) -> bytes:
        try:
            return gunzip(data, self._config.inflated_bytes)
        except InflateError as error:
            raise await self._kept(data, error.code, claim) from error

    async def _kept(self, data: bytes, code: str, claim: Claim | None, length: int | None = None) -> Refusal:
        """The refusal of a whole body, once the body is in events.invalid where its sender is known."""
        source = claim.source if claim else NO_SOURCE
        if claim is not None:
            stored = await self._log.submit([self._door.keep(data, code, source, length)])
            if stored:
                self._failed()
                return Refusal(refused(stored, retry_after=RETRY_SECONDS, close=True))
        self._counts.events(source, code, 1)
        return Refusal(refused(code, close=True))

    async def _store(self, taken: Taken) -> Answer:
        """Produce what was taken and wait for Kafka."""
        records = [*taken.events, *taken.kept]
        self._check_rate(list(taken.spent))
        if records and self._log.in_flight + len(records) > self._config.max_in_flight and self._log.in_flight:
            raise Refusal(refused("overloaded", retry_after=RETRY_SECONDS))
        for key, events in taken.spent.items():
            self._buckets.spend(key, events)
        code = await self._log.submit(records) if records else ""
        if code:
            self._failed()
        for source, events in taken.sources.items():
            self._counts.events(source, code or "accepted", events)
        for (source, reason), items in taken.refusals.items():
            self._counts.events(source, code or reason, items)
        if code:
            return refused(code, retry_after=RETRY_SECONDS)
        return accepted(len(taken.events), taken.rejected) if taken.events else all_refused(taken.rejected)

    def _client(self, request: web.BaseRequest) -> str:
        forwarded = ""
        if self._config.trusted_proxies:
            forwarded = ",".join(request.headers.getall("X-Forwarded-For", ()))
        return client_address(request.remote or "", forwarded, self._config.trusted_proxies)

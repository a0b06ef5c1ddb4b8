"""Every request, from its head to its response, whatever its endpoint.

Refusals that need no body come before it is read. Every record of a request is acknowledged by Kafka before the
response, those of `events.invalid` too: a 400 to a sender with a valid key means that the bytes are kept there. kill -9
loses nothing that was answered 200; a request without an answer may have left its events in Kafka.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Protocol, cast

from aiohttp import hdrs, web

from router import metrics
from router.config.models import GatewayConfig
from router.events.records import Record
from router.gateway.address import Client, client_of
from router.gateway.answers import Answer, Refusal, accepted, all_refused, refused
from router.gateway.cors import CorsPolicy
from router.gateway.credentials import NO_SOURCE, Credential
from router.gateway.endpoint import OTHER_ENDPOINT, Endpoint
from router.gateway.endpoints import ENDPOINTS
from router.gateway.ingest import Ingest, IngestResult
from router.gateway.pages import Pages
from router.gateway.rate import Buckets
from router.gateway.reading import BodyReader, ReadBody
from router.gateway.receivers import PostReceivers
from router.gateway.resource import GatewayResource, missing
from router.gateway.resources import RESOURCES
from router.partner_sources.base import Post

RETRY_SECONDS = 2  # after 503: long enough for a broker to elect a leader
_KEPT = frozenset(("body_too_large", "bad_gzip", "inflated_too_large"))  # whole bodies that go to events.invalid

log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where records become durable. `submit` returns an empty text once all are acknowledged, else a code."""

    @property
    def in_flight(self) -> int: ...

    async def submit(self, records: Sequence[Record]) -> str: ...


class Serving:
    """What follows from one topology. A request ends by the one it began with; rates and memory go on in the next."""

    def __init__(
        self,
        config: GatewayConfig,
        ingest: Ingest,
        pages: Pages | None = None,
        receivers: PostReceivers | None = None,
        before: Serving | None = None,
    ) -> None:
        self.config = config
        self.ingest = ingest
        self.pages = pages or Pages()
        self.receivers = receivers or PostReceivers()
        self.cors = CorsPolicy((*config.cors_origins, *ingest.keys.origins))
        self.buckets = Buckets(config.events_per_second)
        if before is not None and before.config.events_per_second == config.events_per_second:
            self.buckets = before.buckets
        memory = before.bodies.memory if before is not None else None
        self.bodies: BodyReader = BodyReader(config.body_bytes, config.inflated_bytes, config.body_timeout, memory)
        self.posts = BodyReader(config.hook_bytes, config.hook_bytes, config.body_timeout, self.bodies.memory)


Process = Callable[[Endpoint, web.BaseRequest, Serving], Awaitable[Answer]]


class RequestHandler:
    """`blocked` returns the code of why Kafka takes nothing now, or an empty text; `failed` is called after a failed
    write. `idle` is set while no request is in progress; `draining` makes each response the last of its connection.
    """

    def __init__(
        self,
        config: GatewayConfig,
        ingest: Ingest,
        sink: Sink,
        *,
        pages: Pages | None = None,
        receivers: PostReceivers | None = None,
        blocked: Callable[[], str] = lambda: "",
        failed: Callable[[], None] = lambda: None,
        endpoints: Iterable[Endpoint] = ENDPOINTS,
    ) -> None:
        self.serving = Serving(config, ingest, pages, receivers)
        self._sink = sink
        self._blocked = blocked
        self._failed = failed
        self._counts = _Counts()
        self._active = 0
        self._unknown = partial(self._respond, _UnknownPath(), self._process)
        self._routes = web.UrlDispatcher()
        self._plain: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {}  # by path, found at once
        for endpoint in endpoints:
            process = self._process_post if endpoint.signed else self._process
            for path in endpoint.paths:
                for spelling in (
                    path,
                    f"{path}/",
                    f"/{path}",
                ):  # as the Java library writes it; a host that ends in a slash
                    self._route(spelling, partial(self._respond, endpoint, process))
        for resource in RESOURCES:
            for path in resource.paths:
                self._route(path, partial(self._show, resource))
        self.idle = asyncio.Event()
        self.idle.set()
        self.draining = False

    def renew(
        self, config: GatewayConfig, ingest: Ingest, pages: Pages, receivers: PostReceivers | None = None
    ) -> None:
        """Serve by another topology from the next request on."""
        self.serving = Serving(config, ingest, pages, receivers, self.serving)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The response to any request."""
        self._active += 1
        self.idle.clear()
        try:
            # The dispatcher reads method and URL alone, which a BaseRequest has.
            full = cast("web.Request", request)
            handler = self._plain.get(full.rel_url.raw_path)
            if handler is None:
                match = await self._routes.resolve(full)
                handler = match.handler if match.http_exception is None else self._unknown
            return await handler(full)
        finally:
            self._active -= 1
            if not self._active:
                self.idle.set()

    def _route(self, path: str, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> None:
        self._routes.add_route(hdrs.METH_ANY, path, handler)
        if "{" not in path:
            self._plain[path] = handler

    async def _respond(self, endpoint: Endpoint, process: Process, request: web.BaseRequest) -> web.Response:
        serving = self.serving
        try:
            answer = await process(endpoint, request, serving)
        except Refusal as refusal:
            self._counts.events(refusal.source, refusal.code, 1)
            answer = refusal.answer
        except ConnectionError:
            raise
        except Exception as error:  # a fault of ours, answered in the endpoint's own form
            log.exception("a request failed: %s", type(error).__name__)
            self._counts.events(NO_SOURCE, "internal", 1)
            answer = refused("internal", close=True)
        self._counts.request(endpoint.name, answer.status)
        response = endpoint.respond(answer, request, serving.cors)
        if answer.close or self.draining:
            response.force_close()
        return response

    async def _show(self, resource: GatewayResource, request: web.Request) -> web.Response:
        """What carries no event needs no Kafka."""
        serving, origin = self.serving, request.headers.get(hdrs.ORIGIN)
        headers = serving.cors.headers(origin)
        if request.method == hdrs.METH_OPTIONS:
            response, headers = web.Response(status=204), serving.cors.preflight(origin)
        elif request.method not in resource.methods:
            response = missing("method_not_allowed")
            response.headers["Allow"] = ", ".join((*resource.methods, hdrs.METH_OPTIONS))
        else:
            await serving.bodies.read(request)
            response = resource.get(request, serving.pages, serving.ingest.keys)
        response.headers.update({"Server": "event-router", **headers})
        self._counts.request(resource.name, response.status)
        if self.draining:
            response.force_close()
        return response

    async def _process(self, endpoint: Endpoint, request: web.BaseRequest, serving: Serving) -> Answer:
        started = time.perf_counter()
        if request.method not in endpoint.methods:
            return _other_method(endpoint, request)
        credential = self._authenticate(endpoint, request, serving)
        self._limit(credential, serving)
        body = await serving.bodies.read(request)
        if body.code:
            await self._refuse_body(body, credential, serving)
        items = endpoint.decode(body.data, request.rel_url.raw_query_string, serving.ingest.limits)
        trusted = serving.config.trusted_proxies
        client = client_of(request.remote or "", request.headers, trusted, browser=endpoint.browser)
        result = serving.ingest.take(items, body.data, endpoint.type, credential, client)
        self._charge(result, credential, serving)
        answer = await self._produce(result, serving)
        if answer.status == 200:
            metrics.GATEWAY_ACK_SECONDS.observe(time.perf_counter() - started)
        return answer

    async def _process_post(self, endpoint: Endpoint, request: web.BaseRequest, serving: Serving) -> Answer:
        """The same for what a partner posts: the signature of the body says who it is, so the body is read first."""
        started = time.perf_counter()
        if request.method not in endpoint.methods:
            return _other_method(endpoint, request)
        receiver = serving.receivers.find(endpoint.source(request))
        self._limit(None, serving)
        body = await serving.posts.read(request)
        if body.code:
            await self._refuse_body(body, None, serving)
        url = request.rel_url
        items = receiver.take(Post(request.method, url.raw_path, url.raw_query_string, request.headers, body.data))
        result = serving.ingest.take(items, body.data, endpoint.type, receiver.credential, Client())
        self._charge(result, None, serving)
        answer = await self._produce(result, serving)
        kept = result.invalid and answer.status < 500
        if kept and not any(fault.code == "too_many_events" for fault in result.rejected):
            answer = accepted(len(result.events), result.rejected)
        metrics.GATEWAY_ACK_SECONDS.observe(time.perf_counter() - started)
        return answer

    def _authenticate(self, endpoint: Endpoint, request: web.BaseRequest, serving: Serving) -> Credential | None:
        """The valid credential of the head; None where the head has none, so that the body has to name it."""
        key = endpoint.write_key(request)
        if key is None:
            return None
        credential = serving.ingest.keys.find(key).on(request.headers.get(hdrs.ORIGIN, ""))
        if credential.problem:
            raise Refusal(credential.problem, credential.source)
        return credential

    def _limit(self, credential: Credential | None, serving: Serving) -> None:
        """Refuse what cannot be stored now, and a key over its rate. An admitted request is charged its first event."""
        source = credential.source if credential is not None else NO_SOURCE
        code = self._blocked()
        if code:
            raise Refusal(code, source, retry_after=RETRY_SECONDS)
        if credential is None:
            return
        wait = serving.buckets.wait(credential.digest)
        if wait:
            raise Refusal("rate_limited", source, retry_after=wait, close=False)
        serving.buckets.spend(credential.digest, 1)

    def _charge(self, result: IngestResult, credential: Credential | None, serving: Serving) -> None:
        """Charge the keys for their events. Those that the body named meet their rate only here."""
        buckets = serving.buckets
        if credential is not None:
            buckets.spend(credential.digest, result.spent[credential.digest] - 1)
            return
        wait = max(map(buckets.wait, result.spent), default=0.0)
        if wait:
            raise Refusal("rate_limited", next(iter(result.sources), NO_SOURCE), retry_after=wait, close=False)
        for key, events in result.spent.items():
            buckets.spend(key, events)

    async def _refuse_body(self, body: ReadBody, credential: Credential | None, serving: Serving) -> None:
        """Raise the refusal of a whole body, once its bytes are in events.invalid where they may be kept there."""
        source = credential.source if credential is not None else NO_SOURCE
        if credential is not None and body.code in _KEPT and body.data:
            stored = await self._sink.submit([serving.ingest.keep(body.data, body.code, source, body.length)])
            if stored:
                self._failed()
                raise Refusal(stored, source, retry_after=RETRY_SECONDS)
        raise Refusal(body.code, source, retry_after=RETRY_SECONDS if body.code == "overloaded" else 0)

    async def _produce(self, result: IngestResult, serving: Serving) -> Answer:
        """Produce the records and wait for Kafka."""
        records = [*result.events, *result.invalid]
        in_flight = self._sink.in_flight
        if records and in_flight and in_flight + len(records) > serving.config.max_in_flight:
            raise Refusal("overloaded", next(iter(result.sources), NO_SOURCE), retry_after=RETRY_SECONDS, close=False)
        code = await self._sink.submit(records) if records else ""
        if code:
            self._failed()
        for source, events in result.sources.items():
            self._counts.events(source, code or "accepted", events)
        for (source, reason), items in result.refusals.items():
            self._counts.events(source, code or reason, items)
        if code:
            return refused(code, retry_after=RETRY_SECONDS)
        for labels, number in result.repairs.items():
            metrics.REPAIRED.labels(*labels).inc(number)
        if result.events or not result.rejected:
            return accepted(len(result.events), result.rejected)
        return all_refused(result.rejected)


def _other_method(endpoint: Endpoint, request: web.BaseRequest) -> Answer:
    if request.method == hdrs.METH_OPTIONS and endpoint.methods:
        return Answer(204, b"")
    return refused("method_not_allowed" if endpoint.methods else "not_found", close=True)


class _UnknownPath(Endpoint):
    """Any path that no endpoint has."""

    name = OTHER_ENDPOINT
    paths = ()
    methods = ()


class _Counts:
    """Counters with their labels looked up once: of endpoints, statuses, sources and codes, all closed sets."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, int], Callable[[float], None]] = {}
        self._events: dict[tuple[str, str], Callable[[float], None]] = {}

    def request(self, endpoint: str, status: int) -> None:
        count = self._requests.get((endpoint, status))
        if count is None:
            count = self._requests[endpoint, status] = metrics.GATEWAY_REQUESTS.labels(endpoint, str(status)).inc
        count(1)

    def events(self, source: str, outcome: str, number: int) -> None:
        """`outcome` is `accepted`, or the code of the refusal."""
        count = self._events.get((source, outcome))
        if count is None:
            count = self._events[source, outcome] = metrics.GATEWAY_EVENTS.labels(source, outcome).inc
        count(number)

"""One request against a scripted sink: what is answered when Kafka is full, slow or broken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from router import metrics
from router.config.models import GatewayConfig, SourceConfig
from router.errors import UsageError
from router.events.event import Limits
from router.events.records import Record
from router.gateway.answers import Answer
from router.gateway.bodies import Items, single
from router.gateway.cors import CorsPolicy
from router.gateway.credentials import WriteKeys
from router.gateway.endpoint import Endpoint
from router.gateway.endpoints import ENDPOINTS
from router.gateway.handler import RequestHandler
from router.gateway.ingest import Ingest
from router.gateway.listen import Listener
from router.gateway.reading import BodyReader, Memory
from router.gateway.receivers import PostReceivers
from tests.gateway.running import TRACK, basic

KEY = {"Authorization": basic("key")}
EVENTS = "router_gateway_events_total"


class Log:
    """Answers as told."""

    def __init__(self, answer: str = "", in_flight: int = 0) -> None:
        self.answer = answer
        self.in_flight = in_flight
        self.records: list[Record] = []

    async def submit(self, records: Sequence[Record]) -> str:
        self.records += records
        if self.answer == "raise":
            raise RuntimeError("a fault")
        return self.answer


@asynccontextmanager
async def serving(
    log: Log,
    *,
    blocked: Callable[[], str] = lambda: "",
    failed: Callable[[], None] = lambda: None,
    endpoints: Sequence[Endpoint] = ENDPOINTS,
    receivers: PostReceivers | None = None,
    **config: Any,
) -> AsyncIterator[tuple[aiohttp.ClientSession, RequestHandler]]:
    ingest = Ingest(
        WriteKeys({"web": SourceConfig(write_keys=("key",))}), Limits(), raw="raw", invalid="invalid", max_events=10
    )
    config_model = GatewayConfig(max_in_flight=10, **config)
    handler = RequestHandler(
        config_model, ingest, log, receivers=receivers, blocked=blocked, failed=failed, endpoints=endpoints
    )
    listener = Listener(handler.handle, ("127.0.0.1", 0), max_connections=10, idle_timeout=30)
    await listener.start()
    try:
        async with aiohttp.ClientSession("http://{}:{}".format(*listener.address)) as session:
            yield session, handler
    finally:
        await listener.close()


async def send(session: aiohttp.ClientSession, sent: Any = TRACK) -> tuple[int, dict[str, Any], Any]:
    async with session.post("/v1/track", json=sent, headers=KEY) as answer:
        return answer.status, await answer.json(), answer.headers


async def test_too_many_events_in_flight_are_refused_before_kafka_sees_them() -> None:
    log = Log(in_flight=10)
    async with serving(log) as (session, _):
        status, body, headers = await send(session)
    assert (status, body["error"]["code"], log.records) == (503, "overloaded", [])
    assert int(headers["Retry-After"]) > 0


@pytest.mark.parametrize("code", ["overloaded", "not_acknowledged"])
async def test_a_write_that_fails_is_a_503_and_makes_the_gateway_look_at_kafka(code: str) -> None:
    """An unknown outcome too: the SDK sends it again, and the messageId makes the repeat harmless."""
    looks: list[bool] = []
    async with serving(Log(code), failed=lambda: looks.append(True)) as (session, _):
        for sent in (TRACK, {}):
            status, body, headers = await send(session, sent)
            assert (status, body["error"]["code"]) == (503, code)
            assert int(headers["Retry-After"]) > 0
    assert looks == [True, True]


@pytest.mark.parametrize("code", ["broker_unavailable", "no_room", "starting"])
async def test_while_kafka_takes_nothing_the_body_is_not_even_read(code: str) -> None:
    log = Log()
    async with serving(log, blocked=lambda: code) as (session, _):
        status, body, _ = await send(session)
    assert (status, body["error"]["code"], log.records) == (503, code, [])


async def test_a_fault_of_the_gateway_is_a_500_in_the_same_form() -> None:
    """SDKs send again after it."""
    async with serving(Log("raise")) as (session, handler):
        status, body, _ = await send(session)
        assert (status, body["error"]["code"]) == (500, "internal")
        assert handler.idle.is_set()


class Hello(Endpoint):
    """A GET whose path holds the user, with a key and a response of its own."""

    name = "hello"
    paths = ("/hello/{user}",)
    methods = ("GET",)
    type = "identify"

    def write_key(self, request: web.BaseRequest) -> str | None:
        return request.query.get("key")

    def decode(self, body: bytes, query: str, limits: Limits) -> Items | str:
        return single(b'{"userId": "u1"}') if query.endswith("yes") else "empty"

    def respond(self, answer: Answer, request: web.BaseRequest, cors: CorsPolicy) -> web.Response:
        return web.Response(status=299 if answer.status == 200 else 499, text="hello")


async def test_an_endpoint_is_one_object_and_no_other_is_touched() -> None:
    """Method, path, credential, decoding and response are all its own; limits, addresses and counters are not."""
    log = Log()
    async with serving(log, endpoints=(*ENDPOINTS, Hello())) as (session, _):
        statuses = []
        for path in ("/hello/u1?key=key&yes", "/hello/u1?key=key&no", "/hello/u1?key=wrong&yes", "/hello"):
            async with session.get(path) as answer:
                statuses.append(answer.status)
        async with session.post("/hello/u1?key=key&yes") as answer:
            statuses.append(answer.status)
        assert await send(session)
    assert statuses == [299, 499, 499, 404, 499]
    assert [topic for topic, *_ in log.records] == ["raw", "invalid", "raw"]
    assert json.loads(log.records[0][1])["type"] == "identify"


async def test_a_rate_is_checked_once_wherever_the_key_stands() -> None:
    """In the head: before the body is read. In the body: before its events are stored."""
    log = Log()
    async with serving(log, events_per_second=0.001) as (session, _):
        assert (await send(session))[0] == 200
        status, body, headers = await send(session)
        assert (status, body["error"]["code"]) == (429, "rate_limited")
        assert int(headers["Retry-After"]) > 0
        async with session.post("/v1/track", json={**TRACK, "writeKey": "key"}) as answer:
            assert answer.status == 429
    assert len(log.records) == 1


async def test_a_refused_request_is_counted_by_its_reason() -> None:
    codes = ("rate_limited", "starting", "internal", "unknown_write_key")
    before = [total(code) for code in codes]
    async with serving(Log(), events_per_second=0.001) as (session, _):
        await send(session)
        await send(session)
        async with session.post("/v1/track", json=TRACK, headers={"Authorization": basic("wrong")}) as answer:
            assert answer.status == 401
    async with serving(Log(), blocked=lambda: "starting") as (session, _):
        await send(session)
    async with serving(Log("raise")) as (session, _):
        await send(session)
    assert [total(code) for code in codes] == [number + 1 for number in before]


def total(outcome: str) -> float:
    """Of all sources."""
    found = [metrics.REGISTRY.get_sample_value(EVENTS, {"source": s, "outcome": outcome}) for s in ("web", "none")]
    return sum(value or 0 for value in found)


async def test_bodies_beyond_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held is given back whatever the end."""
    async with serving(Log()) as (session, handler):
        reader = BodyReader(cap=500_000, inflated_cap=500_000, seconds=30, memory=Memory(100_000))
        monkeypatch.setattr(handler.serving, "bodies", reader)

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(4):
                yield b"x" * 60_000
                await asyncio.sleep(0.01)

        async with session.post("/v1/track", data=pieces(), headers=KEY) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (503, "overloaded")
        assert reader.memory.held == 0


async def test_events_are_counted_by_source_and_outcome() -> None:
    """The totals of requests that arrived are those of the answers."""
    before = {outcome: counted(outcome) for outcome in ("accepted", "no_id", "not_acknowledged")}
    log = Log()
    async with serving(log) as (session, _):
        await send(session)
        await send(session, {"event": "E"})
        log.answer = "not_acknowledged"
        await send(session)
    assert {outcome: counted(outcome) - number for outcome, number in before.items()} == dict.fromkeys(before, 1)


def counted(outcome: str) -> float:
    return metrics.REGISTRY.get_sample_value(EVENTS, {"source": "web", "outcome": outcome}) or 0


async def test_a_taken_address_is_the_users_fault() -> None:
    async with serving(Log()) as (session, handler):
        url = session._base_url
        assert url is not None
        second = Listener(handler.handle, ("127.0.0.1", url.port or 0), max_connections=1, idle_timeout=1)
        with pytest.raises(UsageError, match="cannot listen on 127"):
            await second.start()

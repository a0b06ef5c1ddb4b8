"""What a partner posts: kept before it is answered, refused unless the partner signed it."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from router import metrics
from router.agents.batch import Batch
from router.config.models import SourceConfig, hook_key
from router.events.topics import Topics
from router.gateway.answers import explained
from router.gateway.credentials import Credential
from router.gateway.receivers import PostReceiver, PostReceivers
from router.partner_sources.base import Post
from tests.agents.messages import FakeMessage, decode
from tests.gateway.running import basic
from tests.gateway.test_handler import EVENTS, Log, serving
from tests.partner_sources.doubles.customerio import OPENED, CustomerioDouble
from tests.partner_sources.doubles.customerio import event as customerio_event
from tests.partner_sources.doubles.double import NOW, OTHER_KEY, PartnerDouble
from tests.partner_sources.doubles.hook import HookDouble, ticket
from tests.partner_sources.doubles.sendgrid import SendgridDouble, event

MAIL, TICKETS, GRID = CustomerioDouble(), HookDouble(), SendgridDouble()


def receivers(clock: float = NOW) -> PostReceivers:
    def one(name: str, double: PartnerDouble, problem: str = "") -> PostReceiver:
        key = hook_key(name).encode()
        return PostReceiver(double.source(), Credential(name, problem, key, key), lambda: clock)

    return PostReceivers(
        {
            "mail": one("mail", MAIL),
            "grid": one("grid", GRID),
            "tickets": one("tickets", TICKETS),
            "off": one("off", MAIL, "source_disabled"),
            "staging": one("staging", MAIL, "other_environment"),
        }
    )


async def send(session: aiohttp.ClientSession, name: str, post: Post, **headers: str) -> tuple[int, Any]:
    async with session.post(f"/v1/hooks/{name}", data=post.body, headers={**post.headers, **headers}) as answer:
        return answer.status, await answer.json()


def signed(item: Mapping[str, Any]) -> Post:
    return MAIL.post(MAIL.body([dict(item)]))


def counted(source: str, outcome: str) -> float:
    return metrics.REGISTRY.get_sample_value(EVENTS, {"source": source, "outcome": outcome}) or 0


async def test_a_post_is_answered_once_its_event_is_kept() -> None:
    log = Log()
    async with serving(log, receivers=receivers()) as (session, _):
        browser = {"User-Agent": "Mozilla/5.0", "Origin": "https://evil.example"}
        assert await send(session, "mail", signed(OPENED), **browser) == (
            200,
            {"success": True, "accepted": 1, "rejected": []},
        )
    ((topic, value, key, headers),) = log.records
    stored = json.loads(value)
    assert (topic, key) == ("raw", b"d9c106000001")
    assert (stored["event"], stored["userId"]) == ("Email Opened", "u42")
    assert "receivedAt" in stored
    assert ("write-key", b"hook:mail") in (headers or ())
    assert not {"ip", "userAgent"} & set(stored["context"])  # those of the partner's server are nobody's


async def test_a_batch_is_kept_whole_and_what_is_no_event_beside_it() -> None:
    log = Log()
    nobody = event("open", 2, email=None, user_id=None)
    post = GRID.post(GRID.body([event("open"), event("telepathy", 1), nobody, None]))
    async with serving(log, receivers=receivers()) as (session, _):
        status, answer = await send(session, "grid", post)
    assert (status, answer["accepted"]) == (200, 1)
    assert [one["code"] for one in answer["rejected"]] == ["unknown_partner_event", "no_id", "not_object"]
    kept = [json.loads(value) for topic, value, _, _ in log.records if topic == "invalid"]
    assert kept == [event("telepathy", 1), nobody, None]  # as the partner wrote them


async def test_a_post_with_nothing_known_is_answered_200_since_it_is_kept() -> None:
    """Customer.io holds back everything behind a post that is refused."""
    log = Log()
    before = counted("mail", "unknown_partner_event")
    async with serving(log, receivers=receivers()) as (session, _):
        status, answer = await send(session, "mail", signed(customerio_event("hologram", "projected")))
        assert (status, answer["accepted"], answer["success"]) == (200, 0, True)
        assert (await send(session, "mail", MAIL.post(b"{")))[0] == 200
        assert (await send(session, "mail", MAIL.post(b"")))[0] == 200
    assert [topic for topic, *_ in log.records] == ["invalid"] * 3
    assert counted("mail", "unknown_partner_event") == before + 1


@pytest.mark.parametrize(
    ("post", "code"),
    [
        (MAIL.post(MAIL.body([OPENED]), key=OTHER_KEY), "bad_signature"),
        (MAIL.post(MAIL.body([OPENED]), NOW - 86_400), "stale_signature"),
        (Post("POST", "", "", {}, MAIL.body([OPENED])), "no_signature"),
        (Post("POST", "", "", {"Authorization": basic("key")}, MAIL.body([OPENED])), "no_signature"),
    ],
    ids=["another key", "yesterday", "unsigned", "a write key"],
)
async def test_a_post_of_others_is_refused_and_counted_and_nothing_of_it_kept(
    post: Post, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    log, before = Log(), counted("mail", code)
    async with serving(log, receivers=receivers()) as (session, _):
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                status, answer = await send(session, "mail", post)
    assert (status, answer["error"]["code"], log.records) == (401, code, [])
    assert counted("mail", code) == before + 3
    (told,) = [one.getMessage() for one in caplog.records if one.name == "router.gateway.receivers"]
    assert told == f"a post to a source was refused: {explained(code)}"


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("unknown", 404, "unknown_hook"),
        ("web", 404, "unknown_hook"),
        ("off", 404, "source_disabled"),
        ("staging", 403, "other_environment"),
    ],
)
async def test_sources_that_take_no_posts(name: str, status: int, code: str) -> None:
    async with serving(Log(), receivers=receivers()) as (session, _):
        assert (await send(session, name, signed(OPENED)))[0] == status
        async with session.get(f"/v1/hooks/{name}") as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (status, code)


async def test_the_url_is_there_when_a_partner_asks() -> None:
    log = Log()
    async with serving(log, receivers=receivers()) as (session, _):
        async with session.get("/v1/hooks/mail") as answer:
            assert (answer.status, (await answer.json())["success"]) == (200, True)
        async with session.head("/v1/hooks/mail") as answer:
            assert answer.status == 200
        async with session.put("/v1/hooks/mail", data=b"{}") as answer:
            assert answer.status == 405
    assert log.records == []


async def test_a_post_that_kafka_did_not_take_is_to_be_made_again() -> None:
    async with serving(Log("not_acknowledged"), receivers=receivers()) as (session, _):
        assert (await send(session, "mail", signed(OPENED)))[0] == 503
        assert (await send(session, "mail", signed(customerio_event("hologram", "projected"))))[0] == 503
    async with serving(Log(), receivers=receivers(), blocked=lambda: "broker_unavailable") as (session, _):
        assert (await send(session, "mail", signed(OPENED)))[0] == 503


async def test_the_rate_of_a_source_counts_only_what_the_partner_signed() -> None:
    async with serving(Log(), receivers=receivers(), events_per_second=0.001) as (session, _):
        for _ in range(20):
            assert (await send(session, "mail", MAIL.post(MAIL.body([OPENED]), key=OTHER_KEY)))[0] == 401
        statuses = [(await send(session, "mail", signed(OPENED)))[0] for _ in range(10)]
    assert statuses[0] == 200
    assert 429 in statuses


async def test_large_posts_have_a_limit_of_their_own() -> None:
    log = Log()
    post = TICKETS.post(TICKETS.body([ticket(1, note="x" * 100_000)]))
    async with serving(log, receivers=receivers(), body_bytes=1000, hook_bytes=150_000) as (session, _):
        status, answer = await send(session, "tickets", post)
        assert (status, answer["accepted"]) == (200, 1)  # the map leaves the note out
        assert (await send(session, "tickets", TICKETS.post(b"[" + b" " * 150_000 + b"]")))[0] == 413
        packed = gzip.compress(post.body)
        async with session.post(
            "/v1/hooks/tickets", data=packed, headers={**post.headers, "Content-Encoding": "gzip"}
        ) as zipped:
            assert zipped.status == 200  # what is signed is the body, not how it is packed
    assert len(log.records) == 2


async def test_more_events_than_the_gateway_holds_are_refused_and_not_taken_for_kept() -> None:
    async with serving(Log(), receivers=receivers()) as (session, _):
        status, answer = await send(session, "tickets", TICKETS.post(TICKETS.body([ticket(n) for n in range(11)])))
    assert (status, answer["error"]["code"]) == (413, "too_many_events")


async def test_an_item_too_deep_to_be_written_again_is_kept_with_the_whole_body() -> None:
    log = Log()
    deep = b'[{"event": "open", "user_id": "u1", "sg_event_id": "e1", "x": ' + b"[" * 300 + b"]" * 300 + b"}]"
    async with serving(log, receivers=receivers()) as (session, _):
        assert (await send(session, "grid", GRID.post(deep)))[0] == 200
    assert [(topic, value) for topic, value, _, _ in log.records] == [("invalid", deep)]


async def test_the_route_worker_knows_the_source_of_what_was_posted() -> None:
    log = Log()
    async with serving(log, receivers=receivers()) as (session, _):
        await send(session, "mail", signed(OPENED))
    ((_, value, key, headers),) = log.records
    keys = dict.fromkeys(SourceConfig(type="customerio", settings={"signing_key": "x"}).keys("mail"), "mail")
    agent = decode(Topics("shop"), "web", "mail", source_of_key=keys, default_source=None)
    (event,) = agent.take(FakeMessage(value, of_key=key, of_headers=headers), 0, Batch())
    assert (event.source, event.name, event.body["timestamp"]) == ("mail", "Email Opened", "2020-03-26T19:16:39.000Z")


async def test_the_keys_of_sources_with_posts_are_no_write_keys() -> None:
    async with serving(Log(), receivers=receivers()) as (session, _):
        event = {"userId": "u1", "event": "E", "writeKey": "hook:mail"}
        async with session.post("/v1/track", json=event) as answer:
            assert answer.status == 401

"""The console over HTTP: who is let in, which headers every answer has, and that each action is written down."""

from __future__ import annotations

import asyncio
import gc
import re
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from html import unescape
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSServerHandshakeError
from aiohttp.test_utils import TestClient, TestServer
from confluent_kafka import Producer

from router.config.options import RunOptions
from router.config.topics import wanted_topics
from router.console.access import TOKENS, Access
from router.console.actions import ACTIONS, TOKEN_HEADER
from router.console.app import COOKIE, make_app
from router.console.jobs import Job
from router.console.live.socket import HUB
from router.console.sight import Sight
from router.console.text import visible
from router.delivery.pauses import read_pauses
from router.embedded.broker import EmbeddedBroker
from router.events.records import Headers
from router.kafka import clients
from router.status.pages import Look
from tests.console.pages import HOSTILE, KEY, SECRET, counts, shop

OPERATOR, VIEWER = "operator-token-0123", "viewer-token-0123"
PEOPLE = {TOKENS: f"otto:operator:{OPERATOR} vera:viewer:{VIEWER}"}


class Counted(Sight):
    """Looks at given counts instead of processes."""

    def _look(self) -> Look:
        look = counts().look
        assert look is not None
        return look


Client = TestClient[Any, Any]
Open = Callable[..., AbstractAsyncContextManager[tuple[Client, Sight]]]


@pytest.fixture
def opened(tmp_path: Path, unique: str, embedded: EmbeddedBroker) -> Open:
    """Opens a console on the embedded broker, with or without a login."""
    loaded = shop(tmp_path, topics={"prefix": f"{unique}.", "partitions": 1})

    @asynccontextmanager
    async def open_(*, login: bool = False) -> AsyncIterator[tuple[Client, Sight]]:
        sight = Counted(loaded, RunOptions(embedded.cluster.bootstrap, embedded=True))
        embedded.create_topics({spec.name: spec.partitions for spec in wanted_topics(loaded.topology)})
        access = Access.of(("127.0.0.1", 0), PEOPLE if login else {})
        async with TestClient(TestServer(make_app(sight, access))) as client:
            yield client, sight

    return open_


def origin(client: Client) -> dict[str, str]:
    return {"Origin": f"http://{client.host}:{client.port}"}


async def sign_in(client: Client, token: str) -> int:
    async with client.post("/login", data={"token": token}, headers=origin(client), allow_redirects=False) as answer:
        return answer.status


async def act(client: Client, name: str, values: Any, **headers: str) -> tuple[int, str]:
    """With the token that the page of this session has."""
    async with client.get("/") as page:
        token = (await page.text()).partition('data-token="')[2].partition('"')[0]
    sent = origin(client) | {TOKEN_HEADER: token} | headers
    async with client.post(f"/do/{name}", json=values, headers=sent) as answer:
        return answer.status, await answer.text()


async def test_every_answer_is_guarded_and_shows_no_secret(opened: Open) -> None:
    async with opened() as (client, _):
        for path in ("/", "/none", "/login"):
            async with client.get(path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "require-trusted-types-for 'script'" in policy
                assert "unsafe" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Cache-Control"] == "no-store"
                text = await answer.text()
                assert SECRET not in text
                assert KEY not in text
        async with client.get("/none") as answer:
            assert answer.status == 404


async def test_static_files_are_kept_for_ever_under_their_hash(opened: Open) -> None:
    async with opened() as (client, _):
        async with client.get("/") as page:
            href = (await page.text()).partition('stylesheet" href="')[2].partition('"')[0]
        async with client.get(href) as answer:
            assert answer.status == 200
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.content_type == "text/css"
        async with client.get(f"{href}/../../../pyproject.toml") as answer:
            assert answer.status == 404


async def test_a_name_that_points_here_is_not_answered(opened: Open) -> None:
    async with opened() as (client, _), client.get("/", headers={"Host": "evil.example"}) as answer:
        assert answer.status == 421


async def test_pages_want_a_login_and_actions_say_so(opened: Open) -> None:
    async with opened(login=True) as (client, _):
        async with client.get("/", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/login")
        async with client.post("/do/pause", json={"target": "crm"}, headers=origin(client)) as answer:
            assert answer.status == 401
        assert await sign_in(client, "wrong-token-0123456") == 403
        assert await sign_in(client, OPERATOR) == 303
        cookie = next(one for one in client.session.cookie_jar if one.key == COOKIE)
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
        async with client.get("/") as answer:
            assert "otto, operator" in await answer.text()
        async with client.post("/logout", headers=origin(client)) as answer:
            assert str(answer.url.path) == "/login"
        async with client.get("/", allow_redirects=False) as answer:
            assert answer.status == 303


async def test_a_login_from_another_site_is_refused(opened: Open) -> None:
    async with opened(login=True) as (client, _):
        foreign = {"Origin": "http://evil.example"}
        async with client.post("/login", data={"token": OPERATOR}, headers=foreign) as answer:
            assert answer.status == 403


async def test_an_action_is_taken_and_written_down_before_and_after(opened: Open) -> None:
    async with opened() as (client, sight):
        status, says = await act(client, "pause", {"target": "crm", "reason": "their <b>launch</b>"})
        assert status == 200, says
        pauses, _ = read_pauses(sight.cluster, sight.topics.control)
        assert pauses["crm"].why == "their <b>launch</b>"
        assert (await act(client, "resume", {"target": "crm"}))[0] == 200
        assert read_pauses(sight.cluster, sight.topics.control)[0] == {}
        status, says = await act(client, "key", {"target": "web"})
        assert (status, says.count(KEY)) == (200, 6)  # in each snippet once
        assert KEY not in str(sight.audit.newest())
        assert (await act(client, "key", {"target": "crm"}))[0] == 400
        done, begun = sight.audit.newest()[6:]
        assert (begun["action"], begun["target"], begun["outcome"]) == ("pause", "crm", "begun")
        assert (done["id"], done["outcome"], done["reason"]) == (begun["id"], "done", "their <b>launch</b>")
        assert done["time"][:4] == time.strftime("%Y", time.gmtime())


async def test_a_viewer_s_action_is_refused_and_written_down(opened: Open) -> None:
    async with opened(login=True) as (client, sight):
        assert await sign_in(client, VIEWER) == 303
        for name, action in ACTIONS.items():
            status, says = await act(client, name, {"target": "web" if action.kind == "source" else "crm"})
            assert (status, "role operator" in says) == (403, True)
            assert KEY not in says
        written = [(one["who"], one["action"], one["outcome"]) for one in sight.audit.newest()]
        assert written == [("vera", name, "refused") for name in reversed(list(ACTIONS))]
        assert read_pauses(sight.cluster, sight.topics.control)[0] == {}


@pytest.mark.parametrize(
    ("headers", "values", "status"),
    [
        ({"Origin": "http://evil.example"}, {"target": "crm"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, {"target": "crm"}, 403),
        ({TOKEN_HEADER: "another"}, {"target": "crm"}, 403),
        ({"Content-Type": "text/plain"}, {"target": "crm"}, 415),
        ({}, ["crm"], 400),
        ({}, {"target": "crn"}, 400),
    ],
)
async def test_other_requests_act_on_nothing(opened: Open, headers: dict[str, str], values: Any, status: int) -> None:
    async with opened() as (client, sight):
        assert (await act(client, "pause", values, **headers))[0] == status
        assert read_pauses(sight.cluster, sight.topics.control)[0] == {}


async def test_live_rows_come_to_our_own_pages_only_and_the_reader_ends_with_the_last(opened: Open) -> None:
    async with opened() as (client, sight):
        hub = client.app[HUB]
        with pytest.raises(WSServerHandshakeError):
            await client.ws_connect("/live", headers={"Origin": "http://evil.example"})
        first = await client.ws_connect("/live", headers=origin(client))
        second = await client.ws_connect("/live", headers=origin(client))
        for socket in (first, second):
            await socket.send_json({"source": "web"})
            assert (await socket.receive_json())["fresh"] is True
        value = orjson.dumps({"type": "track", "event": HOSTILE, "userId": "u1", "messageId": "m1"})
        producer = Producer(clients.producer(sight.cluster))
        producer.produce(sight.topics.resolved, value, b"p1", 0, headers=[("source", b"web")])
        assert await asyncio.to_thread(producer.flush, 60) == 0
        for socket in (first, second):
            row = await row_of(socket, "m1")
            assert (row["outcome"], row["source"]) == ("passed", "web")
        for since, name in ((0, HOSTILE), (row["time"] + 1, "")):
            async with client.get("/arrived", params={"source": "web", "since": since}) as answer:
                found = await answer.json()
                assert (found["row"] or {"event": ""})["event"] == visible(name)
                assert (found["accepted"], found["unknown"]) == (10, 0)
        async with client.get("/arrived", params={"source": "web", "since": "soon"}) as answer:
            assert answer.status == 400
        async with client.get("/event", params={"at": row["place"]}) as answer:
            assert "onerror" in (await answer.json())["title"]
        async with client.get("/event", params={"at": f"{sight.topics.audit}:0:0"}) as answer:
            assert answer.status == 400
        await first.close()
        await second.close()
        async with asyncio.timeout(60):
            while hub.reading:
                await asyncio.sleep(0.01)


async def test_pages_and_live_tables_leave_nothing_behind(opened: Open) -> None:
    """A console that somebody looks at for a day: counted are the objects themselves, not the process's memory."""
    tabs = (f"/destinations/crm?tab={tab}" for tab in ("delivery", "filtered", "letters", "try"))
    pages, rounds = ("/", "/sources/web", *tabs, "/operations"), 6
    async with opened() as (client, sight):
        hub = client.app[HUB]

        async def look() -> None:
            """By a client of its own: that of the tests keeps every answer."""
            async with (
                ClientSession(str(client.make_url("/"))) as browser,
                browser.ws_connect("/live", headers=origin(client)) as socket,
            ):
                await socket.send_json({"source": "web", "text": secrets.token_hex(4)})
                await socket.receive_json()
                for path in pages:
                    async with browser.get(path) as answer:
                        assert answer.status == 200, path
                        await answer.read()
            async with asyncio.timeout(60):
                while hub.reading:
                    await asyncio.sleep(0.01)

        await look()
        await look()
        before, threads = alive(), running_threads()
        for _ in range(rounds):
            await look()
        until = time.monotonic() + 60  # what is being closed goes by itself; what has leaked stays
        while (left := grown(before, rounds)) or running_threads() >= threads + rounds:
            assert time.monotonic() < until, (left, threads, threading.enumerate())
            await asyncio.sleep(0.1)
        assert (hub._watchers, sight.tried, sight.jobs._jobs) == (set(), {}, [])


def running_threads() -> int:
    """Without those of the event loop's executor, which has as many as the machine has cores, and some."""
    return sum(not one.name.startswith("asyncio") for one in threading.enumerate())


def grown(before: Counter[str], rounds: int) -> dict[str, int]:
    """Types with an object more for each round."""
    found = {name: count for name, count in (alive() - before).items() if count >= rounds}
    found.pop("cimpl.Uuid", None)  # 64 bytes that the Kafka client keeps of each topic it has described
    return found


def alive() -> Counter[str]:
    """Objects of the router, of its server, its templates and its Kafka client, by type."""
    gc.collect()
    kinds = [type(one) for one in gc.get_objects()]
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)
    return Counter(name for name in names if name.startswith(("router.", "aiohttp.", "jinja2.", "cimpl.", "confluent")))


async def row_of(socket: ClientWebSocketResponse[Any], message_id: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            for row in (await socket.receive_json())["rows"]:
                if row["messageId"] == message_id:
                    return dict(row)


async def test_a_dry_run_of_a_redrive_counts_and_sends_nothing(opened: Open) -> None:
    async with opened() as (client, sight):
        producer = Producer(clients.producer(sight.cluster))
        value = orjson.dumps({"type": "track", "event": "Order Completed", "userId": "u1", "messageId": "m1"})
        named: Headers = [("error-code", b"400"), ("source", b"web"), ("attempts", b"3"), ("origin", b"dest.crm:0:0")]
        producer.produce(sight.topics.dead("crm"), value, b"p1", 0, headers=named)
        assert await asyncio.to_thread(producer.flush, 60) == 0

        status, says = await act(client, "redrive", {"target": "crm", "stay": "dry", "rate": "10"})
        assert (status, "Would send 1 to crm" in says) == (200, True), says
        assert (await act(client, "redrive", {"target": "crm", "stay": "dry", "rate": "0"}))[0] == 400
        assert (await act(client, "stop-redrive", {"target": "crm"}))[0] == 400
        status, says = await act(client, "redrive", {"target": "crm", "code": "400", "reason": "mended"})
        assert (status, "Begun" in says) == (200, True), says
        job = sight.jobs.latest("redrive", "crm")
        assert job is not None
        await ended(job)
        assert (job.state, job.says) == ("done", "1 sent to crm once more.")
        assert sight.audit.newest()[0]["says"] == job.says
        for _ in range(3):
            producer.produce(sight.topics.dead("crm"), value, b"p1", 0, headers=named)
        assert await asyncio.to_thread(producer.flush, 60) == 0
        chosen = {"target": "crm", "place": ["0:1", "0:3", "0:9"]}
        status, says = await act(client, "redrive", chosen | {"stay": "dry"})
        assert (status, "Would send 2 of 3 chosen to crm" in says) == (200, True), says
        assert (await act(client, "redrive", {"target": "crm", "place": ["all"]}))[0] == 400
        assert (await act(client, "redrive", chosen | {"place": "0:3"}))[0] == 200
        job = sight.jobs.latest("redrive", "crm")
        assert job is not None
        await ended(job)
        assert (job.says, job.whole, job.dealt) == ("1 of 1 chosen sent to crm once more.", 1, 1)
        _, says = await act(client, "redrive", chosen | {"place": "0:3", "stay": "dry"})
        assert "Would send 0 of 1 chosen to crm, at 50 a second in 0 s. 1 left: redriven before." in says
        async with client.get("/destinations/crm?tab=letters") as page:
            text = await page.text()
            assert "4 dead letters, 2 not redriven" in text
            assert sorted(re.findall(r'name="place"[^>]* value="([^"]+)"', text)) == ["0:1", "0:2"]
        topic = sight.topics.dead("crm")
        async with client.get(f"/destinations/crm?tab=try&source=web&at={topic}:0:1") as page:
            assert f"The event at <code>{topic}:0:1</code>" in await page.text()


async def ended(job: Job) -> None:
    assert job.thread is not None
    await asyncio.to_thread(job.thread.join, 60)
    assert not job.open


async def test_an_event_is_tried_and_sent_only_where_that_is_asked_for(opened: Open, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        near = {"url": f"http://127.0.0.1:{closed.getsockname()[1]}/", "allow_private": True, "secret": SECRET}
        destinations = {"crm": {"type": "webhook", "settings": near, "types": ["track"]}}
        async with opened() as (client, sight):
            sight.loaded = shop(
                tmp_path, destinations=destinations, topics={"prefix": sight.topics.prefix, "partitions": 1}
            )
            event = {"type": "track", "event": HOSTILE, "userId": "u1", "properties": {"password": SECRET}}
            tried = {"target": "crm", "event": orjson.dumps(event).decode(), "stay": "try"}
            status, says = await act(client, "try", tried)
            assert (status, "it would be sent" in says) == (200, True), says
            (trial,) = orjson.loads(says)["trials"]
            assert (trial["accepted"], trial["sent"], trial["title"]) == (True, False, f"track {visible(HOSTILE)}")
            assert "POST http://127.0.0.1" in trial["requests"][0]
            assert SECRET not in says
            status, says = await act(client, "try", tried | {"event": orjson.dumps(event | {"type": "page"}).decode()})
            assert "its call type is not in `types`" in says
            for wrong in ("{", "[]", '{"type": "track"}' + " " * 70_000):
                assert (await act(client, "try", tried | {"event": wrong}))[0] == 400
            assert (await act(client, "try", tried | {"source": "wbe"}))[0] == 400
            status, says = await act(client, "try", tried | {"send": "yes"})
            (trial,) = orjson.loads(says)["trials"]
            assert (status, trial["sent"], trial["accepted"]) == (200, True, False)
            assert "ECONNREFUSED" in trial["answer"]
            assert "was sent to crm" in sight.audit.newest()[0]["says"]
            async with client.get("/destinations/crm?tab=try") as page:
                assert "Send it to crm" in await page.text()
            await an_event_that_came_is_tried_as_it_is(client, sight, event)


async def an_event_that_came_is_tried_as_it_is(client: Client, sight: Sight, event: dict[str, Any]) -> None:
    """Begun by its place; what is masked is hidden from the page, not from the connector."""
    producer = Producer(clients.producer(sight.cluster))
    producer.produce(sight.topics.raw, orjson.dumps(event | {"messageId": "m7", "raw": 1}), b"u1", 0)
    assert await asyncio.to_thread(producer.flush, 60) == 0
    at = f"{sight.topics.raw}:0:0"
    async with client.get(f"/destinations/crm?tab=try&source=web&at={at}") as page:
        found = await page.text()
    shown = unescape(found.partition("<textarea")[2].partition(">")[2].partition("</textarea>")[0])
    assert f'name="at" value="{at}"' in found
    assert SECRET not in found
    assert '"password": "***"' in shown
    tried = {"target": "crm", "source": "web", "at": at, "stay": "try"}
    status, says = await act(client, "try", tried | {"event": shown.replace("\n", "\r\n")})
    (trial,) = orjson.loads(says)["trials"]
    assert (status, trial["title"]) == (200, f"track {visible(HOSTILE)}")
    assert SECRET not in says
    _, says = await act(client, "try", tried | {"event": '{"type": "track", "userId": "u1", "event": "Changed"}'})
    assert orjson.loads(says)["trials"][0]["title"] == "track Changed"
    for wrong in (f"{sight.topics.audit}:0:0", f"{sight.topics.raw}:0:x", f"{sight.topics.raw}:0:77", "m7"):
        assert (await act(client, "try", tried | {"event": shown, "at": wrong}))[0] in (400, 503), wrong
        async with client.get("/destinations/crm", params={"tab": "try", "at": wrong}) as page:
            assert "banner trouble" in await page.text(), wrong


async def test_a_replay_is_counted_begun_and_done(opened: Open) -> None:
    async with opened() as (client, sight):
        value = orjson.dumps({"type": "track", "event": "Order Completed", "userId": "u1", "messageId": "m1"})
        producer = Producer(clients.producer(sight.cluster))
        producer.produce(sight.topics.resolved, value, b"p1", 0, headers=[("source", b"web"), ("type", b"track")])
        assert await asyncio.to_thread(producer.flush, 60) == 0
        asked = {"target": "crm", "since": "1h", "rate": "50"}
        assert "dry run" in (await act(client, "replay", asked))[1]
        _, says = await act(client, "replay", asked | {"since": "soon", "stay": "dry"})
        assert '"Since: expected a time such as' in says
        assert "expected a destination, got none" in (await act(client, "replay", asked | {"target": ""}))[1]
        status, says = await act(client, "replay", asked | {"where": "x" * 300_000})
        assert (status, says) == (413, '{"error": "expected at most 256 KiB in all, got more"}')
        for wrong in ({"since": ""}, {"since": "soon"}, {"rate": "fast"}, {"where": "type ="}, {"origin": "dest.crm"}):
            assert (await act(client, "replay", asked | wrong | {"stay": "dry"}))[0] == 400
        status, says = await act(client, "replay", asked | {"stay": "dry"})
        assert (status, "Would send 1 event to crm. Chosen: 1 event of 1 name: 1 " in says) == (200, True), says
        both = asked | {"target": ["crm", "ads"], "stay": "dry"}
        status, says = await act(client, "replay", both)
        assert (status, "Would send 2 events to crm (1), ads (1). Chosen: " in says) == (200, True), says
        status, says = await act(client, "replay", both | {"but": "Order Completed", "failed_only": "yes"})
        assert (status, "Would send 0 events to crm (0), ads (0). Chosen: 0 events of 0 names" in says) == (200, True)
        wrongs: list[dict[str, Any]] = [{"target": ["crm", "adds"]}, {"target": []}, {"target": [1]}]
        for no in (*wrongs, {"origin": "archive:/etc"}):
            assert (await act(client, "replay", both | no))[0] == 400
        assert (await act(client, "pause", {"target": ["crm", "ads"]}))[0] == 400
        status, says = await act(client, "replay", asked | {"stay": "dry"})
        assert status == 200, says
        assert (await act(client, "replay", asked | {"user": "u2"}))[0] == 400
        assert (await act(client, "replay", asked))[0] == 200
        job = sight.jobs.latest("replay", sight.jobs.of("replay")[0].target)
        assert job is not None
        await ended(job)
        assert (job.state, job.says) == ("done", "r1 is done: 1 events sent.")
        assert sight.audit.newest()[0]["says"] == job.says
        assert (await act(client, "stop-replay", {"target": "r9"}))[0] == 400
        assert "is done: there is nothing to stop" in (await act(client, "stop-replay", {"target": "r1"}))[1]
        assert "is done: there is nothing to go on with" in (await act(client, "resume-replay", {"target": "r1"}))[1]
        async with client.get("/operations") as page:
            assert "● done" in await page.text()
        async with client.get("/destinations/crm?tab=filtered") as page:
            text = await page.text()
            assert "Of the newest <strong>1</strong> events of all sources" in text
            assert "<strong>1</strong> would go to crm" in text


async def test_every_page_answers_on_a_broker(opened: Open) -> None:
    async with opened() as (client, _):
        pages = (
            "/",
            "/sources",
            "/sources/web",
            "/destinations",
            "/destinations/crm",
            "/destinations/off?tab=settings",
            "/destinations/crm?tab=try",
            "/destinations/crm?from=2026-01-01T00:00&to=2026-01-02T00:00",
        )
        for path in (*pages, "/plans", "/usage", "/find", "/find?q=nobody", "/operations"):
            async with client.get(path) as answer:
                text = await answer.text()
                assert answer.status == 200, (path, text)
                assert SECRET not in text
        for path in ("/?last=never", "/usage?month=now", "/destinations/crm?from=now&to=then", "/find?q=u1&since=soon"):
            async with client.get(path) as answer:
                assert "expected" in await answer.text()
        async with client.get("/find?q=crm", allow_redirects=False) as answer:
            assert answer.headers["Location"] == "/destinations/crm"

"""A changed topology is taken over between two requests: keys, limits and rates, without a break."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from router import metrics
from router.config.models import GatewayConfig, SourceConfig
from router.config.source_files import SourceFiles
from router.destinations.registry import destination_types
from router.embedded.broker import EmbeddedBroker
from router.events.event import Limits
from router.events.records import Record
from router.gateway import renew
from router.gateway.credentials import UNKNOWN_KEY, WriteKeys
from router.gateway.handler import RequestHandler
from router.gateway.ingest import Ingest
from router.gateway.listen import Listener
from router.gateway.pages import Pages
from router.process.reload import Reload
from tests.brokers.messages import eventually
from tests.gateway.running import PARTITIONS, TRACK, basic, running


class SlowLog:
    """Acknowledges when told to."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.go = asyncio.Event()
        self.records: list[Record] = []

    async def submit(self, records: Sequence[Record]) -> str:
        self.records += records
        await self.go.wait()
        return ""


def ingest(keys: WriteKeys) -> Ingest:
    return Ingest(keys, Limits(), raw="raw", invalid="invalid", max_events=10)


async def post(session: aiohttp.ClientSession, key: str, sent: Any = TRACK) -> int:
    async with session.post("/v1/track", json=sent, headers={"Authorization": basic(key)}) as answer:
        await answer.read()
        return answer.status


async def test_a_request_in_progress_ends_by_the_topology_it_began_with() -> None:
    """Its key is taken away while Kafka is slow: it is answered 200 all the same, and the next one is not."""
    log = SlowLog()
    keys = WriteKeys({"web": SourceConfig(write_keys=("old",))})
    handler = RequestHandler(GatewayConfig(), ingest(keys), log)
    listener = Listener(handler.handle, ("127.0.0.1", 0), max_connections=10, idle_timeout=30)
    await listener.start()
    try:
        async with aiohttp.ClientSession("http://{}:{}".format(*listener.address)) as session:
            first = asyncio.create_task(post(session, "old"))
            while not log.records:
                await asyncio.sleep(0.01)
            handler.renew(GatewayConfig(), ingest(keys.renewed({"web": SourceConfig(write_keys=("new",))})), Pages())
            assert await post(session, "old") == 401
            log.go.set()
            assert await first == 200
            assert await post(session, "new") == 200
            assert handler.idle.is_set()
    finally:
        await listener.close()


async def test_a_rate_that_stays_goes_on_where_it_is_and_another_begins_anew() -> None:
    log = SlowLog()
    log.go.set()
    sources = {"web": SourceConfig(write_keys=("key",))}
    keys = WriteKeys(sources)
    slow = GatewayConfig(events_per_second=0.001)
    handler = RequestHandler(slow, ingest(keys), log)
    listener = Listener(handler.handle, ("127.0.0.1", 0), max_connections=10, idle_timeout=30)
    await listener.start()
    try:
        async with aiohttp.ClientSession("http://{}:{}".format(*listener.address)) as session:
            assert [await post(session, "key") for _ in range(2)] == [200, 429]
            handler.renew(slow, ingest(keys.renewed(sources)), Pages())
            assert await post(session, "key") == 429
            handler.renew(GatewayConfig(), ingest(keys.renewed(sources)), Pages())
            assert [await post(session, "key") for _ in range(2)] == [200, 200]
    finally:
        await listener.close()


def test_a_key_that_stays_has_the_same_digest() -> None:
    keys = WriteKeys({"web": SourceConfig(write_keys=("a", "b"))})
    renewed = keys.renewed({"app": SourceConfig(write_keys=("b", "c"))})
    old, new = keys.find("b"), renewed.find("b")

    assert (old.digest, old.source, new.source) == (new.digest, "web", "app")
    assert renewed.find("a") is UNKNOWN_KEY


TOPOLOGY = """
name: {name}
topics: {{prefix: {name}., partitions: 4}}
gateway: {gateway}
sources: {{web: {{write_keys: [{key}]}}}}
destinations: {destinations}
"""


def write(folder: Path, name: str, key: str, gateway: str = "{}", destinations: str = "{}") -> Path:
    path = folder / "t.yaml"
    path.write_text(TOPOLOGY.format(name=name, key=key, gateway=gateway, destinations=destinations))
    return path


def reloads(outcome: str) -> float:
    return metrics.REGISTRY.get_sample_value("router_reloads_total", {"outcome": outcome}) or 0


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renew, "LATER_SECONDS", 0)


def test_a_running_gateway_follows_its_files(embedded: EmbeddedBroker, unique: str, tmp_path: Path) -> None:
    """Keys, limits, origins and connections, and room for a new destination; a faulty file changes nothing."""
    path = write(tmp_path, unique, "first-key")
    reload: Reload[Any] = Reload(SourceFiles([path], destination_types(), env_file=None))
    embedded.create_topics({f"{unique}.dest.lake{kind}": PARTITIONS for kind in ("", ".retry", ".dead")})
    with running(unique, embedded, limited=True, reload=reload) as gateway:
        assert gateway.post("/v1/track", TRACK, key="first-key").status == 200
        before = {outcome: reloads(outcome) for outcome in ("applied", "refused")}

        small = "{body_bytes: 200, inflated_bytes: 1KiB, max_connections: 50, cors_origins: [https://a.example]}"
        lake = "{lake: {type: file, settings: {path: ./out}}}"
        write(tmp_path, unique, "other-key", small, lake)
        eventually(lambda: reloads("applied") > before["applied"], "the change to be applied")
        assert gateway.post("/v1/track", TRACK, key="first-key").status == 401
        answer = gateway.post("/v1/track", TRACK, key="other-key", Origin="https://a.example")
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, "https://a.example")
        large = {**TRACK, "properties": {"x": "x" * 300}}
        assert gateway.post("/v1/track", large, key="other-key").status == 413
        bomb = gzip.compress(json.dumps({**TRACK, "x": "x" * 20_000}).encode())
        assert gateway.post("/v1/track", bomb, key="other-key", Content_Encoding="gzip").status == 413

        path.write_text(path.read_text().replace("write_keys", "wriet_keys"))
        eventually(lambda: reloads("refused") > before["refused"], "the fault to be refused")
        assert gateway.post("/v1/track", TRACK, key="other-key").status == 200
        assert reloads("applied") == before["applied"] + 1

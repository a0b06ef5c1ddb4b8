"""What pages and apps ask for before they send: settings of a source, the browser library, and who may ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from router.config.models import Topology
from router.gateway.credentials import WriteKeys
from router.gateway.handler import RequestHandler
from router.gateway.listen import Listener
from router.gateway.pages import Pages
from router.gateway.renew import ingest_of
from tests.gateway.running import TRACK, basic
from tests.gateway.test_handler import Log

SHOP = "https://shop.example"


def topology(**more: Any) -> Topology:
    return Topology.model_validate(
        {
            "name": "pages",
            "sources": {
                "web": {"write_keys": ["web-key"], "origins": [SHOP]},
                "app": {"write_keys": ["app-key"]},
                "old": {"write_keys": ["old-key"], "enabled": False},
            },
            **more,
        }
    )


@asynccontextmanager
async def served(given: Topology, log: Log | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    ingest = ingest_of(given, WriteKeys(given.sources))
    handler = RequestHandler(given.gateway, ingest, log or Log(), pages=Pages.of(given))
    listener = Listener(handler.handle, ("127.0.0.1", 0), max_connections=10, idle_timeout=30)
    await listener.start()
    try:
        async with aiohttp.ClientSession("http://{}:{}".format(*listener.address)) as session:
            yield session
    finally:
        await listener.close()


async def test_a_source_has_settings_that_send_its_events_here() -> None:
    async with served(topology()) as session, session.get("/v1/projects/web-key/settings") as answer:
        found = await answer.json()
        segment = found["integrations"]["Segment.io"]
        assert answer.status == 200
        assert (segment["apiKey"], segment["protocol"]) == ("web-key", "http")
        assert segment["apiHost"] == f"{answer.url.host}:{answer.url.port}/v1"
        assert found["metrics"] == {"sampleRate": 0}


async def test_behind_a_proxy_the_public_address_is_in_them() -> None:
    given = topology(gateway={"public_url": "https://events.shop.example/"})
    async with served(given) as session, session.get("/v1/projects/app-key/settings") as answer:
        segment = (await answer.json())["integrations"]["Segment.io"]
        assert (segment["apiHost"], segment["protocol"]) == ("events.shop.example/v1", "https")


@pytest.mark.parametrize(("key", "code"), [("nobodys", "unknown_write_key"), ("old-key", "source_disabled")])
async def test_the_key_of_no_source_in_use_is_not_found(key: str, code: str) -> None:
    async with served(topology()) as session:
        for path in (f"/v1/projects/{key}/settings", f"/analytics.js/v1/{key}/analytics.min.js"):
            async with session.get(path) as answer:
                assert answer.status == 404
                assert (await answer.json())["error"]["code"] == code


async def test_destinations_that_the_page_serves_are_named_to_the_sources_they_take() -> None:
    given = topology(
        destinations={
            "ga": {"type": "ga4", "sources": ["web"], "device_mode": {"measurementId": "G-1"}},
            "mix": {"type": "mixpanel", "integration": "Our Mixpanel", "device_mode": {}},
            "off": {"type": "posthog", "device_mode": {}, "enabled": False}, "crm": {"type": "webhook"},
        }
    )  # fmt: skip
    mixpanel = {"Our Mixpanel": {"bundlingStatus": "bundled"}}
    google = {"Google Analytics 4": {"bundlingStatus": "bundled", "measurementId": "G-1"}}
    for key, expected in (("web-key", google | mixpanel), ("app-key", mixpanel)):
        async with served(given) as session, session.get(f"/v1/projects/{key}/settings") as answer:
            found = (await answer.json())["integrations"]
            assert {name: found[name] for name in found if name != "Segment.io"} == expected


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder like that of the npm package."""
    folder = tmp_path / "dist/umd"
    folder.mkdir(parents=True)
    (folder / "standalone.js").write_text("the library")
    (folder / "auto-track.bundle.0a1b.js").write_text("a part of it")
    (folder / "secret.js").write_text("no part of it")
    return tmp_path


async def test_the_library_is_served_from_the_folder_of_its_package(package: Path) -> None:
    async with served(topology(gateway={"analytics_js": package})) as session:
        async with session.get("/analytics.js/v1/web-key/analytics.min.js") as answer:
            assert (await answer.text(), answer.content_type) == ("the library", "text/javascript")
            assert answer.headers["Content-Encoding"] == "gzip"
            tag = answer.headers["ETag"]
        async with session.get("/analytics.js/v1/web-key/analytics.min.js", headers={"If-None-Match": tag}) as again:
            assert (again.status, await again.read()) == (304, b"")
        async with session.get("/analytics-next/bundles/auto-track.bundle.0a1b.js") as part:
            assert await part.text() == "a part of it"
            assert part.headers["Cache-Control"] == "public, max-age=31536000"


@pytest.mark.parametrize("name", ["secret.js", "standalone.js", "..%2Fstandalone.js", "x.bundle.1.js"])
async def test_nothing_else_of_the_folder_is_served(package: Path, name: str) -> None:
    given = topology(gateway={"analytics_js": package})
    async with served(given) as session, session.get(f"/analytics-next/bundles/{name}") as answer:
        assert answer.status == 404


async def test_without_a_library_the_answer_says_how_to_have_one() -> None:
    async with served(topology()) as session, session.get("/analytics.js/v1/web-key/analytics.min.js") as answer:
        assert answer.status == 404
        assert "gateway.analytics_js" in (await answer.json())["error"]["message"]


async def test_a_source_takes_pages_of_its_own_origins() -> None:
    """Whether the key is in the head or in the body; what is no page has no origin."""
    log = Log()
    async with served(topology(), log) as session:
        for origin, status in ((SHOP, 200), ("https://other.example", 403), (None, 200)):
            headers = {"Origin": origin} if origin else {}
            async with session.post(
                "/v1/track", json=TRACK, headers={**headers, "Authorization": basic("web-key")}
            ) as one:
                assert one.status == status
            async with session.post("/v1/track", json={**TRACK, "writeKey": "web-key"}, headers=headers) as one:
                assert one.status == status
            batch = {"batch": [{**TRACK, "type": "track"}], "writeKey": "web-key"}
            async with session.post("/v1/batch", json=batch, headers=headers) as one:
                assert one.status == status
        assert len(log.records) == 6


async def test_a_browser_may_ask_and_send_from_the_origins_of_any_source() -> None:
    async with served(topology()) as session:
        for path in ("/v1/projects/web-key/settings", "/v1/track", "/v1/m"):
            async with session.options(path, headers={"Origin": SHOP}) as answer:
                assert answer.status == 204
                assert answer.headers["Access-Control-Allow-Origin"] == SHOP
        async with session.get("/v1/projects/web-key/settings", headers={"Origin": SHOP}) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == SHOP
        async with session.get("/v1/projects/web-key/settings", headers={"Origin": "https://evil.example"}) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_what_libraries_say_of_themselves_is_taken_and_left() -> None:
    log = Log()
    async with served(topology(), log) as session, session.post("/v1/m", data=b'{"series":[]}') as answer:
        assert (answer.status, await answer.json()) == (200, {"success": True})
        assert log.records == []


async def test_another_method_is_refused() -> None:
    async with served(topology()) as session, session.post("/v1/projects/web-key/settings") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("path", ["/v1/track", "/v1/track/", "//v1/track", "/v1/t/"])
async def test_a_path_is_taken_as_libraries_write_it(path: str) -> None:
    """Java's ends in a slash; a host that ends in one doubles it."""
    async with served(topology()) as session:
        url = URL(f"{session._base_url}".rstrip("/") + path, encoded=True)
        async with aiohttp.request("POST", url, json=TRACK, headers={"Authorization": basic("app-key")}) as answer:
            assert answer.status == 200

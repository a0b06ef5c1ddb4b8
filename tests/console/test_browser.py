"""A real browser on a running `router up`: what an operator and a developer do in their first minute."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import aiohttp
import pytest
import yaml

from ops.running import Process, plain_environment
from router.config.options import parse_address
from tests.browser import npm_package
from tests.console.devtools import BrowserPage, browser_page

pytestmark = pytest.mark.browser
KEY = "a-key-of-the-site"
HOSTILE = "<img src=x onerror='window.hacked=1'>"
ANSWER = "total is missing"
AXE = "axe-core@4.10.3"
PAGES = (
    *("/", "/sources/web", "/destinations", "/destinations/crm", "/destinations/crm?tab=settings"),
    *("/destinations/crm?tab=letters", "/destinations/crm?tab=try", "/plans", "/find?q=u1", "/operations"),
)


class Refusing(BaseHTTPRequestHandler):
    """A partner that rejects what it gets, with its reason."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(400)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing of requests."""


class Running:
    """A router whose `crm` rejects every event, with its console."""

    def __init__(self, folder: Path, partner: int) -> None:
        crm = {"type": "webhook", "settings": {"url": f"http://127.0.0.1:{partner}/e", "allow_private": True}}
        topology = {
            "name": "shop", "topics": {"partitions": 1}, "sources": {"web": {"write_keys": [KEY]}},
            "destinations": {"crm": crm, "lake": {"type": "file", "settings": {"path": "./lake"}}},
        }  # fmt: skip
        file = folder / "shop.yaml"
        file.write_text(yaml.safe_dump(topology))
        addresses = [part for name in ("gateway", "metrics", "console") for part in (f"--{name}", "127.0.0.1:0")]
        self.process = Process(
            ["router", "up", str(file), "--state", str(folder / "state"), *addresses],
            folder / "up.log", plain_environment(),
        )  # fmt: skip

    def start(self) -> None:
        """Until it is ready."""
        self.console = self.process.said("  console ")
        self.gateway = self.process.said("  gateway ")
        self.process.wait_ready(parse_address(self.process.said("  metrics  http://").partition("/")[0]))

    async def send(self, name: str, event: str) -> None:
        """An event, accepted by the gateway."""
        authorization = "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()
        body = {"type": "track", "userId": "u1", "event": event, "messageId": name}
        async with (
            aiohttp.ClientSession(headers={"Authorization": authorization}) as session,
            session.post(f"{self.gateway}/v1/track", json=body) as answer,
        ):
            assert answer.status == 200, await answer.text()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as partner:
        thread = Thread(target=partner.serve_forever)
        thread.start()
        running = Running(tmp_path_factory.mktemp("up"), partner.server_port)
        try:
            running.start()
            yield running
        finally:
            running.process.kill()
            partner.shutdown()
            thread.join()


def row(event: str) -> str:
    return f"[...document.querySelectorAll('#live-rows tr')].some((one) => one.innerText.includes({json.dumps(event)}))"


async def test_a_first_event_is_seen_by_keyboard_alone_and_a_hostile_name_is_inert(
    up: Running, chromium: Sequence[str], tmp_path: Path
) -> None:
    async with browser_page(chromium, tmp_path, up.console) as page:
        await page.go("/")
        await page.press("g", "s")
        await page.ready("/sources")
        await page.press("j", "Enter")
        await page.ready("/sources/web")
        await page.until("document.getElementById('live-says').innerText.includes('Waiting for events from web')")

        await up.send("m1", HOSTILE)
        await page.until(row(HOSTILE))
        await page.until(f"document.getElementById('arrival-says').innerText.includes({json.dumps(HOSTILE)})")
        await page.click("#for-python")
        await page.click("#send form button")
        await page.until(
            f"document.querySelector('#tab-python:not([hidden]) pre').innerText.includes({json.dumps(KEY)})"
        )
        assert await page.value("document.querySelector('#live-rows img')") is None

        await page.press("p")
        await up.send("m2", "While Paused")
        await page.until("document.getElementById('pause').innerText === 'Resume · 1 new'")
        assert not await page.value(row("While Paused"))
        await page.press("p")
        await page.until(row("While Paused"))

        await page.press("j", "Enter")
        await page.until("document.getElementById('drawer-body').innerText.includes('messageId')")
        await page.press("r")
        await page.until("document.getElementById('drawer-body').innerText.startsWith('{')")
        await page.press("Escape")
        await page.until("document.getElementById('drawer').hidden")
        await page.press("[")
        earlier = await page.until("document.body.dataset.ready === 'yes' && location.search")
        assert earlier.startswith("?from=")
        await page.press("]")
        await page.until(f"document.body.dataset.ready === 'yes' && location.search !== {json.dumps(earlier)}")
        await page.press("?")
        await page.until("document.getElementById('help').open")
        assert await page.value("window.hacked") is None
        assert page.faults == []


async def sees_the_failing_partner(page: BrowserPage) -> None:
    """The overview renews itself: no key is pressed, no page loaded."""
    await page.go("/")
    await page.until("document.querySelector('#attention a[href=\"/destinations/crm\"]') !== null")


async def test_the_partner_s_answer_is_three_clicks_from_the_overview_and_a_pause_is_written_down(
    up: Running, chromium: Sequence[str], tmp_path: Path
) -> None:
    async with browser_page(chromium, tmp_path, up.console) as page:
        await up.send("m3", "Order Completed")
        await sees_the_failing_partner(page)
        await page.click('#attention a[href="/destinations/crm"]')
        await page.ready("/destinations/crm")
        await page.until("document.querySelector('details.error') !== null")
        if not await page.value("document.querySelector('details.error').open"):
            await page.click("details.error > summary")
        await page.until("document.querySelector('details.error[open] .exchange') !== null")
        said = await page.value("document.querySelector('details.error').innerText")
        assert "the partner rejects the data" in said
        assert ANSWER in said

        await page.go("/destinations/crm?tab=letters")
        await page.click("[data-opens='redrive']")
        await page.click("#redrive button.danger")
        await page.until("document.getElementById('letters').innerText.includes('redrive crm: done')")
        await page.until("document.getElementById('letters').innerText.includes('redriven')")

        await page.go("/destinations/crm?tab=try")
        await page.click("#try button.main")
        await page.until("document.querySelector('#trials pre').innerText.includes('POST http://127.0.0.1')")
        await page.click("#try button.danger")
        await page.click("#send-it button.danger")
        await page.until(f"document.getElementById('trials').innerText.includes({json.dumps(ANSWER)})")

        await page.click("[data-opens='pause-dialog']")
        await page.until("document.getElementById('pause-dialog').open")
        await page.click("#pause-dialog button.danger")
        await page.until("!document.getElementById('pause-dialog').open")
        await page.go("/operations")
        await page.until("document.getElementById('audit').innerText.includes('pause crm')")
        axe = (npm_package(AXE, tmp_path) / "axe.min.js").read_text("utf-8")
        for path in PAGES:
            await page.go(path)
            assert await page.broken_rules(axe) == []
        assert page.faults == []

"""A real browser on a running `router up`: what an operator and a developer do in their first minute."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from ops.running import ROOT, Process, plain_environment
from router.config.loader import load_topology
from router.config.options import parse_address
from router.config.topics import topics_of
from router.console.actions import TOKEN_HEADER
from router.destinations.registry import destination_types
from router.embedded.broker import recognised
from router.kafka.cluster import Cluster
from router.status.kafka import look_at_kafka
from tests.brokers.messages import produce
from tests.browser import npm_package
from tests.console.devtools import DEADLINE, BrowserPage, browser_page
from tests.console.recount import Said, recount, said, wanted_of
from tests.serving import serving

pytestmark = pytest.mark.browser
KEY, APP_KEY = "a-key-of-the-site", "a-key-of-the-app"
HOSTILE = "<img src=x onerror='window.hacked=1'>"
LONG = "W" * 100
ANSWER = "total is missing"
SECONDS = 240.0
APP_RESOLVED = 40  # at least, of what `app_events` has
AXE = "axe-core@4.10.3"
PAGES = (
    *("/", "/sources/web", "/destinations", "/destinations/crm", "/destinations/crm?tab=settings"),
    *("/destinations/crm?tab=letters", "/destinations/crm?tab=filtered", "/destinations/crm?tab=try"),
    *("/plans", "/usage?before=5", "/find?q=u1", "/operations"),
)


class Partner(ThreadingHTTPServer):
    """Takes events whose name begins with Good, the one named Good Later at its second time; rejects all others."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Refusing)
        self.taken: list[str] = []
        self.put_off: set[str] = set()

    def status(self, event: dict[str, Any]) -> int:
        if not event["event"].startswith("Good"):
            return 400
        if event["event"] == "Good Later" and event["messageId"] not in self.put_off:
            self.put_off.add(event["messageId"])
            return 503
        self.taken.append(event["messageId"])
        return 200


class Refusing(BaseHTTPRequestHandler):
    """Rejects what it gets with its reason, unless its partner takes it."""

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert isinstance(self.server, Partner)
        self.send_response(self.server.status(event))
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing of requests."""


class Running:
    """A router whose `crm` rejects every event of its first tests, with its console and its counts over time."""

    def __init__(self, folder: Path, partner: Partner) -> None:
        self.partner = partner
        url = f"http://127.0.0.1:{partner.server_port}/e"
        drop = {"if": "event = 'Heartbeat'", "then": "drop"}
        crm = {"type": "webhook", "settings": {"url": url, "allow_private": True}, "filters": [drop]}
        app = {"write_keys": [APP_KEY], "plan": str(ROOT / "schemas" / "shop"), "enforce": {"violation": "block"}}
        topology = {
            "name": "shop", "topics": {"partitions": 1}, "sources": {"web": {"write_keys": [KEY]}, "app": app},
            "destinations": {"crm": crm, "lake": {"type": "file", "settings": {"path": "./lake"}}},
        }  # fmt: skip
        file = folder / "shop.yaml"
        file.write_text(yaml.safe_dump(topology))
        self.loaded = load_topology([file], registry=destination_types())
        self.topology = self.loaded.topology
        parts = ("gateway", "metrics", "console", "insights")
        addresses = [part for name in parts for part in (f"--{name}", "127.0.0.1:0")]
        self.process = Process(
            ["router", "up", str(file), "--state", str(folder / "state"), *addresses],
            folder / "up.log", plain_environment(),
        )  # fmt: skip

    def start(self) -> None:
        """Until it is ready."""
        self.cluster = recognised(Cluster(self.process.said("  broker ", SECONDS).partition(" ")[0]))
        self.console = self.process.said("  console ")
        self.gateway = self.process.said("  gateway ")
        self.process.wait_ready(parse_address(self.process.said("  metrics  http://").partition("/")[0]), SECONDS)

    async def send(self, name: str, event: str) -> None:
        """An event, accepted by the gateway."""
        await self._post(KEY, "track", {"type": "track", "userId": "u1", "event": event, "messageId": name})

    async def send_all(self, events: Sequence[dict[str, Any]]) -> None:
        """Events of the app, in one request."""
        await self._post(APP_KEY, "batch", {"batch": [{"type": "track"} | event for event in events]})

    async def _post(self, key: str, call: str, body: Any) -> None:
        authorization = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
        async with (
            aiohttp.ClientSession(headers={"Authorization": authorization}) as session,
            session.post(f"{self.gateway}/v1/{call}", json=body) as answer,
        ):
            assert answer.status == 200, await answer.text()

    async def page(self, path: str) -> str:
        async with aiohttp.ClientSession() as session, session.get(f"{self.console}{path}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.text()

    async def act(self, name: str, **values: str) -> None:
        token = (await self.page("/")).partition('data-token="')[2].partition('"')[0]
        headers = {"Origin": self.console, TOKEN_HEADER: token}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.console}/do/{name}", json=values, headers=headers) as answer,
        ):
            assert answer.status == 200, await answer.text()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    partner = Partner()
    with serving(partner):
        running = Running(tmp_path_factory.mktemp("up"), partner)
        try:
            running.start()
            yield running
        finally:
            running.process.kill()


def row(event: str) -> str:
    return f"[...document.querySelectorAll('#live-rows tr')].some((one) => one.innerText.includes({json.dumps(event)}))"


async def test_a_first_event_is_seen_by_keyboard_alone_and_a_hostile_name_is_inert(
    up: Running, chromium: Sequence[str], tmp_path: Path
) -> None:
    async with browser_page(chromium, tmp_path, up.console) as page:
        await page.go("/")
        await page.press("g", "s")
        await page.ready("/sources")
        await page.press("j")
        if not await page.value("document.activeElement.pathname === '/sources/web'"):
            await page.press("j")
        await page.press("Enter")
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
        await page.go("/sources/web")
        await page.click("#live-rows tr button")
        await page.until("document.getElementById('drawer-body').innerText.includes('messageId')")
        await page.click("#drawer-tries a")
        await page.ready("/destinations/crm")
        await page.until("document.getElementById('try-event').value.includes('messageId')")
        assert await page.value("location.search.includes('userId')") is False
        await page.click("#try button.main")
        await page.until("document.querySelector('#trials pre').innerText.includes('POST http://127.0.0.1')")
        assert await page.value("window.hacked") is None
        assert page.faults == []


async def sees_the_failing_partner(page: BrowserPage) -> None:
    """The overview renews itself: no key is pressed, no page loaded."""
    await page.go("/")
    await page.until("document.querySelector('#attention a[href=\"/destinations/crm\"]') !== null")


async def counts_before_it_redrives(page: BrowserPage) -> None:
    """A dry run of the values that are there allows it; another rate, or a dialog opened anew, does not."""
    rate, begins = "document.querySelector('#redrive [name=rate]')", "document.querySelector('#redrive [data-begins]')"
    assert await page.value(f"{begins}.disabled")
    await page.click("#redrive [value=dry]")
    await page.until(f"!{begins}.disabled")
    assert "Would send 1 of 1 chosen" in await page.value("document.querySelector('#redrive output').innerText")
    await page.click("#redrive [name=reason]")
    await page.press("o", "k")
    assert not await page.value(f"{begins}.disabled")
    await page.click("#redrive [name=rate]")
    await page.press("0")
    assert await page.value(f"{begins}.disabled")
    await page.value(f"{rate}.value = 0")
    await page.click("#redrive [value=dry]")
    assert await page.value(f"{rate}.validity.rangeUnderflow")
    await page.value(f"{rate}.value = 50")
    await page.click("#redrive [value=dry]")
    await page.until(f"!{begins}.disabled")
    await page.press("Escape")
    await page.until("!document.getElementById('redrive').open")
    assert await page.value("'opens' in document.activeElement.dataset")
    await page.press("Enter")
    await page.until("document.getElementById('redrive').open")
    assert await page.value(f"{begins}.disabled")
    await page.click("#redrive [value=dry]")
    await page.until(f"!{begins}.disabled")
    await page.click("#redrive button.danger")


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
        await page.click("input[data-chosen]")
        await page.until("document.querySelector('[data-opens=redrive]').innerText === 'Redrive 1 chosen…'")
        await page.click("[data-opens='redrive']")
        await page.until("document.getElementById('redrive-scope').innerText === '1 chosen.'")
        await counts_before_it_redrives(page)
        await page.until("document.getElementById('letters').innerText.includes('1 of 1 chosen sent to crm')")
        await page.until("document.getElementById('letters').innerText.includes('redrive crm: done')")
        await page.until("document.querySelector('[data-opens=redrive]')?.innerText !== 'Redrive 1 chosen…'")

        await page.click("#letters a[href*='tab=try']")
        await page.until("document.body.dataset.ready === 'yes' && document.querySelector('#try [name=at]') !== null")
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
        await page.click("[data-opens='new-replay']")
        for name in ("crm", "lake"):
            await page.click(f"#new-replay input[value='{name}']")
        await page.value("document.querySelector('#new-replay [name=since]').value = '1h'")
        await page.click("#new-replay [value='dry']")
        await page.until("document.querySelector('#new-replay output').innerText.includes(' to crm (')")
        await page.click("#new-replay [data-closes]")
        axe = (npm_package(AXE, tmp_path) / "axe.min.js").read_text("utf-8")
        for path in PAGES:
            await page.go(path)
            assert await page.broken_rules(axe) == []
        assert page.faults == []


async def test_a_phone_has_the_arrows_beside_the_month_and_a_long_name_does_not_widen_a_page(
    up: Running, chromium: Sequence[str], tmp_path: Path
) -> None:
    async with browser_page(chromium, tmp_path, up.console) as page:
        await up.send("m4", LONG)
        for width in (700, 390):
            await page.call(
                "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
            )
            await page.go("/usage")
            months = await page.value("[...document.querySelectorAll('[name=month] option')].map((one) => one.value)")
            await page.go(f"/usage?month={months[1]}")
            tops = await page.value(
                "[...document.querySelectorAll('.picker > a, .picker [name=month]')].map((one) => {"
                " const at = one.getBoundingClientRect(); return at.y + at.height / 2; })"
            )
            assert len(tops) == 3
            assert max(tops) - min(tops) < 16
            await page.go("/sources/web")
            await page.until(f"document.getElementById('schema').innerText.includes({json.dumps(LONG[:20])})")
            assert await page.value("document.documentElement.scrollWidth <= innerWidth")


async def test_an_open_page_whose_source_is_gone_says_so(up: Running, chromium: Sequence[str], tmp_path: Path) -> None:
    async with browser_page(chromium, tmp_path, up.console) as page:
        await page.go("/sources/web")
        await page.value("history.replaceState(null, '', '/sources/gone')")
        await page.press("r")
        await page.until("document.getElementById('toast').innerText.includes('no longer in the topology')")


def app_events() -> list[dict[str, Any]]:
    """Of 30 people; with repeats, violations let through or blocked, and what crm filters, puts off, rejects."""
    visits = [{"userId": f"u{n % 30}", "event": "Good Visit", "messageId": f"v{n}"} for n in range(40)]
    beats = [{"userId": f"u{n}", "event": "Heartbeat", "messageId": f"h{n}"} for n in range(4)]
    wrong = [
        {"userId": f"u{n}", "event": "Order Completed", "messageId": f"o{n}", "properties": {"total": "much"}}
        for n in range(5)
    ]
    others = [{"userId": "u2", "event": name, "messageId": name} for name in ("Good Later", "Bad Order", "Bad Visit")]
    return [*visits, *beats, *wrong, *others, *visits[:3]]


async def said_of(up: Running) -> Said:
    """All pages that show numbers, read at one time."""
    letters, filtered = (f"/destinations/crm?tab={tab}" for tab in ("letters", "filtered"))
    paths = ("/", "/sources/app", "/destinations/crm", letters, filtered, "/plans", "/usage?before=1")
    pages = [await up.page(path) for path in paths]
    return said(pages, "destinations.crm.filters[0]")


async def test_every_number_of_the_pages_is_what_the_topics_hold(up: Running) -> None:
    """Counted anew, with nothing of the router's own counters; people within the error that the page states."""
    await up.act("resume", target="crm")
    await up.send_all(app_events())
    produce(up.cluster, topics_of(up.topology).raw, [b"no event", b"[]"])
    until = time.monotonic() + DEADLINE
    while True:
        counted = await asyncio.to_thread(recount, up.cluster, up.topology)
        found, wanted = await said_of(up), wanted_of(counted, "app", "crm", "Heartbeat")
        if (
            counted.settled and counted.resolved > APP_RESOLVED and found.numbers == wanted
        ) or time.monotonic() > until:
            break
        await asyncio.sleep(0.5)
    assert found.numbers == wanted
    assert counted.duplicates >= 3
    status = await asyncio.to_thread(look_at_kafka, up.loaded, up.cluster)
    of_kafka = {row.name: [row.delivered, row.dead, row.pending] for row in status.seen.destinations}
    assert of_kafka == {name: [counted.delivered(name), counted.dead[name], 0] for name in counted.routed}
    assert counted.delivered("crm") == len(up.partner.taken)
    for name, (estimate, error) in found.people.items():
        people = len(counted.people["app", name])
        assert abs(estimate - people) <= max(1.0, 5 * error / 2 * people), name  # it is stated for 95 of 100 cases

"""`router up` follows the files of the shop: plans, filters and destinations, without a restart and without a loss."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from ops.running import RECEIVER, ROOT, Process, plain_environment
from router.config.options import Address, parse_address
from router.errors import Unavailable
from router.process.scrape import health, scrape
from router.process.snapshot import snapshot
from router.receiver import read_log
from tests.process.processes import eventually

ORDER = {"type": "track", "event": "Order Completed", "userId": "u1", "properties": {"order_id": "1", "total": 9.5}}
CHILDREN = ("gateway", "route", "deliver")
VALIDATING = ("route",)  # the others load no plans


class Shop:
    """The shop's topology and plan, copied, running, with a partner that writes down what it gets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("topologies", "schemas"):
            shutil.copytree(ROOT / name, folder / name)
        self.topology = folder / "topologies/shop.yaml"
        self.rule = folder / "schemas/shop/events/order-completed.yaml"
        self.receipts = folder / "receipts"
        self.partner = Process([*RECEIVER, "--receipts", str(self.receipts)], folder / "receiver.log")
        url = self.partner_url = f"http://{self.partner.said('http://')}"
        env = folder / "shop.env"
        env.write_text(f"CRM_URL={url}/crm\nADS_URL={url}/ads\nLAKE_PATH={folder}/lake\n")
        anywhere = [
            "--gateway",
            "127.0.0.1:0",
            "--metrics",
            "127.0.0.1:0",
            "--state",
            str(folder / "state"),
        ]
        self.up = Process(
            ["router", "up", str(self.topology), "--env-file", str(env), *anywhere],
            folder / "up.log",
            plain_environment(),
        )
        self.gateway = self._address("  gateway  http://")
        self.metrics = self._address("  metrics  http://")
        self.up.wait_ready(self.metrics)
        self.sent = 0

    def _address(self, beginning: str) -> Address:
        return parse_address(self.up.said(beginning).partition("/")[0])

    def edit(self, path: Path, old: str, new: str) -> None:
        """As `git checkout` does it: in place, without another file."""
        text = path.read_text()
        assert text.count(old) == 1, f"{old} in {path}"
        path.write_text(text.replace(old, new))

    def send(self, body: dict[str, Any] = ORDER, key: str = "web-dev-key") -> str:
        """An event with an id of its own, accepted by the gateway; returns the id."""
        self.sent += 1
        name = f"m{self.sent}"
        assert self.post({"messageId": name, **body}, key) == 200
        return name

    def post(self, body: dict[str, Any], key: str) -> int:
        connection = http.client.HTTPConnection(*self.gateway, timeout=30)
        authorization = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
        headers = {"Authorization": authorization, "Content-Type": "application/json"}
        try:
            connection.request("POST", "/v1/batch", json.dumps({"batch": [body]}), headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def got(self, path: str) -> list[str]:
        """messageIds that the partner has got there, in order."""
        return [receipt["messageId"] for receipt in read_log(self.receipts) if receipt["path"] == path]

    def lake(self) -> list[dict[str, Any]]:
        """Every event in the archive so far."""
        files = sorted((self.folder / "lake").rglob("*.ndjson*"))
        return [json.loads(line) for file in files for line in file.read_bytes().splitlines() if line.endswith(b"}")]

    def log(self) -> str:
        return self.up.log.read_text()

    def samples(self, family: str) -> dict[tuple[str, ...], float]:
        """Values by label values, the label `process` first."""
        return {
            tuple(
                value for _, value in sorted(sample.labels.items(), key=lambda pair: pair[0] != "process")
            ): sample.value
            for found in scrape(self.metrics)
            for sample in found.samples
            if sample.name == family
        }

    def reloads(self, outcome: str) -> dict[str, float]:
        """Reloads with this outcome, by process."""
        found = self.samples("router_reloads_total")
        return {process: found.get((process, outcome), 0) for process in CHILDREN}

    def reloaded(self, outcome: str, act: Callable[[], object], among: tuple[str, ...] = CHILDREN) -> None:
        """Do something, and wait until every process has reloaded once with this outcome."""
        before = self.reloads(outcome)
        act()
        eventually(lambda: all(self.reloads(outcome)[each] > before[each] for each in among), f"reloads {outcome}")

    def revisions(self) -> dict[str, tuple[str, ...]]:
        return dict(snapshot(scrape(self.metrics)).plans)

    def blocked(self) -> int:
        return snapshot(scrape(self.metrics)).blocked

    def pids(self) -> dict[str, int]:
        """The process id of each child, by its command."""
        found: dict[str, int] = {}
        for child in psutil.Process(self.up.pid).children():
            command = command_of(child)
            found |= {name: child.pid for name in CHILDREN if command[1:3] == ["-m", "router"] and name in command}
        return found

    def ready(self) -> bool:
        try:
            return health(self.metrics, "/readyz").ok
        except Unavailable:
            return False

    def close(self) -> None:
        self.up.stop()
        self.partner.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    running = Shop(tmp_path)
    try:
        yield running
    finally:
        running.close()


def test_an_edited_plan_judges_the_next_events_and_a_broken_one_changes_nothing(shop: Shop) -> None:
    """The same processes: events are held against the new plan, say so, and a fault is told with its place."""
    pids = shop.pids()
    assert set(pids) == set(CHILDREN)
    first = shop.revisions()
    assert len({*first["web"], *first["app"], *first["orders"]}) == 1
    passed = [shop.send()]
    eventually(lambda: shop.got("/crm") == passed, "the first order")

    required = "required: [order_id, total]"
    shop.reloaded(
        "applied", lambda: shop.edit(shop.rule, required, "required: [order_id, total, currency]"), VALIDATING
    )
    second = shop.revisions()
    assert len(second["web"]) == 1
    assert second["web"] != first["web"]
    shop.send()
    passed.append(shop.send({**ORDER, "properties": {**ORDER["properties"], "currency": "EUR"}}))  # type: ignore[dict-item]
    eventually(lambda: shop.got("/crm") == passed, "the order that conforms")
    eventually(lambda: shop.blocked() == 1, "the order that does not")

    shop.reloaded("refused", lambda: shop.edit(shop.rule, "total: {type: number,", "total: {type: nubmer,"), VALIDATING)
    line = next(n for n, text in enumerate(shop.rule.read_text().splitlines(), 1) if "nubmer" in text)
    eventually(lambda: f"reload refused: {shop.rule}:{line}:" in shop.log(), "the problem with its place")
    assert "(did you mean number?)" in shop.log()
    assert shop.revisions() == second
    shop.send()
    eventually(lambda: shop.blocked() == 2, "an order judged by the last good plan")

    text = shop.rule.read_text().replace("nubmer", "number").replace("total, currency]", "total]")
    shop.reloaded("applied", lambda: shop.rule.write_text(text), VALIDATING)
    assert shop.revisions() == first
    passed.append(shop.send())
    eventually(lambda: shop.got("/crm") == passed, "an order that conforms again")

    eventually(lambda: len(shop.lake()) == 3, "the archive")
    stamps = {event["messageId"]: event["context"]["protocols"]["plan"] for event in shop.lake()}
    revisions = [first["web"][0], second["web"][0], first["web"][0]]
    assert stamps == {name: f"shop@{revision}" for name, revision in zip(passed, revisions, strict=True)}
    assert shop.pids() == pids


def test_destinations_and_sources_follow_the_file_and_sighup(shop: Shop) -> None:
    """A filter, a new destination with topics of its own, a new write key; and what needs a restart says so."""
    pids = shop.pids()
    view = {"type": "track", "event": "Product Viewed", "anonymousId": "a1", "properties": {"product_id": "p-1"}}
    shop.send(view)
    shop.reloaded(
        "applied", lambda: shop.edit(shop.topology, "[Signed Up, Order Completed]", "[Signed Up, Product Viewed]")
    )
    wanted = shop.send(view)
    shop.send()
    eventually(lambda: shop.got("/crm") == [wanted], "the event that the new filter lets through")

    mail = f"{{type: webhook, types: [identify], settings: {{url: '{shop.partner_url}/mail', allow_private: true}}}}"
    fresh = shop.topology.read_text() + f"\n  mail: {mail}\n"
    fresh = fresh.replace('write_keys: ["${APP', 'write_keys: [second-app-key, "${APP')
    shop.reloaded("applied", lambda: shop.topology.write_text(fresh))
    identify = shop.send({"type": "identify", "userId": "u7"}, "second-app-key")
    eventually(lambda: shop.got("/mail") == [identify], "the new destination")
    assert "reload: destinations.mail: added" in shop.log()

    shop.reloaded("unchanged", lambda: os.kill(shop.up.pid, signal.SIGHUP))
    shop.reloaded(
        "restart_needed",
        lambda: shop.edit(shop.topology, "default_source: web", "default_source: web\ndedupe: {window: 1h}"),
    )
    assert "reload: left as it was until a restart: dedupe.window: 86400 -> 3600" in shop.log()
    assert shop.pids() == pids
    assert shop.ready()


def test_kill_9_around_a_reload_loses_nothing(shop: Shop) -> None:
    """Killed just after an edit, and again while the plan on disk is broken: whoever was killed comes back, at the
    latest when the plan is mended, and every event that was accepted arrives.

    The embedded broker has no transactions, so repeats of what was in flight are allowed here. With a broken plan on
    disk a killed process stays away, since a new one has no last good plan; its events wait in Kafka.
    """
    sent = [shop.send() for _ in range(50)]
    description = "description: The customer paid"
    for name in ("route", "deliver"):
        old = shop.pids()[name]
        shop.edit(shop.rule, description, f"{description} ({name})")
        os.kill(old, signal.SIGKILL)
        sent += [shop.send() for _ in range(20)]
        description = f"{description} ({name})"
        eventually(partial(replaced, shop, name, old), f"{name} again")

    eventually(shop.ready, "all processes")
    shop.reloaded("refused", lambda: shop.edit(shop.rule, "total: {type: number,", "total: {type: nubmer,"), VALIDATING)
    others = {name: pid for name, pid in shop.pids().items() if name != "route"}
    os.kill(shop.pids()["route"], signal.SIGKILL)
    eventually(lambda: "route ended with status 1; it starts again" in shop.log(), "a start that the plan forbids")
    sent += [shop.send() for _ in range(20)]
    shop.edit(shop.rule, "nubmer", "number")
    eventually(partial(arrived, shop, "/crm", sent), "every event")
    eventually(shop.ready, "all processes")
    assert {name: pid for name, pid in shop.pids().items() if name != "route"} == others

    archived = {event["messageId"] for event in shop.lake()}
    assert archived == set(sent)


def command_of(process: psutil.Process) -> list[str]:
    """Empty for one that has just ended."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # a zombie is one of these too
        return []


def replaced(shop: Shop, name: str, old: int) -> bool:
    return shop.pids().get(name, old) != old


def arrived(shop: Shop, path: str, names: list[str]) -> bool:
    return set(shop.got(path)) == set(names) and {event["messageId"] for event in shop.lake()} == set(names)

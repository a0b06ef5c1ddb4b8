"""docker-compose.yml and ops/Dockerfile for real: an event by HTTP comes out at the partner and in Prometheus.

The dashboards are asked on the same services: every query of every panel has an answer, faults of the partner included.
"""

from __future__ import annotations

import base64
import json
import math
import os
import secrets
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from ops.grafana import BOARDS
from ops.kafka.kraft import free_port
from ops.running import ROOT
from tests.brokers import container

pytestmark = pytest.mark.containers

IMAGES = ("python:3.11-slim", "prom/prometheus:v2.42.0")
DEADLINE_SECONDS = 240.0
FAULTS = "/crm=poison,status=400 /crm=500,times=1 /ads=503,times=1"
CONSOLE_TOKEN = "a-token-for-this-test-alone"
# All that runs the router, and how many of each.
SERVICES = {"gateway": 1, "route": 2, "deliver": 1, "insights": 1, "console": 1}
ORDER = {"userId": "u1", "event": "Order Completed", "properties": {"order_id": "1", "total": 9.5}}
# What a look at the dashboards needs beside orders: dead letters, blocked events, merges, and what the reader mends.
OTHERS: list[dict[str, Any]] = [
    ORDER | {"messageId": "m3", "context": {"demo": {"poison": True}}},
    ORDER | {"messageId": "m4", "event": "Not Planned"},
    {"messageId": "m6", "userId": "u1", "event": "Signed Up", "properties": {"type": "organic"}},  # not for ads
    ORDER | {"messageId": "m5", "anonymousId": "a1", "integrations": {"Nowhere": False}, "timestamp": "yesterday"},
]
# Metrics that these services have no reason for.
WITHOUT = {
    "source:router_events_usual:rate1h": "three days have to pass",
    "router_mapping_problems_total": "no mapping of the shop's topology meets a value that it cannot convert",
    "router_source_mapping_problems_total": "the shop has no source of type hook",
    "router_transform_events_total": "the shop has no function of its own",
    "router_delivery_skipped_total": "the mapping of a webhook sends everything",
    "router_warehouse_": "the shop has no warehouse",
    "router_pull_": "the shop has no source of type sql",
    "router_import_": "nothing is imported",
    "router_delivery_retry_lane_older": "nothing waits there for a minute",
    "router_replay_delivered_total": "nothing is replayed",
    "router_events_poison_total": "no agent fails",
    "router_transactions_aborted_total": "no transaction has to be aborted",
    "router_messages_lost_total": "no message is lost",
}


def compose_command() -> list[str]:
    """Docker Compose v2, else v1: the file is for both."""
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else []


def missing() -> str | None:
    """Why nothing can be composed here, or None."""
    if reason := container.missing():
        return reason
    if not compose_command():
        return "neither `docker compose` nor `docker-compose` is there"
    for image in IMAGES:
        here = subprocess.run(["docker", "image", "inspect", image], capture_output=True).returncode == 0
        if not here and subprocess.run(["docker", "pull", "-q", image], capture_output=True).returncode:
            return f"the image {image} is neither here nor to be pulled"
    return None


class Composed:
    """The services of docker-compose.yml under a project name and ports of their own."""

    def __init__(self) -> None:
        self.project = f"er{secrets.token_hex(4)}"
        self.ports = {name: free_port() for name in ("GATEWAY_PORT", "CONSOLE_PORT", "PROMETHEUS_PORT", "KAFKA_PORT")}
        self.settings = {name: str(port) for name, port in self.ports.items()} | {"ROUTER_FAIL": FAULTS}
        self.settings["ROUTER_BUILD_NATIVE"] = "cc"  # a compiler of 100 MB is not what is looked at here
        self.settings["ROUTER_CONSOLE_TOKENS"] = f"tests:viewer:{CONSOLE_TOKEN}"

    def run(self, *arguments: str) -> str:
        """Standard output; fails the test when the command fails."""
        ran = subprocess.run(
            [*compose_command(), "-p", self.project, *arguments], cwd=ROOT, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, env=os.environ | self.settings,
            timeout=900, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, f"{' '.join(arguments)}\n{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}"
        return ran.stdout

    def send(self, event: dict[str, Any], write_key: str = "web-dev-key") -> bool:
        """POST /v1/track; False while the gateway does not take it."""
        key = base64.b64encode(f"{write_key}:".encode()).decode()
        headers = {"Authorization": f"Basic {key}", "Content-Type": "application/json"}
        url = f"http://127.0.0.1:{self.ports['GATEWAY_PORT']}/v1/track"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, json.dumps(event).encode(), headers), timeout=15):
                return True
        except OSError:
            return False

    def receipts(self) -> set[tuple[str, str]]:
        """What the partner has accepted: path and messageId."""
        lines = self.run("exec", "-T", "partner", "cat", "/var/lib/router/receipts.ndjson").splitlines()
        return {(line["path"], line["messageId"]) for line in map(json.loads, lines)}

    def page(self, path: str) -> str:
        """A page of the console, after a login; empty while it does not answer."""
        site = f"http://127.0.0.1:{self.ports['CONSOLE_PORT']}"
        login = urllib.request.Request(f"{site}/login", f"token={CONSOLE_TOKEN}".encode(), {"Origin": site})
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        try:
            browser.open(login, timeout=15).close()
            with browser.open(f"{site}{path}", timeout=15) as answer:
                return str(answer.read(), "utf-8")
        except OSError:
            return ""

    def query(self, expression: str) -> list[float]:
        """The values of a PromQL expression, without those that are no number."""
        question = urllib.parse.urlencode({"query": expression})
        url = f"http://127.0.0.1:{self.ports['PROMETHEUS_PORT']}/api/v1/query?{question}"
        with urllib.request.urlopen(url, timeout=15) as answer:
            result = json.load(answer)["data"]["result"]
        values = (float(one["value"][1]) for one in result)
        return [value for value in values if not math.isnan(value)]


@pytest.fixture(scope="module")
def composed() -> Iterator[Composed]:
    if reason := missing():
        pytest.skip(reason)
    composed = Composed()
    try:
        composed.run("build", "topics")  # once for all services: `up --build` builds the image for each
        composed.run("up", "-d", "links")  # and all that it waits for
        yield composed
    finally:
        composed.run("down", "-v", "--remove-orphans", "-t", "1")


@pytest.fixture(scope="module")
def delivered(composed: Composed) -> Composed:
    """Once the partner has what it takes of all that was sent."""
    for event in (ORDER | {"messageId": "m1"}, ORDER | {"messageId": "m2"}, ORDER | {"messageId": "m1"}, *OTHERS):
        eventually(lambda event=event: composed.send(event), f"{event['messageId']} is accepted")  # type: ignore[misc]
    assert not composed.send(ORDER, write_key="unknown")
    wanted = {(path, name) for path in ("/crm", "/ads") for name in ("m1", "m2", "m5")} | {("/crm", "m6")}
    eventually(lambda: wanted <= composed.receipts(), "delivered")
    return composed


def eventually(holds: Callable[[], object], what: object) -> None:
    until = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < until, f"not in time: {what}"
        time.sleep(1)


def test_what_stays_comes_back_within_limits_and_says_how_it_is() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    staying = {name: one for name, one in services.items() if one.get("restart") != "no"}
    for name, one in staying.items():
        assert one.get("restart") == "unless-stopped", name
        assert "mem_limit" in one, name
        assert "test" in one.get("healthcheck", {}), name
    assert set(services) - set(staying) == {"topics", "links"}


def test_an_event_reaches_the_partner_and_is_counted_by_prometheus(delivered: Composed) -> None:
    for expression, value in (
        ("sum(router_events_duplicate_total)", 1),
        ('count(up{job="router"} == 1)', sum(SERVICES.values())),
        ('destination:router_delivery_final:total{destination="crm"}', 5),
        ("sum(router_delivery_dead_total)", 1),
        ("job:router_events_unaccounted:total", 0),
    ):
        eventually(lambda e=expression, v=value: delivered.query(e) == [v], f"{expression} is {value}")  # type: ignore[misc]


def test_every_query_of_the_dashboards_has_an_answer(delivered: Composed) -> None:
    values = {"$__rate_interval": "5m", "$__range": "1h", "$job": "router", "$destination": ".*", "$source": ".*"}
    unanswered: dict[str, str] = {}
    for board in BOARDS:
        for panel in board.panels:
            for query in panel.queries:
                expression = query.promql
                for name, value in values.items():
                    expression = expression.replace(name, value)
                if not any(name in expression for name in WITHOUT):
                    unanswered[expression] = f"{board.name}: {panel.title}"
    assert len(unanswered) > 80

    def answered() -> bool:
        # A repeat, which nothing behind it counts: a share has no answer where nothing came since the first scrape.
        delivered.send(ORDER | {"messageId": "m1"})
        for expression in list(unanswered):
            if delivered.query(expression):
                del unanswered[expression]
        return not unanswered

    eventually(answered, unanswered)


def test_the_console_shows_what_insights_has_counted(delivered: Composed) -> None:
    eventually(lambda: "Order Completed" in delivered.page("/sources/web"), "the event's name is on the source's page")


def test_what_insights_has_counted_is_what_the_partner_has_written_down(delivered: Composed) -> None:
    """Asked by the console's container, as the console does."""
    ask = "import urllib.request as u; print(u.urlopen('http://insights:9465/v1/destinations').read().decode())"

    def counted() -> dict[str, int]:
        rows = json.loads(delivered.run("exec", "-T", "console", "python", "-c", ask))["rows"]
        return {f"/{row['name']}": row["delivered"] for row in rows if row["name"] in ("ads", "crm")}

    written = Counter(path for path, _ in delivered.receipts())
    eventually(lambda: counted() == written, f"{dict(written)} counted as delivered")


def test_links_and_the_runbook_are_where_they_are_said_to_be(composed: Composed) -> None:
    alerts = f"127.0.0.1:{composed.ports['PROMETHEUS_PORT']}/alerts"
    eventually(lambda: alerts in composed.run("logs", "links"), "the page of links is printed")
    with urllib.request.urlopen(f"http://127.0.0.1:{composed.ports['PROMETHEUS_PORT']}/user/runbook.md") as answer:
        assert b"## RouterDown" in answer.read()


def test_every_service_becomes_healthy(composed: Composed) -> None:
    def healthy() -> bool:
        names = composed.run("ps", "-q", *SERVICES, "kafka").split()
        states = subprocess.run(
            ["docker", "inspect", "-f", "{{.State.Health.Status}}", *names], capture_output=True, text=True, check=True
        )
        return states.stdout.split() == ["healthy"] * (sum(SERVICES.values()) + 1)

    eventually(healthy, "every container is healthy")


def test_the_image_runs_as_a_user_without_rights_and_holds_no_tests(composed: Composed) -> None:
    asked = "id -u; router --version | head -n 1; ls /etc/router"
    user, version, *held = composed.run("exec", "-T", "gateway", "sh", "-c", asked).split("\n")

    assert user == "10001"
    assert version.startswith("event-router ")
    assert set(held) == {"topologies", "schemas", ""}


def test_a_stop_is_clean(composed: Composed) -> None:
    """Last in the file: SIGTERM ends each router process with status 0."""
    composed.run("stop", "-t", "60", *SERVICES)
    names = composed.run("ps", "-q", *SERVICES).split()
    if not names:  # v2 lists only what runs, unless asked
        names = composed.run("ps", "-a", "-q", *SERVICES).split()
    codes = subprocess.run(
        ["docker", "inspect", "-f", "{{.State.ExitCode}}", *names], capture_output=True, text=True, check=True
    )

    assert codes.stdout.split() == ["0"] * sum(SERVICES.values()), composed.run("logs", "--tail", "20", *SERVICES)

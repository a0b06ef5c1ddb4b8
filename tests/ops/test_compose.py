"""docker-compose.yml and ops/Dockerfile for real: an event by HTTP comes out at the partner and in Prometheus."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ops.kafka.kraft import free_port
from ops.running import ROOT
from tests.brokers import container

pytestmark = pytest.mark.containers

IMAGES = ("python:3.11-slim", "prom/prometheus:v2.42.0")
DEADLINE_SECONDS = 240.0


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
        self.ports = {name: free_port() for name in ("GATEWAY_PORT", "PROMETHEUS_PORT", "KAFKA_PORT", "GRAFANA_PORT")}

    def run(self, *arguments: str) -> str:
        """Standard output; fails the test when the command fails."""
        ran = subprocess.run(
            [*compose_command(), "-p", self.project, *arguments], cwd=ROOT, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, env=os.environ | {name: str(port) for name, port in self.ports.items()},
            timeout=900, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, f"{' '.join(arguments)}\n{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}"
        return ran.stdout

    def send(self, event: dict[str, Any]) -> bool:
        """POST /v1/track; False while the gateway does not take it."""
        key = base64.b64encode(b"web-dev-key:").decode()
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

    def query(self, expression: str) -> float | None:
        """The one value of a PromQL expression; None while there is none."""
        question = urllib.parse.urlencode({"query": expression})
        url = f"http://127.0.0.1:{self.ports['PROMETHEUS_PORT']}/api/v1/query?{question}"
        with urllib.request.urlopen(url, timeout=15) as answer:
            result = json.load(answer)["data"]["result"]
        return float(result[0]["value"][1]) if result else None


@pytest.fixture(scope="module")
def composed() -> Iterator[Composed]:
    if reason := missing():
        pytest.skip(reason)
    composed = Composed()
    try:
        composed.run("up", "-d", "--build", "--scale", "route=2")
        yield composed
    finally:
        composed.run("down", "-v", "--remove-orphans")


def eventually(holds: Callable[[], object], what: str) -> None:
    until = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < until, f"not in time: {what}"
        time.sleep(1)


def test_an_event_reaches_the_partner_and_is_counted_by_prometheus(composed: Composed) -> None:
    order = {"userId": "u1", "event": "Order Completed", "properties": {"order_id": "1", "total": 9.5}}
    for name in ("m1", "m2"):
        eventually(lambda name=name: composed.send(order | {"messageId": name}), f"{name} is accepted")  # type: ignore[misc]
    eventually(lambda: composed.send(order | {"messageId": "m1"}), "a repeat is accepted")

    eventually(lambda: {("/crm", "m1"), ("/ads", "m1"), ("/crm", "m2")} <= composed.receipts(), "delivered")
    eventually(lambda: composed.query("sum(router_events_duplicate_total)") == 1, "the repeat is counted")
    eventually(
        lambda: composed.query('count(up{job="router"} == 1)') == 4, "gateway, two workers and delivery are seen"
    )
    eventually(lambda: composed.query('destination:router_delivery_final:total{destination="crm"}') == 2, "rules work")
    eventually(lambda: composed.query("job:router_events_unaccounted:total") == 0, "nothing is unaccounted for")


def test_every_service_becomes_healthy(composed: Composed) -> None:
    def healthy() -> bool:
        names = composed.run("ps", "-q", "gateway", "route", "deliver", "kafka").split()
        states = subprocess.run(
            ["docker", "inspect", "-f", "{{.State.Health.Status}}", *names], capture_output=True, text=True, check=True
        )
        return states.stdout.split() == ["healthy"] * 5

    eventually(healthy, "all five containers are healthy")


def test_the_image_runs_as_a_user_without_rights_and_holds_no_tests(composed: Composed) -> None:
    assert composed.run("exec", "-T", "gateway", "id", "-u").strip() == "10001"
    assert composed.run("exec", "-T", "gateway", "router", "--version").startswith("event-router ")
    held = composed.run("exec", "-T", "gateway", "python", "-c", "import os; print(*os.listdir('/etc/router'))")
    assert set(held.split()) == {"topologies", "schemas"}


def test_a_stop_is_clean(composed: Composed) -> None:
    """Last in the file: SIGTERM ends each router process with status 0."""
    composed.run("stop", "-t", "60", "gateway", "route", "deliver")
    names = composed.run("ps", "-q", "gateway", "route", "deliver").split()
    if not names:  # v2 lists only what runs, unless asked
        names = composed.run("ps", "-a", "-q", "gateway", "route", "deliver").split()
    codes = subprocess.run(
        ["docker", "inspect", "-f", "{{.State.ExitCode}}", *names], capture_output=True, text=True, check=True
    )

    assert codes.stdout.split() == ["0"] * 4, composed.run("logs", "--tail", "20", "gateway", "route", "deliver")

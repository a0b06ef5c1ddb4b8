"""The pages of a process, asked over real sockets."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.registry import Collector

from router import metrics
from router.config.options import Address
from router.errors import UsageError
from router.mask import SECRETS
from router.process.health import Health
from router.process.scrape import families
from router.process.serve import CLIENTS, MetricsServer, bind


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def server(health: Health) -> Iterator[MetricsServer]:
    with MetricsServer(bind(("127.0.0.1", 0)), health) as started:
        yield started


def ask(
    server: MetricsServer, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(*server.address, timeout=30)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def test_readyz_is_503_until_every_check_passes_and_200_then(server: MetricsServer, health: Health) -> None:
    response, body = ask(server, "/readyz")
    assert (response.status, json.loads(body)["ok"]) == (503, False)

    health.ready("kafka", True)
    response, body = ask(server, "/readyz")
    assert (response.status, json.loads(body)) == (200, {"ok": True, "checks": {"kafka": {"ok": True}}})

    health.ready("kafka", False, "broker does not answer")
    response, body = ask(server, "/readyz")
    assert response.status == 503
    assert json.loads(body)["checks"]["kafka"]["why"] == "broker does not answer"


def test_healthz_follows_liveness(server: MetricsServer, health: Health) -> None:
    assert ask(server, "/healthz")[0].status == 200
    health.live("progress", False, "stuck")
    assert ask(server, "/healthz")[0].status == 503


def test_the_gauges_say_what_the_pages_say(server: MetricsServer, health: Health) -> None:
    def gauges() -> dict[str, float]:
        page = families(ask(server, "/metrics")[1].decode())
        return {family.name: family.samples[0].value for family in page if family.name in names}

    names = {"router_ready", "router_live"}
    assert gauges() == {"router_ready": 0, "router_live": 1}
    health.ready("kafka", True)
    health.live("progress", False)
    assert gauges() == {"router_ready": 1, "router_live": 0}


def test_metrics_are_in_the_format_that_was_asked_for(server: MetricsServer) -> None:
    response, body = ask(server, "/metrics")
    assert response.headers["Content-Type"].startswith("text/plain")
    assert list(families(body.decode()))

    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    response, body = ask(server, "/metrics", headers=accept)
    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    assert list(openmetrics_families(body.decode()))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("path", ["/", "/metrics/", "/../etc/passwd", "/%2e%2e/etc/passwd", "/metricsz"])
def test_any_other_path_is_not_found(server: MetricsServer, path: str) -> None:
    response, body = ask(server, path)
    assert response.status == 404
    assert "error" in json.loads(body)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_any_other_method_is_refused(server: MetricsServer, method: str) -> None:
    response, _ = ask(server, "/metrics", method)
    assert response.status == 405
    assert response.headers["Allow"] == "GET"


def test_a_query_is_ignored(server: MetricsServer) -> None:
    assert ask(server, "/healthz?verbose=1")[0].status == 200


def test_no_secret_leaves_through_a_reason(server: MetricsServer, health: Health) -> None:
    SECRETS.add(["s3cr3t-of-serve"])
    health.ready("kafka", False, "password s3cr3t-of-serve refused")
    assert b"s3cr3t-of-serve" not in ask(server, "/readyz")[1]


def test_silent_clients_do_not_keep_others_out(server: MetricsServer) -> None:
    """More silent connections than there is room for: they are cut off, and the pages answer again."""
    silent = [socket.create_connection(server.address) for _ in range(CLIENTS * 2)]
    try:
        for _ in range(60):
            try:
                assert ask(server, "/healthz")[0].status == 200
                break
            except (ConnectionError, http.client.HTTPException):
                continue_waiting(silent)
        else:
            pytest.fail("the pages never answered")
    finally:
        for connection in silent:
            connection.close()


def continue_waiting(silent: list[socket.socket]) -> None:
    silent[0].settimeout(0.5)
    try:
        silent[0].recv(1)
    except TimeoutError:
        return


def test_a_failing_collector_costs_one_answer_and_not_the_server(health: Health) -> None:
    class Failing(Collector):
        broken = True

        def collect(self) -> Iterator[Metric]:
            if self.broken:
                raise RuntimeError("boom")
            yield from ()

    failing = Failing()
    registry = CollectorRegistry()
    Gauge("something", "else", registry=registry).set(1)
    registry._collector_to_names[failing] = []
    with MetricsServer(bind(("127.0.0.1", 0)), health, registry) as server:
        with pytest.raises(http.client.RemoteDisconnected):
            ask(server, "/metrics")
        failing.broken = False
        assert b"something 1.0" in ask(server, "/metrics")[1]


def test_an_address_in_use_is_wrong_usage_and_named(server: MetricsServer) -> None:
    host, port = server.address
    with pytest.raises(UsageError, match=f"{host}:{port}"):
        bind(server.address)


def test_a_host_that_is_not_ours_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match=r"cannot listen on no-such-host\.invalid:1"):
        bind(("no-such-host.invalid", 1))


def test_a_port_that_a_supervisor_holds_is_found_again_and_refuses_in_between(health: Health) -> None:
    with bind(("127.0.0.1", 0), shared=True) as held:
        address: Address = held.getsockname()
        for _ in range(2):
            with MetricsServer(bind(address, shared=True), health) as server:
                assert server.address == address
                assert ask(server, "/healthz")[0].status == 200
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address)


def test_a_held_port_is_taken_for_everyone_else(health: Health) -> None:
    with bind(("127.0.0.1", 0), shared=True) as held, pytest.raises(UsageError, match="in use"):
        bind(held.getsockname())


def test_a_stopped_server_leaves_no_gauge_that_claims_health(health: Health) -> None:
    health.ready("kafka", True)
    with MetricsServer(bind(("127.0.0.1", 0)), health):
        assert metrics.REGISTRY.get_sample_value("router_ready") == 1
    assert metrics.REGISTRY.get_sample_value("router_ready") == 0

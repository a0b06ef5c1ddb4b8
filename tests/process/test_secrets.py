"""A secret setting of the Kafka client is masked wherever options, settings or errors are shown."""

from __future__ import annotations

import http.client
import io
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from router.config.loader import load_topology
from router.config.options import RunOptions
from router.destinations.registry import destination_types
from router.kafka import clients
from router.kafka.cluster import Cluster
from router.mask import Mask
from router.process import logging as process_logging
from router.process.health import Health
from router.process.run import register_secrets, secrets
from router.process.serve import MetricsServer, bind

SETTINGS = (
    "sasl.password",
    "sasl.jaas.config",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
)
OPEN = {"sasl.username": "open-user", "sasl.oauthbearer.token.endpoint.url": "open-url", "ssl.ca.location": "open-ca"}
OPTIONS = RunOptions("broker:9092", kafka={name: f"hidden<{name}>" for name in SETTINGS} | OPEN)


@pytest.fixture(autouse=True)
def _registered(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text("name: shop\nsources: {web: {}}\n")
    register_secrets(load_topology([file], registry=destination_types()), OPTIONS)


def in_a_log_line(text: str) -> str:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        process_logging.set_up("test", {}, stream)
        logging.getLogger("router.tests.secrets").error("failed: %s", text, extra={"options": text})
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)
    return stream.getvalue()


def in_a_client_s_log_line(text: str) -> str:
    logger = clients.base(Cluster.of(OPTIONS))["logger"]
    record = logger.makeRecord(logger.name, logging.ERROR, "", 0, text, (), None)
    assert logger.filter(record)
    return str(record.getMessage())


def on_the_health_page(text: str) -> str:
    health = Health()
    health.ready("kafka", False, text)
    with MetricsServer(bind(("127.0.0.1", 0)), health) as server:
        connection = http.client.HTTPConnection(*server.address, timeout=10)
        connection.request("GET", "/readyz")
        page = connection.getresponse().read().decode()
        connection.close()
    assert json.loads(page)["checks"]
    return page


def in_a_dead_letter(text: str) -> str:
    return Mask(secrets=[OPTIONS.kafka[name] for name in SETTINGS]).text(text)


@pytest.mark.parametrize("shown", [in_a_log_line, in_a_client_s_log_line, on_the_health_page, in_a_dead_letter])
def test_every_place_masks_every_secret_setting(shown: Callable[[str], str]) -> None:
    text = shown("; ".join(f"{name}={value}" for name, value in OPTIONS.kafka.items()))

    assert "hidden" not in text
    for name in SETTINGS:
        assert f"{name}=***" in text
    for name, value in OPEN.items():
        assert f"{name}={value}" in text


def test_the_lists_of_secrets_are_one(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text("name: shop\nsources: {web: {}}\n")
    loaded = load_topology([file], registry=destination_types())

    hidden = [OPTIONS.kafka[name] for name in SETTINGS]
    assert list(secrets(loaded, OPTIONS)) == hidden
    assert list(Cluster.of(OPTIONS).secrets) == hidden


@pytest.mark.parametrize("options", [OPTIONS, Cluster.of(OPTIONS)], ids=lambda options: type(options).__name__)
def test_options_show_no_settings(options: object) -> None:
    assert "hidden" not in repr(options)

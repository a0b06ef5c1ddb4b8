"""`router gateway`: statuses of what keeps it from starting."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from router.embedded.broker import EmbeddedBroker
from tests.cli.lines import Line


@pytest.fixture
def topology(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text("name: shop\nsources: {web: {write_keys: [web-key]}}\n")
    return path


def test_without_a_broker_named_it_is_wrong_usage(line: Line, topology: Path) -> None:
    ended = line("gateway", topology)
    assert ended.status == 2
    assert "--bootstrap" in ended.err


def test_a_topology_with_a_fault_is_named(line: Line, topology: Path) -> None:
    topology.write_text("name: shop\nsources: {}\ngateway: {max_in_flite: 5}\n")
    ended = line("gateway", topology, "--bootstrap", "127.0.0.1:1")
    assert ended.status == 1
    assert "did you mean max_in_flight?" in ended.err


def test_an_address_that_is_taken_is_wrong_usage(embedded: EmbeddedBroker, topology: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "{}:{}".format(*taken.getsockname())
        command = [sys.executable, "-m", "router", "gateway", str(topology), "--bootstrap", embedded.bootstrap]
        ended = subprocess.run(
            [*command, "--gateway", address, "--metrics", "127.0.0.1:0"],
            env={name: value for name, value in os.environ.items() if not name.startswith("ROUTER_")},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert ended.returncode == 2
    assert f"cannot listen on {address}" in ended.stderr

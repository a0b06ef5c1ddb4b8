"""What `router up` says at its start; how it runs is tested in tests/process/test_up.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.cli.up import announcement
from router.config.loader import Loaded, load_topology
from router.config.options import RunOptions
from router.destinations.registry import destination_types
from router.process.up import Running
from tests.cli.lines import Line


def loaded(tmp_path: Path, sources: str) -> Loaded:
    file = tmp_path / "shop.yaml"
    file.write_text(f"name: shop\nsources: {sources}\n")
    return load_topology([file], registry=destination_types())


EMBEDDED = RunOptions(bootstrap="127.0.0.1:5", embedded=True, gateway=("127.0.0.1", 8080))
OWN = RunOptions(bootstrap="kafka:9092", gateway=("127.0.0.1", 8080))


def test_the_key_in_the_curl_line_is_the_first_of_a_source_that_is_enabled(tmp_path: Path) -> None:
    topology = loaded(
        tmp_path, "{off: {write_keys: [off-key], enabled: false}, web: {write_keys: [web-key, next-key]}}"
    )
    said = announcement(Running(topology, EMBEDDED, "at_least_once"))
    assert "curl -u web-key: " in said
    assert "off-key" not in said


def test_with_a_broker_of_one_s_own_no_write_key_is_shown(tmp_path: Path) -> None:
    said = announcement(Running(loaded(tmp_path, "{web: {write_keys: [web-key]}}"), OWN, "exactly_once"))
    assert 'curl -u "$WRITE_KEY:"' in said
    assert "web-key" not in said


def test_without_a_write_key_it_says_that_http_will_be_refused(tmp_path: Path) -> None:
    said = announcement(Running(loaded(tmp_path, "{web: {topics: [web.events]}}"), EMBEDDED, "at_least_once"))
    assert "no source has a write key" in said
    assert "curl" not in said


@pytest.mark.parametrize(
    ("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("10.0.0.5", "10.0.0.5")]
)
def test_urls_work_from_this_machine(tmp_path: Path, host: str, shown: str) -> None:
    options = RunOptions(bootstrap="b:1", embedded=True, gateway=(host, 8080), metrics=(host, 9464))
    said = announcement(Running(loaded(tmp_path, "{web: {write_keys: [web-key]}}"), options, "at_least_once"))
    assert f"gateway  http://{shown}:8080\n" in said
    assert f"http://{shown}:9464/metrics" in said


@pytest.mark.parametrize("command", [("up",), ("route", "--bootstrap", "127.0.0.1:1")])
@pytest.mark.parametrize("workers", ["0", "65", "x", "AUTO", "-1", "²"])
def test_a_number_of_workers_that_makes_no_sense_is_wrong_usage(
    line: Line, command: tuple[str, ...], workers: str
) -> None:
    ended = line(*command, "shop.yaml", "--workers", workers)
    assert (ended.status, ended.out) == (2, "")
    assert f"expected a number from 1 to 64, or auto, got '{workers}'" in ended.err

"""`router route --workers`: how many children there are, what each is told, and that they live and end together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from router.config.options import Address, RunOptions, from_supervisor, parse_address, parse_workers
from router.embedded.broker import EmbeddedBroker
from router.errors import Unavailable
from router.process.scrape import health, scrape
from router.process.snapshot import snapshot
from router.process.workers import cores_within, usable_cores, worker_count, worker_names, worker_spec
from tests.process.processes import DEADLINE_SECONDS, eventually, runs

ROOT = Path(__file__).parents[2]
TOPOLOGY = """
name: shop
topics: {partitions: 3}
sources: {web: {write_keys: [key]}}
destinations: {lake: {type: file, settings: {path: ./out}}}
"""


@pytest.mark.parametrize(
    ("wanted", "partitions", "cores", "started"),
    [("auto", 12, 8, 8), ("auto", 3, 8, 3), ("auto", 12, 1, 1), ("auto", 1000, 256, 64), ("5", 12, 2, 5)],
)
def test_auto_is_one_for_each_core_but_no_more_than_partitions(
    wanted: str, partitions: int, cores: int, started: int
) -> None:
    assert worker_count(parse_workers(wanted), partitions, cores) == started


def test_workers_beyond_the_partitions_are_started_and_named(caplog: pytest.LogCaptureFixture) -> None:
    assert worker_count(5, 3) == 5
    assert caplog.messages == ["2 of 5 workers wait for a partition: there are 3"]


@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("1600000 100000", 8),
        ("", 8),
    ],
)
def test_the_quota_of_a_container_counts_as_its_cores(quota: str, cores: int) -> None:
    assert cores_within(8, quota) == cores
    assert usable_cores() >= 1


def test_a_worker_gets_every_option_and_its_command_line_shows_none() -> None:
    options = RunOptions(bootstrap="b:9092", kafka={"sasl.password": "s3cret"}, state=Path("/s"), metrics=("::1", 2))
    spec = worker_spec("route-2", [Path("/t.yaml"), Path("/more.yaml")], options, "faust")
    environment = dict(spec.environment)

    assert worker_names(2) == ["route-1", spec.name]
    assert list(spec.command)[1:] == ["-m", "router", "route", "/t.yaml", "/more.yaml", "--engine", "faust"]
    assert from_supervisor(environment) == replace(options, supervised=True, called="route-2")
    assert environment == {}


class Workers:
    """A running `router route --workers 2` whose children only count."""

    def __init__(self, folder: Path, bootstrap: str) -> None:
        self.state = folder / "state"
        self.stderr = folder / "stderr"
        (folder / "shop.yaml").write_text(TOPOLOGY)
        options = ["--bootstrap", bootstrap, "--metrics", "127.0.0.1:0", "--state", str(self.state)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ROUTER_")}
        with self.stderr.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.process.fake_up", "route", str(folder / "shop.yaml"), *options],
                cwd=ROOT, stderr=stderr, env=environment | {"ROUTER_WORKERS": "2"},
            )  # fmt: skip

    @property
    def page(self) -> Address | None:
        """Where their common page is; None until it is served."""
        lines = [json.loads(line) for line in self.stderr.read_text().splitlines() if line.endswith("}")]
        for line in lines:
            if line["message"] == "started" and "workers" in line:
                return parse_address(line["metrics"].removeprefix("http://").removesuffix("/metrics"))
        return None

    def ready(self) -> bool:
        assert self.process.poll() is None, self.stderr.read_text()
        try:
            return (page := self.page) is not None and health(page, "/readyz").ok
        except Unavailable:
            return False

    def pid(self, name: str) -> int:
        return int((self.state / f"{name}.pid").read_text())


@pytest.fixture
def workers(tmp_path: Path, embedded: EmbeddedBroker) -> Iterator[Workers]:
    started = Workers(tmp_path, embedded.bootstrap)
    try:
        eventually(started.ready, "both workers are ready")
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def test_a_killed_worker_is_started_again_on_the_common_page_and_all_end_with_a_signal(workers: Workers) -> None:
    page = workers.page
    assert page is not None
    first, other = workers.pid("route-1"), workers.pid("route-2")

    os.kill(first, signal.SIGKILL)
    eventually(lambda: not runs(first) and workers.pid("route-1") != first and workers.ready())
    eventually(lambda: all(row.up and row.ready and row.live for row in snapshot(scrape(page)).processes))

    seen = snapshot(scrape(page))
    assert {row.name: row.restarts for row in seen.processes} == {"route": 0, "route-1": 1, "route-2": 0}
    assert workers.pid("route-2") == other

    everyone = [child.pid for child in psutil.Process(workers.process.pid).children(recursive=True)]
    workers.process.send_signal(signal.SIGTERM)
    assert workers.process.wait(DEADLINE_SECONDS) == 0, workers.stderr.read_text()
    assert len(everyone) == 2
    said = [json.loads(line)["process"] for line in workers.stderr.read_text().splitlines() if line.endswith("}")]
    assert set(said) == {"route", "route-1", "route-2"}
    eventually(lambda: not any(map(runs, everyone)))

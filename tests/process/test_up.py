"""`router up` as processes: what it says, serves and leaves behind, and how it ends."""

from __future__ import annotations

import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from router.config.options import Address, RunOptions, from_supervisor, parse_address
from router.errors import Unavailable
from router.events.topics import TopicSpec
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.process.scrape import health, scrape
from router.process.snapshot import snapshot
from router.process.up import child_names, child_spec
from router.process.workers import READY_SECONDS
from tests.process.processes import DEADLINE_SECONDS, eventually, runs

ROOT = Path(__file__).parents[2]
TOPOLOGY = """
name: shop
topics: {partitions: 1}
sources: {web: {write_keys: ["key of 'web'"]}}
destinations: {lake: {type: file, settings: {path: ./out}}}
"""


class Up:
    """A running `router up` whose children only count."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.state = folder / "state"
        file = folder / "shop.yaml"
        if not file.exists():
            file.write_text(TOPOLOGY)
        options = [
            "--console",
            "off",
            "--gateway",
            "127.0.0.1:0",
            "--metrics",
            "127.0.0.1:0",
            "--state",
            str(self.state),
            "--insights",
            "off",
            *arguments,
        ]
        self.stderr = folder / "stderr"
        with self.stderr.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.process.fake_up", "up", str(file), *options],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={name: value for name, value in os.environ.items() if not name.startswith("ROUTER_")},
            )
        assert self.process.stdout is not None
        self.said = "".join(self._until(" state "))
        self.everyone: set[int] = set()

    def _until(self, last: str) -> Iterator[str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield line
            if last in line:
                return
        pytest.fail(f"it ended with {self.process.wait()}: {self.stderr.read_text()}")

    def find(self, pattern: str) -> str:
        found = re.search(pattern, self.said)
        assert found, self.said
        return found[1]

    @property
    def metrics(self) -> Address:
        return parse_address(self.find(r"metrics  http://([\d.:]+)/metrics"))

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.stderr.read_text()
            try:
                return health(self.metrics, "/readyz").ok
            except Unavailable:
                return False

        eventually(ready, "all children are ready")
        self.everyone = {child.pid for child in psutil.Process(self.process.pid).children(recursive=True)}

    def pid(self, name: str) -> int:
        (file,) = self.state.rglob(f"{name}.pid")
        return int(file.read_text())

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_SECONDS)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    started = Up(tmp_path)
    try:
        started.wait_ready()
        yield started
    finally:
        started.process.kill()
        started.process.communicate()


def test_it_says_where_everything_is_and_how_to_send_a_first_event(up: Up) -> None:
    assert "router up: shop, at_least_once" in up.said
    assert "embedded: in memory only" in up.said
    assert up.find(r"state    (\S+)").startswith(str(up.state))
    curl = shlex.split(up.find(r"(curl .*)"))
    assert curl[:3] == ["curl", "-u", "key of 'web':"]
    assert curl[-1].endswith("/v1/identify")
    assert up.find(r"router tap \S+ --bootstrap (\S+)") == up.find(r"broker   (\S+)")


def test_the_page_has_all_children_and_the_numbers_add_up(up: Up) -> None:
    seen = snapshot(scrape(up.metrics))

    assert {row.name for row in seen.processes} == {"up", "gateway", "route", "deliver"}
    assert all(row.up and row.ready and row.live for row in seen.processes)
    assert (seen.received, seen.balanced, seen.destinations[0].pending) == (7, True, 2)
    assert seen.not_final == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_everything_with_0(up: Up, number: signal.Signals) -> None:
    assert up.end(number) == 0, up.stderr.read_text()

    eventually(lambda: not any(map(runs, up.everyone)))
    assert list(up.state.iterdir()) == []
    assert "at most 5 events not yet final" in up.stderr.read_text()


def test_a_killed_child_comes_back_on_the_same_page_and_is_counted(up: Up) -> None:
    first = up.pid("route")
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not runs(first))
    report = health(up.metrics, "/readyz")
    assert [name for name, check in report.checks.items() if not check.ok] == ["route"]

    eventually(lambda: up.pid("route") != first)
    eventually(lambda: health(up.metrics, "/readyz").ok)

    rows = {row.name: row for row in snapshot(scrape(up.metrics)).processes}
    assert rows["route"].restarts == 1
    assert rows["gateway"].restarts == 0


def test_the_death_of_the_embedded_broker_is_status_3_with_the_count_of_what_was_open(up: Up) -> None:
    (broker,) = [pid for pid in up.everyone if "router.embedded.broker" in psutil.Process(pid).cmdline()]
    os.kill(broker, signal.SIGKILL)

    assert up.process.wait(DEADLINE_SECONDS) == 3
    said = up.stderr.read_text()
    assert "the embedded broker was killed by SIGKILL; 5 events were not yet final" in said
    assert "(3 not yet routed, 2 deliveries open)" in said
    eventually(lambda: not any(map(runs, up.everyone)))


def test_kill_9_of_up_leaves_no_process_behind(up: Up) -> None:
    assert len(up.everyone) == 4
    up.process.kill()
    up.process.wait()

    eventually(lambda: not any(map(runs, up.everyone)))


def test_an_address_that_is_taken_is_wrong_usage_before_anything_starts(up: Up, tmp_path: Path) -> None:
    taken = "{}:{}".format(*up.metrics)
    for option in ("--metrics", "--gateway"):
        command = [sys.executable, "-m", "router", "up", str(tmp_path / "shop.yaml"), option, taken]
        if option == "--gateway":
            command += ["--metrics", "127.0.0.1:0"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"cannot listen on {taken}" in done.stderr


def test_a_faulty_topology_is_status_1_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(TOPOLOGY + "typo: 1\n")
    command = [sys.executable, "-m", "router", "up", "bad.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "bad.yaml:6:1: typo" in done.stderr


def test_a_named_broker_that_is_not_there_is_status_3(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(TOPOLOGY)
    options = ["--console", "off", "--bootstrap", "127.0.0.1:1", "--metrics", "127.0.0.1:0", "--gateway", "127.0.0.1:0"]
    command = [sys.executable, "-m", "router", "up", "shop.yaml", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert "127.0.0.1:1" in done.stderr


@pytest.fixture
def own_topics(tmp_path: Path, unique: str) -> Path:
    """A topology for a real Kafka, with topics that no other test has."""
    file = tmp_path / "shop.yaml"
    file.write_text(TOPOLOGY.replace("{partitions: 1}", f"{{partitions: 1, prefix: {unique}.}}"))
    (tmp_path / "state").mkdir()
    return file


def test_on_a_named_kafka_it_makes_the_topics_and_shows_no_write_key(own_topics: Path, kafka: str, unique: str) -> None:
    up = Up(own_topics.parent, "--bootstrap", kafka, "--workers", "2")
    try:
        up.wait_ready()
        rows = {row.name for row in snapshot(scrape(up.metrics)).processes}
        assert rows == {"up", "gateway", "route-1", "route-2", "deliver"}
        assert f"{unique}.dest.lake" in Admin(Cluster(kafka)).topics()
        assert "router up: shop, exactly_once" in up.said
        assert "embedded" not in up.said
        assert "key of" not in up.said
        assert up.end() == 0
        assert "gone with" not in up.stderr.read_text()
    finally:
        up.process.kill()
        up.process.communicate()


def test_topics_that_would_break_the_guarantees_are_status_1_and_others_a_warning(
    own_topics: Path, kafka: str, unique: str
) -> None:
    Admin(Cluster(kafka)).create(
        [
            TopicSpec(f"{unique}.events.raw", 1, {"message.timestamp.type": "CreateTime"}),
            TopicSpec(f"{unique}.events.resolved", 1, {"retention.ms": "1000"}),
        ]
    )
    options = ["--console", "off", "--bootstrap", kafka, "--metrics", "127.0.0.1:0", "--gateway", "127.0.0.1:0"]
    command = [sys.executable, "-m", "router", "up", str(own_topics), *options]
    done = subprocess.run(command, cwd=own_topics.parent, capture_output=True, text=True, timeout=300, check=False)

    assert (done.returncode, done.stdout) == (1, "")
    errors = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert f"{unique}.events.raw: message.timestamp.type: expected LogAppendTime, got CreateTime" in errors
    assert not any("retention.ms" in line for line in errors)
    assert f"{unique}.events.resolved: retention.ms" in done.stderr


def test_children_are_named_by_what_they_do() -> None:
    assert child_names(1) == ["gateway", "route", "deliver"]
    assert child_names(3) == ["gateway", "route-1", "route-2", "route-3", "deliver"]
    assert child_names(1, pulls=True) == ["gateway", "route", "deliver", "pull"]


def test_the_first_source_of_rows_starts_the_process_that_pulls(up: Up, tmp_path: Path) -> None:
    """Without a restart of the others, and once however often the files change afterwards."""
    assert not list(up.state.rglob("pull.pid"))
    rows = (
        'crm: {type: sql, settings: {url: "duckdb:///no.db", query: SELECT 1}, map: {event: {value: Seen}, userId: id}}'
    )
    file = tmp_path / "shop.yaml"
    file.write_text(TOPOLOGY.replace("sources: {", f"sources: {{{rows}, "))
    eventually(lambda: list(up.state.rglob("pull.pid")), "a process that pulls")
    eventually(lambda: "pull" in health(up.metrics, "/readyz").checks, "its page among the others'")
    pulls = up.pid("pull")
    assert up.everyone < {child.pid for child in psutil.Process(up.process.pid).children(recursive=True)}

    reloads = sum("reload: applied" in line for line in up.stderr.read_text().splitlines())
    file.write_text(file.read_text().replace("SELECT 1", "SELECT 2"))
    eventually(lambda: up.stderr.read_text().count("reload: applied") > reloads, "the next reload")
    assert up.pid("pull") == pulls
    assert up.end() == 0
    assert not any(map(runs, [*up.everyone, pulls]))


def test_the_child_that_pulls_follows_every_file_of_the_topology() -> None:
    spec = child_spec("pull", [Path("/t.yaml"), Path("/more.yaml")], RunOptions(bootstrap="b:9092"))

    assert list(spec.command)[-6:] == ["pull", "--follow", "--topology", "/t.yaml", "--topology", "/more.yaml"]


def test_a_child_gets_every_option_and_its_command_line_shows_none() -> None:
    options = RunOptions(
        bootstrap="b:9092",
        embedded=True,
        kafka={"sasl.password": "s3cret", "sasl.oauthbearer.config": "a=b c=d"},
        state=Path("/s"),
        gateway=("::1", 1),
        metrics=("127.0.0.1", 2),
        env_file=Path("/e"),
    )
    spec = child_spec("route-2", [Path("/t.yaml")], options)
    environment = dict(spec.environment)

    assert list(spec.command) == [sys.executable, "-m", "router", "route", "/t.yaml"]
    assert from_supervisor(environment) == replace(options, supervised=True, called=spec.name)
    assert environment == {}
    assert from_supervisor(environment) is None


class Starting:
    """A `router up` that waits for a broker which nobody runs."""

    def __init__(self, folder: Path, *options: str) -> None:
        (folder / "shop.yaml").write_text(TOPOLOGY)
        addresses = ["--console", "off", "--metrics", "127.0.0.1:0", "--gateway", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "router", "up", "shop.yaml", *addresses, *options],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def line(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.readline()


@pytest.mark.parametrize(
    ("bootstrap", "why"),
    [("127.0.0.1:1", "127.0.0.1:1: Connection refused"), ("nowhere.invalid:9092", "nowhere.invalid:9092: ")],
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_broker_that_cannot_be_reached_is_named_at_once_and_a_signal_ends_the_wait(
    tmp_path: Path, bootstrap: str, why: str, number: signal.Signals
) -> None:
    starting = Starting(tmp_path, "--bootstrap", bootstrap)
    try:
        said = next(line for line in iter(starting.line, "") if "no broker answers yet" in line)
        assert why in said
        asked = time.monotonic()
        starting.process.send_signal(number)
        assert starting.process.wait(DEADLINE_SECONDS) == 0
        assert time.monotonic() - asked < READY_SECONDS / 2  # far less than it would have waited
    finally:
        starting.process.kill()
        starting.process.communicate()


def limited() -> None:
    """No file may grow: what a full disk does to a process that writes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.mark.parametrize("full", [False, True])
def test_a_state_folder_that_cannot_be_written_is_status_3_once(tmp_path: Path, full: bool) -> None:
    (tmp_path / "shop.yaml").write_text(TOPOLOGY)
    (tmp_path / "file").write_text("")
    state = tmp_path / ("state" if full else "file/state")
    options = ["--console", "off", "--metrics", "127.0.0.1:0", "--gateway", "127.0.0.1:0", "--state", str(state)]
    done = subprocess.run(
        [sys.executable, "-B", "-m", "router", "up", "shop.yaml", *options],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False, preexec_fn=limited if full else None,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: {state}: expected a folder for state that can be written, got ")

"""The shell around a command, as real processes: exit status, signals, metrics page, secrets."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Timer

import pytest

from router.config.loader import Loaded, load_topology
from router.config.options import RunOptions, parse_address
from router.destinations.registry import destination_types
from router.process.run import FAULT, secrets
from router.process.scrape import health
from router.process.signals import until
from tests.process.processes import DEADLINE_SECONDS, eventually

TOPOLOGY = """
name: shop
sources: {web: {write_keys: [key-of-web]}}
destinations:
  crm: {type: webhook, settings: {url: "https://example.com/x", secret: signing-secret}}
"""
# argv[1] is a topology; BODY is what the command does with `stop` and `health`.
SCRIPT = """
import sys, time
from pathlib import Path
from router.config.loader import load_topology
from router.config.options import RunOptions
from router.destinations.registry import destination_types
from router.errors import FileError, RouterError, Unavailable, UsageError
from router.process.run import run_process
def target(stop, health):
    health.ready("start", True)
    BODY
loaded = load_topology([Path(sys.argv[1])], registry=destination_types())
options = RunOptions(metrics=("127.0.0.1", 0), kafka={"sasl.password": "hunter22"})
sys.exit(run_process("probe", loaded, options, target))
"""


@pytest.fixture
def topology(tmp_path: Path) -> Path:
    file = tmp_path / "shop.yaml"
    file.write_text(TOPOLOGY)
    return file


def command(topology: Path, body: str) -> list[str]:
    return [sys.executable, "-c", SCRIPT.replace("BODY", body), str(topology)]


def run(topology: Path, body: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(topology, body), capture_output=True, text=True, timeout=300, check=False)


@contextmanager
def started(topology: Path, body: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A process that runs, and the line that said so."""
    process = subprocess.Popen(command(topology, body), stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        yield process, json.loads(process.stderr.readline())
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("return", 0),
        ("raise RouterError('wrong')", 1),
        ("raise FileError([])", 1),
        ("raise UsageError('usage')", 2),
        ("raise Unavailable('kafka')", 3),
        ("raise ValueError('bug')", FAULT),
    ],
)
def test_the_exit_status_tells_what_went_wrong(topology: Path, body: str, status: int) -> None:
    assert run(topology, body).returncode == status


def test_an_error_made_on_purpose_is_one_line_and_a_fault_has_its_traceback(topology: Path) -> None:
    said = run(topology, "raise Unavailable('kafka is not there')").stderr.splitlines()
    last = json.loads(said[-1])
    assert (last["message"], last["status"], "error" in last) == ("kafka is not there", 3, False)

    said = run(topology, "raise ValueError('bug')").stderr.splitlines()
    assert "ValueError: bug" in json.loads(said[-1])["error"]


def test_every_secret_of_the_configuration_is_masked_in_logs(topology: Path) -> None:
    body = "raise RouterError('key-of-web signing-secret hunter22 example.com')"
    said = run(topology, body).stderr
    assert "*** *** *** example.com" in said
    for secret in ("key-of-web", "signing-secret", "hunter22"):
        assert secret not in said


def test_secrets_are_found_at_any_depth_and_only_secrets(topology: Path) -> None:
    loaded: Loaded = load_topology([topology], registry=destination_types())
    options = RunOptions(kafka={"sasl.password": "p", "linger.ms": "5", "ssl.key.pem": "k"})
    assert sorted(secrets(loaded, options)) == ["k", "key-of-web", "p", "signing-secret"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_to_stop_and_what_is_begun_is_finished(topology: Path, number: signal.Signals) -> None:
    body = "stop.wait(); time.sleep(0.2); print('finished', file=sys.stderr)"
    with started(topology, body) as (process, _):
        process.send_signal(number)
        assert process.stderr is not None
        assert "finished" in process.stderr.read()
        assert process.wait(DEADLINE_SECONDS) == 0


def test_a_signal_is_obeyed_while_the_main_thread_holds_the_event_s_lock(topology: Path) -> None:
    body = "; ".join(
        ["stop._cond.acquire()", "print('held', file=sys.stderr, flush=True)", "time.sleep(1)", "stop._cond.release()"]
    )
    with started(topology, f"{body}; stop.wait()") as (process, _):
        assert process.stderr is not None
        assert "held" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_SECONDS) == 0


def test_the_second_signal_does_not_wait(topology: Path) -> None:
    body = "stop.wait(); print('stopping', file=sys.stderr, flush=True); time.sleep(600)"
    with started(topology, body) as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert "stopping" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_SECONDS) == -signal.SIGINT


def test_its_pages_are_where_the_first_line_says(topology: Path) -> None:
    with started(topology, "stop.wait()") as (_, line):
        address = parse_address(line["metrics"].removeprefix("http://").removesuffix("/metrics"))
        eventually(lambda: health(address, "/readyz").checks["start"].ok)


async def test_until_returns_when_stop_is_set_from_another_thread() -> None:
    stop = Event()
    Timer(0.05, stop.set).start()
    await asyncio.wait_for(until(stop), DEADLINE_SECONDS)
    assert stop.is_set()


async def test_until_can_be_cancelled() -> None:
    waiting = asyncio.ensure_future(until(Event()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

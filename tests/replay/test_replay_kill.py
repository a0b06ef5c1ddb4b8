"""kill -9 of a replay on a real Kafka: each event comes once and in order; what retention took is said."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from router.events.times import iso
from router.kafka.admin import Admin
from router.replay.replay_log import ReplayLog
from tests.cli.lines import Line
from tests.delivery.stage import DEADLINE, PARTITIONS, eventually
from tests.replay.test_redrive_kill import running_command, wait_for_more, written
from tests.replay.test_replay_command import WEBHOOK, Routed

pytestmark = pytest.mark.kafka

EVENTS, KILLS = 300, 2  # so many that a slow machine does not miss the end of a replay at these rates


def wait_for_progress(one: Routed, than: int, process: subprocess.Popen[str]) -> None:
    """Until a batch is committed, so that the process has the replay and is at work on it."""
    log = ReplayLog(one.cluster, one.topics.replays)

    def holds() -> bool:
        ended = process.poll()
        assert ended is None, process.communicate()
        return log.one("r1").replayed["crm"] > than

    eventually(holds, f"more than {than} events replayed")


@pytest.fixture
def one(kafka: str, tmp_path: Path, unique: str) -> Routed:
    return Routed(kafka, tmp_path, unique, {"crm": WEBHOOK})


@pytest.fixture
def run(line: Line, one: Routed) -> Callable[..., Any]:
    """The answer of a command that has to succeed."""

    def replay(*arguments: object) -> Any:
        ended = line("replay", *arguments, "--json", "--topology", one.file, "--bootstrap", one.cluster.bootstrap)
        assert ended.status == 0, ended
        return ended.answer

    return replay


def test_a_replay_that_is_killed_again_and_again_sends_each_event_once(one: Routed, run: Callable[..., Any]) -> None:
    """Killed as soon as a batch appears, in its transaction or right behind it; and only what lies in the range."""
    begin = int(time.time() * 1000) - 3_600_000
    one.route(40, at=begin - 600_000, early=True)
    one.route(EVENTS, at=begin)
    one.route(40, at=begin + 3_000_000, late=True)
    before, command = 0, ["--to", "crm", "--since", iso(begin), "--until", iso(begin + 2_000_000), "--rate", "4"]
    for _ in range(KILLS):
        with running_command(one, "replay", *command) as process:
            wait_for_more(one, before, process)
            process.send_signal(signal.SIGKILL)
            process.wait(DEADLINE)
        before, command = written(one), ["resume", "r1"]

    (state,) = run("list")
    assert state["status"] == "running"
    assert 0 < state["destinations"][0]["replayed"] < EVENTS
    with running_command(one, "replay", "resume", "r1") as process:
        wait_for_progress(one, state["destinations"][0]["replayed"], process)
        assert run("stop", "r1")["status"] == "stopped"
        _, said = process.communicate(timeout=DEADLINE)
    assert (process.returncode, "r1 was stopped by another command" in said) == (1, True)
    done = run("resume", "r1", "--rate", 10_000)
    assert (done["status"], done["selected"]) == ("done", EVENTS)
    found: dict[bytes | None, list[int]] = defaultdict(list)
    for message in one.read(one.topics.destination("crm")):
        found[message.key()].append(int(orjson.loads(message.value() or b"")["messageId"].removeprefix("m")))
        assert dict(message.headers() or ())["replay"] == b"r1"
    assert found == {f"p{profile}".encode(): list(range(profile, EVENTS, 5)) for profile in range(5)}

    ends = Admin(one.cluster).watermarks([(one.topics.resolved, number) for number in range(PARTITIONS)])
    Admin(one.cluster).delete_before({place: at.high - 5 for place, at in ends.items() if at.high > 5})
    gone = run("--to", "crm", "--since", iso(begin), "--dry-run")
    assert gone["gaps"]
    assert {gap["since"] for gap in gone["gaps"]} == {begin}

"""kill -9, and a second redrive beside the first: each letter comes to its destination's topic once, in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest

from router.kafka.admin import Admin
from tests.delivery.conftest import Staging
from tests.delivery.stage import DEADLINE, PARTITIONS, Stage, eventually
from tests.replay.conftest import Command, put_letter

pytestmark = pytest.mark.kafka

WEBHOOK = {"type": "webhook", "settings": {"url": "https://crm.example/events"}}
LETTERS, KILLS = 400, 4  # so many that a slow machine does not miss the end of a redrive at these rates
NOW = 0  # the producer's clock


@contextmanager
def running_command(one: Stage, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command as a process of its own, killed at the end if it still runs."""
    command = [
        sys.executable, "-m", "router", *arguments, "--topology", str(one.file), "--bootstrap", one.cluster.bootstrap
    ]  # fmt: skip
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=dict(os.environ)) as process:
        try:
            yield process
        finally:
            process.kill()


def written(one: Stage) -> int:
    """Records in the destination's topic, those of open and aborted transactions included."""
    places = [(one.topics.destination("crm"), number) for number in range(PARTITIONS)]
    return sum(at.high for at in Admin(one.cluster).watermarks(places).values())


def wait_for_more(one: Stage, than: int, process: subprocess.Popen[str]) -> None:
    def holds() -> bool:
        ended = process.poll()
        assert not ended, process.communicate()
        return ended == 0 or written(one) > than

    eventually(holds, f"more than {than} records")


def check_each_once(one: Stage) -> None:
    """In the order of each profile."""
    found: dict[bytes | None, list[int]] = defaultdict(list)
    for message in one.read(one.topics.destination("crm")):
        found[message.key()].append(int(orjson.loads(message.value() or b"")["messageId"].removeprefix("m")))
    assert found == {f"p{profile}".encode(): list(range(profile, LETTERS, 5)) for profile in range(5)}


@pytest.fixture
def one(kafka_stage: Staging) -> Stage:
    made = kafka_stage({"crm": WEBHOOK})
    for number in range(LETTERS):
        put_letter(made, "crm", number, at=NOW)
    made.flush()
    return made


def test_a_redrive_that_is_killed_again_and_again_sends_each_letter_once(one: Stage, dlq: Command) -> None:
    """Killed as soon as a batch appears: in its transaction, or right behind it."""
    before = 0
    for _ in range(KILLS):
        with running_command(one, "dlq", "redrive", "crm", "--rate", "4") as process:
            wait_for_more(one, before, process)
            process.send_signal(signal.SIGKILL)
            process.wait(DEADLINE)
        before = written(one)
    answer = dlq(one, "redrive", "crm", "--json").answer[0]

    assert answer["redriven"] + answer["skipped"].get("redriven", 0) == LETTERS
    check_each_once(one)
    assert dlq(one, "redrive", "crm", "--json").answer[0]["redriven"] == 0


def test_a_second_redrive_takes_over_from_the_first(one: Stage, dlq: Command) -> None:
    """Two operators at once: the first is told, and nothing is sent twice."""
    with running_command(one, "dlq", "redrive", "crm", "--rate", "1") as first:
        wait_for_more(one, 0, first)
        assert dlq(one, "redrive", "crm").status == 0
        _, said = first.communicate(timeout=DEADLINE)

    assert first.returncode == 3
    assert "another redrive of this topology has begun" in said
    check_each_once(one)


def test_a_redrive_that_is_stopped_says_so_and_goes_on_later(one: Stage, dlq: Command) -> None:
    with running_command(one, "dlq", "redrive", "crm", "--rate", "1") as process:
        wait_for_more(one, 0, process)
        process.send_signal(signal.SIGTERM)
        said, why = process.communicate(timeout=DEADLINE)

    assert process.returncode == 1
    assert "stopped before the end" in why
    assert "crm: " in said
    assert dlq(one, "redrive", "crm").status == 0
    check_each_once(one)

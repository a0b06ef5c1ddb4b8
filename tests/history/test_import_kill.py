"""kill -9 of an import on a real Kafka, twice: each row is in the topic once, and in order."""

from __future__ import annotations

import signal
import subprocess
from collections import defaultdict
from pathlib import Path

import orjson
import pytest

from router.kafka.admin import Admin
from tests.cli.conftest import line
from tests.cli.lines import Line
from tests.delivery.stage import DEADLINE, PARTITIONS, eventually
from tests.history.stage import HistoryStage
from tests.replay.test_redrive_kill import running_command

__all__ = ["line"]
pytestmark = pytest.mark.kafka

ROWS, KILLS, RATE = 400, 2, 20  # so many that a slow machine does not miss the end of an import at this rate


def written(one: HistoryStage) -> int:
    """Records in events.raw, those of open and aborted transactions included."""
    places = [(one.topics.raw, number) for number in range(PARTITIONS)]
    return sum(at.high for at in Admin(one.cluster).watermarks(places).values())


def wait_for_more(one: HistoryStage, than: int, process: subprocess.Popen[str]) -> None:
    def holds() -> bool:
        assert process.poll() is None, process.communicate()
        return written(one) > than

    eventually(holds, f"more than {than} records")


def test_an_import_that_is_killed_twice_leaves_each_row_once(
    kafka: str, tmp_path: Path, unique: str, line: Line
) -> None:
    """Killed as soon as a batch appears, in its transaction or right behind it."""
    one = HistoryStage(kafka, tmp_path, unique, {})
    file, mapping, before = tmp_path / "rows.csv", tmp_path / "map.yaml", 0
    file.write_text("n,id\n" + "".join(f"{number},p{number % 5}\n" for number in range(ROWS)))
    mapping.write_text("type: {value: identify}\nuserId: id\ntraits.n: {path: n, as: number}\n")
    command = ["import", str(file), "--source", "web", "--map", str(mapping)]
    for _ in range(KILLS):
        with running_command(one, *command, "--rate", str(RATE)) as process:
            wait_for_more(one, before, process)
            process.send_signal(signal.SIGKILL)
            process.wait(DEADLINE)
        before = written(one)

    ended = one.run(line, *command, "--json")

    assert ended.status == 0, ended
    assert 0 < ended.answer["files"][0]["sent"] <= ROWS
    found: dict[bytes | None, list[int]] = defaultdict(list)
    for message in one.messages():
        found[message.key()].append(orjson.loads(message.value() or b"")["traits"]["n"])
    assert found == {f"p{profile}".encode(): list(range(profile, ROWS, 5)) for profile in range(5)}

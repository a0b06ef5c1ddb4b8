"""kill -9 of an import and of a pull on a real Kafka, twice: each row is in the topic once, and in order."""

from __future__ import annotations

import signal
import subprocess
from collections import defaultdict
from pathlib import Path

import duckdb
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


def kill_twice(one: HistoryStage, *command: str) -> None:
    """As soon as a batch appears: in its transaction, or right behind it."""
    before = 0
    for _ in range(KILLS):
        with running_command(one, *command, "--rate", str(RATE)) as process:
            wait_for_more(one, before, process)
            process.send_signal(signal.SIGKILL)
            process.wait(DEADLINE)
        before = written(one)


def check_each_once(one: HistoryStage) -> None:
    """In the order of each key."""
    found: dict[bytes | None, list[int]] = defaultdict(list)
    for message in one.messages():
        found[message.key()].append(orjson.loads(message.value() or b"")["traits"]["n"])
    assert found == {f"p{profile}".encode(): list(range(profile, ROWS, 5)) for profile in range(5)}


def test_an_import_that_is_killed_twice_leaves_each_row_once(
    kafka: str, tmp_path: Path, unique: str, line: Line
) -> None:
    one = HistoryStage(kafka, tmp_path, unique, {})
    file, mapping = tmp_path / "rows.csv", tmp_path / "map.yaml"
    file.write_text("n,id\n" + "".join(f"{number},p{number % 5}\n" for number in range(ROWS)))
    mapping.write_text("type: {value: identify}\nuserId: id\ntraits.n: {path: n, as: number}\n")
    command = ["import", str(file), "--source", "web", "--map", str(mapping)]
    kill_twice(one, *command)

    ended = one.run(line, *command, "--json")

    assert ended.status == 0, ended
    assert 0 < ended.answer["files"][0]["sent"] < ROWS  # what the killed ones had committed is not sent again
    check_each_once(one)


def test_a_pull_that_is_killed_twice_leaves_each_row_once(kafka: str, tmp_path: Path, unique: str, line: Line) -> None:
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        connection.execute(f"CREATE TABLE t AS SELECT range AS n, 'p' || (range % 5) AS id FROM range({ROWS})")
    settings = {"url": "duckdb:///shop.duckdb", "query": "SELECT n, id FROM t ORDER BY n", "key": "n"}
    mapping = {"type": {"value": "identify"}, "userId": "id", "traits.n": "n"}
    sources = {"crm": {"type": "sql", "settings": settings, "map": mapping}}
    one = HistoryStage(kafka, tmp_path, unique, {}, sources=sources)
    kill_twice(one, "pull", "crm")

    ended = one.run(line, "pull", "crm", "--json")

    assert ended.status == 0, ended
    assert (ended.answer["complete"], ended.answer["new"] + ended.answer["unchanged"]) == (True, ROWS)
    check_each_once(one)

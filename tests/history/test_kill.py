"""kill -9 of an import and of pulls on a real Kafka: each row is in the topic once, and in order."""

from __future__ import annotations

import signal
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest

from router.history.import_log import ImportLog
from router.history.pull_log import PullLog
from router.kafka.admin import Admin
from tests.cli.conftest import line
from tests.cli.lines import Line
from tests.delivery.stage import DEADLINE, PARTITIONS, eventually
from tests.history.stage import HistoryStage
from tests.replay.test_redrive_kill import running_command

__all__ = ["line"]
pytestmark = pytest.mark.kafka

ROWS, RATE = 400, 4  # so slow that no machine misses the end


def written(one: HistoryStage) -> int:
    """Records in events.raw, those of open and aborted transactions included."""
    places = [(one.topics.raw, number) for number in range(PARTITIONS)]
    return sum(at.high for at in Admin(one.cluster).watermarks(places).values())


def kill(one: HistoryStage, holds: Callable[[], bool], *command: str) -> None:
    """As soon as something holds, and long before the command's end."""
    with running_command(one, *command, "--rate", str(RATE)) as process:

        def reached() -> bool:
            assert process.poll() is None, process.communicate()
            return holds()

        eventually(reached, "a batch")
        process.send_signal(signal.SIGKILL)
        process.wait(DEADLINE)


def rows_of(one: HistoryStage, write_key: bytes) -> dict[bytes | None, list[int]]:
    """The numbers of the rows in their order, by key."""
    found: dict[bytes | None, list[int]] = defaultdict(list)
    for message in one.messages():
        if dict(message.headers() or ())["write-key"] == write_key:
            found[message.key()].append(orjson.loads(message.value() or b"")["traits"]["n"])
    return found


EACH_ONCE = {f"p{profile}".encode(): list(range(profile, ROWS, 5)) for profile in range(5)}


def test_each_row_is_there_once(kafka: str, tmp_path: Path, unique: str, line: Line) -> None:
    """An import is killed in its first transaction, then behind the first that is committed; so are two pulls."""
    file, mapping = tmp_path / "rows.csv", tmp_path / "map.yaml"
    file.write_text("n,id\n" + "".join(f"{number},p{number % 5}\n" for number in range(ROWS)))
    mapping.write_text("type: {value: identify}\nuserId: id\ntraits.n: {path: n, as: number}\n")
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        connection.execute(f"CREATE TABLE t AS SELECT range AS n, 'p' || (range % 5) AS id FROM range({ROWS})")
    settings = {"url": "duckdb:///shop.duckdb", "query": "SELECT n, id FROM t ORDER BY n", "key": "n"}
    crm = {"type": "sql", "settings": settings, "map": {"type": {"value": "identify"}, "userId": "id", "traits.n": "n"}}
    newer = crm | {"settings": settings | {"cursor": "part", "query": "SELECT n, id, n // 7 AS part FROM t"}}
    sources: dict[str, Any] = {"web": {"write_keys": ["key-of-web"]}, "crm": crm, "newer": newer}
    one = HistoryStage(kafka, tmp_path, unique, {}, sources=sources)

    command = ["import", str(file), "--source", "web", "--map", str(mapping)]
    log = ImportLog(one.cluster, one.topics.imports)
    kill(one, lambda: written(one) > 0, *command)
    kill(one, lambda: any(state.rows > 0 for state in log.read().values()), *command)
    ended = one.run(line, *command, "--json")
    assert ended.status == 0, ended
    assert 0 < ended.answer["files"][0]["sent"] < ROWS  # what was committed is not sent again
    assert rows_of(one, b"key-of-web") == EACH_ONCE

    pulls = {name: PullLog(one.cluster, one.topics.pulls, name) for name in ("crm", "newer")}
    kill(one, lambda: all(each.read().rows for each in pulls.values()), "pull", "--follow")
    for name in pulls:
        ended = one.run(line, "pull", name, "--json")
        assert ended.status == 0, ended
        assert ended.answer["unchanged"] > 0
        assert ended.answer["new"] + ended.answer["changed"] + ended.answer["unchanged"] == ended.answer["read"]
    assert rows_of(one, b"hook:crm") == EACH_ONCE
    by_part = rows_of(one, b"hook:newer")  # rows of one part are in any order
    assert {key: sorted(rows) for key, rows in by_part.items()} == EACH_ONCE
    assert all([n // 7 for n in rows] == sorted(n // 7 for n in rows) for rows in by_part.values())

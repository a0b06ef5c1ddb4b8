"""An import without a broker: batches with their state, rows behind the last that is there, bad rows by line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
import yaml

from router.config.loader import load_topology
from router.config.models import Topology
from router.destinations.registry import destination_types
from router.events.records import Record
from router.history.history_import import BadRow, HistoryImport, ImportOutput
from router.history.import_log import ImportLog, ImportState
from router.history.intake import HistoryIntake
from router.history.row_events import RowEvents
from router.history.rows import FileRow
from router.kafka.cluster import Cluster
from router.mapping.conversions import EXPECTED_TIME
from router.replay.redrive import Pace

AT = 1_767_225_600_000


class Killed(Exception):
    """In the place of kill -9: nothing of this write stands."""


class Written:
    """A broker with transactions; it dies at the write of this number."""

    def __init__(self, dies_at: int = 0) -> None:
        self.events: list[Record] = []
        self.state: ImportState | None = None
        self.batches: list[int] = []
        self._dies_at = dies_at

    def write(self, events: Sequence[Record], log: Sequence[Record]) -> None:
        if len(self.batches) + 1 == self._dies_at:
            raise Killed
        self.events += events
        self.batches.append(len(events))
        ((_, value, _, _),) = log
        self.state = ImportState.model_validate_json(value)

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def topology(tmp_path: Path) -> Topology:
    path = tmp_path / "t.yaml"
    config = {
        "name": "shop",
        "sources": {"web": {"write_keys": ["k"]}},
        "destinations": {},
        "limits": {"event_bytes": 2048},
        "gateway": {"max_in_flight": 1},
        "privacy": {"classes": {"mail": {"color": "red", "names": ["email"]}}, "source": {"web": {"mail": "drop"}}},
    }
    path.write_text(yaml.safe_dump(config))
    return load_topology([path], registry=destination_types()).topology


def started() -> ImportState:
    return ImportState(id="i", source="web", file="f", size=1, digest="d", started=AT, updated=AT)


def run(topology: Topology, rows: Sequence[FileRow], written: Written, state: ImportState) -> list[BadRow]:
    bad: list[BadRow] = []
    intake = HistoryIntake(topology, "web", "events.raw", b"k")
    pace = Pace(None, float, lambda seconds: None)
    output = ImportOutput(written, ImportLog(Cluster(""), "shop.imports"), pace, rows=7)
    HistoryImport(state, RowEvents("d"), intake, output, bad.extend, lambda: False).run(rows)
    return bad


def rows(count: int) -> list[FileRow]:
    return [FileRow(n + 2, {"type": "identify", "userId": f"u{n}", "traits": {"n": n}}) for n in range(count)]


def test_rows_are_written_in_batches_with_what_the_gateway_gives_them(topology: Topology) -> None:
    written = Written()

    assert run(topology, rows(20), written, started()) == []

    assert written.batches == [7, 7, 6, 0]
    assert written.state is not None
    assert (written.state.status, written.state.rows, written.state.sent, written.state.bad) == ("done", 20, 20, 0)
    topic, value, key, headers = written.events[3]
    body = orjson.loads(value)
    assert (topic, key, dict(headers or ())["write-key"]) == ("events.raw", b"u3", b"k")
    assert body["receivedAt"] > "2026"
    assert (body["userId"], body["traits"]) == ("u3", {"n": 3})


def test_a_kill_at_any_batch_leaves_each_row_once(topology: Topology) -> None:
    whole = Written()
    run(topology, rows(20), whole, started())
    for dies_at in range(1, 5):
        written = Written(dies_at)
        with pytest.raises(Killed):
            run(topology, rows(20), written, started())
        again = Written()
        again.state = written.state
        run(topology, rows(20), again, written.state or started())

        ids = [orjson.loads(value)["messageId"] for _, value, *_ in [*written.events, *again.events]]
        assert ids == [orjson.loads(value)["messageId"] for _, value, *_ in whole.events]


def test_bad_rows_are_named_by_line_and_take_no_other_with_them(topology: Topology) -> None:
    some = rows(6)
    some[1] = FileRow(3, {}, "expected 3 cells, got 2")
    some[2] = FileRow(4, {"type": "identify", "traits": {}})
    some[3] = FileRow(5, {"type": "track", "userId": "u", "event": "e", "properties": {"a": "x" * 3000}})
    some[4] = FileRow(6, {"type": "identify", "userId": "u", "timestamp": "soon"})
    written = Written()

    bad = run(topology, some, written, started())

    assert [(one.line, one.reason) for one in bad] == [
        (3, "expected 3 cells, got 2"),
        (4, "neither `userId` nor `anonymousId`"),
        (5, "larger than the limit for one event"),
        (6, f"timestamp: {EXPECTED_TIME}"),
    ]
    assert [orjson.loads(value)["userId"] for _, value, *_ in written.events] == ["u0", "u5"]
    assert written.state is not None
    assert (written.state.rows, written.state.sent, written.state.bad) == (6, 2, 4)


def test_personal_data_is_treated_before_anything_is_written(topology: Topology) -> None:
    written = Written()
    row = {"type": "identify", "userId": "u", "traits": {"email": "ann@shop.example", "plan": "gold"}}

    run(topology, [FileRow(2, row)], written, started())

    assert orjson.loads(written.events[0][1])["traits"] == {"plan": "gold"}

"""A pull without a broker: what is new, changed, gone or bad, across kills at any batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from router.config.loader import load_topology
from router.config.models import Topology
from router.destinations.registry import destination_types
from router.errors import RouterError
from router.events.records import Record
from router.history.history_import import BadRow
from router.history.intake import HistoryIntake
from router.history.pull import Pull
from router.history.pull_log import KnownRows, PullLog
from router.history.pull_steps import PullCounts, PullOutput
from router.history.pulled_rows import PulledRows
from router.kafka.cluster import Cluster
from router.replay.redrive import Pace

MAP = {"type": {"value": "identify"}, "userId": "id", "traits.plan": "plan", "traits.n": {"path": "n", "as": "number"}}
DELETED = {"event": {"value": "Customer Deleted"}, "userId": "id"}


class Killed(Exception):
    """In the place of kill -9: nothing of this write stands."""


class Broker:
    """With transactions. It keeps what is written, and dies at the write of this number."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.known: dict[bytes, bytes] = {}
        self.state: dict[str, Any] = {"pulls": 0}
        self.dies_in = 0

    def write(self, events: Sequence[Record], log: Sequence[Record]) -> None:
        self.dies_in -= 1
        if self.dies_in == 0:
            raise Killed
        self.events += [orjson.loads(value) for _, value, *_ in events]
        for _, value, key, _ in log:
            assert key is not None
            _, separator, row = key.partition(b"\0")
            if not separator:
                self.state = orjson.loads(value)
            elif not value:
                del self.known[row]
            else:
                self.known[row] = value

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def topology(tmp_path: Path) -> Topology:
    path = tmp_path / "t.yaml"
    settings = {"url": "duckdb:///x.duckdb", "query": "SELECT 1"}
    path.write_text(
        yaml.safe_dump({"name": "shop", "sources": {"crm": {"type": "sql", "settings": settings, "map": MAP}}})
    )
    return load_topology([path], registry=destination_types()).topology


class Puller:
    """Pulls answers to one query, one after the other."""

    def __init__(self, topology: Topology, deleted: dict[str, Any] | None = None, objects: str | None = None) -> None:
        self.broker, self.bad = Broker(), list[BadRow]()
        self._intake = HistoryIntake(topology, "crm", "events.raw", b"hook:crm")
        self._rows = PulledRows("crm", ("id",), {} if objects else MAP, deleted or {}, objects)

    def pull(self, rows: Sequence[dict[str, Any]]) -> PullCounts:
        log = PullLog(Cluster(""), "shop.pulls", "crm")
        output = PullOutput(self.broker, log, Pace(None, float, lambda seconds: None), rows=3)
        self.bad = []
        known = KnownRows(dict(self.broker.known), self.broker.state["pulls"])
        return Pull(self._rows, known, self._intake, output, self.bad.extend, lambda: False).run(rows)


def customers(count: int, plan: str = "free") -> list[dict[str, Any]]:
    return [{"id": f"c{n}", "plan": plan, "n": n} for n in range(count)]


def test_only_new_and_changed_rows_are_sent(topology: Topology) -> None:
    one = Puller(topology)

    first = one.pull(customers(7))
    assert (first.new, first.sent, first.complete) == (7, 7, True)
    second = one.pull(customers(7))
    assert (second.unchanged, second.sent) == (7, 0)
    third = one.pull([*customers(6), {"id": "c6", "plan": "gold", "n": 6}, {"id": "c7", "plan": "free", "n": 7}])
    assert (third.new, third.changed, third.unchanged) == (1, 1, 6)
    assert [(event["userId"], event["traits"]["plan"]) for event in one.broker.events[7:]] == [
        ("c6", "gold"), ("c7", "free")
    ]  # fmt: skip


def test_a_row_that_goes_back_to_what_it_was_is_another_event(topology: Topology) -> None:
    one = Puller(topology)
    for plan in ("free", "gold", "free"):
        one.pull(customers(1, plan))

    assert [event["traits"]["plan"] for event in one.broker.events] == ["free", "gold", "free"]
    assert len({event["messageId"] for event in one.broker.events}) == 3


def test_a_kill_at_any_batch_leaves_each_change_once(topology: Topology) -> None:
    for dies_in in range(1, 5):
        one = Puller(topology)
        one.broker.dies_in = dies_in
        with pytest.raises(Killed):
            one.pull(customers(8))
        one.pull(customers(8))
        assert [event["userId"] for event in one.broker.events] == [f"c{n}" for n in range(8)]
        assert len({event["messageId"] for event in one.broker.events}) == 8


def test_rows_that_are_gone_are_events_where_that_is_asked_for(topology: Topology) -> None:
    one, silent = Puller(topology, DELETED), Puller(topology)
    for each in (one, silent):
        each.pull(customers(9))
        each.pull(customers(2))

    assert sorted(event["userId"] for event in one.broker.events[9:]) == [f"c{n}" for n in range(2, 9)]
    assert {(event["type"], event["event"]) for event in one.broker.events[9:]} == {("track", "Customer Deleted")}
    assert len(silent.broker.events) == 9
    assert one.pull(customers(9)).new == 7  # they come back
    with pytest.raises(RouterError, match="expected rows, got none where 9 were known"):
        one.pull([])
    assert len(one.broker.events) == 9 + 7 + 7


def test_bad_rows_are_named_by_number_and_tried_again_and_are_not_gone(topology: Topology) -> None:
    one = Puller(topology, DELETED)
    one.pull(customers(5))
    rows: list[dict[str, Any]] = customers(5)
    rows[1] = {"id": None, "plan": "x", "n": 1}
    rows[2] = {"id": "c2", "plan": "x", "n": "many"}
    rows[3] = {"id": "c0", "plan": "x", "n": 1}
    rows += [
        {"id": "c1", "plan": "free", "n": 1},
        {"id": "c3", "plan": "free", "n": 3},
        {"id": "", "plan": "x", "n": 1},
    ]

    for _ in range(2):
        counts = one.pull(rows)
        assert (counts.bad, counts.unchanged, counts.gone, counts.sent) == (4, 4, 0, 0)
        assert [(bad.line, bad.reason) for bad in one.bad] == [
            (2, "expected a value in each column of the key, got none"),
            (3, "traits.n: expected a number"),
            (4, "expected a key that no other row has, got that of row 1"),
            (8, "expected a value in each column of the key, got none"),
        ]


def test_objects_are_nobodys_and_go_where_everything_goes(topology: Topology) -> None:
    one = Puller(topology, objects="tickets")

    one.pull([{"id": 1, "title": "Broken", "status": "open"}])
    one.pull([{"id": 1, "title": "Broken", "status": "closed"}])

    first, second = one.broker.events
    assert (first["type"], first["event"], first["integrations"]) == ("track", "tickets", {"All": False})
    assert first["properties"] == {"id": 1, "title": "Broken", "status": "open"}
    assert first["anonymousId"] == second["anonymousId"]
    assert "userId" not in first
    assert second["properties"]["status"] == "closed"

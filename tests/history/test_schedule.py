"""Pulls again and again, without a broker and without a database: when, in which order, what fails, what changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from router import metrics
from router.cli.history.database import Database
from router.cli.history.pulls import Pulls
from router.cli.history.schedule import PullSchedule
from router.config.loader import Loaded, load_topology
from router.destinations.registry import destination_types
from router.errors import Unavailable
from router.history.history_import import BadRow
from router.history.pull_steps import PullCounts
from router.kafka.cluster import Cluster
from router.process.health import Health
from tests.delivery.stage import eventually

PATIENCE = 60.0


def loaded(folder: Path, every: str = "1d", **sources: str) -> Loaded:
    """Sources of rows, each with its query."""
    path = folder / "t.yaml"
    made = {
        name: {
            "type": "sql",
            "settings": {"url": "duckdb:///x.duckdb", "query": query, "every": every},
            "map": {"type": {"value": "identify"}, "userId": "id"},
        }
        for name, query in sources.items()
    }
    path.write_text(yaml.safe_dump({"name": "shop", "sources": made | {"web": {"write_keys": ["k"]}}}))
    return load_topology([path], registry=destination_types())


class Scene(PullSchedule):
    """What a pull does is said by `acts`, by source; `asked` gets the source and the query of each."""

    def __init__(self) -> None:
        self.health, self.asked, self.told = Health(), Queue[tuple[str, str]](), Queue[str]()
        self.acts: dict[str, Callable[[Any], PullCounts]] = {}
        self.last: dict[str, float] = {}
        super().__init__(Cluster(""), self.health, lambda database, counts: self.told.put(database.source))

    def pulls(self, loaded: Loaded, source: str, ended: Event) -> Pulls:
        database = Database.of(loaded, source)

        def run(bad: Any) -> PullCounts:
            self.asked.put((source, database.settings.query))
            act = self.acts.get(source)
            return act(bad) if act else PullCounts(complete=True)

        last = int(self.last.get(source, 0) * 1000)
        return cast("Pulls", SimpleNamespace(database=database, last=lambda: last, run=run))

    def note(self, source: str) -> str:
        check = self.health.readiness().checks.get(source)
        return check.why if check else ""


@pytest.fixture
def scene() -> Iterator[Scene]:
    one = Scene()
    try:
        yield one
    finally:
        one.close()


def test_each_source_is_pulled_at_once_where_it_never_was_and_else_when_its_time_has_come(
    scene: Scene, tmp_path: Path
) -> None:
    scene.last = {"later": time.time(), "due": time.time() - 2 * 86400}
    scene.follow(loaded(tmp_path, never="A", due="B", later="C"))

    assert {scene.asked.get(timeout=PATIENCE)[0] for _ in range(2)} == {"never", "due"}
    assert {scene.told.get(timeout=PATIENCE) for _ in range(2)} == {"never", "due"}
    scene.close()
    assert scene.asked.empty()
    assert metrics.PULL_LAST.labels("later")._value.get() == pytest.approx(scene.last["later"], abs=1)


def test_a_source_that_fails_is_tried_again_and_holds_up_no_other(scene: Scene, tmp_path: Path) -> None:
    def away(bad: Any) -> PullCounts:
        raise Unavailable("the database: no answer")

    failed = metrics.PULLS.labels("crm", "failed")._value
    before = failed.get()
    scene.acts["crm"] = away
    scene.follow(loaded(tmp_path, "10ms", crm="A", erp="B"))

    eventually(lambda: failed.get() >= before + 3, "three attempts")
    assert "erp" in {scene.told.get(timeout=PATIENCE) for _ in range(3)}
    assert scene.note("crm") == "the database: no answer; tried again in 0.01 s"
    assert scene.health.readiness().checks["crm"].ok  # events flow all the same

    def one_bad(bad: Any) -> PullCounts:
        bad.add("crm: row", [BadRow(3, "traits.n: expected a number")])
        return PullCounts(complete=True)

    scene.acts["crm"] = one_bad
    eventually(lambda: scene.note("crm") == "1 bad row, the first in row 3: traits.n: expected a number", "its note")


def test_what_changes_is_asked_at_once_and_what_is_gone_no_more(scene: Scene, tmp_path: Path) -> None:
    scene.follow(loaded(tmp_path, crm="A", erp="B"))
    assert {scene.asked.get(timeout=PATIENCE) for _ in range(2)} == {("crm", "A"), ("erp", "B")}
    eventually(lambda: scene.told.qsize() == 2, "both are told of")

    scene.follow(loaded(tmp_path, crm="A2", new="C"))
    assert {scene.asked.get(timeout=PATIENCE) for _ in range(2)} == {("crm", "A2"), ("new", "C")}
    assert "erp" not in scene.health.readiness().checks
    scene.close()
    assert scene.asked.empty()


def test_a_fault_of_the_router_ends_the_process(scene: Scene, tmp_path: Path) -> None:
    def broken(bad: Any) -> PullCounts:
        raise ZeroDivisionError

    scene.acts["crm"] = broken
    reload = cast("Any", SimpleNamespace(take=lambda: None))
    failed: list[BaseException] = []

    def run() -> None:
        try:
            scene.run(loaded(tmp_path, crm="A"), Event(), reload)
        except ZeroDivisionError as error:
            failed.append(error)

    thread = Thread(target=run)
    thread.start()
    thread.join(PATIENCE)
    assert len(failed) == 1

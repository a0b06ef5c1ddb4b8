"""What a process runs follows its files; what is faulty, or needs a restart, leaves it as it was."""

from __future__ import annotations

import logging
import os
import random
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from router import metrics
from router.config.loader import Loaded
from router.config.source_files import SourceFiles
from router.destinations.registry import destination_types
from router.errors import FileError, RouterError, Unavailable
from router.process import reload as module
from router.process.reload import Offer, Reload
from tests.process.processes import eventually

TEXT = "name: shop\ntopics: {partitions: %d}\nlimits: {depth: %d}\nsources: {web: {plan: ./plan}}\n"
EVENT = "type: track\nevent: A\nproperties: {type: object, properties: {total: {type: number}}}\n"
LAKE = "destinations: {lake: {type: file, settings: {path: ./out}}}\n"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(module, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(module, "TOPICS_SECONDS", 0.05)
    monkeypatch.setattr(module, "TOPICS_AGAIN_SECONDS", 0.05)


class Process:
    """An owner that prepares the depth of its limits, and takes what is offered when told to."""

    def __init__(self, folder: Path, *, brief: bool = False) -> None:
        self.folder = folder
        (folder / "plan/events").mkdir(parents=True)
        self.event()
        self.write()
        self.reload: Reload[int] = Reload(SourceFiles([folder / "t.yaml"], destination_types()), brief=brief)
        self.before = {outcome: self.total(outcome) for outcome in module.OUTCOMES}
        self.prepared: list[int] = []

    def write(self, *, partitions: int = 1, depth: int = 10, more: str = "") -> None:
        (self.folder / "t.yaml").write_text(TEXT % (partitions, depth) + more)

    def event(self, text: str = EVENT) -> None:
        (self.folder / "plan/events/a.yaml").write_text(text)

    def prepare(self, loaded: Loaded) -> int:
        self.prepared.append(loaded.topology.limits.depth)
        return loaded.topology.limits.depth

    def use(self, prepare: Callable[[Loaded], int] | None = None, **options: Any) -> None:
        self.reload.use(prepare or self.prepare, **options)

    def total(self, outcome: str) -> float:
        return metrics.REGISTRY.get_sample_value("router_reloads_total", {"outcome": outcome}) or 0

    def counted(self) -> dict[str, float]:
        """Reloads since the beginning, by outcome; those that never came to pass are left out."""
        found = {outcome: self.total(outcome) - before for outcome, before in self.before.items()}
        return {outcome: number for outcome, number in found.items() if number}

    def offered(self) -> Offer[int]:
        found: list[Offer[int]] = []

        def taken() -> bool:
            offer = self.reload.take()
            found.extend([offer] if offer else [])
            return bool(found)

        eventually(taken, "an offer")
        return found[0]

    def has_prepared(self, depth: int) -> bool:
        return self.prepared[-1:] == [depth]

    def applied(self) -> Loaded:
        self.reload.done(self.offered())
        return self.reload.active

    def looked(self, times: int = 3) -> None:
        """Let the watch look again some times."""
        until = time.monotonic() + times * module.POLL_SECONDS * 5
        eventually(lambda: time.monotonic() > until)


@pytest.fixture
def process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Process]:
    caplog.set_level(logging.INFO)
    made = Process(tmp_path)
    yield made
    made.reload.stop()


def test_a_changed_file_is_loaded_prepared_and_offered_once(process: Process) -> None:
    process.use()
    process.write(depth=20)
    offer = process.offered()

    assert (offer.prepared, [change.path for change in offer.changes]) == (20, ["limits.depth"])
    assert process.counted() == {}
    process.reload.done(offer)
    assert process.reload.active.topology.limits.depth == 20
    assert process.counted() == {"applied": 1}
    assert process.reload.take() is None


def test_what_is_wrong_is_told_with_file_and_line_until_it_is_mended(process: Process) -> None:
    """For the health page, which `router status` reads."""
    told: list[str] = []
    process.reload.tell(told.append)
    process.use()
    process.write(more="sourcess: {}\n")
    eventually(lambda: told and told[-1], "the refusal")
    assert re.match(r"reload refused: \S+t\.yaml:5:1: sourcess: expected .*did you mean sources", told[-1])
    process.write(depth=20)
    process.applied()
    assert told[-1] == ""


def test_what_changed_before_the_watch_began_is_seen(process: Process) -> None:
    process.write(depth=30)
    process.use()
    assert process.applied().topology.limits.depth == 30


def test_a_changed_plan_is_taken_over_and_told(process: Process, caplog: pytest.LogCaptureFixture) -> None:
    process.use()
    old = process.reload.active.plans["web"].plan
    process.event(EVENT.replace("type: object,", "type: object, required: [total],"))
    new = process.applied().plans["web"].plan

    assert old.revision != new.revision
    assert f"reload: sources.web.plan: {old.stamp} -> {new.stamp}: A changed" in caplog.messages


def test_a_faulty_plan_is_refused_with_every_problem_and_its_place_until_it_is_mended(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    process.use()
    active = process.reload.active
    process.event("type: track\nevent: A\nproperties: {type: objekt, propertys: {}}\n")
    eventually(lambda: process.counted() == {"refused": 1})

    told = [line for line in caplog.messages if line.startswith("reload refused: ")]
    assert len(told) == 2
    assert all(f"{process.folder}/plan/events/a.yaml:3:" in line and "/properties/" in line for line in told)
    assert "reload refused; the last good topology goes on" in caplog.messages
    assert process.reload.active is active
    assert process.reload.take() is None

    process.looked()
    assert process.counted() == {"refused": 1}
    process.event(EVENT.replace("number", "string"))
    assert process.applied() is not active
    assert process.counted() == {"refused": 1, "applied": 1}


def test_a_fault_that_is_undone_changes_nothing(process: Process) -> None:
    process.use()
    process.event("type: track\n  event")
    eventually(lambda: process.counted() == {"refused": 1})
    process.event()
    eventually(lambda: process.counted() == {"refused": 1, "unchanged": 1})
    assert process.prepared == []


def test_a_touched_file_is_no_reload_and_being_asked_is_one(process: Process) -> None:
    process.use()
    os.utime(process.folder / "t.yaml", ns=(1, 1))
    process.looked()
    assert process.counted() == {}
    process.reload.ask()
    eventually(lambda: process.counted() == {"unchanged": 1})


def test_what_needs_a_restart_is_told_and_left_while_the_rest_is_taken_over(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    process.use()
    process.write(partitions=3, depth=15)
    active = process.applied()

    assert (active.topology.topics.partitions, active.topology.limits.depth) == (1, 15)
    assert process.counted() == {"restart_needed": 1}
    assert any("until a restart: topics.partitions: 1 -> 3" in line for line in caplog.messages)

    process.write(partitions=4, depth=15)
    eventually(lambda: process.counted() == {"restart_needed": 2})
    assert process.reload.take() is None
    process.write(partitions=1, depth=15)
    eventually(lambda: process.counted() == {"restart_needed": 2, "unchanged": 1})


def test_the_newest_offer_counts(process: Process) -> None:
    process.use()
    for depth in (21, 22, 23):
        process.write(depth=depth)
        eventually(partial(process.has_prepared, depth))
    assert process.applied().topology.limits.depth == 23
    assert process.counted() == {"applied": 1}


def test_an_offer_that_nobody_took_is_withdrawn_when_the_files_go_back(process: Process) -> None:
    process.use()
    process.write(depth=40)
    eventually(lambda: process.prepared == [40])
    process.write()
    eventually(lambda: process.counted() == {"unchanged": 1})
    assert process.reload.take() is None


def test_what_the_owner_cannot_run_is_refused(process: Process, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(_: Loaded) -> int:
        raise RouterError("no such thing here")

    process.use(refuse)
    process.write(depth=20)
    eventually(lambda: process.counted() == {"refused": 1})
    assert "reload refused: no such thing here; the last good topology goes on" in caplog.messages
    assert process.reload.take() is None


def test_a_fault_of_ours_is_told_and_ends_no_watch(process: Process, caplog: pytest.LogCaptureFixture) -> None:
    def stumble(loaded: Loaded) -> int:
        if loaded.topology.limits.depth == 20:
            raise ValueError("a bug")
        return process.prepare(loaded)

    process.use(stumble)
    process.write(depth=20)
    eventually(lambda: process.counted() == {"refused": 1})
    assert "reload failed; the last good topology goes on" in caplog.messages
    process.write(depth=25)
    assert process.applied().topology.limits.depth == 25


def test_files_that_are_still_being_written_are_waited_for(process: Process) -> None:
    """Nothing in between is loaded while a file changes more often than the moment it has to stay."""
    process.use()
    for depth in range(30, 60):
        process.write(depth=depth)
        time.sleep(0.01)
    assert process.applied().topology.limits.depth == 59
    assert len(process.prepared) < 5


def test_files_that_never_stay_are_loaded_at_last(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLED_AT_LAST_SECONDS", 0.2)
    process.use()
    over = threading.Event()
    depth = 20

    def write() -> None:
        nonlocal depth
        while not over.wait(0.02):
            process.event(EVENT + f"# {depth}\n")
            depth += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        eventually(lambda: process.prepared or process.counted(), "an end of waiting")
    finally:
        over.set()
        writer.join()


def test_a_destination_waits_for_its_topics_and_the_rest_does_not(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    missing = {"lake"}

    def absent(_: Loaded, names: Collection[str]) -> Collection[str]:
        if "down" in missing:
            raise Unavailable("no broker")
        return missing & set(names)

    process.use(absent=absent)
    process.write(depth=20, more=LAKE)
    active = process.applied()
    assert (active.topology.limits.depth, list(active.topology.destinations)) == (20, [])
    assert process.counted() == {"restart_needed": 1}
    assert any("destinations.lake: added (its topics are not there yet" in line for line in caplog.messages)

    missing.add("down")
    process.looked(6)
    assert process.reload.take() is None
    missing.clear()
    assert list(process.applied().topology.destinations) == ["lake"]
    assert process.counted() == {"restart_needed": 1, "applied": 1}


def test_waiting_for_topics_ends_with_the_process(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOPICS_SECONDS", 3600.0)
    asked = threading.Event()

    def absent(_: Loaded, names: Collection[str]) -> Collection[str]:
        asked.set()
        return names

    process.use(absent=absent)
    process.write(more=LAKE)
    eventually(asked.is_set)
    process.reload.stop()
    assert process.reload.take() is None


def test_with_at_once_what_is_prepared_is_in_force(process: Process) -> None:
    process.use(at_once=True)
    process.write(depth=33)
    eventually(lambda: process.counted() == {"applied": 1})
    assert process.reload.active.topology.limits.depth == 33
    assert process.reload.take() is None


def test_a_supervised_process_leaves_the_details_to_its_supervisor(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    process = Process(tmp_path, brief=True)
    process.use()
    try:
        process.event("type: track\nevent: 7\n")
        eventually(lambda: process.counted() == {"refused": 1})
        process.event(EVENT.replace("number", "string"))
        process.applied()
    finally:
        process.reload.stop()
    assert caplog.messages == ["reload refused; the last good topology goes on", "reload: applied"]


def test_secrets_are_known_before_anything_is_told(process: Process) -> None:
    order: list[str] = []

    def prepare(_: Loaded) -> int:
        order.append("prepared")
        return 0

    process.use(prepare, register=lambda _: order.append("registered"))
    process.write(depth=20)
    process.applied()
    assert order == ["registered", "prepared"]


def test_new_warnings_are_told_once(process: Process, caplog: pytest.LogCaptureFixture) -> None:
    process.use()
    nowhere = LAKE.replace("type: file,", "type: file, sources: [wbe],")
    process.write(more=nowhere)
    process.applied()
    process.write(depth=20, more=nowhere)
    process.applied()
    assert sum("expected a glob that matches a source, got wbe" in line for line in caplog.messages) == 1


def test_a_topology_that_is_faulty_from_the_start_is_no_reload(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("nmae: shop\n")
    with pytest.raises(FileError):
        Reload(SourceFiles([tmp_path / "t.yaml"], destination_types()))


def test_a_reload_that_was_never_used_can_be_stopped(process: Process) -> None:
    process.reload.ask()
    process.reload.stop()


def test_however_edits_and_owner_meet_the_last_edit_wins(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner that takes offers at any moment, files that change and go back: in the end what stands is in force."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(module, "SETTLE_SECONDS", 0.002)
    process.use()
    over = threading.Event()

    def own() -> None:
        while not over.wait(random.random() / 200):
            offer = process.reload.take()
            if offer is not None:
                process.reload.done(offer)

    owner = threading.Thread(target=own)
    owner.start()
    try:
        chance = random.Random(7)
        for _ in range(60):
            process.write(depth=chance.choice((10, 11, 12)))
            time.sleep(chance.random() / 30)
        process.write(depth=12)
        eventually(lambda: process.reload.active.topology.limits.depth == 12)
        process.looked(20)
        assert process.reload.active.topology.limits.depth == 12
    finally:
        over.set()
        owner.join()

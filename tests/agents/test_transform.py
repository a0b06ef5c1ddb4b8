"""A source's own function: what becomes of its events, in the real pipeline with the real process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from router import metrics
from router.agents.agent import Setup
from router.agents.batch import Batch
from router.agents.isolate import Isolated
from router.agents.pipeline import Pipeline
from router.config.loader import load_topology
from router.dedupe.window_memory import MemoryWindow
from router.destinations.registry import destination_types
from tests.agents.messages import message, track
from tests.agents.test_shaping import names, routed, topology
from tests.identity.replicas import memory_replica
from tests.transform.functions import module


def events(*given: str) -> list[dict[str, Any]]:
    return [{"event": name} for name in given]


def test_an_event_may_be_changed_become_several_or_be_blocked(tmp_path: Path) -> None:
    config = topology(web={"transform": module(tmp_path)})

    out = routed(tmp_path, config, *events("Order", "Two", "Drop", "Each"))

    assert names(out["crm"]) == names(out["resolved"]) == ["Order", "Two", "Second", "Each 0", "Each 1", "Each 2"]
    assert out["crm"][0]["properties"] == {"total": 10**30, "of": "u1"}
    assert len({event["messageId"] for event in out["resolved"]}) == 6
    assert names(out["blocked"]) == ["Drop"]
    assert out["blocked"][0]["violations"][0]["class"] == "source_rule"
    assert out["invalid"] == []


def test_failures_are_kept_whole_with_the_reason(tmp_path: Path) -> None:
    config = topology(web={"transform": module(tmp_path)})

    out = routed(tmp_path, config, *events("Fail", "Order", "Loop", "Cycle", "Nothing", "Exit"))

    assert names(out["crm"]) == ["Order"]
    assert [(item["event"], item["reason"], item["stage"]) for item in out["invalid"]] == [
        ("Fail", "transform_failed", "transform"),
        ("Loop", "transform_timeout", "transform"),
        ("Cycle", "transform_failed", "transform"),
        ("Nothing", "transform_failed", "transform"),
        ("Exit", "transform_failed", "transform"),
    ]


def test_a_repeat_gives_the_same_events_which_are_repeats(tmp_path: Path) -> None:
    config = topology(web={"transform": module(tmp_path)})
    again = {"event": "Two", "messageId": "again"}

    out = routed(tmp_path, config, again, again)

    assert names(out["crm"]) == ["Two", "Second"]
    assert out["duplicates"] == 2


def test_what_a_source_may_not_keep_is_not_kept_when_its_function_fails(tmp_path: Path) -> None:
    privacy = {"classes": {"email": {"color": "red", "values": "email"}}, "source": {"web": {"email": "drop"}}}
    config = topology(web={"transform": module(tmp_path)}, privacy=privacy)

    out = routed(tmp_path, config, {"event": "Fail", "traits": {"mail": "ada@example.com"}})

    (item,) = out["invalid"]
    assert item["reason"] == "transform_failed"
    assert "ada@example.com" not in item["raw"]


def test_the_source_rules_and_the_filters_see_what_the_function_returns(tmp_path: Path) -> None:
    config = topology(
        web={"transform": module(tmp_path), "rules": {"block": ["Second"]}},
        crm={"filters": [{"if": 'event = "Each 1"', "then": "drop"}]},
    )

    out = routed(tmp_path, config, *events("Two", "Each"))

    assert names(out["blocked"]) == ["Second"]
    assert names(out["crm"]) == ["Two", "Each 0", "Each 2"]


def pipeline(folder: Path) -> Pipeline:
    text = f"name: t\ndefault_source: web\nsources: {{web: {{transform: '{module(folder)}'}}}}\n"
    (folder / "t.yaml").write_text(text)
    loaded = load_topology([folder / "t.yaml"], env={}, registry=destination_types())
    return Pipeline.build(Setup(loaded, "c", MemoryWindow(1000), memory_replica(), lambda record: None))


def run(made: Pipeline | Isolated, *names: str) -> Batch:
    messages = [message(track(f"m{n}", event=name), of_offset=n) for n, name in enumerate(names)]
    return made.run(messages, {("events.raw", 0): 0})


def test_the_totals_add_up_and_each_outcome_is_counted(tmp_path: Path) -> None:
    batch = run(pipeline(tmp_path), "Fine", "Two", "Drop", "Fail", "Loop", "Exit")

    assert batch.received == {0: 7}
    assert {name: lanes[0] for name, lanes in batch.ended.items()} == {"resolved": 3, "blocked": 1, "invalid": 3}
    counted = {labels[1]: n for (metric, labels), n in batch.counts.items() if metric is metrics.TRANSFORMED}
    assert counted == {"returned": 2, "dropped": 1, "failed": 1, "timeout": 1, "died": 1}


def test_a_poison_event_is_found_among_transformed_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = pipeline(tmp_path)
    prepare = made.prepare

    def poisoned(event: Any) -> None:
        if event.name == "Second":
            raise RuntimeError("a bug")
        prepare(event)

    monkeypatch.setattr(made, "prepare", poisoned)

    batch = run(Isolated(made), "Fine", "Two")

    assert batch.received == {0: 3}
    assert {name: lanes[0] for name, lanes in batch.ended.items()} == {"resolved": 2, "invalid": 1}

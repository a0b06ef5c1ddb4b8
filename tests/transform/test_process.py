"""Whatever a function does, each event has a result, and the next batch is served."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from router.transform.process import MOST_DEATHS, FunctionProcess, FunctionResult, completed
from tests.transform.functions import function


@pytest.fixture
def process(tmp_path: Path) -> Iterator[FunctionProcess]:
    one = FunctionProcess(function(tmp_path), hang_seconds=120.0)
    yield one
    one.close()


def called(process: FunctionProcess, *names: str) -> list[FunctionResult]:
    bodies = [{"type": "track", "event": name, "userId": "hush", "messageId": f"m{n}"} for n, name in enumerate(names)]
    return process.run([json.dumps(body).encode() for body in bodies])


def names(result: FunctionResult) -> list[Any]:
    return [event.get("event") for event in result.events]


def test_one_several_and_none_in_order(process: FunctionProcess) -> None:
    one, dropped, two, each = called(process, "Order", "Drop", "Two", "Each")

    assert (one.status, one.events[0]["properties"]) == ("returned", {"total": 10**30, "of": "hush"})
    assert (dropped.status, dropped.events) == ("dropped", [])
    assert names(two) == ["Two", "Second"]
    assert names(each) == ["Each 0", "Each 1", "Each 2"]


def test_an_edit_of_the_same_second_and_size_is_seen(tmp_path: Path) -> None:
    found, written = function(tmp_path), []
    file = tmp_path / "acme/clean.py"
    for text in ("First", "Other"):
        file.write_text(f"def event(event):\n    return {{**event, 'event': '{text}'}}\n", "utf-8")
        os.utime(file, (1_767_225_600, 1_767_225_600))
        with closing(FunctionProcess(found, hang_seconds=120.0)) as process:
            written += [names(result) for result in called(process, "Order")]

    assert written == [["First"], ["Other"]]
    assert [path.name for path in file.parent.iterdir()] == ["clean.py"]


@pytest.mark.parametrize(
    ("name", "status", "detail"),
    [
        ("Fail", "failed", "ValueError at clean.py:16"),
        ("Leave", "failed", "SystemExit at clean.py:20"),
        ("Memory", "failed", "MemoryError"),
        ("Large", "failed", "the result is too large"),
        ("Cycle", "failed", "TypeError"),
        ("Set", "failed", "TypeError"),
        ("Text", "failed", "TypeError"),
        ("Loop", "timeout", "processor time"),
        ("Exit", "died", "its process died"),
    ],
)
def test_a_failure_costs_its_event_and_no_other(process: FunctionProcess, name: str, status: str, detail: str) -> None:
    before, result, after = called(process, "Fine", name, "Fine")

    assert (before.status, result.status, after.status) == ("returned", status, "returned")
    assert detail in result.detail
    assert "hush" not in result.detail


def test_a_function_that_hangs_is_ended_and_started_anew(tmp_path: Path) -> None:
    process = FunctionProcess(function(tmp_path), hang_seconds=0.5)

    (hung,) = called(process, "Sleep")
    process._hang_seconds = 120.0
    (fine,) = called(process, "Seen")

    assert hung.status == "timeout"
    assert fine.events[0]["properties"] == {"seen": 1}  # by a new process
    process.close()


def test_a_process_that_died_in_between_costs_no_event(process: FunctionProcess) -> None:
    called(process, "Fine")
    for child in psutil.Process().children():
        if "router.transform.child" in child.cmdline():
            child.kill()
            psutil.wait_procs([child], timeout=300)

    assert [result.status for result in called(process, "Fine", "Seen")] == ["returned", "returned"]


def test_what_a_batch_loses_to_a_function_beyond_help_is_bounded(process: FunctionProcess) -> None:
    results = called(process, *["Exit"] * (MOST_DEATHS + 5))

    assert {result.status for result in results} == {"died"}
    assert [result.detail.startswith("not tried") for result in results] == [False] * MOST_DEATHS + [True] * 5
    assert called(process, "Fine")[0].status == "returned"  # the next batch tries again


def test_a_large_batch_keeps_its_order(process: FunctionProcess) -> None:
    wanted = [f"Event {number} " + "x" * (number * 37 % 5_000) for number in range(1_000)]

    assert [names(result) for result in called(process, *wanted)] == [[name] for name in wanted]


@pytest.mark.parametrize("source", ["raise OSError('secret')\n", "import nothing_there\n"])
def test_a_module_that_cannot_be_imported_fails_each_event(tmp_path: Path, source: str) -> None:
    process = FunctionProcess(function(tmp_path, f"def event(e): return e\n{source}"))

    results = called(process, "A", "B")

    assert [result.status for result in results] == ["failed", "failed"]
    assert all("Error at clean.py:2" in result.detail for result in results)
    process.close()


def test_no_process_outlives_its_owner(tmp_path: Path) -> None:
    process = FunctionProcess(function(tmp_path))
    called(process, "Fine")
    children = [child for child in psutil.Process().children() if "router.transform.child" in child.cmdline()]
    assert children

    del process

    _, alive = psutil.wait_procs(children, timeout=300)
    assert not alive


def test_a_result_is_completed_by_the_event_it_was_made_of() -> None:
    original = {"messageId": "m1", "receivedAt": "r", "originalTimestamp": "o", "timestamp": "t", "profileId": "p"}
    events: list[dict[str, Any]] = [
        {"a": 1, "timestamp": "own"},
        {"messageId": "m1"},
        {"messageId": "other"},
        {"messageId": 7},
    ]

    first, second, third, fourth = completed(events, original)

    assert first == {**original, "a": 1, "timestamp": "own"}
    assert third == {**original, "messageId": "other"}
    ids = {event["messageId"] for event in (first, second, third, fourth)}
    assert len(ids) == 4
    assert completed([{}, {}], original)[1]["messageId"] == second["messageId"]  # the same each time

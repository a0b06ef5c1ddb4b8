"""`router test`: what it runs, what it prints, how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.lines import Line
from tests.config.topologies import write

TOPOLOGY = """\
name: shop
sources: {web: {write_keys: ["${WEB_KEY_OF_TESTS}"]}}
destinations: {lake: {type: file, settings: {path: out}}}
"""
TESTS = """\
tests:
  - name: an event is archived
    given: [{source: web, type: track, event: E, userId: u1}]
    expect: {lake: [{event: E}]}
  - name: nothing is archived
    given: [{source: web, type: track, event: E, userId: u1}]
    expect: {lake: []}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write(tmp_path, "shop.yaml", TOPOLOGY)
    write(tmp_path, "deep/shop.test.yaml", f"topology: [../shop.yaml]\n{TESTS}")
    return tmp_path


def test_failures_are_told_with_place_and_difference_and_end_with_status_1(line: Line, shop: Path) -> None:
    ended = line("test", shop)

    assert ended.status == 1
    assert ended.out.replace(f"{shop}/", "").splitlines() == [
        "pass  deep/shop.test.yaml:3: an event is archived",
        "FAIL  deep/shop.test.yaml:6: nothing is archived",
        "      deep/shop.test.yaml:8:20: tests[1].expect.lake: expected 0 items, got 1",
        "        lake",
        "        --- expected",
        "        +++ got",
        "        -[]",
        "        +- event: E",
        "        +  messageId: er-" + ended.out.split("er-")[1].splitlines()[0],
        "        +  type: track",
        "        +  userId: u1",
        "1 passed, 1 failed",
    ]


def test_passing_tests_end_with_status_0(line: Line, shop: Path) -> None:
    path = write(shop, "deep/shop.test.yaml", (shop / "deep/shop.test.yaml").read_text().replace("lake: []", "lake: 1"))

    ended = line("test", path)

    assert (ended.status, ended.err) == (0, "")
    assert ended.out.endswith("2 passed, 0 failed\n")


def test_the_answer_as_json(line: Line, shop: Path) -> None:
    ended = line("test", shop, "--json")

    assert ended.status == 1
    assert (ended.answer["passed"], ended.answer["failed"]) == (1, 1)
    fine, failed = ended.answer["tests"]
    assert (fine["name"], fine["passed"], fine["problems"]) == ("an event is archived", True, [])
    assert failed["problems"][0]["path"] == "tests[1].expect.lake"
    assert failed["problems"][0]["message"] == "expected 0 items, got 1"


def test_where_a_file_has_faults_none_is_run_and_all_faults_are_told(line: Line, shop: Path) -> None:
    write(shop, "shop.test.yaml", TESTS.replace("lake", "lkae"))
    write(shop, "lost.test.yaml", TESTS)

    ended = line("test", shop)

    assert (ended.status, ended.out) == (1, "")
    assert ended.err.count("expected an output, got lkae (did you mean lake?)") == 2
    assert "lost.test.yaml:1:1: (root): expected a topology file of the same name" in ended.err


def test_a_folder_without_tests_is_told(line: Line, tmp_path: Path) -> None:
    ended = line("test", tmp_path)

    assert ended.status == 1
    assert "expected test files (*.test.yaml), got a folder without one" in ended.err

"""What commands find that are run to find problems: on stdout, in the format that is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from router.cli.findings import SARIF, Diagnostic, rendered
from router.errors import Problem
from tests.cli.lines import Line
from tests.plan.folders import FILES, make

FAULTY = """name: shop
sources: {web: {}}
nme: x
destinations: {lake: {type: file, sources: [wep], settings: {path: ./out}}}
"""
AT = "nme: expected a known key, got nme (did you mean name?)"


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    file = tmp_path / "shop.yaml"
    file.write_text(FAULTY)
    return file


def test_problems_are_on_stdout(line: Line, faulty: Path) -> None:
    ended = line("check", faulty)

    assert (ended.status, ended.err) == (1, "")
    assert f"{faulty}:3:1: {AT}" in ended.out.splitlines()


def test_github_gets_annotations_and_nothing_else(line: Line, faulty: Path) -> None:
    ended = line("check", faulty, "--format", "github")

    assert (ended.status, ended.err) == (1, "")
    assert f"::error file={faulty},line=3,col=1::{AT}" in ended.out.splitlines()
    assert all(row.startswith(("::error ", "::warning ")) for row in ended.out.splitlines())


def test_sarif_is_one_document_with_place_and_level(line: Line, faulty: Path) -> None:
    ended = line("check", faulty, "--format", "sarif")

    document = json.loads(ended.out)
    (run,) = document["runs"]
    result = next(each for each in run["results"] if each["message"]["text"] == AT)
    assert (ended.status, document["$schema"], document["version"]) == (1, SARIF, "2.1.0")
    assert result["level"] == "error"
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == str(faulty)
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 3, "startColumn": 1}
    assert {each["ruleId"] for each in run["results"]} == {rule["id"] for rule in run["tool"]["driver"]["rules"]}


def test_json_by_either_name(line: Line, faulty: Path) -> None:
    assert line("check", faulty, "--format", "json").out == line("check", faulty, "--json").out


@pytest.mark.parametrize("command", ["lint", "test", "check"])
def test_what_is_no_plan_is_told_in_the_format_asked_for(line: Line, tmp_path: Path, command: str) -> None:
    events = [tmp_path / "e.ndjson"] if command == "check" else []
    ended = line("plan", command, tmp_path, *events, "--format", "github")

    assert (ended.status, ended.err) == (1, "")
    assert ended.out.startswith("::error file=")


def test_events_that_break_a_plan_are_findings(line: Line, tmp_path: Path) -> None:
    plan, events = make(tmp_path, FILES), tmp_path / "events.ndjson"
    events.write_text('{"type":"track","event":"Nobody Planned This","userId":"u1"}\n')

    ended = line("plan", "check", plan, events, "--format", "github")

    assert ended.status == 1
    assert ended.out.startswith(f"::error file={events},line=1,title=")
    assert len(json.loads(line("plan", "check", plan, events, "--format", "sarif").out)["runs"][0]["results"]) == 1


def test_a_workflow_takes_any_text() -> None:
    found = Diagnostic(Problem("a,b:c.yaml", 1, 2, "x", "100%\nof it"), "info", "some-rule")

    (row,) = rendered([found], "github")

    assert row == "::notice file=a%2Cb%3Ac.yaml,line=1,col=2,title=some-rule::x: 100%25%0Aof it"


def test_an_unknown_format_is_wrong_usage(line: Line, faulty: Path) -> None:
    assert line("check", faulty, "--format", "xml").status == 2

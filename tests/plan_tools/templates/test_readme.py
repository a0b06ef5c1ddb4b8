"""What the READMEs say about templates is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ops.running import ROOT
from router.plan_tools.templates import library
from tests.cli.lines import Line

README = (ROOT / "schemas/README.md").read_text("utf-8")
TOPOLOGIES = (ROOT / "topologies/README.md").read_text("utf-8")
TEMPLATES = library().templates


def test_the_templates_are_listed_with_the_number_of_their_events() -> None:
    listed = re.findall(r"^\| `([a-z0-9-]+)` \| (\d+) \| (.*) \|$", README, re.MULTILINE)

    there = [each for each in TEMPLATES.values() if not each.goal]
    assert listed == [(each.name, str(len(each.events)), each.description) for each in there]


def test_the_use_cases_are_listed_with_their_goals_and_events() -> None:
    section = README.partition("| Use case | Goals | Needs |")[2].partition("\n\n")[0]
    rows = [(name, goals.split(", "), needs.split(", ")) for name, goals, needs in _rows(section)]

    assert len(rows) == 16
    named = {f"use-case/{goal}/{name}" for name, goals, _ in rows for goal in goals}
    assert named == {name for name in TEMPLATES if name.count("/") == 2}
    assert {f"use-case/{name}": needs for name, _, needs in rows} == {
        each.name: list(each.needs) for each in TEMPLATES.values() if each.name.count("/") == 1
    }


def _rows(section: str) -> list[tuple[str, str, str]]:
    return re.findall(r"^\| `([a-z-]+)` \| (.*) \| (.*) \|$", section, re.MULTILINE)


COMMANDS = re.findall(r"^(router (?:plan )?new\b.*?)(?: *#.*)?$", README + TOPOLOGIES, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_work(line: Line, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    assert line(*command.split()[1:]).status == 0


def test_all_commands_were_found() -> None:
    assert len(COMMANDS) == 5

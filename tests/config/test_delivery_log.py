"""`delivery.log` of a destination: all, none or a part, and what is said of anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.topologies import load, problems, write

HEAD = "name: t\nsources: {web: {write_keys: [k]}}\ndestinations:\n  crm: {type: pipe, delivery: {"
AT = "destinations.crm.delivery.log"


@pytest.mark.parametrize(
    ("text", "part"), [("", 1.0), ("log: all", 1.0), ("log: none", 0.0), ("log: {sample: 0.1}", 0.1)]
)
def test_it_says_which_part_of_the_events_is_named(tmp_path: Path, text: str, part: float) -> None:
    loaded = load(write(tmp_path, "t.yaml", f"{HEAD}{text}}}}}\n"))

    assert loaded.topology.destinations["crm"].delivery.log.sample == part


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("log: some", f"{AT}: expected all, none, or a part such as {{sample: 0.1}}, got some"),
        ("log: 0.1", f"{AT}: expected all, none, or a part such as {{sample: 0.1}}, got 0.1"),
        ("log: [all]", f"{AT}: expected all, none, or a part such as {{sample: 0.1}}, got a list"),
        ("log: {sample: 2}", f"{AT}.sample: expected at most 1.0, got 2"),
        ("log: {sample: 0.1, by: userId}", f"{AT}.by: expected one of sample, got by"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    (found,) = problems(write(tmp_path, "t.yaml", f"{HEAD}{text}}}}}\n"))

    assert found.partition(": ")[2] == fault

"""Which changes `ops/mutants` makes, and that it tells those that a test notices from those that none does."""

from __future__ import annotations

import ast
from pathlib import Path

from ops.mutation import PARTS, Part, mutants, tried
from ops.running import ROOT

SOURCE = '''\
"""A module."""
LIMIT = 3


def settle(log, value: int | None = None, *, last: bool = True) -> list[str]:
    """What it does."""
    log.info("a line of a log")
    if value is not None and value < 10:
        value += 1
        raise ValueError(value - 1)
    return [str(value)]


ROOM = 4 * 1024 * 1024
'''


def test_statements_go_and_operators_turn_but_texts_types_and_sizes_stay() -> None:
    made = list(mutants("m.py", SOURCE))

    assert [(mutant.line, mutant.change) for mutant in made] == [
        (2, "3  ->  (4)"),
        (5, "True  ->  (False)"),
        (8, "value is not None and value < 10  ->  (value is not None or value < 10)"),
        (8, "value is not None and value < 10  ->  (not (value is not None and value < 10))"),
        (8, "value is not None  ->  (value is None)"),
        (8, "value < 10  ->  (value <= 10)"),
        (8, "10  ->  (11)"),
        (9, "value += 1  ->  pass"),
        (9, "1  ->  (2)"),
        (10, "raise ValueError(value - 1)  ->  pass"),
        (10, "value - 1  ->  (value + 1)"),
        (10, "1  ->  (2)"),
    ]
    for mutant in made:
        ast.parse(mutant.source)
        assert mutant.source != SOURCE


def test_what_no_test_notices_survives(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "sums.py").write_text("def add(one, other):\n    return one + other\n\ndef none():\n    return 1\n")
    (tmp_path / "test_sums.py").write_text("from sums import add\n\ndef test_add():\n    assert add(2, 3) == 5\n")

    outcomes = list(tried(Part(("sums.py",), ("test_sums.py",), 0), tmp_path, jobs=2))

    assert [(mutant.line, mutant.change, survived) for mutant, survived in outcomes] == [
        (2, "one + other  ->  (one - other)", False),
        (5, "1  ->  (2)", True),
    ]


def test_the_parts_name_files_that_are_there() -> None:
    named = {path for part in PARTS.values() for path in (*part.modules, *part.tests)}

    assert [path for path in named if not (ROOT / path).exists()] == []

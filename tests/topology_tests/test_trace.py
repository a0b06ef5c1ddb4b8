"""What an agent has changed in an event, field by field."""

from __future__ import annotations

from typing import Any

import pytest

from router.topology_tests.trace import LONGEST, changes


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, ["a.c removed"]),
        ({"a": {}}, {"a": {"b": None}}, ["a.b = null"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a = [1]"]),
        ({"a": 1}, {"a": {"b": 1}}, ['a = {"b":1}']),
        ({"x": 1, "y": 2}, {"y": 3, "z": 4}, ["x removed", "y = 3", "z = 4"]),
    ],
)
def test_each_field_that_differs_is_a_line(before: Any, after: Any, lines: list[str]) -> None:
    assert list(changes(before, after)) == lines


def test_a_long_value_is_cut() -> None:
    (line,) = changes({}, {"a": "x" * 1000})

    assert line.endswith("…")
    assert len(line) <= LONGEST + 10

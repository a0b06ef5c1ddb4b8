"""What counts as a match: items in part, lists whole and in order."""

from __future__ import annotations

from typing import Any

import pytest

from router.topology_tests.match import difference, mismatches


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ([], []),
        ([{"a": 1}], [{"a": 1, "b": 2}]),
        ([{"a": {"b": 1}}], [{"a": {"b": 1, "c": 2}}]),
        ([{"a": [1, {"b": 2}]}], [{"a": [1, {"b": 2, "c": 3}]}]),
        ([{"a": 1}], [{"a": 1.0}]),
        ([{"a": None}], [{"a": None}]),
        ([{"a": None}], [{}]),
        ([{}], [{"a": 1}]),
        (3, 3),
    ],
)
def test_a_match(expected: Any, got: Any) -> None:
    assert list(mismatches(expected, got)) == []


@pytest.mark.parametrize(
    ("expected", "got", "where", "what"),
    [
        ([], [{}], (), "expected 0 items, got 1"),
        ([{}, {}], [{}], (), "expected 2 items, got 1"),
        ([{"a": 1}], [{"a": 2}], (0, "a"), "expected 1, got 2"),
        ([{"a": 1}], [{}], (0, "a"), "expected 1, got nothing"),
        ([{"a": None}], [{"a": 1}], (0, "a"), "expected nothing, got 1"),
        ([{"a": True}], [{"a": 1}], (0, "a"), "expected true, got 1"),
        ([{"a": 0}], [{"a": False}], (0, "a"), "expected 0, got false"),
        ([{"a": "1"}], [{"a": 1}], (0, "a"), 'expected "1", got 1'),
        ([{"a": {"b": [1, 2]}}], [{"a": {"b": [1]}}], (0, "a", "b"), "expected 2 items, got 1"),
        ([{"a": {}}], [{"a": [1]}], (0, "a"), "expected a mapping, got a list"),
        ([{"n": 1}, {"n": 2}], [{"n": 2}, {"n": 2}], (0, "n"), "expected 1, got 2"),
        (1, 2, (), "expected 1, got 2"),
    ],
)
def test_a_mismatch_is_told_by_its_place(expected: Any, got: Any, where: tuple[str | int, ...], what: str) -> None:
    assert list(mismatches(expected, got)) == [(where, what)]


def test_order_matters() -> None:
    found = list(mismatches([{"n": 1}, {"n": 2}], [{"n": 2}, {"n": 1}]))

    assert [path for path, _ in found] == [(0, "n"), (1, "n")]


def test_a_difference_shows_what_was_asked_for_and_names_the_rest() -> None:
    text = difference(
        [{"event": "A", "properties": {"total": 1}}],
        [{"event": "A", "properties": {"total": 2, "card": "4711"}, "userId": "u"}, {"event": "B", "card": "4712"}],
        ("event",),
    )

    assert text.splitlines() == [
        "--- expected",
        "+++ got",
        " - event: A",
        "   properties:",
        "-    total: 1",
        "+    total: 2",
        "+- event: B",
    ]

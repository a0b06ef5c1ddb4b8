"""Whatever query and event: the compiled query and the plain evaluator agree."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.fql import Mismatch, compile_query
from tests.fql.reference import WRONG_TYPE, answer

TEXTS = st.sampled_from(["", "a", "A b", "true", "12", "-0.5", "ä*", "x\\y", "it's", '"', "aXbXc", "\n"])
NUMBERS = st.sampled_from([0, 1, -1, 1.0, 2.5, 12, 2**53, 2**53 + 1, -0.0])
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    SCALARS, lambda of: st.lists(of, max_size=3) | st.dictionaries(st.sampled_from("abc"), of, max_size=2), max_leaves=6
)
FIELDS = ["a", "b", "c.a", "c.a.b", "event", "a\\ b", "c.1-x", "\\in"]
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "a": VALUES, "b": VALUES, "event": SCALARS, "a b": SCALARS, "in": SCALARS,
        "c": VALUES | st.fixed_dictionaries({}, optional={"a": VALUES, "1-x": SCALARS}),
    },
)  # fmt: skip

paths = st.sampled_from([*FIELDS, "source"])
quoted = TEXTS.map(lambda text: json.dumps(text, ensure_ascii=False)) | st.sampled_from(["'a'", "'it\\'s'"])
globs = st.sampled_from(['"*"', '"a*"', '"?"', '"*X*"', '"a\\*"', '"ä\\*"', '""', '"A ?"', '"x\\\\\\\\*"'])
scalars = SCALARS.map(lambda value: json.dumps(value, ensure_ascii=False))
lists = st.lists(scalars | st.just('[1, "a"]'), max_size=3).map(lambda each: f"[{', '.join(each)}]")


def called(names: list[str], *given: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.sampled_from(names), *given).map(lambda parts: f"{parts[0]}({', '.join(parts[1:])})")


fields = st.sampled_from(FIELDS)
numbers = fields | NUMBERS.map(str) | called(["length"], fields) | called(["number"], fields)
strings = paths | quoted | called(["lowercase", "uppercase", "string", "typeof"], fields)
tests = called(["bool"], fields) | called(["contains"], strings, strings) | called(["match"], strings, globs) | fields


def compared(left: st.SearchStrategy[str], operators: str, right: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(left, st.sampled_from(operators.split()), right).map(" ".join)


comparisons = (
    compared(numbers, "< <= > >=", numbers)
    | compared(strings | numbers | tests, "= !=", scalars | lists | strings | numbers)
    | compared(strings | numbers | scalars, "in", lists | fields)
)
conditions = st.recursive(
    tests | comparisons,
    lambda of: (
        of.map(lambda text: f"!{text}")
        | of.map(lambda text: f"( {text})")
        | st.tuples(of, st.sampled_from(["and", "or"]), of).map(" ".join)
    ),
    max_leaves=6,
)


@settings(max_examples=500)
@given(conditions, EVENTS)
def test_a_compiled_query_answers_as_the_plain_evaluator_does(text: str, event: dict[str, Any]) -> None:
    query = compile_query(text)

    got = query.evaluate(event, "web")

    expected = answer(text, event, "web")
    assert (WRONG_TYPE if isinstance(got, Mismatch) else got) == expected
    assert query.matches(event, "web") is (expected is True)
    assert query.paths <= {"a", "b", "c", "event", "a b", "in"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a = 1 or a = 2 and a = 3", True), ("(a = 1 or a = 2) and a = 3", False), ("!a = 2", True), ("!a = 1", False)],
)
def test_the_plain_evaluator_knows_precedence(text: str, expected: bool) -> None:
    assert answer(text, {"a": 1}, "") is expected
    assert compile_query(text).evaluate({"a": 1}) is expected

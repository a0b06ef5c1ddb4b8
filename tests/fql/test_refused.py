"""Queries that are refused: where, what was expected, what was probably meant; and that nothing takes long."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.fql import MAX_BYTES, FqlError, compile_query

LONG_SECONDS = 30.0  # of CPU, for what takes milliseconds here and years where it is done wrongly


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "column 1: expected a condition, got nothing"),
        (" \n ", "column 1: expected a condition, got nothing"),
        ("a == 1", "column 4: expected a field, a function or a value, got '=' (did you mean =?)"),
        ("a = 1 && b", "column 7: expected an operator or the end, got '&' (did you mean and?)"),
        ("a || b", "column 3: expected an operator or the end, got '|' (did you mean or?)"),
        ("a = 1 AND b = 2", "column 7: expected 'and' or 'or' or the end, got 'AND' (did you mean and?)"),
        ("a <> 1", "column 4: expected a field, a function or a value, got '>' (did you mean !=?)"),
        ("not a", "column 5: expected an operator or the end, got 'a' (did you mean !?)"),
        ("event like 'x*'", "column 7: expected an operator or the end, got 'like' (did you mean match(…)?)"),
        ("a = 'open", "column 5: expected a closing ', got the end"),
        ("(a", "column 3: expected ')', got the end"),
        ("a)", "column 2: expected the end, got ')'"),
        ("a or", "column 5: expected a field, a function or a value or '(' or '!', got the end"),
        ("a = 1 or\n b = = 2", "line 2, column 6: expected a field, a function or a value, got '='"),
        ("'x'", "column 4: expected a comparison or 'in', got the end"),
        ("a = 1 = 2", "column 7: expected 'and' or 'or' or the end, got '='"),
        ("a[0] = 1", "column 2: expected an operator or the end, got '['"),
        ("a. = 1", "column 2: expected an operator or the end, got '.'"),
        ("a = 1e400", "column 5: expected a number that a double holds, got 5 characters"),
        ("a = " + "9" * 5000, "column 5: expected a number that a double holds, got 5000 characters"),
        ("contain(event, 'x')", "column 1: expected a function, got 'contain' (did you mean contains?)"),
        ("properties.match(event)", "column 1: expected a function, got 'properties.match'"),
        ("contains(event)", "column 1: expected 2 arguments of contains, got 1"),
        ("a and length(a, b) = 1", "column 7: expected 1 argument of length, got 2"),
        ("lowercase(event)", "column 1: expected a condition, got a string"),
        ("a and length(b)", "column 7: expected a condition, got a number"),
        ("source", "column 1: expected a condition, got a string"),
        ("source.name = 'x'", "column 1: expected source, which is a name, got 'source.name'"),
        ("a < '1'", "column 5: expected a number, got a string"),
        ("[1] < a", "column 1: expected a number, got a list"),
        ("a > lowercase(b)", "column 5: expected a number, got a string"),
        ("a in 'x'", "column 6: expected a list, got a string"),
        ("contains(event, 1)", "column 17: expected a string, got a number"),
        ("length(1) = 1", "column 8: expected a list or a string, got a number"),
        ("match(event, b)", "column 14: expected a pattern in quotes, got another value"),
        ("match(event, 'a[b')", "column 14: expected a pattern, got a '[' that no ']' closes"),
        ("match(event, 'a[z-a]')", "column 14: expected a pattern, got the range z-a, which is empty"),
        (
            "match(event, '[^a]')",
            "column 14: expected a pattern, got a set that begins with ^, which is no negation here (\\^ for itself)",
        ),
        ("match(event, 'a\\\\')", "column 14: expected a pattern, got a backslash at the end"),
        ("!" * 100 + "a", "column 101: expected at most 64 conditions and calls in each other, got more"),
        ("a = " + "[" * 100 + "]" * 100, "column 40: expected at most 64 conditions and calls in each other, got more"),
    ],
)
def test_it_is_refused_at_its_column(text: str, said: str) -> None:
    with pytest.raises(FqlError) as refused:
        compile_query(text)

    assert str(refused.value) == said


def test_5_kilobytes_are_taken_and_a_byte_more_is_not() -> None:
    text = 'event = "' + "ä" * ((MAX_BYTES - 10) // 2) + '"'
    assert len(text.encode()) == MAX_BYTES
    compile_query(text)

    with pytest.raises(FqlError, match="expected a query of at most 5120 bytes, got 5121 bytes"):
        compile_query(text + " ")


@given(st.text(alphabet="ab.()[]!=<>,'\"\\ 1-e&or nd\n", max_size=40))
def test_whatever_is_typed_is_compiled_or_refused(text: str) -> None:
    refused = None
    try:
        compile_query(text).evaluate({"a": {"b": [1]}, "ab": "1"})
    except FqlError as error:
        refused = error

    assert refused is None or (refused.line >= 1 and 1 <= refused.column <= len(text) + 1)


@pytest.mark.parametrize(
    "pattern", ["*a" * 500 + "b", "*" * 2000 + "b", "*" + "a" * 2000 + "b", "[ab]*" * 400 + "c", "?" * 2000 + "*?b"]
)
def test_no_pattern_takes_long(pattern: str) -> None:
    query = compile_query(f"match(event, '{pattern}')")
    begun = time.thread_time()

    assert query.matches({"event": "a" * 30_000}) is False
    assert time.thread_time() - begun < LONG_SECONDS


def test_no_nesting_takes_the_stack_away() -> None:
    parentheses = compile_query("(" * 2500 + "a" + ")" * 2500)
    alternatives = compile_query(" or ".join(["a"] * 900))
    value: list[object] = []
    for _ in range(100_000):
        value = [value]

    assert parentheses.matches({"a": True})
    assert not alternatives.matches({"a": False})
    assert not compile_query("a = b").matches({"a": value, "b": [value]})

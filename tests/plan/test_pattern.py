"""A pattern that could run longer than linear, here or where an exported plan is read, is refused; others are not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.plan.ambiguity import MAX_POSITIONS, is_exponential
from router.plan.pattern import pattern_problem
from router.plan.regex import PatternNode, parse

EXPONENTIAL = [
    r"^(a+)+$",
    r"(a*)*",
    r"(a*)+b",
    r"(a|a)*",
    r"(a|aa)+",
    r"^(\w+\s?)+$",
    r"(.*a){2,}",
    r"([a-zA-Z]+)*",
    r"(a{1,5})+",
    r"(x+x+)+y",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(\p{L}+)+",
    r"((ab)+|(ab))+c",
    r"(?:a+|b+)*",
    r"(?<name>a+)+",
    r"([^,]+,?)*",
    r"(a|[^b])+",
    r"(\x61+)+",
    r"([\d]+|5)+",
    r"((a?){3})*b",
    r"^(é|[^a])+$",
]
LINEAR = [
    r"^[a-z]+(_[a-z0-9]+)*$",
    r"^[A-Z0-9][A-Za-z0-9]*( ([A-Z0-9][A-Za-z0-9]*|a|an|and))*$",
    r"^(\d+\.)+\d+$",
    r"a*a*b",
    r"^(a{5})+$",
    r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$",
    r"^(https?://)?([\da-z.-]+)\.([a-z.]{2,6})[/\w .-]*/?$",
    r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
    r"^(foo|bar|baz)+$",
    r"^(\p{Lu}\p{Ll}+)+$",
    r"^#([A-Fa-f0-9]{6}|[A-Fa-f0-9]{3})$",
    r"^(,[^,]*)*$",
    r"^\S+(\s\S+)*$",
    r"([\]-a]x)+",
    r"([a-]b)+",
    r"^(é|[a-z])+$",
    r"^\u0041\cA?$",
    "",
]


@pytest.mark.parametrize("pattern", EXPONENTIAL)
def test_a_repeat_that_can_be_cut_in_two_ways_is_refused(pattern: str) -> None:
    assert "linear time everywhere" in pattern_problem(pattern)


@pytest.mark.parametrize("pattern", LINEAR)
def test_patterns_as_people_write_them_pass(pattern: str) -> None:
    assert pattern_problem(pattern) == ""


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("(?=a)", "a look-ahead"),
        ("x(?!y)", "a look-ahead"),
        ("(?<!y)x", "a look-behind"),
        (r"(a)\1", "back-references"),
        ("(", "missing )"),
        ("a++", "bad repetition"),
        ("(?i)a", "no inline flags"),
        ("(" * 1000 + ")" * 1000, "moderate size"),
        (r"(\w{1000}){1000}", "invalid repetition size"),
        ("\ud800", "expected a regular expression"),
    ],
)
def test_what_no_engine_runs_in_linear_time_says_why(pattern: str, expected: str) -> None:
    assert expected in pattern_problem(pattern)


def test_a_pattern_too_large_to_look_into_is_left_to_the_engine() -> None:
    """The engine itself is linear; only the courtesy to other engines ends."""
    assert not is_exponential("a" * (MAX_POSITIONS + 1) + "(a+)+")
    assert not is_exponential("(" + "|".join(f"{number:03}x" for number in range(200)) + ")+")


@settings(deadline=None)
@given(st.text(alphabet="ab(|)*+?{},12[]^$.\\dwx-éu", max_size=30))
def test_any_text_has_an_answer(pattern: str) -> None:
    """Refused or not, never an error."""
    assert isinstance(pattern_problem(pattern), str)


ATOMS = st.sampled_from(["a", "b", "[ab]", "c"])
REGEXES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        inner.map(lambda one: f"(?:{one})+"),
    ),
    max_leaves=5,
)


@settings(deadline=None)
@given(REGEXES)
def test_the_verdict_agrees_with_counting_the_ways(pattern: str) -> None:
    """An exponential pattern has, for some text, more ways to match than any polynomial of small degree allows."""
    grows = max(_ways(pattern, text) for text in ("a" * 14, "b" * 14, "ab" * 7, "ba" * 7, "aab" * 5, "abb" * 5))

    if is_exponential(pattern):
        return
    assert grows <= 14**4


def _ways(pattern: str, text: str) -> int:
    """In how many ways a backtracking matcher can go through some prefix of the text."""
    tree = parse(pattern)
    assert tree is not None
    return sum(_ends(tree, {0: 1}, text).values())


def _ends(node: PatternNode, starts: dict[int, int], text: str) -> dict[int, int]:
    """Where a match of the node can end, with the number of ways; no repeat here can match nothing."""
    ends: dict[int, int] = {}
    if node.kind == "set":
        for at, count in starts.items():
            if at < len(text) and node.mask >> ord(text[at]) & 1:
                _add(ends, {at + 1: count})
    elif node.kind == "alt":
        for part in node.parts:
            _add(ends, _ends(part, starts, text))
    elif node.kind == "seq":
        for part in node.parts:
            starts = _ends(part, starts, text)
        return starts
    else:
        while starts:
            starts = _ends(node.parts[0], starts, text)
            _add(ends, starts)
    return ends


def _add(ends: dict[int, int], more: dict[int, int]) -> None:
    for at, count in more.items():
        ends[at] = ends.get(at, 0) + count

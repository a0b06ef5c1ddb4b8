"""Globs fit as trying everything says, by parts as by an expression; on texts that no UTF-8 can hold too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.fql.glob import compile_glob
from tests.fql.reference import fits

texts = st.text(alphabet="ab*?[\\\nä\U0001f600", max_size=8)


@given(texts, st.lists(st.sampled_from(["*", "a", "b", "ab", "ä", "\\*", "\\?", "\\[", "\\\\", "\n"]), max_size=7))
def test_stars_fit_as_trying_everything_says(text: str, pieces: list[str]) -> None:
    assert compile_glob("".join(pieces))(text) is fits(text, "".join(pieces))


@given(texts, st.lists(st.sampled_from(["*", "?", "a", "b", "ä", "\\*", "\\[", "\n"]), max_size=7))
def test_so_do_question_marks(text: str, pieces: list[str]) -> None:
    assert compile_glob("".join(pieces))(text) is fits(text, "".join(pieces))


@pytest.mark.parametrize(
    ("glob", "fit", "unfit"),
    [
        ("[a-c]x", ["ax", "cx"], ["dx", "x", "-x"]),
        ("[abc]", ["a", "c"], ["d", "ab", ""]),
        ("[a\\-c]", ["a", "-", "c"], ["b"]),
        ("[a\\]]", ["a", "]"], ["b", "\\"]),
        ("[\\^a]", ["^", "a"], ["b"]),
        ("[.]+", [".+"], ["a+", ".", ".."]),
        ("[а-я]?", ["фы"], ["fы", "ф"]),
        ("(a|b)*", ["(a|b)", "(a|b)c"], ["a", "b"]),
        ("a-b", ["a-b"], ["a"]),
        ("[-a]", ["-", "a"], ["b"]),
    ],
)
def test_sets_and_ranges(glob: str, fit: list[str], unfit: list[str]) -> None:
    found = compile_glob(glob)

    assert [text for text in fit if not found(text)] == []
    assert [text for text in unfit if found(text)] == []


def test_half_a_surrogate_pair_fits_what_stands_for_any_character() -> None:
    assert compile_glob("a?")("a\ud83d")
    assert compile_glob("a*")("a\ud83d")
    assert not compile_glob("ab?")("a\ud83d")

"""A YAML file becomes plain data with places, and whatever it holds, the answer is data or problems with a place."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from router import document
from router.document import MAX_BYTES, MAX_LEVELS, dotted, json_pointer, nearest, parse, read
from router.errors import FileError

PRINTABLE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co", "Zl", "Zp")))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | PRINTABLE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PRINTABLE, inner, max_size=4),
    max_leaves=20,
)


def data(text: str) -> Any:
    return parse(text.encode(), "x.yaml").data


def problems(text: str | bytes) -> list[str]:
    raw = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(FileError) as caught:
        parse(raw, "x.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("yes", "yes"),
        ("on", "on"),
        ("2026-01-01", "2026-01-01"),
        ("12", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e3", 1000.0),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("~", None),
        ("", None),
        ("'12'", "12"),
        ('"true"', "true"),
        ("|\n  12\n", "12\n"),
        ("<<", "<<"),
        ("=", "="),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    """Only `true` and `false` are booleans, dates and clock times stay text, quotes make text."""
    assert value == data(text)


def test_a_place_is_kept_for_each_value_and_key() -> None:
    """Lines and columns count from 1."""
    read_back = parse(b"a:\n  - b: 1\n    c: x\n", "x.yaml")

    assert read_back.locate(("a", 0, "b")) == (2, 8)
    assert read_back.locate(("a", 0, "c"), at_key=True) == (3, 5)
    assert read_back.locate(("a", 0, "c", "deeper")) == (3, 8)
    assert read_back.locate(("nowhere",)) == (1, 1)


def test_problems_name_file_line_column_path_and_hint() -> None:
    """The form of every problem, with either spelling of paths."""
    text = b"a:\n  - b/c: 1\n"

    assert (
        str(parse(text, "x.yaml").problem(("a", 0, "b/c"), "expected text")) == "x.yaml:2:10: a[0].b/c: expected text"
    )
    assert (
        str(parse(text, "x.yaml", show=json_pointer).problem(("a", 0, "b/c"), "expected text", "d", at_key=True))
        == "x.yaml:2:5: /a/0/b~1c: expected text (did you mean d?)"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2", "x.yaml:2:1: a: expected each key once, got it twice"),
        ("[a]: 1", "x.yaml:1:1: (root): expected a text as key, got a list or mapping"),
        (
            "a: !!python/object:os.system x",
            "x.yaml:1:4: a: expected a value without a tag, got !!python/object:os.system",
        ),
        ("a: !secret x", "x.yaml:1:4: a: expected a value without a tag, got !secret"),
        ("!!set {a}", "x.yaml:1:1: (root): expected a value without a tag, got !!set"),
        ("a: 1\n---\nb: 2", "x.yaml:2:1: (root): expected YAML, got an error: but found another document"),
    ],
)
def test_what_is_refused_has_its_place(text: str, expected: str) -> None:
    """Duplicate keys, other keys than text, tags, several documents."""
    assert [expected] == problems(text)


@pytest.mark.parametrize("text", ["a: 'x", "{a: 1", "a: b: c", "a: *b", "a:\n\t- b", "a: \x01", "@", "%", "- a\nb"])
def test_broken_yaml_is_a_problem(text: str) -> None:
    """Whatever the parser says, it is one problem that begins with the file."""
    assert all(line.startswith("x.yaml") and "expected YAML, got" in line for line in problems(text))


@pytest.mark.parametrize("text", ["[" * 200_000, "- " * 200_000, "{a: " * 200_000, "? " * 200_000])
def test_endless_nesting_is_a_problem(text: str) -> None:
    """Levels are counted before a parser's stack could end."""
    assert [line[line.index("more than") :][:9] for line in problems(text)] == ["more than"]


def test_the_deepest_allowed_nesting_is_read() -> None:
    """The limit itself is allowed, one more is not."""
    assert json.loads("[" * MAX_LEVELS + "]" * MAX_LEVELS) == data("[" * MAX_LEVELS + "]" * MAX_LEVELS)
    assert f"{MAX_LEVELS} levels" in problems("[" * (MAX_LEVELS + 2) + "]" * (MAX_LEVELS + 2))[0]


def test_a_bomb_of_aliases_ends_early() -> None:
    """Aliases expand only to a bounded number of values, and an alias to its own parent to a bounded depth."""
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(8)
    )

    assert "values, aliases expanded, got more" in problems(bomb)[0]
    assert "levels, got more" in problems("a: &a [*a]")[0]


def test_aliases_share_values_not_places() -> None:
    """An alias is its anchor's value again."""
    assert data("a: &x {b: 1}\nc: *x") == {"a": {"b": 1}, "c": {"b": 1}}


def test_bytes_that_are_not_utf8_or_too_many_are_a_problem(tmp_path: Path) -> None:
    """With the byte that is wrong, and the limit."""
    large = tmp_path / "large.yaml"
    large.write_bytes(b"a: " + b"x" * MAX_BYTES)

    assert problems(b"a: \xff") == ["x.yaml: (root): expected UTF-8 text, got byte 3 that is not"]
    with pytest.raises(FileError, match=f"expected at most {MAX_BYTES} bytes, got more"):
        read(large)
    with pytest.raises(FileError, match="expected a readable file, got No such file"):
        read(tmp_path / "missing.yaml")


@settings(deadline=None)
@given(JSON)
def test_json_reads_as_itself(value: object) -> None:
    """JSON is YAML; numbers, text, lists and mappings come back unchanged."""
    assert value == parse(json.dumps(value, ensure_ascii=False).encode(), "x.json").data


@settings(deadline=None)
@given(st.text(alphabet="ab:-?[]{},#&*!|>'\"%@\n \t0.~é", max_size=60))
def test_any_text_is_data_or_problems(text: str) -> None:
    """No text makes the reader raise anything but its own error."""
    with contextlib.suppress(FileError):
        parse(text.encode(), "x.yaml")


@settings(deadline=None)
@given(st.text(alphabet="ab:- \n[]{},'\"#1", max_size=40))
def test_both_composers_agree(text: str) -> None:
    """With and without libyaml a file gives the same data, or both refuse it."""
    assert _compose(text, document._Loader) == _compose(text, Pure)


class Pure(yaml.SafeLoader):
    """What stands in for libyaml where PyYAML was built without it."""

    levels = 0
    descend_resolver: Any = document._Loader.descend_resolver
    ascend_resolver = document._Loader.ascend_resolver
    resolve = document._Loader.resolve


def _compose(text: str, loader: Any) -> object:
    try:
        node = yaml.compose(text, Loader=loader)
    except yaml.YAMLError:
        return "refused"
    return document._Builder(document.Document("x", None)).build(node, ()) if node else None


def test_the_nearest_known_name_is_a_hint() -> None:
    """Only names that are close."""
    assert nearest("vilation", ["violation", "common"]) == "violation"
    assert nearest("colour", ["violation", "common"]) == ""


def test_paths_are_written_two_ways() -> None:
    """Dotted for configuration, JSON pointer for schemas."""
    assert dotted(("a", "b", 0, "c")) == "a.b[0].c"
    assert json_pointer(("a/b", "~", 0)) == "/a~1b/~0/0"

"""Env files: what they may hold, and that the environment itself wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config.environment import environment, read_env_file
from router.errors import FileError
from tests.config.topologies import write


def test_an_env_file_holds_names_values_comments_and_quotes(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        ".env",
        """\
        # comment
        A=1
        export B = two words

        C="quoted # kept"  # dropped
        D='single'
        E=
        F=a#b  # note
        G=x=y
        """,
    )

    assert read_env_file(path) == {
        "A": "1",
        "B": "two words",
        "C": "quoted # kept",
        "D": "single",
        "E": "",
        "F": "a#b",
        "G": "x=y",
    }


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, ".env", "A=file\nB=file\n")

    assert environment(path, {"A": "env"}) == {"A": "env", "B": "file"}
    assert environment(None, {"A": "env"}) == {"A": "env"}


def test_a_bad_line_is_named_by_place_and_never_shown(tmp_path: Path) -> None:
    path = write(tmp_path, ".env", "A=1\nhunter2\n2B=3\nC='hunter2\n")

    with pytest.raises(FileError) as raised:
        read_env_file(path)

    assert [(p.line, p.message) for p in raised.value.problems] == [
        (2, "expected NAME=VALUE, got a line of another form"),
        (3, "expected NAME=VALUE, got a line of another form"),
        (4, "expected NAME=VALUE, got a line of another form"),
    ]
    assert "hunter2" not in str(raised.value)


def test_a_missing_env_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="expected a readable env file, got No such file"):
        read_env_file(tmp_path / "none")

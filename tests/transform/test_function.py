"""A function is found by its name, without an import of its module."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.transform.function import find_function
from tests.transform.functions import function, module


def test_a_function_is_found_in_the_first_folder_that_has_its_module(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    spec = module(tmp_path / "b")

    found = find_function(spec, [tmp_path / "a", tmp_path / "b"])

    assert (found.module, found.name, found.root) == ("acme.clean", "event", tmp_path / "b")
    assert found.file == tmp_path / "b/acme/clean.py"


def test_a_package_may_hold_it_and_where_python_looks_counts_too(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole/__init__.py").write_text("from json import loads\nevent = lambda event: event\n")

    assert find_function("whole:event", [tmp_path]).file.name == "__init__.py"
    assert find_function("whole:loads", [tmp_path]).name == "loads"
    assert find_function("json:loads", [tmp_path]).module == "json"


def test_another_text_is_another_digest(tmp_path: Path) -> None:
    before = function(tmp_path)

    assert function(tmp_path) == before
    assert function(tmp_path, "def event(event):\n    return None\n") != before


@pytest.mark.parametrize(
    ("spec", "source", "words"),
    [
        ("acme.clean.event", "", "expected package.module:function"),
        ("acme.claen:event", "", "expected a module that can be imported, got acme.claen"),
        ("acme.clean:evnt", "def event(e): pass", "which is not there (did you mean event?)"),
        ("acme.clean:event", "async def event(e): pass", "a function that is not async"),
        ("acme.clean:event", "def event(e:\n", "a syntax error: "),
    ],
)
def test_what_is_wrong_is_said_without_an_import(tmp_path: Path, spec: str, source: str, words: str) -> None:
    module(tmp_path, f"{source}\nraise SystemExit('imported')\n")

    with pytest.raises(ValueError, match=re.escape(words)):
        find_function(spec, [tmp_path])

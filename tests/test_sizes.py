"""Files and functions stay small enough to be read in one go."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "router").rglob("*.py"))
MAX_FILE, MAX_FUNCTION, MAX_DOCSTRING = 400, 60, 10


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_small_and_says_what_it_is(path: Path) -> None:
    text = path.read_text("utf-8")
    module = ast.parse(text)

    assert len(text.splitlines()) <= MAX_FILE
    assert path.stem not in ("utils", "util", "helpers", "common", "misc")
    docstring = ast.get_docstring(module)
    assert docstring
    assert len(docstring.splitlines()) <= MAX_DOCSTRING


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_small(path: Path) -> None:
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = {
        f"{node.name} (line {node.lineno})": length
        for node in functions
        if (length := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION
    }

    assert not long

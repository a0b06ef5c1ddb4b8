"""Finds `package.module:function` without importing it: what a team's code does at import is no business of ours.

Looked for in given folders, then where Python looks. `digest` is that of the module's file: a change of it is a change
of the topology.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from router.document import nearest

SPELLING = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*):([A-Za-z_][A-Za-z0-9_]*)$")


@dataclass(frozen=True, slots=True)
class OwnFunction:
    """`root` is the folder that its import begins in."""

    module: str
    name: str
    root: Path
    file: Path
    digest: str


def find_function(spec: str, folders: Iterable[Path], *, what: str = "function") -> OwnFunction:
    """Raises ValueError, in words that follow the place in the topology. `what` it is in those words."""
    spelled = SPELLING.match(spec)
    if spelled is None:
        raise ValueError(f"expected package.module:{what}, got {spec}")
    module, name = spelled.groups()
    roots = list(dict.fromkeys([*folders, *(Path(entry or ".") for entry in sys.path)]))
    for root in roots:
        for file in _files(root, module):
            if file.is_file():
                source = file.read_bytes()
                _check(source, name, file, what)
                return OwnFunction(module, name, root.absolute(), file.absolute(), hashlib.sha256(source).hexdigest())
    raise ValueError(f"expected a module that can be imported, got {module}: not in {roots[0]}, nor where Python looks")


def _files(root: Path, module: str) -> tuple[Path, Path]:
    path = root.joinpath(*module.split("."))
    return path.with_suffix(".py"), path / "__init__.py"


def _check(source: bytes, name: str, file: Path, what: str) -> None:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise ValueError(f"expected Python, got a syntax error: {file}{line}") from None
    names = dict(_names(tree))
    if name not in names:
        hint = nearest(name, names)
        meant = f" (did you mean {hint}?)" if hint else ""
        raise ValueError(f"expected a {what} of {file.name}, got {name}, which is not there{meant}")
    if names[name] is ast.AsyncFunctionDef:
        raise ValueError(f"expected a {what} that is not async, got {name}")


def _names(tree: ast.Module) -> Iterator[tuple[str, type[ast.AST]]]:
    """What the module defines at its top."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, type(node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((one.asname or one.name, type(node)) for one in node.names)
        elif isinstance(node, ast.Assign):
            yield from ((one.id, type(node)) for one in node.targets if isinstance(one, ast.Name))

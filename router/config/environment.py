"""The environment that a topology's `${NAME}` is read from: the process's, over the lines of an env file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from router.errors import FileError, Problem

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*\Z")
_QUOTED = re.compile(r"""(?:"([^"]*)"|'([^']*)')\s*(?:#.*)?\Z""")
_COMMENT = re.compile(r"(?:^|\s+)#.*\Z")


def environment(env_file: Path | None = None, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of `env_file` with those of `base` (default: this process's) over them. Raises FileError."""
    return (read_env_file(env_file) if env_file else {}) | dict(os.environ if base is None else base)


def read_env_file(path: Path) -> dict[str, str]:
    """`KEY=VALUE` lines; `#` comments, `export` and one pair of quotes are allowed. Errors never show a value."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        problem = Problem(str(path), 0, 0, "", f"expected a readable env file, got {error.strerror}")
        raise FileError([problem]) from error
    except UnicodeDecodeError as error:
        raise FileError([Problem(str(path), 0, 0, "", "expected UTF-8 text, got other bytes")]) from error
    values: dict[str, str] = {}
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.match(line)
        if match:
            values[match[1]] = _unquoted(match[2])
        else:
            problems.append(Problem(str(path), number, 1, "", "expected NAME=VALUE, got a line of another form"))
    if problems:
        raise FileError(problems)
    return values


def _unquoted(text: str) -> str:
    match = _QUOTED.match(text)
    if match:
        return match[1] if match[1] is not None else match[2]
    return _COMMENT.sub("", text)

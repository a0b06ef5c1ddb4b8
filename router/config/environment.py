"""The environment that a topology's `${NAME}` is read from: the process's, over the lines of an env file."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from router.errors import FileError, Problem


def environment(env_file: Path | None = None, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of `env_file` with those of `base` (default: this process's) over them. Raises FileError."""
    return (read_env_file(env_file) if env_file else {}) | dict(os.environ if base is None else base)


def read_env_file(path: Path) -> dict[str, str]:
    """`NAME=VALUE` lines as python-dotenv reads them: comments, `export`, quotes; a reference in a value stays as it
    is. Raises FileError, which never shows a value.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        problem = Problem(str(path), 0, 0, "", f"expected a readable env file, got {error.strerror}")
        raise FileError([problem]) from error
    except UnicodeDecodeError as error:
        raise FileError([Problem(str(path), 0, 0, "", "expected UTF-8 text, got other bytes")]) from error
    bindings = list(parse_stream(io.StringIO(text)))
    wrong = [binding.original.line for binding in bindings if not _sound(binding)]
    if wrong:
        message = "expected NAME=VALUE, got a line of another form"
        raise FileError([Problem(str(path), line, 1, "", message) for line in wrong])
    return {binding.key: binding.value or "" for binding in bindings if binding.key}


def _sound(binding: Binding) -> bool:
    """A name with a value, or a comment or blank line."""
    if binding.error:
        return False
    return binding.key is None or (binding.key.isidentifier() and binding.key.isascii() and binding.value is not None)

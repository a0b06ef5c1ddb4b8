"""Templates: `{event} by {traits.name}`; `{{` and `}}` stand for braces. A path that leads nowhere leaves nothing."""

from __future__ import annotations

import json
import re
from typing import Any

from router.mapping.path import MISSING, MappingError, Read, compile_path

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def compile_template(text: str) -> Read:
    """A function from an event to a text; MISSING when none of the template's paths leads anywhere."""
    pieces: list[str | Read] = []
    last = 0
    for token in _TOKEN.finditer(text):
        pieces.append(text[last : token.start()])
        last = token.end()
        if token[0] in ("{{", "}}"):
            pieces.append(token[0][0])
        elif token[1] is None:
            raise MappingError(
                "", f"expected {{path}}, or {token[0] * 2} for a brace, at character {token.start() + 1}"
            )
        else:
            pieces.append(compile_path(token[1].strip()))
    pieces.append(text[last:])
    has_paths = any(not isinstance(piece, str) for piece in pieces)

    def read(event: Any) -> Any:
        found = [piece if isinstance(piece, str) else piece(event) for piece in pieces]
        if has_paths and not any(
            value is not MISSING for piece, value in zip(pieces, found, strict=True) if not isinstance(piece, str)
        ):
            return MISSING
        return "".join(map(text_of, found))

    return read


def text_of(value: Any) -> str:
    """A value inside a text: as JSON writes it, a string as it is, nothing for null or MISSING."""
    if isinstance(value, str):
        return value
    return "" if value is None or value is MISSING else json_text(value)


def json_text(value: Any) -> str:
    """A value as JSON, whole numbers of any length included."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

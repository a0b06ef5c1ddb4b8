"""Templates: `{event} by {traits.name}`; `{{` and `}}` stand for braces. A path that leads nowhere leaves nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from router.mapping.path import MISSING, MappingError, Read, compile_path

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_LITERAL = re.compile(r"\{[^{}]*\}|((?:\{\{|\}\}|[^{}])+)")


def compile_template(text: str, encode: Callable[[Any], str] | None = None, *, whole: bool = False) -> Read:
    """A function from an event to a text; MISSING when none of the template's paths leads anywhere.

    `encode` writes the values (default: `text_of`). With `whole`, one value that is missing or empty is enough for
    MISSING.
    """
    write = encode or text_of
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
    pieces = [piece for piece in pieces if piece]

    def read(event: Any) -> Any:
        texts, found = [], not has_paths
        for piece in pieces:
            if type(piece) is str:
                texts.append(piece)
                continue
            value = piece(event)  # type: ignore[operator]  # not a text
            found = found or value is not MISSING
            texts.append(value if type(value) is str and encode is None else write(value))
            if whole and not texts[-1]:
                return MISSING
        return "".join(texts) if found else MISSING

    return read


def with_literals(text: str, replaced: Callable[[str], str]) -> str:
    """The template with each literal part replaced; its paths stay."""
    return _LITERAL.sub(lambda found: replaced(found[1]) if found[1] else found[0], text)


def paths_of(text: str) -> list[str]:
    """The paths in a template."""
    return [token[1].strip() for token in _TOKEN.finditer(text) if token[1] is not None]


def text_of(value: Any) -> str:
    """A value inside a text: as JSON writes it, a string as it is, nothing for null or MISSING."""
    if isinstance(value, str):
        return value
    return "" if value is None or value is MISSING else json_text(value)


def json_text(value: Any) -> str:
    """A value as JSON, whole numbers of any length included."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

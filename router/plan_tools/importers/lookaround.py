"""Patterns that begin with look-arounds, said without them.

`^(?=A)(?!B)C` asks of one text that it matches `^A`, does not match `^B`, and matches `^C`: three patterns that run in
linear time. A look-around anywhere else cannot be said so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from router.plan.pattern import pattern_problem


def without_lookaround(pattern: str) -> dict[str, Any] | None:
    """Keywords that ask the same of a text, or None where they cannot be found."""
    if not pattern.startswith("^(?"):
        return None
    rest = pattern[1:]
    wanted: list[str] = []
    unwanted: list[str] = []
    while rest.startswith(("(?=", "(?!")):
        end = _closing(rest)
        if end is None:
            return None
        (wanted if rest[2] == "=" else unwanted).append(f"^(?:{rest[3:end]})")
        rest = rest[end + 1 :]
    if not (wanted or unwanted) or _alternatives(rest):
        return None
    if rest not in ("", ".*"):
        wanted.append(f"^{rest}")
    if any(pattern_problem(part) for part in (*wanted, *unwanted)):
        return None
    return _keywords(wanted, unwanted)


def _keywords(wanted: list[str], unwanted: list[str]) -> dict[str, Any]:
    refused: list[dict[str, Any]] = [{"type": "string", "pattern": part} for part in unwanted]
    if len(wanted) == 1 and len(refused) <= 1:
        return {"pattern": wanted[0]} | ({"not": refused[0]} if refused else {})
    parts: list[dict[str, Any]] = [{"pattern": part} for part in wanted] + [{"not": part} for part in refused]
    return parts[0] if len(parts) == 1 else {"allOf": parts}


def _closing(text: str) -> int | None:
    """Where the group that a text begins with ends."""
    return next((position for position, sign, depth in _signs(text) if sign == ")" and depth == 0), None)


def _alternatives(text: str) -> bool:
    """Whether a bar stands outside every group: `^(?!A)B|C` asks nothing of C."""
    return any(sign == "|" and depth == 0 for _, sign, depth in _signs(text))


def _signs(text: str) -> Iterator[tuple[int, str, int]]:
    """Position, sign and depth after it of each bracket and bar that is neither escaped nor in a class."""
    depth, position, in_class = 0, 0, False
    while position < len(text):
        sign = text[position]
        if sign == "\\":
            position += 1
        elif in_class:
            in_class = sign != "]"
        elif sign == "[":
            in_class = True
        elif sign in "()|":
            depth += {"(": 1, ")": -1}.get(sign, 0)
            yield position, sign, depth
        position += 1

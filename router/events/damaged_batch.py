"""A batch body or list that is not JSON as a whole, cut into its items: one bad item never condemns its neighbours.

A NaN, a byte that is not UTF-8 or a bad escape spoils the parse of the whole body, but not its brackets and quotes. One
pass over these finds where each item begins and ends. From an item whose brackets do not match, or are too many, the
rest is one item.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_STEPS = 100_000  # brackets of one pass: more is nobody's batch, and would hold up everybody else
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
# Possessive throughout: time is linear in the body. Each pattern runs to the next mark that matters where it stands.
_IN_ITEM = re.compile(rb'(?:[^"{}\[\]]++|' + _STRING + rb")*+([{}\[\]])", re.DOTALL)
_IN_LIST = re.compile(rb'(?:[^",{}\[\]]++|' + _STRING + rb")*+([,{}\[\]])", re.DOTALL)
_IN_ENVELOPE = re.compile(rb'[^"{}\[\]:,]*+(' + _STRING + rb"|[{}\[\]:,])", re.DOTALL)
# JSON text has no newline inside a string: whatever looks so is damaged.
_IN_LINE = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+")*+([{}\[\]])', re.DOTALL)
_LIST = re.compile(rb"\s*\[")
_CLOSES = {b"}": b"{", b"]": b"["}


class Cut(NamedTuple):
    """`envelope` is the JSON with its list emptied, `items` the bytes between the commas of the list.

    `closed` is False where the list has no end, or its brackets do not match: the last item is then all of the rest.
    """

    envelope: bytes
    items: list[bytes]
    closed: bool = True


def cut(body: bytes) -> Cut | None:
    """The items of the first `batch` list of a JSON object, or of a list, as they were sent; None without one."""
    opening = _opening(body)
    if opening is None:
        return None
    items: list[bytes] = []
    stack: list[bytes] = []
    start = position = opening
    for _ in range(_STEPS):
        found = (_IN_ITEM if stack else _IN_LIST).match(body, position)
        if found is None:
            break
        mark, position = found[1], found.end()
        if mark == b",":
            items.append(body[start : position - 1].strip())
            start = position
        elif mark not in _CLOSES:
            stack.append(mark)
        elif not stack and mark == b"]":
            last = body[start : position - 1].strip()
            return Cut(body[:opening] + body[position - 1 :], [*items, last] if last else items)
        elif not stack or stack.pop() != _CLOSES[mark]:
            break
    ending = b"]" if body[:opening].lstrip() == b"[" else b"]}"
    return Cut(body[:opening] + ending, [*items, body[start:].strip()], closed=False)


class Brackets:
    """Finds where an object or a list ends. All searches in one text share a bound, so that time stays linear."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._budget = _STEPS + len(text) // 8

    def closing(self, start: int) -> int | None:
        """The place behind the bracket that closes the one at `start`; None when there is none."""
        stack: list[bytes] = []
        position = start
        while self._budget > 0:
            found = _IN_LINE.match(self._text, position)
            if found is None:
                return None
            self._budget -= 1 + (found.end() - position) // 64
            mark, position = found[1], found.end()
            if mark not in _CLOSES:
                stack.append(mark)
            elif not stack or stack.pop() != _CLOSES[mark]:
                return None
            if not stack:
                return position
        return None


def _opening(body: bytes) -> int | None:
    """Where the first item begins: after the bracket of a list, or `"batch" : [` on the first level of an object."""
    bracket = _LIST.match(body)
    if bracket:
        return bracket.end()
    depth = position = 0
    before: tuple[bytes, bytes] = (b"", b"")
    for _ in range(_STEPS):
        found = (_IN_ITEM if depth > 1 else _IN_ENVELOPE).match(body, position)
        if found is None:
            return None
        mark, position = found[1], found.end()
        if depth == 1 and mark == b"[" and before == (b'"batch"', b":"):
            return position
        if mark in _CLOSES:
            depth -= 1
        elif mark in _CLOSES.values():
            depth += 1
        if depth < 1 or (depth == 1 and mark == b"["):
            return None
        before = (before[1], mark)
    return None

"""A batch body that is not JSON as a whole, cut into its items so that one bad item takes no neighbour with it.

A NaN, a byte that is not UTF-8 or a bad escape spoils the parse of the whole body, but not its brackets and quotes. One
pass over these finds where each item begins and ends. From an item whose brackets do not match, the rest is one item.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# Strings whole, structure, and a quote that opens a string without an end. Possessive: time is linear in the body.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],:]|"', re.DOTALL)
_CLOSES = {b"}": b"{", b"]": b"["}
_OPENS = frozenset(_CLOSES.values())


class Cut(NamedTuple):
    """`envelope` is the body with its batch emptied, `items` the bytes between the commas of the batch."""

    envelope: bytes
    items: list[bytes]


def cut(body: bytes) -> Cut | None:
    """The items of the first `batch` list of a JSON object, as they were sent; None when there is none."""
    tokens = _TOKEN.finditer(body)
    opening = _batch_opening(tokens)
    if opening is None:
        return None
    items: list[bytes] = []
    stack: list[bytes] = []
    start = opening
    for token in tokens:
        mark = token[0]
        if mark in _OPENS:
            stack.append(mark)
        elif mark in _CLOSES:
            if not stack and mark == b"]":
                last = body[start : token.start()].strip()
                return Cut(body[:opening] + body[token.start() :], [*items, last] if last else items)
            if not stack or stack.pop() != _CLOSES[mark]:
                break
        elif mark == b"," and not stack:
            items.append(body[start : token.start()].strip())
            start = token.end()
        elif mark == b'"':
            break
    return Cut(body[:opening] + b"]}", [*items, body[start:].strip()])


def _batch_opening(tokens: Iterator[re.Match[bytes]]) -> int | None:
    """Where the batch list's first item begins: after `"batch" : [` on the first level of an object."""
    depth = 0
    before: tuple[bytes, bytes] = (b"", b"")
    for token in tokens:
        mark = token[0]
        if depth == 1 and mark == b"[" and before == (b'"batch"', b":"):
            return token.end()
        if mark in _OPENS:
            if depth == 0 and mark != b"{":
                return None
            depth += 1
        elif mark in _CLOSES:
            depth -= 1
            if depth <= 0:
                return None
        before = (before[1], mark)
    return None

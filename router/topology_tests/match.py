"""Holds what came out against what was expected: each item in part, the list as a whole and in order.

A mapping matches when each key that is expected does (an expected null also where the key is missing); a list when it
has the same length and its items match in order; a number when it is equal, whole or not.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from router.config.explain import shown

Path = tuple[str | int, ...]
Mismatch = tuple[Path, str]


def mismatches(expected: Any, got: Any, path: Path = ()) -> Iterator[Mismatch]:
    """Where `got` does not match, and what was expected and got there."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for key, value in expected.items():
            if value is not None or got.get(key) is not None:
                yield from mismatches(value, got.get(key, MISSING), (*path, key))
    elif isinstance(expected, list) and isinstance(got, list):
        yield from _list_mismatches(expected, got, path)
    elif not _same(expected, got):
        yield path, f"expected {shown(expected)}, got {shown(got) if got is not MISSING else 'nothing'}"


MISSING = object()


def _list_mismatches(expected: list[Any], got: list[Any], path: Path) -> Iterator[Mismatch]:
    for index, (one, other) in enumerate(zip(expected, got, strict=False)):
        yield from mismatches(one, other, (*path, index))
    if len(expected) != len(got):
        yield path, f"expected {_items(len(expected))}, got {len(got)}"


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"


def _same(expected: Any, got: Any) -> bool:
    return isinstance(expected, bool) == isinstance(got, bool) and bool(expected == got)


def difference(expected: list[Any], got: list[Any], summary: Sequence[str]) -> str:
    """Both lists as YAML, line against line. Of an item that came, only what was asked for is shown, else `summary`."""
    narrowed = []
    for index, item in enumerate(got):
        asked = expected[index] if index < len(expected) else None
        narrowed.append(_narrow(asked, item) if isinstance(asked, dict) else _pick(item, summary))
    before, after = (yaml.safe_dump(v, sort_keys=True, allow_unicode=True).splitlines() for v in (expected, narrowed))
    lines = difflib.unified_diff(before, after, "expected", "got", n=99, lineterm="")
    return "\n".join(line for line in lines if not line.startswith("@@"))


def _narrow(asked: Any, got: Any) -> Any:
    if isinstance(asked, dict) and isinstance(got, dict):
        return {key: _narrow(value, got[key]) for key, value in asked.items() if key in got}
    if isinstance(asked, list) and isinstance(got, list):
        padded = [*asked, *[None] * len(got)]
        return [_narrow(one, other) for one, other in zip(padded, got, strict=False)]
    return got


def _pick(item: Any, summary: Sequence[str]) -> Any:
    return {key: item[key] for key in summary if key in item} if isinstance(item, dict) else item

"""Values of events as values of columns: flattened, and fitted to the type of their column.

A type is one of `int` (64 bits), `float`, `boolean`, `datetime` and `text`. Arrays are JSON text; null, "", [] and {}
are no value. The first value of a column fixes its type; `int` is widened to `float` when a fraction comes. What does
not fit is not forced: it is discarded, with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

import orjson

from router.events.times import is_canonical

ColumnType = Literal["int", "float", "boolean", "datetime", "text", "other"]
Values = dict[str, Any]
Reason = Literal["type", "name_taken", "too_many_columns"]

_LEAST, _MOST = -(2**63), 2**63 - 1
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?: ?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?))?)?",
    re.ASCII,
)
# Amounts begin as a fraction would need them: an order of 5 must not be followed by a rewrite of the table for 9.99.
_AMOUNTS = frozenset(("total", "revenue", "value", "price", "tax", "discount", "shipping", "amount", "quantity"))


def flatten(content: Mapping[str, Any], prefix: str = "", depth: int = 10) -> Iterator[tuple[str, Any]]:
    """Each value with its path, whose parts are joined by `_`. What is deeper than `depth` becomes JSON text."""
    for key, value in content.items():
        kind = type(value)
        if kind is str:
            if value:
                yield prefix + key, value.replace("\0", "\ufffd") if "\0" in value else value  # no database takes NUL
        elif kind is dict:
            if depth > 1 and value:
                yield from flatten(value, f"{prefix}{key}_", depth - 1)
            elif value:
                yield prefix + key, as_text(value)
        elif kind is list:
            if value:
                yield prefix + key, as_text(value)
        elif kind is int and not _LEAST <= value <= _MOST:
            yield prefix + key, str(value)
        elif value is not None:
            yield prefix + key, value


def as_text(value: Any) -> str:
    return value if type(value) is str else orjson.dumps(value).decode()


@lru_cache(1 << 13)
def instant(text: str) -> str | None:
    """A date or time of the form `2026-01-01`, `2026-01-01T10:00:00+01:00` in UTC; None for anything else."""
    if is_canonical(text):
        return text
    if not _DATE.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.replace(",", ".").replace(" ", "T", 1).replace(" ", ""))
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def are_canonical(texts: Sequence[Any]) -> bool:
    """Whether all are times as the router writes them (`is_canonical`), without a look at each by itself."""
    try:
        if set(map(len, texts)) != {24} or {text[4:20:3] + text[10::13] for text in texts} != {"--T::.TZ"}:
            return False
        return all(map(datetime.fromisoformat, texts))
    except (TypeError, ValueError):
        return False


def infer(column: str, value: Any) -> ColumnType:
    """The type of a column whose first value this is."""
    kind = type(value)
    if kind is bool:
        return "boolean"
    if kind is int:
        return "float" if column in _AMOUNTS else "int"
    if kind is float:
        return "float"
    return "datetime" if value[4:5] == "-" and instant(value) is not None else "text"


def fit(column_type: ColumnType, value: Any) -> Any:
    """The value as one of that type; None where it is none. A fraction does not fit `int`: widen it first."""
    kind = type(value)
    if column_type == "text":
        return value if kind is str else as_text(value)
    if column_type == "datetime":
        return instant(value) if kind is str else None
    if column_type == "float":
        return value if kind is float or kind is int else None
    if column_type == "int":
        return value if kind is int else int(value) if kind is float and _whole(value) else None
    return value if column_type == "boolean" and kind is bool else None


def widens(column_type: ColumnType, value: Any) -> bool:
    """Whether the column must become `float` for this value."""
    return column_type == "int" and type(value) is float and not _whole(value)


def _whole(value: float) -> bool:
    return value.is_integer() and _LEAST <= value <= _MOST

"""How far a source with a cursor is pulled: the column whose values only grow, and the last value. Pure.

The value stands in Kafka with its kind and all its digits, so that the database is asked for exactly what it gave.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID


class _Kind(NamedTuple):
    """Values of a Python type, as text and back."""

    type: type
    write: Callable[[Any], str]
    read: Callable[[str], Any]


_KINDS = {
    "integer": _Kind(int, str, int),
    "float": _Kind(float, repr, float),
    "decimal": _Kind(Decimal, str, Decimal),
    "time": _Kind(datetime, datetime.isoformat, datetime.fromisoformat),
    "date": _Kind(date, date.isoformat, date.fromisoformat),
    "uuid": _Kind(UUID, str, UUID),
    "text": _Kind(str, str, str),
}


@dataclass(frozen=True)
class PullCursor:
    """`value` is the greatest that was pulled; None before the first row."""

    column: str
    value: Any = None

    def as_dict(self) -> dict[str, str]:
        """For Kafka; not before the first row."""
        kind = kind_of(self.value)
        return {"column": self.column, "kind": kind, "value": _KINDS[kind].write(self.value)}

    @classmethod
    def of(cls, record: Mapping[str, str]) -> PullCursor:
        """Raises KeyError, TypeError or ValueError for what is none."""
        return cls(record["column"], _KINDS[record["kind"]].read(record["value"]))

    def question(self, sql: str) -> tuple[str, tuple[Any, ...]]:
        """SQL around a query, and its parameters: the rows from the last value on, and those without a value.

        Rows of the last value itself are asked for again: more of them may have come since.
        """
        column, known = _quoted(self.column), self.value is not None
        where = f"WHERE {column} >= $1 OR {column} IS NULL\n" if known else ""
        text = f"SELECT * FROM (\n{_inner(sql)}\n) AS pulled\n{where}ORDER BY {column} NULLS LAST"  # noqa: S608  the user's own query
        return text, (self.value,) if known else ()

    def shown(self, sql: str) -> str:
        """The question as a person would ask it."""
        text, values = self.question(sql)
        if not values:
            return text
        written = _KINDS[kind_of(self.value)].write(self.value)
        literal = written if isinstance(self.value, int | float | Decimal) else "'" + written.replace("'", "''") + "'"
        return literal.join(text.rsplit("$1", 1))


def kind_of(value: Any) -> str:
    """What values like this one are called; empty where no cursor can be made of them."""
    return next((name for name, kind in _KINDS.items() if type(value) is kind.type), "")


def is_finite(value: Any) -> bool:
    """False for what is a number and yet beyond all others."""
    return math.isfinite(value) if isinstance(value, float | Decimal) else True


def columns_question(sql: str) -> str:
    """SQL that gives the columns of a query, and no row."""
    return f"SELECT * FROM (\n{_inner(sql)}\n) AS pulled LIMIT 0"  # noqa: S608  the user's own query


def _inner(sql: str) -> str:
    """A query as a part of another one."""
    return sql.strip().rstrip(";").rstrip()


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'

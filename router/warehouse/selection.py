"""Selective sync: which sources, tables and columns are loaded: `SOURCE`, `SOURCE.TABLE`, `SOURCE.TABLE.COLUMN`.

Names are those of the warehouse (schema, table and column), with `*` and `?`. What is switched on again begins from
then: nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cache

from router.warehouse.values import Values

ALWAYS = ("id", "received_at")  # a table without them could not be loaded, or read in order


def problem(patterns: Sequence[str], most: int) -> str:
    """What is wrong with patterns of at most so many parts, in words; empty where nothing is."""
    for pattern in patterns:
        parts = pattern.split(".")
        if len(parts) > most or not all(parts):
            forms = ", ".join((".".join(("SOURCE", "TABLE", "COLUMN")[:count])) for count in range(1, most + 1))
            return f"expected one of {forms}, got {pattern}"
        if len(parts) == 3 and parts[2] in ALWAYS:
            return f"expected a column other than {' and '.join(ALWAYS)}, which every table needs, got {pattern}"
    return ""


class SelectiveSync:
    """`only` and `skip` are patterns; without any `only` all is wanted, and `skip` has the last word."""

    def __init__(self, only: Sequence[str] = (), skip: Sequence[str] = ()) -> None:
        self._only = [pattern.split(".") for pattern in only]
        self._skip = [pattern.split(".") for pattern in skip]
        self._by_column = any(len(pattern) == 3 for pattern in self._skip)
        self.table = cache(self._table)
        self._column = cache(self._column_wanted)

    def _table(self, schema: str, table: str) -> bool:
        wanted = not self._only or any(_matches(pattern, (schema, table)) for pattern in self._only)
        return wanted and not any(_matches(pattern, (schema, table)) for pattern in self._skip)

    def _column_wanted(self, schema: str, table: str, column: str) -> bool:
        return column in ALWAYS or not any(_matches(pattern, (schema, table, column)) for pattern in self._skip)

    def columns(self, schema: str, table: str, values: Values) -> Values:
        """Those of a row that are wanted."""
        if not self._by_column:
            return values
        return {column: value for column, value in values.items() if self._column(schema, table, column)}


def _matches(pattern: Sequence[str], name: Sequence[str]) -> bool:
    return len(pattern) <= len(name) and all(map(fnmatchcase, name, pattern))

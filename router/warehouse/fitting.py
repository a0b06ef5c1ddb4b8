"""Rows fitted to their table: which columns it gains, which are widened, and which values are discarded. Pure.

Each value is judged by itself, and the first of a column fixes its type, so how events are cut into loads makes no
difference to the tables. Rows that are alike are judged together: most columns then need no look at single values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from router.warehouse.rows import BUILT_IN, OWN
from router.warehouse.values import ColumnType, Reason, Values, are_canonical, as_text, fit, infer, widens

Times = tuple[str, str]  # the first and the last, written as in rows
EVER: Times = ("0001", "9999~")


@dataclass(frozen=True, slots=True)
class Discard:
    """A value that its column does not take: the row has NULL there, and the value stands in `discards`."""

    table: str
    row_id: str
    column: str
    value: str
    reason: Reason
    received_at: Any = None

    def row(self) -> Values:
        key = "\0".join((self.table, self.row_id, self.column))
        row = {
            "id": hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32], "table_name": self.table,
            "row_id": self.row_id, "column_name": self.column, "column_value": self.value, "reason": self.reason,
        }  # fmt: skip
        return row if self.received_at is None else row | {"received_at": self.received_at}


@dataclass(slots=True)
class TableFit:
    """`types` of all columns as they are to be; `added` and `widened` are what differs from now."""

    types: dict[str, ColumnType]
    added: dict[str, ColumnType] = field(default_factory=dict)
    widened: list[str] = field(default_factory=list)
    rows: list[Values] = field(default_factory=list)
    times: Times = EVER
    discards: list[Discard] = field(default_factory=list)


def fit_rows(
    table: str, existing: Mapping[str, ColumnType], rows: list[Values], limit: int, loaded_at: str, times: Times = EVER
) -> TableFit:
    """Rows of one table, each with an `id`, which become the fitted ones. `limit` is how many columns it may have, and
    `times` are the first and the last time that it can hold."""
    made = TableFit(dict(existing), rows=rows, times=times)
    for column, known in _needed(table).items():
        if column not in existing:
            made.types[column] = made.added[column] = known
    for shape, alike in _by_shape(rows).items():
        for column, kind in zip(shape[: len(shape) // 2], shape[len(shape) // 2 :], strict=True):
            known_type = made.types.get(column) or _add(table, column, alike[0][column], made, limit)
            if (known_type, kind) not in _AS_IT_IS:
                _fit_column(table, column, known_type, alike, made)
    for row in rows:
        row["uuid_ts"] = loaded_at
    return made


def _by_shape(rows: Iterable[Values]) -> dict[tuple[Any, ...], list[Values]]:
    """Rows with the same columns and values of the same types, by both; in the order of each first row.

    So the first value of a column is that of the first rows that have it.
    """
    found: dict[tuple[Any, ...], list[Values]] = {}
    for row in rows:
        shape = (*row, *map(type, row.values()))
        alike = found.get(shape)
        if alike is None:
            found[shape] = [row]
        else:
            alike.append(row)
    return found


_AS_IT_IS = frozenset((("text", str), ("int", int), ("float", int), ("float", float), ("boolean", bool)))


def _needed(table: str) -> Mapping[str, ColumnType]:
    """Columns that a table has from its beginning."""
    return OWN[table] if table in _FIXED else _EVENTS | OWN.get(table, {})


_FIXED = frozenset(("users", "accounts", "user_identities", "discards", "_names"))
_EVENTS: dict[str, ColumnType] = {
    column: BUILT_IN[column]
    for column in BUILT_IN
    if column not in ("event", "event_text", "channel", "group_id", "previous_id")
}


def _fit_column(table: str, column: str, known: ColumnType | None, alike: list[Values], made: TableFit) -> None:
    """Values that may not be what the column holds; `known` is None where the table has no room for the column."""
    if known == "datetime" and _times_as_they_are([row[column] for row in alike], made.times):
        return
    for row in alike:
        value = row[column]
        fitted = None
        if known is not None:
            if widens(known, value):
                made.types[column] = known = "float"
                _widen(column, made)
            fitted = fit(known, value)
            if known == "datetime" and fitted is not None and not made.times[0] <= fitted <= made.times[1]:
                fitted = None
        if fitted is None:
            made.discards.append(_discard(table, row, column, value, "type" if known else "too_many_columns"))
            del row[column]
        elif fitted is not value:
            row[column] = fitted


def _times_as_they_are(values: list[Any], times: Times) -> bool:
    return are_canonical(values) and (times is EVER or (times[0] <= min(values) and max(values) <= times[1]))


def _add(table: str, column: str, value: Any, made: TableFit, limit: int) -> ColumnType | None:
    """The type of a column that is new; None where the table has no room for it."""
    built_in = OWN.get(table, {}).get(column) or BUILT_IN.get(column)
    if built_in is None and len(made.types) >= limit:
        return None
    made.types[column] = made.added[column] = built_in or infer(column, value)
    return made.types[column]


def _widen(column: str, made: TableFit) -> None:
    if column in made.added:
        made.added[column] = "float"
    else:
        made.widened.append(column)


def _discard(table: str, row: Values, column: str, value: Any, reason: Reason) -> Discard:
    return Discard(table, str(row["id"]), column, as_text(value), reason, row.get("received_at"))

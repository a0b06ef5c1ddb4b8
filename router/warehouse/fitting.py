"""Rows fitted to their table: which columns it gains, which are widened, and which values are discarded. Pure.

Rows are taken in order and each value for itself, so how events are cut into loads makes no difference to the tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from router.warehouse.rows import BUILT_IN, OWN
from router.warehouse.values import ColumnType, Reason, Values, as_text, fit, infer, widens


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
    discards: list[Discard] = field(default_factory=list)


def fit_rows(
    table: str, existing: Mapping[str, ColumnType], rows: Sequence[Values], limit: int, loaded_at: str
) -> TableFit:
    """Rows of one table, each with an `id`. `limit` is how many columns the table may have."""
    made = TableFit(dict(existing))
    for column, known in _needed(table).items():
        if column not in existing:
            made.types[column] = made.added[column] = known
    made.rows = [_fitted(table, row, made, limit, loaded_at) for row in rows]
    return made


def _needed(table: str) -> Mapping[str, ColumnType]:
    """Columns that a table has from its beginning."""
    return OWN[table] if table in _FIXED else _EVENTS | OWN.get(table, {})


_FIXED = frozenset(("users", "accounts", "user_identities", "discards", "_names"))
_EVENTS: dict[str, ColumnType] = {
    column: BUILT_IN[column]
    for column in BUILT_IN
    if column not in ("event", "event_text", "channel", "group_id", "previous_id")
}


def _fitted(table: str, row: Values, made: TableFit, limit: int, loaded_at: str) -> Values:
    types, out = made.types, {**row, "uuid_ts": loaded_at}
    for column, value in row.items():
        known = types.get(column) or _add(table, column, value, made, limit)
        if known == "text" and type(value) is str:  # most values
            continue
        if known is None:
            fitted = None
            reason: Reason = "too_many_columns"
        else:
            if widens(known, value):
                types[column] = known = "float"
                _widen(column, made)
            fitted = fit(known, value)
            reason = "type"
        if fitted is None:
            made.discards.append(_discard(table, row, column, value, reason))
            del out[column]
        elif fitted is not value:
            out[column] = fitted
    return out


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

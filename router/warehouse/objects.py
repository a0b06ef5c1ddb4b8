"""Objects updated in place: each column has the value of the newest event that gave it one. Pure.

Newest is by event time, then receive time, then message id, for each column by itself: an identify that comes late
changes only what no newer one has said, and one that comes twice changes nothing. A row keeps in `_versions` the
version of its newest event, under "", and those of the columns whose value is older. The rows of `user_identities`
are whole in each event, so that the newest row stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from router.warehouse.rows import VERSIONS, Version
from router.warehouse.values import Values

_OLDEST: Version = (-(2**63), 0, "")
_NO_VALUES = frozenset(("id", "uuid_ts", VERSIONS))


@dataclass(slots=True)
class StoredObject:
    """What is known of a row: its newest version, the older versions of single columns, the columns with a value."""

    newest: Version = _OLDEST
    older: dict[str, Version] = field(default_factory=dict)
    columns: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, versions: str | None, columns: Iterable[str]) -> StoredObject:
        """`versions` is what `_versions` has; a row that somebody else wrote has none and is older than any event."""
        try:
            given = {column: _version(*one) for column, one in orjson.loads(versions or "{}").items()}
        except (ValueError, TypeError, AttributeError):
            given = {}
        return cls(given.pop("", _OLDEST), given, set(columns) - _NO_VALUES)

    def written(self) -> str:
        return orjson.dumps({"": self.newest, **self.older}, option=orjson.OPT_SORT_KEYS).decode()

    def update(self, values: Mapping[str, Any], version: Version) -> Values:
        """Those of the values that this event is the newest to give."""
        given = {column: value for column, value in values.items() if column not in _NO_VALUES}
        if version > self.newest:
            for column in self.columns:
                self.older.setdefault(column, self.newest)
            for column in given:
                self.older.pop(column, None)
            self.newest = version
        else:
            given = {column: value for column, value in given.items() if version > self._of(column)}
            self.older |= dict.fromkeys(given, version)
        self.columns |= given.keys()
        return given

    def _of(self, column: str) -> Version:
        return self.older.get(column, self.newest if column in self.columns else _OLDEST)


def merged(
    stored: Mapping[str, StoredObject], updates: Iterable[tuple[Values, Version]], loaded_at: str
) -> list[Values]:
    """The rows to write, with only the columns that change; `stored`, by id, is brought up to date."""
    rows: dict[str, Values] = {}
    known = dict(stored)
    for values, version in updates:
        key = values["id"]
        one = known.setdefault(key, StoredObject())
        newest = one.newest
        if (newer := one.update(values, version)) or one.newest != newest:
            rows.setdefault(key, {}).update(newer)
    return [{**row, "id": key, "uuid_ts": loaded_at, VERSIONS: known[key].written()} for key, row in rows.items()]


def replaced(
    stored: Mapping[str, StoredObject], updates: Iterable[tuple[Values, Version]], loaded_at: str
) -> list[Values]:
    """The rows to write where each update is a whole row, of which the newest stays; each `id` is given once."""
    return [
        {**values, "uuid_ts": loaded_at, VERSIONS: orjson.dumps({"": version}).decode()}
        for values, version in updates
        if (one := stored.get(values["id"])) is None or version > one.newest
    ]


def _version(at: Any, received: Any, message_id: Any) -> Version:
    return int(at), int(received), str(message_id)

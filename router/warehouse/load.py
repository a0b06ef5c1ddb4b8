"""One load: events into the tables of a warehouse, in one transaction.

kill -9 before the commit leaves nothing of it, after it everything. The same events loaded again change nothing: rows
are known by their `id`, and objects by the version of each column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from router.warehouse.fitting import Discard, TableFit, fit_rows
from router.warehouse.names import DISCARDS, NAMES, WHOLE_TABLES, schema_name
from router.warehouse.objects import merged, replaced
from router.warehouse.rows import EventRows, Version, event_rows
from router.warehouse.selection import SelectiveSync
from router.warehouse.store import Place, Tables, WarehouseStore
from router.warehouse.values import Values, as_text

_MOST_NAMED = 10_000
Original = tuple[str, str, str, str]  # schema, table or column, name, what it was made of


class LoadEvent(NamedTuple):
    """`event_id` names an event that has no messageId; `profile` is the profile's id, empty where it has none."""

    source: str
    body: dict[str, Any]
    event_id: str
    profile: str


@dataclass(frozen=True, slots=True)
class LoadRules:
    prefix: str = ""  # of schemas
    depth: int = 10  # to which nested objects become columns
    columns: int = 500  # of a table at most
    selection: SelectiveSync = field(default_factory=SelectiveSync)


@dataclass(slots=True)
class LoadCounts:
    """Of one load. `repeated` rows were there before it."""

    rows: Counter[str] = field(default_factory=Counter)  # inserted, repeated, updated
    changes: Counter[str] = field(default_factory=Counter)  # table, column, widened
    discards: list[Discard] = field(default_factory=list)
    shared: list[Place] = field(default_factory=list)  # tables that several event names fall on
    full: list[Place] = field(default_factory=list)  # tables that have reached four fifths of their columns


class PendingRows:
    """What events became, by table, in order. Pure."""

    def __init__(self, rules: LoadRules) -> None:
        self._rules = rules
        self.inserted: dict[Place, dict[str, Values]] = {}
        self.updated: dict[Place, list[tuple[Values, Version]]] = {}
        self._newest: dict[tuple[Place, str], int] = {}
        self.discards: dict[str, list[Discard]] = {}  # by schema
        self.names: dict[Original, Values] = {}

    def add(self, event: LoadEvent) -> bool:
        """False where nothing of the event is selected."""
        rules = self._rules
        schema = schema_name(event.source, rules.prefix)
        rows = event_rows(event.body, event.event_id, event.profile, rules.depth)
        select = rules.selection
        some = False
        for table, values in rows.inserted:
            if select.table(schema, table):
                some = True
                rows_of = self.inserted.get((schema, table))
                if rows_of is None:
                    rows_of = self.inserted[schema, table] = {}
                rows_of.setdefault(values["id"], select.columns(schema, table, values))
        for table, values in rows.updated:
            if select.table(schema, table):
                some = True
                self._update((schema, table), select.columns(schema, table, values), rows.version)
        if some:
            self._note(schema, rows)
        return some

    def _update(self, place: Place, values: Values, version: Version) -> None:
        found = self.updated.setdefault(place, [])
        if place[1] not in WHOLE_TABLES:
            found.append((values, version))
            return
        key = (place, values["id"])
        at = self._newest.get(key)
        if at is None:
            self._newest[key] = len(found)
            found.append((values, version))
        elif version > found[at][1]:
            found[at] = (values, version)

    def _note(self, schema: str, rows: EventRows) -> None:
        for table, column, value in rows.clashes:
            first = rows.inserted[0][1]
            clash = Discard(table, first["id"], column, as_text(value), "name_taken", first.get("received_at"))
            self.discards.setdefault(schema, []).append(clash)
        for kind, name, original in rows.originals:
            if (schema, kind, name, original) not in self.names:
                self.names[schema, kind, name, original] = {
                    "id": f"{kind}:{name}:{original}", "kind": kind, "name": name, "original": original,
                }  # fmt: skip


class Loader:
    """Loads into one store. It remembers which originals of names it has written down."""

    def __init__(self, store: WarehouseStore, rules: LoadRules) -> None:
        self._store = store
        self._rules = rules
        self._named: set[Original] = set()

    def load(self, pending: PendingRows) -> LoadCounts:
        """Raises what the store raises; then nothing of it was loaded, unless it broke off in the commit itself."""
        loaded_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        try:
            counts = _Load(self._store, self._rules, loaded_at).run(pending, self._named)
            self._store.commit()
        except BaseException:
            self._store.rollback()
            raise
        self._remember(pending, counts)
        return counts

    def _remember(self, pending: PendingRows, counts: LoadCounts) -> None:
        new = pending.names.keys() - self._named
        if len(self._named) > _MOST_NAMED:
            self._named.clear()
        self._named |= new
        names = Counter((schema, name) for schema, kind, name, _ in self._named if kind == "table") if new else {}
        counts.shared = [place for place, count in names.items() if count > 1]


class _Load:
    def __init__(self, store: WarehouseStore, rules: LoadRules, loaded_at: str) -> None:
        self._store = store
        self._rules = rules
        self._loaded_at = loaded_at
        self._tables: Tables = {}
        self._counts = LoadCounts()

    def run(self, pending: PendingRows, named: set[Original]) -> LoadCounts:
        schemas = sorted({schema for schema, _ in (*pending.inserted, *pending.updated)})
        self._tables = self._store.begin(schemas)
        discards = pending.discards
        for place, rows in pending.inserted.items():
            discards.setdefault(place[0], []).extend(self._insert(place, list(rows.values())))
        for place, updates in pending.updated.items():
            discards.setdefault(place[0], []).extend(self._update(place, updates))
        for schema, found in discards.items():
            if found:
                self._counts.discards += found
                self._insert((schema, DISCARDS), [one.row() for one in found], own=True)
        for schema in schemas:
            names = [row for key, row in pending.names.items() if key[0] == schema and key not in named]
            if names:
                self._insert((schema, NAMES), names, own=True)
        return self._counts

    def _fit(self, place: Place, rows: list[Values]) -> TableFit:
        existing = self._tables.get(place, {})
        fit = fit_rows(place[1], existing, rows, self._rules.columns, self._loaded_at, self._store.times)
        if fit.added or fit.widened:
            self._store.change(place, fit, new=not existing)
            self._counts.changes.update({
                "table": not existing, "column": len(fit.added) if existing else 0, "widened": len(fit.widened),
            })  # fmt: skip
            full = 0.8 * self._rules.columns
            if len(existing) < full <= len(fit.types):
                self._counts.full.append(place)
        return fit

    def _insert(self, place: Place, rows: Sequence[Values], *, own: bool = False) -> Sequence[Discard]:
        fit = self._fit(place, list({row["id"]: row for row in reversed(rows)}.values())[::-1] if own else list(rows))
        inserted = self._store.insert(place, fit)
        if not own:
            self._counts.rows.update(inserted=inserted, repeated=len(fit.rows) - inserted)
        return fit.discards

    def _update(self, place: Place, updates: Sequence[tuple[Values, Version]]) -> Sequence[Discard]:
        fit = self._fit(place, [values for values, _ in updates])
        whole = place[1] in WHOLE_TABLES
        stored = self._store.objects(place, () if whole else fit.types, list({row["id"] for row in fit.rows}))
        newest = zip(fit.rows, (version for _, version in updates), strict=True)
        fit.rows = (replaced if whole else merged)(stored, newest, self._loaded_at)
        if fit.rows:
            self._store.upsert(place, fit)
        self._counts.rows["updated"] += len(fit.rows)
        return fit.discards

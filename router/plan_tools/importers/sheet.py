"""Spreadsheets of the kind teams keep, saved as CSV: a row for each property of an event, or a row for each event.

Headings are read loosely. An event's name may stand in its first row only, and a property cell may list several names.
Columns that mean nothing here are named in a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from router.errors import FileError
from router.plan.model import Plan, Rule
from router.plan_tools.importers.assemble import unique
from router.plan_tools.importers.notes import Notes
from router.plan_tools.importers.sheet_columns import columns, find_header, numbered
from router.plan_tools.importers.sheet_event import SheetEvent
from router.plan_tools.importers.sheet_values import ITEMS, TRAITS, kind_of
from router.plan_tools.importers.source import Source

_CALLS = ("track", "identify", "group", "page", "screen", "alias")
_SEVERAL = re.compile(r"\s*[\n;,]\s*")


def is_sheet(source: Source) -> bool:
    """A table with headings that name events or properties."""
    return source.rows is not None and find_header(source.rows) is not None


def read_sheet(sources: Sequence[Source], notes: Notes) -> Plan:
    """One plan of all sheets, named after the first file. Raises FileError where no sheet names an event."""
    rules: list[Rule] = []
    for source in sources:
        rules += _Sheet(source, notes.of(source.path)).rules()
    if not rules:
        raise FileError([source.problem("expected rows that name events or traits, got none") for source in sources])
    return replace(Plan(sources[0].path.stem), rules=unique(_completed(rules), notes))


def _completed(rules: Sequence[Rule]) -> Iterator[Rule]:
    """Events that one sheet only lists and another gives the properties of are one rule, with the words of both."""
    listed = {(rule.type, rule.name, rule.version): rule for rule in reversed(rules) if not rule.schemas}
    told = {(rule.type, rule.name, rule.version) for rule in rules if rule.schemas}
    for rule in rules:
        key = (rule.type, rule.name, rule.version)
        other = listed.get(key)
        if rule.schemas and other:
            words = {word: getattr(rule, word) or getattr(other, word) for word in ("description", "why", "owner")}
            yield replace(rule, **words, labels={**other.labels, **rule.labels})
        elif rule.schemas or key not in told:
            yield rule


class _Sheet:
    """The rows of one sheet, and the events they tell of."""

    def __init__(self, source: Source, notes: Notes) -> None:
        rows = source.rows or []
        header = find_header(rows)
        assert header is not None
        self.first = header + 2
        self.rows = rows[header + 1 :]
        self.columns, others = columns(rows[header], self.rows)
        self.wide = numbered(rows[header])
        self.notes = notes
        self.events: dict[tuple[str, str, str], SheetEvent] = {}
        if others:
            notes.add(f"expected columns that say something of events or properties, got also {', '.join(others)}")

    def cell(self, row: Sequence[str], column: str) -> str:
        place = self.columns.get(column)
        return row[place] if place is not None and place < len(row) else ""

    def rules(self) -> list[Rule]:
        current: SheetEvent | None = None
        for number, row in enumerate(self.rows, self.first):
            if not any(row):
                continue
            notes = self.notes.inside(f"row {number}")
            current = self._event(row, current, notes)
            event = self._of_kind(row) or current
            if event is None:
                notes.add("expected the name of an event, got none; left out")
                continue
            self._properties(row, event, notes)
        rules = [event.rule() for event in self.events.values()]
        told = any(self._names(row) or self._wide(row) for row in self.rows)
        return rules if told or not rules else self._open(rules)

    def _of_kind(self, row: Sequence[str]) -> SheetEvent | None:
        """The rule of traits that a row belongs to whatever event it names: a user's property."""
        call = TRAITS.get(kind_of(self.cell(row, "kind")))
        return self._known(call, "", "") if call else None

    def _open(self, rules: list[Rule]) -> list[Rule]:
        """A sheet without a column of properties, or with an empty one, says nothing of them: all are allowed."""
        what = "a column of properties, got none" if "property" not in self.columns else "properties, got none"
        self.notes.add(f"expected {what}; events may have any properties")
        return [replace(rule, schemas={}) for rule in rules]

    def _event(self, row: Sequence[str], current: SheetEvent | None, notes: Notes) -> SheetEvent | None:
        """The event a row belongs to: the one it names, else the one before."""
        name = self.cell(row, "event")
        call = self.cell(row, "call").lower()
        if not name and not (call in _CALLS and (current is None or current.call != call)):
            if current is not None or "event" in self.columns:
                return current
            call = "identify"
        if call not in _CALLS:
            if call:
                notes.add(f"expected a call type, got {call}; taken as track")
            call = name.lower() if name.lower() in _CALLS else "track"
        own = "" if name.lower() == call or call in ("identify", "group", "alias") else name
        if call == "track" and not own:
            return None
        event = self._known(call, own, self.cell(row, "version"))
        event.describe({column: self.cell(row, column) for column in ("owner", "why", "labels", "category")})
        said = self.cell(row, "event_description")
        event.description = event.description or said or ("" if self._names(row) else self.cell(row, "any_description"))
        return event

    def _known(self, call: str, name: str, version: str) -> SheetEvent:
        return self.events.setdefault((call, name, version), SheetEvent(call, name, version, self.notes))

    def _names(self, row: Sequence[str]) -> list[str]:
        """The properties that a row tells of."""
        cell = self.cell(row, "property")
        alone = not re.search(r"[\n;]", cell) and not ("," in cell and not self.cell(row, "type"))
        names = [cell] if alone else _SEVERAL.split(cell)
        return [name.strip() for name in names if name.strip() and name.strip().lower() not in ("-", "n/a", "none")]

    def _properties(self, row: Sequence[str], event: SheetEvent, notes: Notes) -> None:
        cells: dict[str, Any] = {
            column: self.cell(row, column)
            for column in ("type", "list", "required", "values", "pattern", "minimum", "maximum", "example")
        }
        cells["description"] = self.cell(row, "description") or self.cell(row, "any_description")
        if self.cell(row, "optional"):
            cells["optional"] = self.cell(row, "optional")
        for name in self._names(row):
            event.add(f"items[].{name}" if self._is_of_items(row, name) else name, cells, notes)
        nothing = dict.fromkeys(cells, "")
        for name in self._wide(row):
            event.add(name, nothing, notes)

    def _is_of_items(self, row: Sequence[str], name: str) -> bool:
        """Whether a property is of the things that an event is about, as GA4 has them in `items`."""
        return kind_of(self.cell(row, "kind")) in ITEMS and not name.lower().startswith("items")

    def _wide(self, row: Sequence[str]) -> list[str]:
        """The properties in numbered columns: `bike_id`, `bike_id = 7`."""
        cells = (row[place].partition("=")[0].strip() for place in self.wide if place < len(row))
        return [name for name in cells if name and name.lower() not in ("-", "n/a", "none")]

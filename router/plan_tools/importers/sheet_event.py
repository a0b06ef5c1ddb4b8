"""One event of a sheet: what its rows say of its properties, put together as a rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from router.plan.keywords import DRAFT7
from router.plan.model import NAMED, Rule, section_of
from router.plan_tools.importers.assemble import version
from router.plan_tools.importers.convert import Converter
from router.plan_tools.importers.notes import Notes
from router.plan_tools.importers.sheet_values import (
    allowed,
    not_a_list,
    path_of_property,
    presence,
    type_of,
    typed_value,
)

_INLINE = re.compile(r"(.+?)\s*(\*)?\s*(?:\(([^()]+)\)|:\s*(.+))?\s*(\*)?\Z")


class SheetEvent:
    """Collects the rows of an event; the first word on a property stands."""

    def __init__(self, call: str, name: str, number: str, notes: Notes) -> None:
        self.call = call
        self.name = name
        self.number = number
        self.notes = notes
        self.description = ""
        self.owner = ""
        self.why = ""
        self.labels: dict[str, str] = {}
        self.schema: dict[str, Any] = {"type": "object", "properties": {}}

    def describe(self, cells: Mapping[str, str]) -> None:
        self.owner = self.owner or cells["owner"]
        self.why = self.why or cells["why"]
        if cells["category"]:
            self.labels.setdefault("category", cells["category"])
        for label in re.split(r"\s*[,;|\n]\s*", cells["labels"]):
            name, _, value = label.partition(":")
            if name.strip():
                self.labels.setdefault(name.strip(), value.strip())

    def add(self, cell: str, cells: Mapping[str, str], notes: Notes) -> None:
        """One property: `total`, `total*`, `total (number)`, `total: number` or a path such as `products[].price`."""
        match = _INLINE.match(cell)
        assert match is not None
        name, word = match[1], match[3] or match[4] or cells["type"]
        required = presence(cells["required"])
        if required is None:
            notes.add(f"expected required or optional, got {cells['required']}; taken as optional")
        if cells.get("optional"):
            required = presence(cells["optional"]) is False
        steps = path_of_property(name)
        self._place(steps, self._property(name, word, cells, notes), bool(required or match[2] or match[5]), notes)

    def _property(self, name: str, word: str, cells: Mapping[str, str], notes: Notes) -> dict[str, Any]:
        found = type_of(word) if word else {}
        if found is None:
            notes.add(f"expected a type, got {word}; {name} may be anything")
            found = {"x-type": word}
        schema = dict(found)
        if "null" in map(str.lower, allowed(cells["values"])) and schema.get("type"):
            types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            schema["type"] = [*types, *([] if "null" in types else ["null"])]
        values = self._values(name, schema, cells, notes)
        if values:
            schema["enum"] = [*values, None] if "null" in schema.get("type", ()) else values
        if cells["pattern"] and not values:
            schema["pattern"] = cells["pattern"]
        for keyword in ("minimum", "maximum"):
            if cells[keyword]:
                self._bound(keyword, schema, cells[keyword], notes)
        if presence(cells["list"]) or cells["list"].lower() in ("list", "array"):
            schema = (
                schema if schema.get("type") == "array" else {"type": "array"} | ({"items": schema} if schema else {})
            )
        if cells["example"]:
            schema["x-example"] = cells["example"]
        if cells["description"]:
            schema["description"] = cells["description"]
        converted = Converter(DRAFT7, notes).root(schema)
        return converted if isinstance(converted, dict) else {}

    def _values(self, name: str, schema: Mapping[str, Any], cells: Mapping[str, str], notes: Notes) -> list[Any]:
        """Allowed values in the property's type; a cell that is one pattern is taken for it."""
        if not_a_list(cells["values"]):
            notes.add(f"expected a full list of values for {name}, got prose, a range or a part of one; left out")
            return []
        texts = allowed(cells["values"])
        if not texts or schema.get("type") in ("array", "object"):
            if texts:
                notes.add(f"expected no list of values for {name}, which holds others; left out")
            return []
        types = schema.get("type", [])
        texts = [text for text in texts if not ("null" in types and text.lower() == "null")]
        values = [typed_value(text, types if isinstance(types, list) else [types]) for text in texts]
        if None in values:
            notes.add(f"expected allowed values of {name} to be of its type, got others; those are left out")
        return [value for value in values if value is not None]

    def _bound(self, keyword: str, schema: dict[str, Any], cell: str, notes: Notes) -> None:
        value = typed_value(cell, ["number"])
        if value is None:
            notes.add(f"expected a number as {keyword}, got {cell}; left out")
        elif schema.get("type") == "string":
            schema["minLength" if keyword == "minimum" else "maxLength"] = int(value)
        else:
            schema[keyword] = value

    def _place(self, steps: list[str], schema: dict[str, Any], required: bool, notes: Notes) -> None:
        """Put a property at its path, making objects and arrays on the way."""
        parent = self.schema
        for step, following in zip(steps, [*steps[1:], ""], strict=True):
            last = following == ""
            if step == "[]":
                parent["type"] = "array"
                inner = parent.setdefault("items", {})
                if last:
                    inner.update({key: value for key, value in schema.items() if key not in inner})
                parent = inner
                continue
            if "type" not in parent or parent["type"] in ("array", "string"):
                parent = self._object_in(parent)
            properties = parent.setdefault("properties", {})
            if last:
                self._set(parent, step, schema, required, notes)
                return
            parent = properties.setdefault(step, {"type": "array" if following == "[]" else "object"})

    def _object_in(self, parent: dict[str, Any]) -> dict[str, Any]:
        """Where the names inside a list stand: `products.price` of a list means its items."""
        if parent.get("type") == "array":
            parent = parent.setdefault("items", {})
        parent["type"] = "object"
        return parent

    def _set(self, parent: dict[str, Any], name: str, schema: dict[str, Any], required: bool, notes: Notes) -> None:
        properties = parent["properties"]
        known = properties.get(name)
        if known is None:
            properties[name] = schema
        elif known in ({"type": "object"}, {"type": "array"}) or known.get("properties") or known.get("items"):
            properties[name] = {**schema, **known}
        elif known != schema:
            notes.add(f"expected {name} once in {self.name or self.call}, got it again with other content; left out")
        if required and name not in parent.get("required", ()):
            parent["required"] = [*parent.get("required", ()), name]

    def rule(self) -> Rule:
        return Rule(
            self.call,
            self.name or None if self.call in NAMED else None,
            version(self.number or None, self.notes.inside(self.name or self.call)),
            description=self.description,
            owner=self.owner,
            why=self.why,
            labels=self.labels,
            schemas={section_of(self.call): self.schema} if self.call != "alias" else {},
        )


def _list_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array"} | ({"items": schema} if schema else {})

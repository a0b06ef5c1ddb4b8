"""Schemas from the properties and custom types of a RudderStack project."""

from __future__ import annotations

import re
from typing import Any

from router.plan.keywords import DRAFT7
from router.plan.model import Schema
from router.plan_tools.importers.assemble import text
from router.plan_tools.importers.convert import Converter
from router.plan_tools.importers.notes import Notes
from router.plan_tools.importers.rudder_catalog import Catalog, Entry

_CUSTOM = ("#custom-type:", "#/custom-types/")
_ITEMS = ("item_type", "item_types", "itemType", "itemTypes")
_HERE = ""


class Types:
    """Builds schemas; custom types that were referred to become definitions."""

    def __init__(self, catalog: Catalog, notes: Notes, used: dict[str, Entry] | None = None) -> None:
        self.catalog = catalog
        self.notes = notes
        self.used: dict[str, Entry] = {} if used is None else used

    def of(self, notes: Notes) -> Types:
        return Types(self.catalog, notes, self.used)

    def definitions(self) -> dict[str, Schema]:
        """The custom types that were referred to, and those they refer to."""
        done: dict[str, Schema] = {}
        while len(done) < len(self.used):
            for name, entry in list(self.used.items())[len(done) :]:
                done[name] = self.of(self.notes.inside(f"custom type {name}"))._custom_type(entry)
        return done

    def rule(self, entry: dict[str, Any], *, is_open: bool, prefix: str) -> dict[str, Any]:
        """The schema of a rule's section."""
        schema = self._object(entry, prefix)
        schema.setdefault("properties", {})
        return {**schema, "additionalProperties": True} if is_open else schema

    def _object(self, entry: dict[str, Any], prefix: str) -> dict[str, Any]:
        """`properties` (a list of references) and `variants` of a rule, a nested property or a custom type."""
        schema: dict[str, Any] = {"type": "object", **self._listed(entry.get("properties"), prefix)}
        branches = [branch for variant in _list(entry.get("variants")) for branch in self._variant(variant, prefix)]
        return schema | ({"allOf": branches} if branches else {})

    def _listed(self, references: Any, prefix: str) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        required: list[str] = []
        for item in _list(references):
            reference = item.get("property", item.get("$ref")) if isinstance(item, dict) else item
            entry = self.catalog.find("properties", reference)
            if entry is None:
                self.notes.add(f"expected a property of the project, got {reference}; left out", ("properties",))
                continue
            name = text(entry.data.get("name")) or entry.id
            item = item if isinstance(item, dict) else {}
            properties[name] = self._nested(self._property(entry, prefix), item, prefix)
            if item.get("required") is True:
                required.append(name)
        found: dict[str, Any] = {"required": required} if required else {}
        return found | ({"properties": properties} if properties else {})

    def _nested(self, schema: dict[str, Any], item: dict[str, Any], prefix: str) -> dict[str, Any]:
        """A property with properties of its own: an object, or an array of objects."""
        if not _list(item.get("properties")):
            return schema
        inner = self._object({"properties": item["properties"]}, prefix)
        if item.get("additional_properties", item.get("additionalProperties")) is True:
            inner["additionalProperties"] = True
        if schema.get("type") == "array":
            return {**schema, "items": inner}
        return {**schema, **inner, "type": schema.get("type", "object")}

    def _property(self, entry: Entry, prefix: str) -> dict[str, Any]:
        data = entry.data
        return self._typed(data, self.notes.inside(f"{self.notes.title}/{entry.id}"), prefix)

    def _custom_type(self, entry: Entry) -> Schema:
        schema = self._typed(entry.data, self.notes, _HERE)
        if text(entry.data.get("type")) == "object" and (entry.data.get("properties") or entry.data.get("variants")):
            schema |= self._object(entry.data, _HERE)
        return schema

    def _typed(self, data: dict[str, Any], notes: Notes, prefix: str) -> dict[str, Any]:
        """Type, configuration and description of a property or custom type."""
        schema: dict[str, Any] = {}
        words = _words(data.get("types") or data.get("type"))
        references = [self._reference(word, prefix) for word in words if word.startswith(_CUSTOM)]
        plain = [word for word in words if not word.startswith(_CUSTOM)]
        if references and (plain or len(references) > 1):
            schema["anyOf"] = references + ([{"type": plain}] if plain else [])
        elif references:
            schema |= references[0]
        elif plain:
            schema["type"] = plain[0] if len(plain) == 1 else plain
        config = data.get("config") or data.get("propConfig") or {}
        schema |= self._config(config if isinstance(config, dict) else {}, data, prefix)
        if description := text(data.get("description")):
            schema["description"] = description
        converted = Converter(DRAFT7, notes).root(schema)
        return converted if isinstance(converted, dict) else {}

    def _config(self, config: dict[str, Any], data: dict[str, Any], prefix: str) -> dict[str, Any]:
        """Limits by JSON Schema's names; snake_case in the current spelling."""
        found = {_camel(key): value for key, value in config.items() if key not in _ITEMS}
        listed = [data.get(key, config.get(key)) for key in _ITEMS]
        words = [word for value in listed for word in _words(value)]
        if words:
            references = [self._reference(word, prefix) for word in words if word.startswith(_CUSTOM)]
            plain = [word for word in words if not word.startswith(_CUSTOM)]
            options = references + ([{"type": plain[0] if len(plain) == 1 else plain}] if plain else [])
            found["items"] = options[0] if len(options) == 1 else {"anyOf": options}
        return found

    def _reference(self, word: str, prefix: str) -> dict[str, Any]:
        entry = self.catalog.find("custom-types", word)
        if entry is None:
            self.notes.add(f"expected a custom type of the project, got {word}; anything is allowed")
            return {}
        name = re.sub(r"[^A-Za-z0-9_.-]", "-", entry.id)
        while self.used.setdefault(name, entry) is not entry:
            name += "-2"
        return {"$ref": f"{prefix}#/$defs/{name}"}

    def _variant(self, variant: Any, prefix: str) -> list[dict[str, Any]]:
        """One `if` and `then` for each case, and one for what no case matches."""
        if not isinstance(variant, dict):
            return []
        reference = variant.get("discriminator")
        entry = self.catalog.find("properties", reference)
        name = (text(entry.data.get("name")) or entry.id) if entry else text(reference)
        if not name or name.startswith("#"):
            self.notes.add("expected a discriminator among the properties, got none; its variants are left out")
            return []
        branches, seen = [], []
        for case in _list(variant.get("cases")):
            match = [_matched(value, entry) for value in _list(case.get("match"))] if isinstance(case, dict) else []
            seen += match
            about = {"title": text(case.get("display_name")), "description": text(case.get("description"))}
            then = {key: value for key, value in about.items() if value} | self._listed(case.get("properties"), prefix)
            branches.append({"if": _is(name, match), "then": then})
        if fallback := self._listed(variant.get("default"), prefix):
            branches.append({"if": {"not": _is(name, seen)}, "then": fallback} if seen else fallback)
        return branches


def _is(name: str, values: list[Any]) -> dict[str, Any]:
    return {"required": [name], "properties": {name: {"enum": values}}}


def _matched(value: Any, entry: Entry | None) -> Any:
    """A case's value in the type of its property: `"true"` of a boolean is true."""
    words = _words(entry.data.get("types") or entry.data.get("type")) if entry else []
    if not isinstance(value, str) or "string" in words:
        return value
    if value in ("true", "false") and "boolean" in words:
        return value == "true"
    if re.fullmatch(r"-?[0-9]+", value) and ("integer" in words or "number" in words):
        return int(value)
    return value


def _words(value: Any) -> list[str]:
    """Types as a list, or as text with commas."""
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return [str(word) for word in value] if isinstance(value, list) else []


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _camel(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in others)

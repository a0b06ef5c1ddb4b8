"""A JSON Schema as tables of keys: a section for each mapping, a row for each of its keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from router.config.schema import REFERENCE

_WORDS = {"string": "text", "integer": "whole number", "boolean": "true or false", "array": "list", "object": "mapping"}
_LISTED = 8
_NAME, _DURATION = r"^[a-z][a-z0-9-]{0,47}$", "(ms|s|m|h|d)$"


class Key(NamedTuple):
    """A key with its type, default and meaning in words; `default` is `required` where it must be given."""

    name: str
    type: str
    default: str
    description: str


class Section(NamedTuple):
    """The keys of one mapping; `path` is where it stands, such as `destinations.<name>.delivery`."""

    path: str
    description: str
    keys: tuple[Key, ...]


class Walk:
    """Over a schema with `$defs`. A mapping that stands in several places has its keys once, in the first of them."""

    def __init__(self, schema: Mapping[str, Any], skip: frozenset[str] = frozenset()) -> None:
        self._definitions: Mapping[str, Any] = schema.get("$defs", {})
        self._seen: dict[str, str] = {}
        self._skip = skip
        self._root = schema

    def sections(self) -> list[Section]:
        return list(self._section("", "", self._root))

    def _section(self, path: str, description: str, schema: Mapping[str, Any]) -> Iterator[Section]:
        keys, below = [], []
        for name, written in schema["properties"].items():
            place = f"{path}.{name}" if path else name
            type_, inner = self._type(place, written)
            found = self._resolved(written)
            default = "required" if name in schema.get("required", ()) else _default(written, found)
            meaning = written.get("description") or found.get("description", "")
            keys.append(Key(name, type_, default, meaning))
            below += inner if place not in self._skip else []
        yield Section(path, description, tuple(keys))
        for place, inner_description, inner_schema in below:
            yield from self._section(place, inner_description, inner_schema)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        name = schema.get("$ref", "").rpartition("/")[2]
        return self._definitions[name] if name else schema

    def _type(self, path: str, schema: Mapping[str, Any]) -> tuple[str, list[tuple[str, str, Mapping[str, Any]]]]:
        """The type in words, and the mappings with keys of their own that are in it."""
        if reference := schema.get("$ref", "").rpartition("/")[2]:
            if "properties" in self._definitions[reference]:
                first = self._seen.setdefault(reference, path)
                if first != path:
                    return f"as `{first}`", []
            return self._type(path, self._definitions[reference])
        if choices := [one for one in schema.get("anyOf", schema.get("oneOf", ())) if _said(one)]:
            several = [self._type(path, one) for one in choices]
            return " or ".join(dict.fromkeys(type_ for type_, _ in several)), [
                one for _, inner in several for one in inner
            ]
        if "properties" in schema:
            return "mapping", [(path, schema.get("description", ""), schema)]
        if (values := _values(schema)) is not None:
            type_, inner = self._type(f"{path}.<name>", values)
            return f"mapping of names to {type_}", inner
        if isinstance(items := schema.get("items"), dict):
            type_, inner = self._type(f"{path}[]", items)
            return f"list of {type_}", inner
        return _word(schema), []


def _said(choice: Mapping[str, Any]) -> bool:
    """Whether a choice is more than `${NAME}`, which may stand anywhere, or nothing."""
    return choice != REFERENCE and choice.get("type") != "null"


def _values(schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What each value of a mapping with free names is."""
    patterns = schema.get("patternProperties")
    found = next(iter(patterns.values())) if patterns else schema.get("additionalProperties")
    return found if isinstance(found, dict) and found else None


def _word(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        words = [f"`{one if isinstance(one, str) else json.dumps(one)}`" for one in schema["enum"]]
        return " or ".join(words) if len(words) <= _LISTED else f"{', '.join(words[:3])}, …"
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if schema.get("format") == "password":
        return "secret"
    pattern = schema.get("pattern", "")
    if pattern == _NAME:
        return "name"
    if _DURATION in pattern:
        return "duration"
    kinds = schema.get("type", "anything")
    kinds = [kinds] if isinstance(kinds, str) else [kind for kind in kinds if kind != "null"]
    return " or ".join(_WORDS.get(kind, kind) for kind in kinds)


def _default(written: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    value = written.get("default", found.get("default"))
    if value is None or value == "" or (isinstance(value, dict) and value):
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"


def table(keys: tuple[Key, ...]) -> str:
    """The rows as Markdown."""
    rows = ["| Key | Type | Default | Meaning |", "| --- | --- | --- | --- |"]
    for key in keys:
        cells = (f"`{key.name}`", key.type, key.default, key.description)
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in cells)} |")
    return "\n".join(rows)

"""Schemas as other systems write them, said in a draft that plans may use.

Older drafts (draft-04's boolean bounds, `required` on a property, `divisibleBy`) and habits (`nullable`, `type: any`,
`type: date`, a path as `id`) are rewritten to mean the same. What means nothing to a validator is kept as `x-…` and
noted; `router.plan_tools.importers.settle` does so for whatever is still wrong at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from router.document import Pointer
from router.plan.keywords import ANNOTATIONS, CONTAINERS, DRAFT7, DRAFT2020, Draft
from router.plan.model import DRAFT_2020_12, Schema
from router.plan.pattern import pattern_problem
from router.plan_tools.importers.lookaround import without_lookaround
from router.plan_tools.importers.notes import Notes

UUID = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_NOISE = frozenset(("$id", "id", "key", "$schema"))
_MODERN = ("2019-09", "2020-12")
_TYPES: dict[str, dict[str, Any]] = {
    **{word: {"type": "string"} for word in ("text", "str", "varchar", "char")},
    **{word: {"type": "number"} for word in ("float", "double", "decimal", "numeric", "real")},
    **{word: {"type": "integer"} for word in ("int", "long", "bigint")},
    **{word: {"type": "boolean"} for word in ("bool",)},
    **{word: {"type": "array"} for word in ("list",)},
    **{word: {"type": "object"} for word in ("map", "dict", "record", "json")},
    **{word: {"type": "string", "format": "date-time"} for word in ("datetime", "date-time", "date time", "timestamp")},
    "date": {"type": "string", "format": "date"},
    "any": {},
}
_FORMATS = {"datetime": "date-time", "timestamp": "date-time", "iso8601": "date-time", "iso-8601": "date-time"}
_FORMATS |= {"url": "uri", "e-mail": "email", "guid": "uuid"}
_STANDARD = ("string", "number", "integer", "boolean", "array", "object", "null")


def draft_named(schema: Any) -> Draft:
    """The draft to write: 2020-12 where the schema names that or 2019-09, else draft-07."""
    named = str(schema.get("$schema", "")) if isinstance(schema, dict) else ""
    return DRAFT2020 if any(draft in named for draft in _MODERN) else DRAFT7


class Converter:
    """Rewrites one root schema for `draft`."""

    def __init__(self, draft: Draft, notes: Notes) -> None:
        self.draft = draft
        self.notes = notes

    def root(self, schema: Any) -> Schema:
        """A root schema, naming its draft where that is not draft-07."""
        converted: Schema = self.schema(schema, ())
        if isinstance(converted, dict):
            self._hoist(converted)
            if self.draft is DRAFT2020:
                return {"$schema": DRAFT_2020_12, **converted}
        return converted

    def schema(self, schema: Any, path: Pointer) -> Any:
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            self.notes.add("expected a JSON Schema, got another value; anything is allowed here", path)
            return {}
        converted: dict[str, Any] = {}
        for keyword, value in schema.items():
            if keyword in _NOISE and isinstance(value, str):
                continue
            rewrite = _REWRITES.get(keyword)
            new = rewrite(self, value, (*path, keyword)) if rewrite else {keyword: self._inner(keyword, value, path)}
            _merge(converted, new)
        self._bounds(converted, path)
        self._nullable(converted)
        self._children(converted)
        return self._reference(converted, path)

    def _inner(self, keyword: str, value: Any, path: Pointer) -> Any:
        """The value of a keyword, schemas inside it rewritten."""
        holds = self.draft.holders.get(keyword)
        if isinstance(value, dict) and holds in ("map", "map or names"):
            names = holds == "map or names"
            return {
                name: item if names and isinstance(item, list) else self.schema(item, (*path, keyword, name))
                for name, item in value.items()
            }
        if isinstance(value, list) and holds in ("list", "one or list"):
            return [self.schema(item, (*path, keyword, index)) for index, item in enumerate(value)]
        if isinstance(value, dict) and holds in ("one", "one or list"):
            return self.schema(value, (*path, keyword))
        return value

    def _type(self, value: Any, path: Pointer) -> dict[str, Any]:
        words = value if isinstance(value, list) else [value]
        known = [self._one_type(word) for word in words]
        if any(found is None for found in known):
            return {"type": value}
        types = list(dict.fromkeys(found["type"] for found in known if found and "type" in found))
        if len(types) < len(words) and any(found == {} for found in known):
            return {}
        extra = [found["format"] for found in known if found and "format" in found]
        return {"type": types[0] if len(types) == 1 else types} | ({"format": extra[0]} if extra else {})

    def _one_type(self, word: Any) -> dict[str, Any] | None:
        if word is None:
            return {"type": "null"}
        name = str(word).strip().lower()
        return {"type": name} if name in _STANDARD else _TYPES.get(name)

    def _pattern(self, value: Any, path: Pointer) -> dict[str, Any]:
        problem = pattern_problem(value) if isinstance(value, str) else ""
        if not problem:
            return {"pattern": value}
        said = without_lookaround(value)
        if said is None:
            self.notes.add(f"{problem}; kept as x-pattern, which checks nothing", path)
            return {"x-pattern": value}
        self.notes.add("expected a pattern without look-arounds, got one; said in several patterns instead", path)
        return said

    def _format(self, value: Any, path: Pointer) -> dict[str, Any]:
        name = _FORMATS.get(value.lower(), value) if isinstance(value, str) else value
        if name == "uuid" and self.draft is DRAFT7:
            return {"pattern": UUID}
        return {"format": name}

    def _dependent(self, value: Any, path: Pointer) -> dict[str, Any]:
        """draft-07 has one keyword for both kinds, 2020-12 one for each."""
        if not isinstance(value, dict) or (self.draft is DRAFT2020 and path[-1] != "dependencies"):
            return {str(path[-1]): self._inner(str(path[-1]), value, path[:-1])}
        named = {name: item for name, item in value.items() if isinstance(item, list)}
        rest = {name: self.schema(item, (*path, name)) for name, item in value.items() if name not in named}
        if self.draft is DRAFT7:
            return {"dependencies": named | rest}
        both = {"dependentRequired": named, "dependentSchemas": rest}
        return {keyword: items for keyword, items in both.items() if items}

    def _items(self, value: Any, path: Pointer) -> dict[str, Any]:
        keyword = "prefixItems" if isinstance(value, list) and self.draft is DRAFT2020 else "items"
        if isinstance(value, list):
            return {keyword: [self.schema(item, (*path, index)) for index, item in enumerate(value)]}
        return {keyword: self.schema(value, path)}

    def _additional_items(self, value: Any, path: Pointer) -> dict[str, Any]:
        return {"items" if self.draft is DRAFT2020 else "additionalItems": self.schema(value, path)}

    def _divisible(self, value: Any, path: Pointer) -> dict[str, Any]:
        return {"multipleOf": value}

    def _bounds(self, schema: dict[str, Any], path: Pointer) -> None:
        """draft-04: a bound is exclusive when a flag beside it says so."""
        for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            flag = schema.get(exclusive)
            if isinstance(flag, bool):
                del schema[exclusive]
                if flag and bound in schema:
                    schema[exclusive] = schema.pop(bound)
                elif flag:
                    self.notes.add(f"expected {bound} beside {exclusive}, got none; left out", (*path, exclusive))

    def _nullable(self, schema: dict[str, Any]) -> None:
        if not isinstance(schema.get("nullable"), bool):
            return
        if not schema.pop("nullable"):
            return
        if "type" in schema:
            types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            schema["type"] = types if "null" in types else [*types, "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]

    def _children(self, schema: dict[str, Any]) -> None:
        """draft-03: a property says itself that it is required."""
        properties = schema.get("properties")
        if not isinstance(properties, dict):
            return
        wanted = [name for name, inner in properties.items() if isinstance(inner, dict) and self._hoist(inner)]
        listed = schema.get("required", [])
        if isinstance(listed, list) and all(isinstance(name, str) for name in listed) and (listed or wanted):
            schema["required"] = list(dict.fromkeys([*listed, *wanted]))

    def _hoist(self, schema: dict[str, Any]) -> bool:
        flag = schema.get("required")
        return bool(schema.pop("required")) if isinstance(flag, bool) else False

    def _reference(self, schema: dict[str, Any], path: Pointer) -> dict[str, Any]:
        """Words beside a `$ref`, which draft-07 would ignore, are meant."""
        beside = {
            key: value
            for key, value in schema.items()
            if key != "$ref" and key not in ANNOTATIONS | CONTAINERS and not key.startswith("x-")
        }
        if self.draft is not DRAFT7 or "$ref" not in schema or not beside:
            return schema
        self.notes.add("expected $ref alone, got other keywords beside it; joined by allOf", (*path, "$ref"))
        rest = {key: value for key, value in schema.items() if key not in beside and key != "$ref"}
        return {**rest, "allOf": [{"$ref": schema["$ref"]}, beside]}


def _merge(schema: dict[str, Any], new: Mapping[str, Any]) -> None:
    """Add keywords; one that is there already is joined to it."""
    for keyword, value in new.items():
        if keyword not in schema or keyword == "type":
            schema[keyword] = value
        elif keyword == "allOf" and isinstance(schema["allOf"], list) and isinstance(value, list):
            schema["allOf"] = [*schema["allOf"], *value]
        elif schema[keyword] != value:
            _merge(schema, {"allOf": [{keyword: value}]})


_REWRITES: dict[str, Callable[[Converter, Any, Pointer], dict[str, Any]]] = {
    "type": Converter._type,
    "pattern": Converter._pattern,
    "format": Converter._format,
    "dependencies": Converter._dependent,
    "dependentRequired": Converter._dependent,
    "dependentSchemas": Converter._dependent,
    "items": Converter._items,
    "additionalItems": Converter._additional_items,
    "divisibleBy": Converter._divisible,
}

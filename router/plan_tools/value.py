"""One value of an event, as all schemas see it that must hold for it: those joined by `allOf` and `$ref`.

What only may hold (`anyOf`, `if`, …) is not followed; `branches` gives it. Schemas are those of a plan that loads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import re2

from router.document import Pointer
from router.plan.keywords import DRAFT7
from router.plan.resources import Place, Resource, Resources

TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
_BRANCHES = ("anyOf", "oneOf", "if", "then", "else", "not", "dependencies", "dependentSchemas")
_QUIET = re2.Options()
_QUIET.log_errors = False


class Value:
    """`schemas` are the mappings that must hold; `never` is set where one of them is `false`."""

    def __init__(self, resources: Resources, places: Iterable[Place]) -> None:
        self.resources = resources
        self.places: dict[tuple[str, Pointer], Place] = {}
        self.never = False
        waiting = list(places)[::-1]
        while waiting:
            place = resource, path = waiting.pop()
            if (resource.uri, path) in self.places:
                continue
            self.places[resource.uri, path] = place
            schema = resource.places[path]
            self.never = self.never or schema is False
            waiting += self._joined(resource, path, schema)[::-1]

    def _joined(self, resource: Resource, path: Pointer, schema: Any) -> list[Place]:
        if not isinstance(schema, dict):
            return []
        found: list[Place] = []
        if "$ref" in schema:
            found.append(self.resources.lookup(resource, schema["$ref"]))
            if resource.draft is DRAFT7:
                return found
        parts = schema.get("allOf", ())
        return found + [(resource, (*path, "allOf", number)) for number in range(len(parts))]

    @property
    def key(self) -> frozenset[tuple[str, Pointer]]:
        """The same for values that the same schemas hold for."""
        return frozenset(self.places)

    @cached_property
    def schemas(self) -> list[tuple[Resource, Pointer, dict[str, Any]]]:
        """What each place says itself; a draft-07 `$ref` hides what stands beside it, but for words about it."""
        found = []
        for resource, path in self.places.values():
            schema = resource.places[path]
            if isinstance(schema, dict):
                hidden = resource.draft is DRAFT7 and "$ref" in schema
                said = {key: schema[key] for key in ("title", "description") if key in schema} if hidden else schema
                found.append((resource, path, said))
        return found

    def said(self, keyword: str) -> list[Any]:
        """The values of a keyword, in the order of the schemas."""
        return [schema[keyword] for _, _, schema in self.schemas if keyword in schema]

    def first(self, keyword: str, otherwise: Any = "") -> Any:
        return next(iter(self.said(keyword)), otherwise)

    @cached_property
    def types(self) -> frozenset[str]:
        """The JSON types a value may have; `number` always comes with `integer`."""
        types = set(TYPES)
        for said in self.said("type"):
            listed = {said} if isinstance(said, str) else set(said)
            types &= listed | {"integer"} if "number" in listed else listed
        return frozenset(types)

    @cached_property
    def typed(self) -> bool:
        """Whether any schema says a type."""
        return bool(self.said("type"))

    @cached_property
    def options(self) -> list[Any] | None:
        """The only values allowed by `enum` and `const`; None where neither is said."""
        sets = [*self.said("enum"), *([value] for value in self.said("const"))]
        if not sets:
            return None
        return [value for value in sets[0] if all(any(same(value, other) for other in more) for more in sets[1:])]

    @cached_property
    def required(self) -> frozenset[str]:
        return frozenset(name for names in self.said("required") for name in names)

    @cached_property
    def names(self) -> list[str]:
        """The properties that are declared, in order."""
        return list(dict.fromkeys(name for properties in self.said("properties") for name in properties))

    def child(self, name: str) -> Value:
        """The value of a property."""
        return Value(self.resources, [place for schema in self.schemas for place in _property(*schema, name)])

    def rest(self) -> Value:
        """The value of a property that no schema names."""
        keyword = "additionalProperties"
        places = [(resource, (*path, keyword)) for resource, path, schema in self.schemas if keyword in schema]
        return Value(self.resources, places)

    @cached_property
    def width(self) -> int:
        """How many first items have schemas of their own."""
        return max((len(_tuple(resource, schema)) for resource, _, schema in self.schemas), default=0)

    def item(self, index: int) -> Value:
        """The value of an item; one from `width` on stands for all the rest."""
        return Value(self.resources, [place for schema in self.schemas for place in _item(*schema, index)])

    def branches(self) -> Iterator[tuple[str, Value]]:
        """The schemas for the same value that may hold, each with its keyword."""
        for resource, path, schema in self.schemas:
            for keyword, place, _ in resource.inside.get(path, ()):
                if keyword in _BRANCHES and keyword in schema:
                    yield keyword, Value(self.resources, [(resource, place)])


def same(one: Any, other: Any) -> bool:
    """Equality of JSON: 1 and 1.0 are the same, 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other if not _number(one) else _number(other) and one == other


def _number(value: Any) -> bool:
    return isinstance(value, int | float)


def matches(pattern: str, name: str) -> bool:
    """Whether a name matches a pattern of `patternProperties`."""
    try:
        return re2.search(pattern, name, _QUIET) is not None
    except re2.error:
        return re.search(pattern, name) is not None


def _property(resource: Resource, path: Pointer, schema: dict[str, Any], name: str) -> Iterator[Place]:
    named = [("properties", name)] if name in schema.get("properties", {}) else []
    named += [("patternProperties", key) for key in schema.get("patternProperties", {}) if matches(key, name)]
    if not named and "additionalProperties" in schema:
        yield resource, (*path, "additionalProperties")
    for keyword, key in named:
        yield resource, (*path, keyword, key)


def _tuple(resource: Resource, schema: dict[str, Any]) -> list[Any]:
    """The schemas of the first items."""
    listed = schema.get("items" if resource.draft is DRAFT7 else "prefixItems")
    return listed if isinstance(listed, list) else []


def _item(resource: Resource, path: Pointer, schema: dict[str, Any], index: int) -> Iterator[Place]:
    listed = _tuple(resource, schema)
    if index < len(listed):
        yield resource, (*path, "items" if resource.draft is DRAFT7 else "prefixItems", index)
        return
    keyword = "additionalItems" if resource.draft is DRAFT7 and isinstance(schema.get("items"), list) else "items"
    if keyword in schema:
        yield resource, (*path, keyword)

"""Which property names the rules plan, as schemas that allow these and no others.

A name is planned when any schema that applies to the same object names it, under whichever of `allOf`, `anyOf`,
`oneOf`, `if` or `$ref` it stands. An object of which no schema names a property is free, and so is one whose
`additionalProperties` (or `unevaluatedProperties`) is anything but false.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from router.document import Pointer
from router.plan.ecma import for_engine
from router.plan.keywords import IN_PLACE, LEAF
from router.plan.model import DRAFT_07
from router.plan.resources import Place, Resource, Resources

_ITEMS = frozenset(("items", "prefixItems", "additionalItems", "unevaluatedItems", "contains"))
_OPEN = ("additionalProperties", "unevaluatedProperties")
_NAMING = IN_PLACE - {"not"}  # what a value must not be plans no names
_Node = frozenset[tuple[str, Pointer]]


class _Below(NamedTuple):
    """What a node says of values inside its own: by keyword (and name) the nodes there, and whether others may be."""

    children: dict[tuple[str, ...], _Node]
    required: set[str]
    closed: bool


class Names:
    """The planned names of all rules of a plan. A node is the set of schemas that apply to one value.

    Each node becomes one definition, so that recursion ends and what rules share is made once.
    """

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.numbers: dict[_Node, str] = {}
        self.nodes: list[_Node] = []
        self.schemas: dict[str, tuple[dict[str, Any], list[str]]] = {}

    def schema(self, uri: str, own: Resource, common: Resource | None) -> dict[str, Any]:
        """The schema of a rule's section. `common` adds its names where the rule has some; it closes nothing."""
        node = self.node([(own, ())])
        if common and self._declares(node):
            node = self.node([(own, ()), (common, ())])
        root = self._number(node)
        definitions: dict[str, Any] = {}
        waiting = [root]
        while waiting:
            number = waiting.pop()
            if number not in definitions:
                definitions[number], referred = self._definition(number)
                waiting += referred
        if not any("additionalProperties" in schema for schema in definitions.values()):
            return {}
        return {"$id": uri, "$schema": DRAFT_07, "allOf": [_reference(root)], "definitions": definitions}

    def _number(self, node: _Node) -> str:
        if node not in self.numbers:
            self.numbers[node] = str(len(self.nodes))
            self.nodes.append(node)
        return self.numbers[node]

    def _definition(self, number: str) -> tuple[dict[str, Any], list[str]]:
        """A node's schema and the numbers of those it refers to."""
        if number not in self.schemas:
            below = self._below(self.nodes[int(number)])
            children = {key: self._number(child) for key, child in below.children.items() if child}
            self.schemas[number] = _written(below, children), list(children.values())
        return self.schemas[number]

    def node(self, roots: Iterable[Place]) -> _Node:
        """The places and all that apply to the same value with them."""
        found: set[tuple[str, Pointer]] = set()
        stack = list(roots)
        while stack:
            resource, path = stack.pop()
            if (resource.uri, path) in found:
                continue
            found.add((resource.uri, path))
            schema = resource.places[path]
            stack += [(resource, inner) for key, inner, _ in resource.inside.get(path, ()) if key in _NAMING]
            if isinstance(schema, dict) and "$ref" in schema:
                stack.append(self.resources.lookup(resource, schema["$ref"]))
        return frozenset(found)

    def _schemas(self, node: _Node) -> Iterator[tuple[Resource, Pointer, dict[str, Any]]]:
        for uri, path in sorted(node, key=str):
            schema = self.resources.by_uri[uri].places[path]
            if isinstance(schema, dict):
                yield self.resources.by_uri[uri], path, schema

    def _declares(self, node: _Node) -> bool:
        return any("properties" in schema or "patternProperties" in schema for _, _, schema in self._schemas(node))

    def _below(self, node: _Node) -> _Below:
        children: dict[tuple[str, ...], list[Place]] = {}
        required: set[str] = set()
        free = False
        for resource, path, schema in self._schemas(node):
            required.update(schema.get("required", ()))
            free = free or any(schema.get(keyword, False) is not False for keyword in _OPEN)
            for keyword, inner, below in resource.inside.get(path, ()):
                if keyword in ("properties", "patternProperties"):
                    places = children.setdefault((keyword, str(inner[-1])), [])
                elif keyword in _ITEMS or keyword in _OPEN:
                    places = children.setdefault(("items" if keyword in _ITEMS else "additionalProperties",), [])
                else:
                    continue
                if isinstance(below, dict) and not LEAF.issuperset(below):
                    places.append((resource, inner))
        nodes = {key: self.node(places) if places else frozenset() for key, places in children.items()}
        return _Below(nodes, required, self._declares(node) and not free)


def _reference(number: str) -> dict[str, Any]:
    return {"$ref": f"#/definitions/{number}"}


def _written(below: _Below, children: Mapping[tuple[str, ...], str]) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for key in below.children:
        inner = _reference(children[key]) if key in children else {}
        if len(key) == 2:
            name = for_engine(key[1]) if key[0] == "patternProperties" else key[1]
            schema.setdefault(key[0], {})[name] = inner
        elif inner:
            schema[key[0]] = inner
    if below.closed:
        schema.setdefault("properties", {})  # without it the engine does not say which names it refuses
        for name in below.required:
            schema["properties"].setdefault(name, {})
        schema["additionalProperties"] = False
    return schema

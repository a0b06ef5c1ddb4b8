"""Which property names a rule plans, as a schema that allows these and no others.

A name is planned when any schema that applies to the same object names it, under whichever of `allOf`, `anyOf`,
`oneOf`, `if` or `$ref` it stands. An object of which no schema names a property is free, and so is one whose
`additionalProperties` (or `unevaluatedProperties`) is anything but false.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from router.document import Pointer
from router.plan.keywords import DRAFT2020, IN_PLACE
from router.plan.resources import Place, Resource, Resources

_ITEMS = frozenset(("items", "prefixItems", "additionalItems", "unevaluatedItems", "contains"))
_OPEN = ("additionalProperties", "unevaluatedProperties")
_LEAF = DRAFT2020.keywords - DRAFT2020.holders.keys() - {"$ref"}  # keywords that say nothing of values further inside
_Node = frozenset[tuple[str, Pointer]]


class _Below(NamedTuple):
    """What a node says of values inside its own: by keyword (and name) the nodes there, and whether others may be."""

    children: dict[tuple[str, ...], _Node]
    required: set[str]
    closed: bool


def planned_names(resources: Resources, own: Resource, common: Resource | None) -> dict[str, Any]:
    """The schema of planned names of a rule's section, `common` adding its own; empty where the rule names nothing."""
    tree = _Names(resources)
    if not tree.declares(tree.node([(own, ())])):
        return {}
    root = tree.reference(tree.node([(own, ()), *([(common, ())] if common else [])]))
    return {**root, "definitions": tree.definitions()}


class _Names:
    """A node is the set of schemas that apply to one value; each becomes a definition, so recursion ends."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.numbers: dict[_Node, int] = {}

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
            if not isinstance(schema, dict):
                continue
            if "$ref" in schema:
                stack.append(self.resources.lookup(resource, schema["$ref"]))
            stack += [
                (resource, (*path, *inner))
                for keyword, inner, _ in resource.draft.subschemas(schema)
                if keyword in IN_PLACE and keyword != "not"
            ]
        return frozenset(found)

    def _schemas(self, node: _Node) -> Iterator[tuple[Resource, Pointer, dict[str, Any]]]:
        for uri, path in sorted(node, key=str):
            schema = self.resources.by_uri[uri].places[path]
            if isinstance(schema, dict):
                yield self.resources.by_uri[uri], path, schema

    def declares(self, node: _Node) -> bool:
        return any("properties" in schema or "patternProperties" in schema for _, _, schema in self._schemas(node))

    def reference(self, node: _Node) -> dict[str, Any]:
        return {"$ref": f"#/definitions/{self.numbers.setdefault(node, len(self.numbers))}"}

    def definitions(self) -> dict[str, Any]:
        """The schemas of all nodes that were referred to, and of those that these refer to."""
        done: dict[str, Any] = {}
        while len(done) < len(self.numbers):
            for node, number in list(self.numbers.items())[len(done) :]:
                done[str(number)] = self._schema(node)
        return done

    def _below(self, node: _Node) -> _Below:
        children: dict[tuple[str, ...], list[Place]] = {}
        required: set[str] = set()
        free = False
        for resource, path, schema in self._schemas(node):
            required.update(schema.get("required", ()))
            free = free or any(schema.get(keyword, False) is not False for keyword in _OPEN)
            for keyword, inner, below in resource.draft.subschemas(schema):
                if keyword in ("properties", "patternProperties"):
                    places = children.setdefault((keyword, str(inner[1])), [])
                elif keyword in _ITEMS or keyword in _OPEN:
                    places = children.setdefault(("items" if keyword in _ITEMS else "additionalProperties",), [])
                else:
                    continue
                if isinstance(below, dict) and not _LEAF.issuperset(below):
                    places.append((resource, (*path, *inner)))
        nodes = {key: self.node(places) if places else frozenset() for key, places in children.items()}
        return _Below(nodes, required, self.declares(node) and not free)

    def _schema(self, node: _Node) -> dict[str, Any]:
        below = self._below(node)
        schema: dict[str, Any] = {}
        for key, child in below.children.items():
            inner = self.reference(child) if child else {}
            if len(key) == 2 and (inner or below.closed):
                schema.setdefault(key[0], {})[key[1]] = inner
            elif inner:
                schema[key[0]] = inner
        if below.closed:
            for name in below.required:
                schema.setdefault("properties", {}).setdefault(name, {})
            schema["additionalProperties"] = False
        return schema

"""Which property names a rule plans, as a tree to walk beside the schemas: the compiled rule's names, read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.plan_tools.value import matches


class Tree:
    """The names at one place of an event. Without a schema of names everything is allowed."""

    def __init__(self, nodes: list[Mapping[str, Any]], definitions: Mapping[str, Any]) -> None:
        self.definitions = definitions
        self.nodes = [inner for node in nodes for inner in self._resolved(node)]

    @classmethod
    def of(cls, names: Mapping[str, Any] | None) -> Tree:
        """The tree of a compiled rule's names."""
        return cls([names] if names else [], names.get("definitions", {}) if names else {})

    def _resolved(self, node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        found = [node]
        for part in node.get("allOf", ()):
            found += self._resolved(part)
        if "$ref" in node:
            found += self._resolved(self.definitions[node["$ref"].rsplit("/", 1)[1]])
        return found

    @property
    def key(self) -> frozenset[int]:
        """The same for places where the same names are planned."""
        return frozenset(id(node) for node in self.nodes if len(node) > 1 or "$ref" not in node)

    def text(self) -> Any:
        """The whole tree as plain data; a place that stands inside itself is told by how far above it begins."""
        return [self._written(node, ()) for node in self.nodes if "$ref" not in node and "allOf" not in node]

    def _written(self, node: Mapping[str, Any], way: tuple[int, ...]) -> Any:
        if id(node) in way:
            return len(way) - way.index(id(node))
        way = (*way, id(node))
        if "$ref" in node:
            return self._written(self.definitions[node["$ref"].rsplit("/", 1)[1]], way)
        found: dict[str, Any] = {"closed": node.get("additionalProperties") is False}
        for keyword in ("properties", "patternProperties"):
            found[keyword] = {name: self._written(inner, way) for name, inner in sorted(node.get(keyword, {}).items())}
        for keyword in ("items", "additionalProperties"):
            if isinstance(node.get(keyword), Mapping):
                found[keyword] = self._written(node[keyword], way)
        return found

    @property
    def closed(self) -> bool:
        return any(node.get("additionalProperties") is False for node in self.nodes)

    @property
    def names(self) -> list[str]:
        return [name for node in self.nodes for name in node.get("properties", ())]

    @property
    def patterns(self) -> set[str]:
        return {pattern for node in self.nodes for pattern in node.get("patternProperties", ())}

    def allows(self, name: str) -> bool:
        """Whether an object may have a property of this name."""
        return all(
            node.get("additionalProperties") is not False
            or name in node.get("properties", ())
            or any(matches(pattern, name) for pattern in node.get("patternProperties", ()))
            for node in self.nodes
        )

    def child(self, name: str) -> Tree:
        """The names inside a property."""
        found: list[Mapping[str, Any]] = []
        for node in self.nodes:
            own = [node["properties"][name]] if name in node.get("properties", ()) else []
            own += [inner for pattern, inner in node.get("patternProperties", {}).items() if matches(pattern, name)]
            rest = node.get("additionalProperties")
            found += own or ([rest] if isinstance(rest, Mapping) else [])
        return Tree(found, self.definitions)

    def rest(self) -> Tree:
        """The names inside a property that is not named."""
        rests = [node.get("additionalProperties") for node in self.nodes]
        return Tree([rest for rest in rests if isinstance(rest, Mapping)], self.definitions)

    def items(self) -> Tree:
        """The names inside the items of an array."""
        return Tree([node["items"] for node in self.nodes if "items" in node], self.definitions)

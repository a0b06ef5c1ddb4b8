"""Topology files as one tree in which every value still knows the file and place it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from router.config.substitution import Scalar
from router.document import Document, Pointer
from router.errors import Problem


@dataclass(frozen=True, slots=True)
class Node:
    """`value` is a scalar, a Scalar (substituted), a list of nodes or a dict of nodes."""

    value: Any
    document: Document
    pointer: Pointer

    def plain(self) -> Any:
        """The value as plain data, substituted scalars by their present candidate."""
        value = self.value
        if isinstance(value, dict):
            return {key: child.plain() for key, child in value.items()}
        if isinstance(value, list):
            return [child.plain() for child in value]
        return value.value if isinstance(value, Scalar) else value

    def child(self, part: str | int) -> Node | None:
        """The member of a mapping or the item of a list, or None."""
        found: Node | None = None
        if isinstance(self.value, dict):
            found = self.value.get(part)
        elif isinstance(self.value, list) and isinstance(part, int) and part < len(self.value):
            found = self.value[part]
        return found

    def find(self, path: Iterable[str | int]) -> tuple[Node, Pointer]:
        """The deepest node along the path, and what of the path is left beyond it."""
        node, rest = self, tuple(path)
        while rest:
            child = node.child(rest[0])
            if child is None:
                break
            node, rest = child, rest[1:]
        return node, rest

    def problem(self, message: str, hint: str = "", *, below: Pointer = (), at_key: bool = False) -> Problem:
        """A problem at this node's own place in its file, or at a key `below` it that may be missing."""
        return self.document.problem((*self.pointer, *below), message, hint, at_key=at_key)

    def scalars(self) -> Iterable[Scalar]:
        """All substituted scalars at and below this node."""
        if isinstance(self.value, Scalar):
            yield self.value
        elif isinstance(self.value, dict | list):
            for child in self.value.values() if isinstance(self.value, dict) else self.value:
                yield from child.scalars()


def tree(document: Document, substitution: Callable[[str, Pointer], Scalar | str]) -> Node:
    """The document as nodes, references in scalars replaced."""

    def build(value: Any, pointer: Pointer) -> Node:
        if isinstance(value, dict):
            value = {key: build(child, (*pointer, key)) for key, child in value.items()}
        elif isinstance(value, list):
            value = [build(child, (*pointer, index)) for index, child in enumerate(value)]
        elif isinstance(value, str):
            value = substitution(value, pointer)
        return Node(value, document, pointer)

    return build(document.data, ())


def overlay(below: Node, above: Node) -> Node:
    """`above` wins: maps merge, everything else is replaced."""
    if not (isinstance(below.value, dict) and isinstance(above.value, dict)):
        return above
    merged = dict(below.value)
    for key, child in above.value.items():
        merged[key] = overlay(merged[key], child) if key in merged else child
    return replace(above, value=merged)


def without(node: Node, *keys: str) -> Node:
    """The mapping node without some of its keys."""
    return replace(node, value={key: child for key, child in node.value.items() if key not in keys})

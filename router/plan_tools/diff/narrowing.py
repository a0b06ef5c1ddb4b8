"""What a value may no longer be: how one schema allows less than another, place by place.

Sound, not complete: no narrowing is found only where everything that the old schemas allow is allowed by the new ones.
What cannot be told counts as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from router.document import Pointer
from router.plan_tools.diff import conditions, limits, options
from router.plan_tools.diff.canonical import of_value
from router.plan_tools.diff.tree import Tree
from router.plan_tools.value import Value

REST = "*"


class Narrowing(NamedTuple):
    """`kind` is a keyword, or `unplanned`, `closed`, `never`, `unknown`; `old` and `new` are in words."""

    kind: str
    path: Pointer
    old: str = ""
    new: str = ""


class Side(NamedTuple):
    """One plan's view of a value: its schemas and the names that may occur in it."""

    value: Value
    tree: Tree

    def child(self, name: str) -> Side:
        return Side(self.value.child(name), self.tree.child(name))

    def item(self, index: int) -> Side:
        return Side(self.value.item(index), self.tree.items())

    def also(self, other: Value) -> Side:
        """The value where another schema of the same plan holds too."""
        places = [*self.value.places.values(), *other.places.values()]
        return Side(Value(self.value.resources, places), self.tree)

    def only(self, other: Value) -> Side:
        return Side(other, self.tree)

    def rest(self) -> Side:
        """A property that no schema names."""
        return Side(self.value.rest(), self.tree.rest())

    def says_as(self, other: Side) -> bool:
        """Whether both sides say the same in the same words."""
        return of_value(self.value) == of_value(other.value) and self.tree.text() == other.tree.text()

    def free(self) -> Side:
        """The value alone, whatever names are planned."""
        return Side(self.value, Tree([], {}))

    @property
    def key(self) -> tuple[int, Any, Any]:
        return id(self.value.resources), self.value.key, self.tree.key


class SchemaComparison:
    """Walks two sides together. Pairs that are being compared count as contained where they occur again inside."""

    def __init__(self) -> None:
        self._known: set[Any] = set()

    def contains(self, old: Side, new: Side) -> bool:
        """Whether all that `old` allows is allowed by `new`."""
        before = set(self._known)
        contained = next(self.narrowings(old, new), None) is None
        self._known = before
        return contained

    def same(self, old: Side, new: Side) -> bool:
        """Whether both allow the same."""
        return self.contains(old, new) and self.contains(new, old)

    def narrowings(
        self, old: Side, new: Side, path: Pointer = (), types: frozenset[str] | None = None
    ) -> Iterator[Narrowing]:
        """All narrowings at and below a value. `types` are those the value can have whatever the schemas say."""
        if (old.key, new.key) in self._known or old.value.never or old.says_as(new):
            return
        self._known.add((old.key, new.key))
        if new.value.never:
            yield Narrowing("never", path)
            return
        finite = options.finite(old.value, types)
        if finite is not None:
            yield from self._at(path, options.lost(finite, new.value))
            if not any(isinstance(value, dict | list) for value in finite):
                return
        possible = old.value.types & types if types else old.value.types
        yield from self._at(path, limits.types(possible, new.value))
        if finite is None and new.value.options is not None:
            yield Narrowing("enum", path, "any value", options.listed(new.value.options))
        shared = possible & new.value.types
        yield from self._at(path, limits.scalars(old.value, new.value, shared))
        if "array" in shared:
            yield from self._array(old, new, path)
        if "object" in shared:
            yield from self._object(old, new, path)
        yield from self._at(path, conditions.narrowings(self, old, new))

    def _at(self, path: Pointer, found: Iterator[tuple[str, str, str]]) -> Iterator[Narrowing]:
        return (Narrowing(kind, path, before, after) for kind, before, after in found)

    def _array(self, old: Side, new: Side, path: Pointer) -> Iterator[Narrowing]:
        yield from self._at(path, limits.arrays(old.value, new.value))
        width = max(old.value.width, new.value.width)
        for index in range(width + 1):
            if index < limits.most(old.value, "maxItems"):
                yield from self.narrowings(old.item(index), new.item(index), (*path, index if index < width else REST))

    def _object(self, old: Side, new: Side, path: Pointer) -> Iterator[Narrowing]:
        yield from self._at(path, limits.objects(old.value, new.value, old.tree))
        for name in sorted(new.value.required - old.value.required):
            yield Narrowing("required", (*path, name))
        known = (*old.value.names, *new.value.names, *old.tree.names, *new.tree.names)
        for name in dict.fromkeys(known):
            yield from self._property(old, new, name, (*path, name))
        if not old.tree.closed and new.tree.closed:
            yield Narrowing("closed", path)
        elif not old.tree.closed:
            yield from self.narrowings(old.rest(), new.rest(), (*path, REST))
        yield from self._patterns(old, new, path)

    def _property(self, old: Side, new: Side, name: str, path: Pointer) -> Iterator[Narrowing]:
        if not old.tree.allows(name) or old.value.child(name).never:
            return
        if new.tree.allows(name):
            yield from self.narrowings(old.child(name), new.child(name), path)
        else:
            yield Narrowing("unplanned", path)

    def _patterns(self, old: Side, new: Side, path: Pointer) -> Iterator[Narrowing]:
        """Names that only patterns tell: the same patterns with wider schemas, else it cannot be told."""
        for pattern in sorted(old.tree.patterns if new.tree.closed else ()):
            if pattern not in new.tree.patterns:
                yield Narrowing("unplanned", (*path, pattern))
        if old.tree.closed and not old.tree.patterns:
            return
        before, after = _by_pattern(old.value), _by_pattern(new.value)
        rest = new.rest().free() if not old.tree.closed else new.only(Value(new.value.resources, [])).free()
        for pattern, value in before.items():
            wanted = after.pop(pattern, None)
            held = old.only(value).free()
            if (wanted and not self.contains(held, new.only(wanted).free())) or not self.contains(held, rest):
                yield Narrowing("unknown", (*path, pattern), new="patternProperties")
        for pattern, value in after.items():
            if not self.contains(old.only(Value(old.value.resources, [])).free(), new.only(value).free()):
                yield Narrowing("unknown", (*path, pattern), new="patternProperties")


def _by_pattern(value: Value) -> dict[str, Value]:
    """The values that patterns of names tell."""
    found: dict[str, list[Any]] = {}
    for resource, path, schema in value.schemas:
        for pattern in schema.get("patternProperties", ()):
            found.setdefault(pattern, []).append((resource, (*path, "patternProperties", pattern)))
    return {pattern: Value(value.resources, places) for pattern, places in found.items()}

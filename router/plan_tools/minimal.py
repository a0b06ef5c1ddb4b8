"""The least value that a schema asks for: all that is required and nothing else.

What cannot be made up for certain (a condition, a pattern that nothing simple matches) is named, so that nobody takes a
violation there for a fault of the plan.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from router.document import Pointer
from router.plan.ecma import for_engine
from router.plan.keywords import ANNOTATIONS, CONTAINERS, LEAF
from router.plan.regex import PatternNode, parse
from router.plan_tools.lint.conjunction import TYPES, Conjunction
from router.plan_tools.value import Value

_SURE = (
    LEAF - {"minProperties"}
    | ANNOTATIONS
    | CONTAINERS
    | {"$ref", "allOf", "items", "prefixItems", "additionalItems", "properties", "patternProperties"}
    | {"additionalProperties"}
)
_FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "email": "someone@example.com",
    "idn-email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "iri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "duration": "P1D",
}
_LONGEST = 10_000


class Minimal:
    """Makes values. `unsure` are the paths of those that a schema may refuse though it can be satisfied."""

    def __init__(self) -> None:
        self.unsure: set[Pointer] = set()

    def make(self, value: Value, path: Pointer, above: frozenset[Any] = frozenset()) -> Any:
        """The value at a path of the event. What no value satisfies gets one that the schema refuses."""
        keywords = {keyword for _, _, schema in value.schemas for keyword in schema}
        if any(keyword not in _SURE and not keyword.startswith("x-") for keyword in keywords):
            self.unsure.add(path)
        if value.options is None:
            if "object" in value.types and (value.required or value.names or value.types == {"object"}):
                return self._object(value, path, above)
            if "array" in value.types and (value.types == {"array"} or "items" in keywords):
                return self._array(value, path, above)
        return self._leaf(value, path)

    def _object(self, value: Value, path: Pointer, above: frozenset[Any]) -> dict[str, Any]:
        if value.key in above:  # it requires itself
            self.unsure.add(path)
            return {}
        above |= {value.key}
        return {name: self.make(value.child(name), (*path, name), above) for name in sorted(value.required)}

    def _array(self, value: Value, path: Pointer, above: frozenset[Any]) -> list[Any]:
        count = math.ceil(max(value.said("minItems"), default=0))
        if value.key in above or count > _LONGEST or (count > 1 and True in value.said("uniqueItems")):
            self.unsure.add(path)
            return []
        above |= {value.key}
        return [self.make(value.item(index), (*path, index), above) for index in range(count)]

    def _leaf(self, value: Value, path: Pointer) -> Any:
        places = [place for place in value.places.values() if isinstance(place[0].places[place[1]], dict)]
        if not places:
            return "a"
        node = Conjunction(places, TYPES)
        made = list(_candidates(value))
        for candidate in made:
            if node.takes(candidate):
                return candidate
        if not value.never and next(node.contradictions(), None) is None:
            self.unsure.add(path)
        return next(iter(made), None)


def _candidates(value: Value) -> Iterator[Any]:
    if value.options is not None:
        yield from value.options
        return
    if "string" in value.types:
        yield from _texts(value)
    if "integer" in value.types:
        yield from _numbers(value)
    yield from (item for name, item in (("boolean", True), ("null", None)) if name in value.types)
    yield from ([] for name in ("array",) if name in value.types)
    yield from ({} for name in ("object",) if name in value.types)


def _texts(value: Value) -> Iterator[str]:
    least = min(math.ceil(max(value.said("minLength"), default=0)), _LONGEST)
    for name in value.said("format"):
        yield _FORMATS.get(name, "a")
    for pattern in value.said("pattern"):
        node = parse(for_engine(pattern))
        if node is not None:
            yield _matched(node)
    yield from ("a" * max(least, 1), "1" * max(least, 1), "A" * max(least, 1), "")


def _matched(node: PatternNode) -> str:
    """The shortest text that a pattern's structure matches; anchors are not looked at."""
    if node.kind == "set":
        seen = (sign for sign in ("a", "A", "0", *map(chr, range(33, 127)), " ") if node.mask >> ord(sign) & 1)
        return next(seen, "")
    if node.kind == "alt":
        return min(map(_matched, node.parts), key=len)
    inner = "".join(map(_matched, node.parts))
    return inner * (min(node.least, _LONGEST) if node.kind == "rep" else 1)


def _numbers(value: Value) -> Iterator[int | float]:
    lows = [*value.said("minimum"), *value.said("exclusiveMinimum")]
    highs = [*value.said("maximum"), *value.said("exclusiveMaximum")]
    step = max(value.said("multipleOf"), default=1)
    yield 1
    yield 0
    for bound in (*lows, *highs):
        yield bound
        whole = math.floor(bound / step)
        yield from ((whole + more) * step for more in (-1, 0, 1))
    if lows and highs:
        yield (max(lows) + min(highs)) / 2
    yield step

"""Schemas that apply to one value together: what contradicts in them, and which of their keywords check nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import jsonschema_rs

from router.document import Pointer
from router.plan.ecma import for_engine
from router.plan.keywords import LEAF
from router.plan.pattern import REGEX
from router.plan.regex import PatternNode, parse
from router.plan.resources import Place, Resource

TYPES = frozenset(("array", "boolean", "integer", "null", "number", "object", "string"))
_KEYWORDS = {
    "string": "maxLength minLength pattern format contentEncoding contentMediaType contentSchema",
    "number": "multipleOf maximum exclusiveMaximum minimum exclusiveMinimum",
    "array": "maxItems minItems uniqueItems items additionalItems prefixItems contains minContains maxContains "
    "unevaluatedItems",
    "object": "maxProperties minProperties required properties patternProperties additionalProperties propertyNames "
    "dependencies dependentRequired dependentSchemas unevaluatedProperties",
}
TYPE_OF_KEYWORD = {keyword: name for name, keywords in _KEYWORDS.items() for keyword in keywords.split()}
_NEEDED = {"then": "if", "else": "if", "minContains": "contains", "maxContains": "contains"}
_SIZES = tuple((f"min{what}", f"max{what}") for what in ("Length", "Items", "Properties", "Contains"))


class Contradiction(NamedTuple):
    """A keyword's place, and what is wrong with it."""

    resource: Resource
    path: Pointer
    message: str


def types_of(schema: Any) -> frozenset[str]:
    """The types that a schema's `type` allows; all where it has none. A number may be an integer."""
    said = schema.get("type", TYPES) if isinstance(schema, dict) else TYPES
    types = {said} if isinstance(said, str) else set(said)
    return frozenset(types | {"integer"} if "number" in types else types)


def shown(types: Iterable[str]) -> str:
    found = set(types)
    return " or ".join(sorted(found - {"integer"} if "number" in found else found)) or "nothing"


class Conjunction:
    """The mappings at `places`, all of which a value of one of `types` must satisfy."""

    def __init__(self, places: Iterable[Place], types: frozenset[str]) -> None:
        self.parts = [(resource, path, resource.places[path]) for resource, path in places]
        self.inherited = types
        self.types = types.intersection(*(types_of(schema) for _, _, schema in self.parts))

    def contradictions(self) -> Iterator[Contradiction]:
        """Why no value (or, for a bound, none of the type it is for) satisfies all parts."""
        typed = list(self._types())
        yield from typed
        if not typed:
            yield from self._values()
        yield from self._sizes()
        yield from self._numbers()
        yield from self._closed()
        yield from self._patterns()

    def idle(self) -> Iterator[Contradiction]:
        """Keywords that check nothing: those of a type that the value cannot have, and those that lack another."""
        for resource, path, schema in self.parts:
            own = types_of(schema) & self.types or types_of(schema)
            for keyword in schema:
                of = TYPE_OF_KEYWORD.get(keyword)
                if of is not None and of not in own and not (of == "number" and "integer" in own):
                    message = f"expected a keyword for {shown(own)}, got {keyword}, which checks only {of}s"
                    yield Contradiction(resource, (*path, keyword), message)
                if (needed := _NEEDED.get(keyword)) and needed not in schema:
                    yield Contradiction(resource, (*path, keyword), f"expected {needed} beside {keyword}, got none")
            if "if" in schema and not schema.keys() & {"then", "else"}:
                yield Contradiction(resource, (*path, "if"), "expected then or else beside if, got neither")

    def _types(self) -> Iterator[Contradiction]:
        left = self.inherited
        for resource, path, schema in self.parts:
            own = types_of(schema)
            if not own & left:
                message = f"expected {shown(left)}, as another schema of the same value says, got {shown(own)}"
                yield Contradiction(resource, (*path, "type"), message)
                return
            left &= own

    def _values(self) -> Iterator[Contradiction]:
        for resource, path, schema in self.parts:
            keyword = "const" if "const" in schema else "enum"
            if keyword not in schema:
                continue
            values = [schema["const"]] if keyword == "const" else schema["enum"]
            if not any(self.takes(value) for value in values):
                message = f"expected a value that the rest of the schema ({self._rest(schema)}) allows, got none"
                yield Contradiction(resource, (*path, keyword), message)
                return

    def _rest(self, schema: dict[str, Any]) -> str:
        others = {key for _, _, part in self.parts for key in LEAF & part.keys() if part is not schema}
        own = LEAF & schema.keys() - {"description", "title"}
        return ", ".join(sorted((own | others) - {"description", "title", "examples", "default"}))

    def takes(self, value: Any) -> bool:
        """Whether all that is said of the value itself, not of what is inside, allows it."""
        checks = [{key: schema[key] for key in LEAF & schema.keys()} for _, _, schema in self.parts]
        checks.append({"type": sorted(self.inherited)})
        for (resource, _, _), check in zip([*self.parts, self.parts[0]], checks, strict=True):
            check.pop("$schema", None)
            check |= {"pattern": for_engine(check["pattern"])} if "pattern" in check else {}
            validator = resource.draft.validator(check, pattern_options=REGEX, validate_formats=True, offline=True)
            if not _is_valid(validator, value):
                return False
        return True

    def _sizes(self) -> Iterator[Contradiction]:
        for least, most in _SIZES:
            low, high = self._bound(least, max), self._bound(most, min)
            if low and high and low.value > high.value:
                yield low.fault(f"expected {least} of at most {most} ({high.value}), got {low.value}")
        names = {name for _, _, schema in self.parts for name in schema.get("required", ())}
        if (high := self._bound("maxProperties", min)) and len(names) > high.value:
            yield high.fault(f"expected at least {len(names)}, as many as are required, got {high.value}")

    def _bound(self, keyword: str, choose: Any) -> _Bound | None:
        found = [_Bound(schema[keyword], (r, (*p, keyword))) for r, p, schema in self.parts if keyword in schema]
        return choose(found, key=lambda bound: bound.value) if found else None

    def _numbers(self) -> Iterator[Contradiction]:
        lows = [bound for keyword in ("minimum", "exclusiveMinimum") if (bound := self._bound(keyword, max))]
        highs = [bound for keyword in ("maximum", "exclusiveMaximum") if (bound := self._bound(keyword, min))]
        if not lows or not highs:
            return
        low = max(lows, key=lambda bound: (bound.value, bound.open))
        high = min(highs, key=lambda bound: (bound.value, not bound.open))
        step = self._bound("multipleOf", max)
        if low.value > high.value or (low.value == high.value and (low.open or high.open)):
            yield low.fault(f"expected a bound below {high.keyword} ({high.value}), got {low.value}")
        elif step or ("number" not in self.types & {"number", "integer"} and "integer" in self.types):
            every = Fraction(str(step.value)) if step else Fraction(1)
            first = math.ceil(Fraction(str(low.value)) / every)
            first += low.open and first * every == Fraction(str(low.value))
            last = Fraction(str(high.value))
            if first * every > last or (high.open and first * every == last):
                what = f"a multiple of {step.value}" if step else "an integer"
                yield low.fault(f"expected {what} between {low.keyword} and {high.keyword}, got none")

    def _closed(self) -> Iterator[Contradiction]:
        """Names that one part requires and another (or the same) allows none of."""
        for _, _, closed in self.parts:
            patterns = closed.get("patternProperties", {})
            if closed.get("additionalProperties") is not False:
                continue
            for resource, path, schema in self.parts:
                for number, name in enumerate(schema.get("required", ())):
                    known = name in closed.get("properties", {})
                    if not known and not any(_matches(pattern, name) for pattern in patterns):
                        message = f"expected a name that the object allows (additionalProperties: false), got {name}"
                        yield Contradiction(resource, (*path, "required", number), message)
            low = self._bound("minProperties", max)
            if low and not patterns and low.value > len(closed.get("properties", {})):
                count = len(closed.get("properties", {}))
                yield low.fault(f"expected at most {count}, as many as the object allows, got {low.value}")

    def _patterns(self) -> Iterator[Contradiction]:
        high = self._bound("maxLength", min)
        for resource, path, schema in self.parts if high else ():
            node = parse(for_engine(schema["pattern"])) if "pattern" in schema else None
            if high and node and (least := _shortest(node)) > high.value:
                message = f"expected a pattern for at most {high.value} characters (maxLength), got one for {least}"
                yield Contradiction(resource, (*path, "pattern"), message)


class _Bound(NamedTuple):
    value: Any
    place: Place

    @property
    def keyword(self) -> str:
        return str(self.place[1][-1])

    @property
    def open(self) -> bool:
        return self.keyword.startswith("exclusive")

    def fault(self, message: str) -> Contradiction:
        return Contradiction(*self.place, message)


def _is_valid(validator: jsonschema_rs.Validator, value: Any) -> bool:
    return bool(validator.is_valid(value))


def _matches(pattern: str, name: str) -> bool:
    schema = {"patternProperties": {for_engine(pattern): False}}
    return not jsonschema_rs.Draft7Validator(schema, pattern_options=REGEX, offline=True).is_valid({name: 0})


def _shortest(node: PatternNode) -> int:
    """The length of the shortest text that a pattern's structure matches."""
    if node.kind == "set":
        return 1
    lengths = [_shortest(part) for part in node.parts]
    if node.kind == "alt":
        return min(lengths, default=0)
    return sum(lengths) * (node.least if node.kind == "rep" else 1)

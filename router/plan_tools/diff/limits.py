"""Bounds, lengths, patterns and formats: which of the new ones the old ones do not imply."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import jsonschema_rs
import orjson

from router.document import Pointer
from router.plan.resources import Resource
from router.plan_tools.diff.canonical import of_place
from router.plan_tools.diff.tree import Tree
from router.plan_tools.inline import Inliner
from router.plan_tools.value import Value

Found = Iterator[tuple[str, str, str]]
_NUMBERS = frozenset(("number", "integer"))


def types(possible: frozenset[str], new: Value) -> Found:
    """Types that are no longer allowed."""
    gone = possible - new.types
    if gone:
        yield "type", in_words(gone - ({"integer"} if "number" in gone else set())), in_words(_said(new.types))


def _said(names: frozenset[str]) -> frozenset[str]:
    return names - {"integer"} if "number" in names else names


def in_words(names: frozenset[str]) -> str:
    return " or ".join(sorted(names)) or "nothing"


def least(value: Value, keyword: str) -> int:
    return max((int(said) for said in value.said(keyword)), default=0)


def most(value: Value, keyword: str) -> float:
    return min((said for said in value.said(keyword)), default=math.inf)


def scalars(old: Value, new: Value, shared: frozenset[str]) -> Found:
    """What numbers and texts are held to."""
    if shared & _NUMBERS:
        yield from _bound(old, new, "minimum", "exclusiveMinimum", 1)
        yield from _bound(old, new, "maximum", "exclusiveMaximum", -1)
        yield from _multiples(old, new, shared)
    if "string" in shared:
        yield from _counts(old, new, "minLength", "maxLength")
        for keyword in ("pattern", "format", "contentEncoding", "contentMediaType"):
            for said in new.said(keyword):
                if said not in old.said(keyword):
                    yield keyword, ", ".join(map(str, old.said(keyword))) or "none", str(said)


def _bound(old: Value, new: Value, inclusive: str, exclusive: str, sign: int) -> Found:
    """The tightest bound of one side, as (value, exclusive) to be compared."""
    before, after = _tightest(old, inclusive, exclusive, sign), _tightest(new, inclusive, exclusive, sign)
    if after is not None and (before is None or before < after):
        yield inclusive, _shown(before, sign), _shown(after, sign)


def _tightest(value: Value, inclusive: str, exclusive: str, sign: int) -> tuple[float, bool] | None:
    bounds = [(said * sign, False) for said in value.said(inclusive)]
    bounds += [(said * sign, True) for said in value.said(exclusive)]
    return max(bounds, default=None)


def _shown(bound: tuple[float, bool] | None, sign: int) -> str:
    if bound is None:
        return "no limit"
    words = {(1, False): "at least", (1, True): "more than", (-1, False): "at most", (-1, True): "less than"}
    return f"{words[sign, bound[1]]} {bound[0] * sign:g}"


def _multiples(old: Value, new: Value, shared: frozenset[str]) -> Found:
    known = [Fraction(str(said)) for said in old.said("multipleOf")]
    known += [Fraction(1)] if "number" not in shared else []
    for said in new.said("multipleOf"):
        if not any((step / Fraction(str(said))).denominator == 1 for step in known):
            yield "multipleOf", ", ".join(f"{float(step):g}" for step in known) or "any number", f"{said:g}"


def _counts(old: Value, new: Value, low: str, high: str, floor: int = 0) -> Found:
    before, after = max(least(old, low), floor), least(new, low)
    if after > before:
        yield low, str(before), str(after)
    upper, limit = most(old, high), most(new, high)
    if limit < upper:
        yield high, "no limit" if upper == math.inf else f"{upper:g}", f"{limit:g}"


def arrays(old: Value, new: Value) -> Found:
    """What arrays as a whole are held to."""
    yield from _counts(old, new, "minItems", "maxItems")
    if True in new.said("uniqueItems") and True not in old.said("uniqueItems") and most(old, "maxItems") > 1:
        yield "uniqueItems", "", ""
    yield from unknown(old, new, ("contains", "minContains", "maxContains"), "contains")
    yield from unknown(old, new, (), "unevaluatedItems")


def objects(old: Value, new: Value, tree: Tree) -> Found:
    """What objects as a whole are held to."""
    closed = tree.closed and not tree.patterns
    yield from (
        _counts(old, new, "minProperties", "maxProperties", len(old.required))
        if not (
            closed
            and least(new, "minProperties") <= len(old.required)
            and most(new, "maxProperties") >= len(set(tree.names))
        )
        else ()
    )
    if not (closed and _names_fit(new, tree)):
        yield from unknown(old, new, ("propertyNames",), "propertyNames")
    yield from unknown(old, new, (), "unevaluatedProperties")


def _names_fit(new: Value, tree: Tree) -> bool:
    """Whether all names that can occur keep to `propertyNames`."""
    for resource, path, schema in new.schemas:
        if "propertyNames" in schema:
            inliner = Inliner(new.resources)
            inner = inliner.place((resource, (*path, "propertyNames")))
            whole = {"allOf": [inner], "definitions": inliner.definitions}
            if not all(jsonschema_rs.is_valid(whole, name, offline=True) for name in tree.names):
                return False
    return True


def unknown(old: Value, new: Value, keywords: tuple[str, ...], named: str) -> Found:
    """A schema with `named` must be on the old side, the same in these keywords, or in all where none are given."""
    known = {_text(old, each, keywords) for each in old.schemas if named in each[2]}
    for each in new.schemas:
        if named in each[2] and each[2][named] is not True and _text(new, each, keywords) not in known:
            yield "unknown", "", named


def _text(value: Value, each: tuple[Resource, Pointer, dict[str, Any]], keywords: tuple[str, ...]) -> tuple[bytes, ...]:
    resource, path, schema = each
    if not keywords:
        return (of_place(value.resources, resource, path),)
    return tuple(
        of_place(value.resources, resource, (*path, keyword))
        if (*path, keyword) in resource.places
        else orjson.dumps(schema.get(keyword))
        for keyword in keywords
    )

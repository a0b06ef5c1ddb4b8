"""Alternatives and conditions: which of the new ones the old schemas do not imply."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from router.document import Pointer
from router.plan.resources import Resource
from router.plan_tools.value import Value

if TYPE_CHECKING:
    from router.plan_tools.diff.narrowing import SchemaComparison, Side

_Said = tuple[Resource, Pointer, dict[str, Any]]


def narrowings(comparison: SchemaComparison, old: Side, new: Side) -> Iterator[tuple[str, str, str]]:
    """One for each keyword whose effect is, or may be, that less is allowed."""
    for said in new.value.schemas:
        schema = said[2]
        if "anyOf" in schema and not _any_of(comparison, old, new, said):
            yield "anyOf", "", ""
        if "oneOf" in schema and not _one_of(comparison, old, new, said):
            yield "unknown", "", "oneOf"
        if "not" in schema and not _not(comparison, old, new, said):
            yield "unknown", "", "not"
        if "if" in schema and ("then" in schema or "else" in schema) and not _if(comparison, old, new, said):
            yield "if", "", ""
        for name, place in _dependent(said):
            if old.tree.allows(name) and not _dependency(comparison, old, new, said, name, place):
                yield "dependencies", "", name


def _value(side: Side, said: _Said, *parts: str | int) -> Value:
    """The schema inside another one; anything where there is none."""
    resource, path, _ = said
    place = (*path, *parts)
    return Value(side.value.resources, [(resource, place)] if place in resource.places else [])


def _alternatives(side: Side, said: _Said, keyword: str) -> list[Value]:
    return [_value(side, said, keyword, number) for number in range(len(said[2].get(keyword, ())))]


def _any_of(comparison: SchemaComparison, old: Side, new: Side, said: _Said) -> bool:
    """All of the old value, or each of its alternatives, fits one of the new ones."""
    wanted = [new.only(value) for value in _alternatives(new, said, "anyOf")]
    if any(comparison.contains(old, each) for each in wanted):
        return True
    for keyword in ("anyOf", "oneOf"):
        for other in old.value.schemas:
            forms = [old.also(value) for value in _alternatives(old, other, keyword)]
            if forms and all(any(comparison.contains(form, each) for each in wanted) for form in forms):
                return True
    return False


def _one_of(comparison: SchemaComparison, old: Side, new: Side, said: _Said) -> bool:
    """The old value has the same alternatives."""
    wanted = [new.only(value) for value in _alternatives(new, said, "oneOf")]
    for other in old.value.schemas:
        forms = [old.only(value) for value in _alternatives(old, other, "oneOf")]
        if len(forms) == len(wanted) and all(map(comparison.same, forms, wanted)):
            return True
    return False


def _not(comparison: SchemaComparison, old: Side, new: Side, said: _Said) -> bool:
    """What is refused now was refused before."""
    refused = new.only(_value(new, said, "not")).free()
    return any(
        comparison.contains(refused, old.only(_value(old, other, "not")).free())
        for other in old.value.schemas
        if "not" in other[2]
    )


def _if(comparison: SchemaComparison, old: Side, new: Side, said: _Said) -> bool:
    """Both outcomes hold anyway, or the old value has the same condition and implies them in their cases."""
    then, otherwise = new.only(_value(new, said, "then")), new.only(_value(new, said, "else"))
    if comparison.contains(old, then) and comparison.contains(old, otherwise):
        return True
    asked = new.only(_value(new, said, "if")).free()
    for other in old.value.schemas:
        if "if" not in other[2] or not comparison.same(old.only(_value(old, other, "if")).free(), asked):
            continue
        met, missed = old.also(_value(old, other, "then")), old.also(_value(old, other, "else"))
        if comparison.contains(met, then) and comparison.contains(missed, otherwise):
            return True
    return False


def _dependent(said: _Said) -> Iterator[tuple[str, str]]:
    for keyword in ("dependencies", "dependentRequired", "dependentSchemas"):
        for name in said[2].get(keyword, ()):
            yield name, keyword


def _dependency(comparison: SchemaComparison, old: Side, new: Side, said: _Said, name: str, keyword: str) -> bool:
    """What a property brings with it now, it brought before, or holds anyway."""
    wanted = said[2][keyword][name]
    if isinstance(wanted, list):
        known = set(old.value.required)
        for other in old.value.schemas:
            for dependency, place in _dependent(other):
                inner = other[2][place][dependency]
                known |= set(inner) if dependency == name and isinstance(inner, list) else set()
        return set(wanted) <= known
    needed = new.only(_value(new, said, keyword, name))
    before = [
        _value(old, other, place, dependency)
        for other in old.value.schemas
        for dependency, place in _dependent(other)
        if dependency == name
    ]
    return any(comparison.contains(old.also(value), needed) for value in (*before, Value(old.value.resources, [])))

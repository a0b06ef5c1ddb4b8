"""What a plan says, in words and rows, for people to read: the base of the Markdown and HTML documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from router.plan.model import CALL_TYPES, Example, Plan, Rule
from router.plan.resources import Resource
from router.plan_tools.value import Value

_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Row:
    """A property: `path` such as `products[].price`, what it may be in words, and under which condition."""

    path: str
    depth: int
    types: str
    required: bool
    description: str
    options: tuple[str, ...]
    limits: tuple[str, ...]
    condition: str = ""

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class OutlinePart:
    """A section of an event with its properties; `closed` where no others are planned."""

    section: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """One rule as people read it. `anchor` is unique in the plan."""

    rule: Rule
    title: str
    anchor: str
    versions: int
    parts: tuple[OutlinePart, ...]

    @property
    def valid(self) -> tuple[Example, ...]:
        return tuple(example for example in self.rule.examples if example.valid)

    @property
    def invalid(self) -> tuple[Example, ...]:
        return tuple(example for example in self.rule.examples if not example.valid)


def entries(plan: Plan) -> list[OutlineEntry]:
    """The rules by call type, then name and version."""
    order = {call_type: number for number, call_type in enumerate(CALL_TYPES)}
    pairs = zip(plan.rules, plan.resources.rules, strict=True)
    ranked = sorted(pairs, key=lambda pair: (order[pair[0].type], (pair[0].name or "").casefold(), pair[0].version))
    anchors: dict[str, int] = {}
    found = []
    for rule, sections in ranked:
        anchor = _anchor(rule, anchors)
        parts = tuple(_part(plan, name, resource) for name, resource in sections.items())
        found.append(OutlineEntry(rule, title(plan, rule), anchor, len(plan.versions(rule.type, rule.name)), parts))
    return found


def common(plan: Plan) -> tuple[OutlinePart, ...]:
    """What holds for every event."""
    return tuple(_part(plan, name, resource) for name, resource in plan.resources.common.items())


def title(plan: Plan, rule: Rule) -> str:
    """The event's name; for rules without one, what they stand for."""
    if rule.name:
        return rule.name
    if rule.type in ("identify", "group"):
        return "User traits" if rule.type == "identify" else "Group traits"
    others = any(other.type == rule.type and other.name for other in plan.rules)
    return f"Every {'other ' if others else ''}{rule.type}"


def _anchor(rule: Rule, taken: dict[str, int]) -> str:
    words = "".join(sign if sign.isalnum() else " " for sign in f"{rule.type} {rule.name or ''}".lower()).split()
    anchor = "-".join([*words, *([str(rule.version)] if rule.version > 1 else [])])
    taken[anchor] = taken.get(anchor, 0) + 1
    return anchor if taken[anchor] == 1 else f"{anchor}-{taken[anchor]}-"


def _part(plan: Plan, section: str, resource: Resource) -> OutlinePart:
    value = Value(plan.resources, [(resource, ())])
    return OutlinePart(section, tuple(_rows(value, "", 0, frozenset())))


def _rows(value: Value, prefix: str, depth: int, above: frozenset[Any]) -> Iterator[Row]:
    """The properties of an object, those inside them after each; then those that hold only at times."""
    if depth > _DEEPEST or value.key in above:
        return
    above |= {value.key}
    for name in value.names:
        yield from _property(value.child(name), f"{prefix}{name}", depth, name in value.required, "", above)
    for condition, branch in _conditions(value):
        for name in dict.fromkeys((*branch.names, *sorted(branch.required))):
            child = branch.child(name)
            if name in value.names and name in branch.required and not child.schemas:
                yield Row(f"{prefix}{name}", depth, "", True, "", (), (), condition)
            elif child.schemas or name in branch.names:
                yield from _property(child, f"{prefix}{name}", depth, name in branch.required, condition, above)


def _property(
    value: Value, path: str, depth: int, required: bool, condition: str, above: frozenset[Any]
) -> Iterator[Row]:
    options = tuple(shown(option) for option in value.options or ())
    yield Row(path, depth, types(value), required, value.first("description"), options, limits(value), condition)
    inner, suffix = value, ""
    while "array" in inner.types and inner.typed and inner.item(inner.width).schemas and len(suffix) < _DEEPEST:
        inner, suffix = inner.item(inner.width), f"{suffix}[]"
    yield from _rows(inner, f"{path}{suffix}.", depth + 1, above)


def _conditions(value: Value) -> Iterator[tuple[str, Value]]:
    """The branches whose properties hold at times, with the time in words."""
    for resource, path, schema in value.schemas:
        asked = Value(value.resources, [(resource, (*path, "if"))]) if "if" in schema else None
        for keyword, place, _ in resource.inside.get(path, ()):
            branch = Value(value.resources, [(resource, place)])
            if keyword in ("then", "else") and asked is not None:
                yield _when(asked, keyword == "else"), branch
            elif keyword in ("anyOf", "oneOf"):
                number = f"{int(place[-1]) + 1}"
                yield branch.first("title") or f"form {number}", branch
            elif keyword in ("dependencies", "dependentSchemas"):
                yield f"with {place[-1]}", branch


def _when(asked: Value, otherwise: bool) -> str:
    """What an `if` asks, where it names values of properties."""
    for inner in asked.said("not"):
        if isinstance(inner, dict) and len(asked.schemas) == 1:
            resource, path, _ = asked.schemas[0]
            return _when(Value(asked.resources, [(resource, (*path, "not"))]), not otherwise)
    told = []
    for name in asked.names:
        options = asked.child(name).options
        if options:
            told.append(f"{name} is {'not ' if otherwise else ''}{' or '.join(map(shown, options))}")
    return "when " + " and ".join(told) if told else "otherwise" if otherwise else "at times"


def types(value: Value) -> str:
    """The type in words: `string (date-time)`, `array of number`, `string or null`."""
    if value.never:
        return "never"
    if not value.typed:
        return _by_options(value) or "any"
    names = [name for name in ("string", "number", "integer", "boolean", "object", "array") if name in value.types]
    if "number" in names:
        names.remove("integer")
    words = [_word(name, value) for name in names] + (["null"] if "null" in value.types else [])
    return " or ".join(words) or "never"


def _word(name: str, value: Value) -> str:
    if name == "string" and (form := value.first("format")):
        return f"string ({form})"
    if name == "array":
        item = value.item(value.width)
        return f"array of {types(item)}" if item.schemas else "array"
    return name


def _by_options(value: Value) -> str:
    kinds = {bool: "boolean", str: "string", int: "number", float: "number", dict: "object", list: "array"}
    found = dict.fromkeys(kinds.get(type(option), "null") for option in value.options or ())
    return " or ".join(found)


_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matches {}",
    "default": "default {}",
}
_SHORT = {"at least 1 characters": "not empty", "at least 1 items": "not empty", "at most 1 items": "at most 1 item"}


def limits(value: Value) -> tuple[str, ...]:
    """Bounds, lengths and patterns in words."""
    told = [words.format(shown(said)) for keyword, words in _LIMITS.items() for said in value.said(keyword)]
    told += ["no item twice"] if True in value.said("uniqueItems") else []
    return tuple(dict.fromkeys(_SHORT.get(words, words) for words in told))


def shown(value: Any) -> str:
    """A value as people write it: texts bare, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

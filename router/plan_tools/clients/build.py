"""A typed client from a plan: a method for each rule, a record for each object with known properties."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from router.plan.model import CALL_TYPES, Plan, Rule
from router.plan_tools.clients.model import Call, Field, Record, Scalar, Type, TypedClient
from router.plan_tools.value import Value

_SCALARS: tuple[Scalar, ...] = ("string", "number", "integer", "boolean")


def words(text: str) -> list[str]:
    """The words of a name, whatever its casing; ASCII letters and digits only."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text)
    return re.findall(r"[A-Za-z0-9]+", spaced)


def pascal(text: str) -> str:
    """OrderCompleted."""
    name = "".join(word[:1].upper() + word[1:] for word in words(text)) or "Event"
    return name if not name[0].isdigit() else f"N{name}"


def build(plan: Plan) -> TypedClient:
    """The client of a plan."""
    return _Builder(plan).client()


class _Builder:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.records: dict[Any, Record] = {}
        self.names: set[str] = {"Sender", "Options", "Tracker", "Any", "Literal", "Date"}
        self.methods: set[str] = set()

    def client(self) -> TypedClient:
        order = sorted(
            zip(self.plan.rules, self.plan.resources.rules, strict=True),
            key=lambda pair: (CALL_TYPES.index(pair[0].type), pair[0].name or "", pair[0].version),
        )
        calls = tuple(self._call(rule, sections.get(rule.section)) for rule, sections in order)
        return TypedClient(self.plan.name, self.plan.revision, calls, tuple(self.records.values()))

    def _call(self, rule: Rule, resource: Any) -> Call:
        title = rule.name if rule.type == "track" else f"{rule.type} {rule.name or ''}".strip()
        several = len(self.plan.versions(rule.type, rule.name)) > 1
        number = f" v{rule.version}" if several and rule.version > 1 else ""
        method = _free("_".join(words(f"{title}{number}")).lower() or "event", self.methods)
        value = Value(self.plan.resources, [(resource, ())] if resource and rule.section != "message" else [])
        takes = self._object(value, pascal(f"{title}{number}"), self._extra(rule)) if value.schemas else Type("object")
        record = next((each for each in self.records.values() if each.name == takes.record), None)
        required = record.required if record else bool(value.required)
        version = rule.version if several else 0
        return Call(rule.type, method, rule.name, version, rule.description, takes, required)

    def _extra(self, rule: Rule) -> Value | None:
        """What the common schemas say of the rule's section."""
        resource = self.plan.resources.common.get(rule.section)
        return Value(self.plan.resources, [(resource, ())]) if resource else None

    def _object(self, value: Value, hint: str, extra: Value | None = None) -> Type:
        """A record for an object with known properties, else any object."""
        branches = _branches(value)
        names = list(
            dict.fromkeys(name for each in (value, *branches, *([extra] if extra else [])) for name in each.names)
        )
        if not names:
            return Type("object")
        key = (value.key, extra.key if extra else None)
        if key in self.records:
            return Type(record=self.records[key].name)
        record = Record(_free(hint, self.names), value.first("description"), is_open=_is_open(value))
        self.records[key] = record
        for name in names:
            record.fields.append(self._field(name, value, branches, extra, f"{hint}{pascal(name)}"))
        self.records[key] = self.records.pop(key)  # after those it is made of
        return Type(record=record.name)

    def _field(self, name: str, value: Value, branches: list[Value], extra: Value | None, hint: str) -> Field:
        sources = [each for each in (value, *branches, *([extra] if extra else [])) if name in each.names]
        child = sources[0].child(name)
        required = name in value.required or bool(extra and name in extra.required)
        alone = len(sources) == 1 or sources[0] is value
        return Field(name, self.type(child, hint) if alone else Type(), required, child.first("description"))

    def type(self, value: Value, hint: str) -> Type:
        """The type of a value; what only conditions tell is left open."""
        if value.options is not None:
            simple = all(option is None or isinstance(option, str | bool | int) for option in value.options)
            return Type(options=tuple(value.options)) if simple and value.options else Type()
        if not value.typed:
            return self._untyped(value, hint)
        parts: list[Type] = [Type(name) for name in _SCALARS if name in value.types]
        if Type("number") in parts and Type("integer") in parts:
            parts.remove(Type("integer"))
        if "array" in value.types:
            item = value.item(value.width)
            parts.append(Type(item=self.type(item, f"{hint}Item") if item.schemas and not value.width else Type()))
        if "object" in value.types:
            parts.append(self._object(value, hint))
        parts += [Type("null")] if "null" in value.types else []
        return union(parts)

    def _untyped(self, value: Value, hint: str) -> Type:
        """An object where properties are named; else the alternatives, if these say types."""
        if value.names:
            return self._object(value, hint)
        for resource, path, schema in value.schemas:
            for keyword in ("anyOf", "oneOf"):
                if keyword in schema:
                    places = [(resource, (*path, keyword, number)) for number in range(len(schema[keyword]))]
                    return union(
                        [self.type(Value(value.resources, [place]), f"{hint}{n}") for n, place in enumerate(places, 1)]
                    )
        return Type()


def union(parts: Iterable[Type]) -> Type:
    """One type of several; anything where one of them is."""
    found = list(dict.fromkeys(inner for part in parts for inner in (part.parts or (part,))))
    if not found or Type() in found:
        return Type()
    return found[0] if len(found) == 1 else Type(parts=tuple(found))


def _branches(value: Value) -> list[Value]:
    return [branch for keyword, branch in value.branches() if keyword not in ("not", "if")]


def _is_open(value: Value) -> bool:
    return any(
        said is not False for word in ("additionalProperties", "unevaluatedProperties") for said in value.said(word)
    )


def _free(name: str, taken: set[str]) -> str:
    """The name, or the first of name2, name3, … that is not taken."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}{number}", number + 1
    taken.add(free)
    return free

"""What of a section decides which violations it has: two with the same fingerprint have the same ones.

Describing a violation takes the engine fifty times as long as finding that there is none, and most violations are the
same ones over and over. So a rule's events that break it are described once for each fingerprint. It holds which names
are missing or not planned, and of each value that may be wrong its JSON type and which of its keywords it fails: all
that a description is made of, since it never holds a value. Whether a keyword holds is asked of the engine. Where the
keywords of a schema are not understood, the value itself stands in the fingerprint. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

import orjson

from router.plan.keywords import ANNOTATIONS, CONTAINERS, DRAFT7, Draft
from router.plan.resources import Resource, Resources

Look = Callable[[Any], Hashable]
"""The part of the fingerprint that one value makes; None for one that is right."""

MOST_BYTES = 256  # of a value that stands in a fingerprint itself
MOST_FAULTS = 100
_MOST_LEVELS = 12
_NO_WORDS = ANNOTATIONS | CONTAINERS | {"$id", "deprecated"}
Kinds = frozenset[type[Any]]
_NUMBERS: Kinds = frozenset((int, float))
_TEXTS, _ARRAYS, _OBJECTS = (frozenset[type[Any]]((kind,)) for kind in (str, list, dict))
_ALL: Kinds = _NUMBERS | _TEXTS | _ARRAYS | _OBJECTS | {bool, type(None)}
_JUDGED: Mapping[str, Kinds] = {
    **dict.fromkeys(("enum", "const"), _ALL),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), _NUMBERS),
    **dict.fromkeys(("minLength", "maxLength", "pattern", "format"), _TEXTS),
    **dict.fromkeys(("minItems", "maxItems", "uniqueItems"), _ARRAYS),
    **dict.fromkeys(("minProperties", "maxProperties"), _OBJECTS),
}  # the types of values that a keyword says something about
_TYPES: Mapping[str, Kinds] = {
    "null": frozenset((type(None),)), "boolean": frozenset((bool,)), "integer": frozenset((int,)),
    "number": _NUMBERS, "string": _TEXTS, "array": _ARRAYS, "object": _OBJECTS,
}  # fmt: skip
_KNOWN = frozenset((*_JUDGED, "type", "properties", "required", "additionalProperties", "items", "allOf", "$ref"))
_UNPLANNED, _REFUSED = "unplanned", "refused"


class Unclear(Exception):
    """A fingerprint would be too large: describe this event by itself."""


class _Place(NamedTuple):
    """A schema, and where its references are looked up: in a resource, or among definitions of its own."""

    schema: Any
    resource: Resource | None
    definitions: Mapping[str, Any]

    @property
    def draft(self) -> Draft:
        return self.resource.draft if self.resource else DRAFT7


class Fingerprints:
    """Makes the looks of one plan's schemas. `compiled` gives the engine's validator of a schema."""

    def __init__(self, resources: Resources, compiled: Callable[[Any], Any]) -> None:
        self._resources = resources
        self._compiled = compiled
        self._numbers = count()

    def of_resource(self, resource: Resource) -> Look:
        return self._look(_Place(resource.schema, resource, {}), 0) or _right

    def of_names(self, names: Mapping[str, Any]) -> Look:
        """Of a schema with definitions of its own."""
        return self._look(_Place(names, None, names["definitions"]), 0) or _right

    def _look(self, place: _Place, level: int) -> Look | None:
        """None where every value is right."""
        schema = place.schema
        if schema is True:
            return None
        if not isinstance(schema, dict):
            return lambda _: _REFUSED
        words = schema.keys() - _NO_WORDS
        if not words:
            return None
        if not self._understood(schema, words, level):
            return self._value_itself(place)
        if "$ref" in words:
            return self._look(self._referred(place), level + 1)
        looks = [self._look(place._replace(schema=inner), level + 1) for inner in schema.get("allOf", ())]
        parts = [look for look in (*looks, self._own(place, level)) if look is not None]
        return _together(parts) if len(parts) > 1 else parts[0] if parts else None

    def _understood(self, schema: Mapping[str, Any], words: set[str], level: int) -> bool:
        return (
            words <= _KNOWN
            and level <= _MOST_LEVELS
            and not ("$ref" in words and len(words) > 1)
            and not isinstance(schema.get("items"), list)
        )

    def _referred(self, place: _Place) -> _Place:
        reference = place.schema["$ref"]
        if place.resource is None:
            return place._replace(schema=place.definitions[reference.rpartition("/")[2]])
        target, path = self._resources.lookup(place.resource, reference)
        return _Place(target.places[path], target, {})

    def _own(self, place: _Place, level: int) -> Look | None:
        """What a schema says by itself."""
        schema = place.schema
        types = _types(schema.get("type"))
        judged = [(_JUDGED[word], self._valid({word: schema[word]}, place.draft)) for word in schema if word in _JUDGED]
        named = schema.keys() & {"properties", "required", "additionalProperties"}
        members = self._members(place, level) if named else None
        items = self._items(place, level) if "items" in schema else None
        if members is None and items is None:
            return _scalar(types, judged) if judged or types != _ALL else None
        is_right = self._right_at_once(place) if level else None
        inside: Mapping[type[Any], Look | None] = {dict: members, list: items}

        def look(value: Any) -> Hashable:
            kind: type[Any] = type(value)
            if is_right is not None and kind in inside and is_right(value):
                return None
            failed = tuple([is_valid(value) for applies, is_valid in judged if kind in applies])
            below = inner(value) if (inner := inside.get(kind)) is not None else None
            return None if kind in types and below is None and all(failed) else (kind, failed, below)

        return look

    def _members(self, place: _Place, level: int) -> Look:
        schema = place.schema
        inner = {
            name: self._look(place._replace(schema=below), level + 1)
            for name, below in schema.get("properties", {}).items()
        }
        others = schema.get("additionalProperties", True)
        other = (lambda _: _UNPLANNED) if others is False else self._look(place._replace(schema=others), level + 1)
        required = [(name, (None, name)) for name in schema.get("required", ())]  # no name of a property is None
        look_of = inner.get

        def look(value: Any) -> Hashable:
            wrong: list[Hashable] = []
            for name, below in value.items():
                check = look_of(name, other)
                if check is not None:
                    found = check(below)
                    if found is not None:
                        wrong.append((name, found))
            for name, missing in required:
                if name not in value:
                    wrong.append(missing)
            return _bounded(wrong)

        return look

    def _items(self, place: _Place, level: int) -> Look | None:
        item = self._look(place._replace(schema=place.schema["items"]), level + 1)
        if item is None:
            return None
        return lambda value: _bounded(
            [(index, found) for index, below in enumerate(value) if (found := item(below)) is not None]
        )

    def _value_itself(self, place: _Place) -> Look:
        """For a schema that is not understood: None where the engine says that the value is right."""
        if any(_references(place.schema)):
            return _itself
        is_valid = self._valid(place.schema, place.draft)
        return lambda value: None if is_valid(value) else _itself(value)

    def _right_at_once(self, place: _Place) -> Callable[[Any], bool] | None:
        """The engine's answer for an object or array as a whole, which saves a look at all that is inside."""
        root = place.resource.schema if place.resource else {"definitions": place.definitions}
        held = {word: root[word] for word in CONTAINERS if word in root}
        local = [at for at in (*_references(place.schema), *_references(held)) if at.startswith("#")]
        if not all(at.startswith(("#/definitions/", "#/$defs/")) for at in local):
            return None
        return self._valid({**place.schema, **held}, place.draft, place.resource.uri if place.resource else "")

    def _valid(self, schema: Mapping[str, Any], draft: Draft, base: str = "") -> Callable[[Any], bool]:
        """`base` is what references to other files are relative to."""
        uri = f"{base.partition('?')[0] or 'fingerprint:/'}?{next(self._numbers)}"
        whole = {"$schema": draft.uri, **{word: value for word, value in schema.items() if word != "$id"}}
        alone = Resource(uri, "", (), whole).standalone()
        is_valid: Callable[[Any], bool] = self._compiled({"allOf": [alone]}).is_valid
        return is_valid


def _right(_: Any) -> Hashable:
    return None


def _scalar(types: Kinds, judged: Sequence[tuple[Kinds, Callable[[Any], bool]]]) -> Look:
    """Of a value about whose inside nothing is said."""
    whole = int in types and float not in types
    checks = {kind: [is_valid for applies, is_valid in judged if kind in applies] for kind in _ALL}

    def look(value: Any) -> Hashable:
        kind: Any = type(value)
        if (whole and kind is float) or (kind is int and not -(2**63) <= value < 2**64):
            return _itself(value)  # 1.0 is a whole number, and beyond 64 bits nothing is sure
        asked = checks[kind]
        if not asked:
            return None if kind in types else kind
        failed = tuple([is_valid(value) for is_valid in asked])
        return None if kind in types and all(failed) else (kind, failed)

    return look


def _together(looks: Iterable[Look]) -> Look:
    """Of several schemas that apply to one value."""
    each = tuple(looks)

    def look(value: Any) -> Hashable:
        found = tuple([look(value) for look in each])
        return None if found.count(None) == len(found) else found

    return look


def _types(names: str | list[str] | None) -> Kinds:
    if names is None:
        return _ALL
    listed = [names] if isinstance(names, str) else names
    return frozenset[type[Any]]().union(*(_TYPES[name] for name in listed))


def _itself(value: Any) -> Hashable:
    """Raises Unclear for what is too large to remember."""
    try:
        text = orjson.dumps(value)
    except TypeError as error:  # a whole number beyond 64 bits
        raise Unclear from error
    if len(text) > MOST_BYTES:
        raise Unclear
    return text


def _bounded(wrong: list[Hashable]) -> Hashable:
    if len(wrong) > MOST_FAULTS:
        raise Unclear
    return tuple(wrong) or None


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        schema = list(schema.values())
    if isinstance(schema, list):
        for inner in schema:
            yield from _references(inner)

"""A schema of the whole message, as Segment and RudderStack keep one for each event, cut into the sections of a rule.

`properties`, `traits` and `context` become sections of their own; what the schema says beyond them (of `userId`, or by
`allOf`) becomes the section `message`. A section that is left out of an event counts as empty here, so a section's own
`required` already asks for the section.
"""

from __future__ import annotations

from typing import Any

import jsonschema_rs

from router.plan.keywords import CONTAINERS, Draft
from router.plan.model import Schema, section_of
from router.plan.resources import Resource
from router.plan_tools.importers.convert import Converter, draft_named
from router.plan_tools.importers.notes import Notes

SECTIONS = ("properties", "traits", "context")
_OUTSIDE = frozenset(("$schema", "$id", "id", "type", "labels", "description", "title", "version", "x-router"))
_REFERENCES = 1000


def sections(call_type: str, schema: Any, notes: Notes) -> dict[str, Schema]:
    """The sections of a rule for events of this call type."""
    if not isinstance(schema, dict):
        notes.add("expected a JSON Schema of the message, got another value; anything is allowed")
        return {}
    draft = draft_named(schema)
    root = _Inliner(schema, notes).schema(schema, ())
    inside = root.get("properties")
    inside = inside if isinstance(inside, dict) else {}
    found: dict[str, Schema] = {}
    for section in SECTIONS:
        if section in inside:
            converter = Converter(draft, notes.inside(f"{notes.title}/{section}"))
            found[section] = _with_definitions(converter.root(inside[section]), root, converter)
    required = _required(call_type, root, found, notes)
    rest = _rest(root, inside, required, draft, notes)
    kept = {name: part for name, part in found.items() if name == section_of(call_type) or not _says_nothing(part)}
    return kept | ({"message": rest} if rest else {})


def _says_nothing(schema: Schema) -> bool:
    """Sections are objects anyway."""
    return schema is True or (isinstance(schema, dict) and {**schema, "type": "object"} == {"type": "object"})


def _asks(schema: Schema | None) -> bool:
    """Whether an event without the section fails."""
    if not isinstance(schema, dict):
        return schema is False
    try:
        return not jsonschema_rs.is_valid(schema, {}, offline=True)
    except (ValueError, jsonschema_rs.ReferencingError):  # a schema that is put right later
        return bool(schema.get("required"))


def _required(call_type: str, root: dict[str, Any], found: dict[str, Schema], notes: Notes) -> list[Any]:
    """What the root requires beyond what the sections ask for themselves."""
    required = root.get("required", [])
    if not isinstance(required, list):
        notes.add("expected a list of names, got another value; left out", ("required",))
        required = []
    asking = {name for name, schema in found.items() if _asks(schema)}
    for name in sorted(asking) if call_type != "common" else ():
        if name not in required:
            message = (
                f"expected the root to require {name}, since {name} requires values, got none: here it is required"
            )
            notes.add(message, ("required",))
    return [name for name in required if not (isinstance(name, str) and name in asking)]


def _rest(root: dict[str, Any], inside: dict[str, Any], required: list[Any], draft: Draft, notes: Notes) -> Schema:
    rest = {keyword: value for keyword, value in root.items() if keyword not in _OUTSIDE | CONTAINERS | {"required"}}
    others = {name: schema for name, schema in inside.items() if name not in SECTIONS}
    if isinstance(rest.get("properties"), dict):
        del rest["properties"]
        rest |= {"properties": others} if others else {}
    if rest.get("additionalProperties", True) is False:
        del rest["additionalProperties"]
        notes.add("expected other fields of the message to be allowed, got additionalProperties: false; left out")
    elif rest.get("additionalProperties") is True:
        del rest["additionalProperties"]
    if required:
        rest["required"] = required
    converter = Converter(draft, notes)
    if rest.keys() == {"allOf"} and isinstance(rest["allOf"], list) and len(rest["allOf"]) == 1:
        return _with_definitions(converter.root(rest["allOf"][0]), root, converter)
    return _with_definitions(converter.root(rest), root, converter) if rest else {}


def _with_definitions(schema: Schema, root: dict[str, Any], converter: Converter) -> Schema:
    """The schema with the root's definitions, if it refers to them."""
    if not isinstance(schema, dict):
        return schema
    used = {
        str(inner["$ref"]).split("/")[1]
        for inner in Resource("", "", (), schema).places.values()
        if isinstance(inner, dict) and str(inner.get("$ref", "")).startswith(("#/definitions/", "#/$defs/"))
    }
    for container in sorted(used):
        if isinstance(root.get(container), dict) and container not in schema:
            schema[container] = {
                name: converter.schema(inner, (container, name)) for name, inner in root[container].items()
            }
    return schema


class _Inliner:
    """Writes out references to places of the message's schema that stand elsewhere once it is cut.

    Those to definitions stay; those that lead in circles, or too many of them, stay too and are noted later.
    """

    def __init__(self, root: dict[str, Any], notes: Notes) -> None:
        self.root = root
        self.notes = notes
        self.budget = _REFERENCES

    def schema(self, value: Any, way: tuple[str, ...]) -> Any:
        if isinstance(value, list):
            return [self.schema(item, way) for item in value]
        if not isinstance(value, dict):
            return value
        reference = value.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/properties/") and reference not in way:
            target = self._target(reference)
            if target is not None and self.budget > 0:
                self.budget -= 1
                return self.schema({**{k: v for k, v in value.items() if k != "$ref"}, **target}, (*way, reference))
        return {key: self.schema(item, way) for key, item in value.items()}

    def _target(self, reference: str) -> dict[str, Any] | None:
        value: Any = self.root
        for part in reference.split("/")[1:]:
            value = value.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else None

"""The two drafts that plans may use: their keywords, and where the schemas inside a schema stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jsonschema_rs

from router.document import Pointer
from router.plan.model import DRAFT_07, DRAFT_2020_12

Holds = Literal["one", "list", "map", "one or list", "map or names"]

_SHARED = """$schema $ref $comment title description default examples readOnly writeOnly type enum const
multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength pattern maxItems minItems uniqueItems
maxProperties minProperties required format contentEncoding contentMediaType"""
_SHARED_HOLDERS: dict[str, Holds] = {
    "allOf": "list",
    "anyOf": "list",
    "oneOf": "list",
    "not": "one",
    "if": "one",
    "then": "one",
    "else": "one",
    "properties": "map",
    "patternProperties": "map",
    "additionalProperties": "one",
    "propertyNames": "one",
    "contains": "one",
    "definitions": "map",
    "$defs": "map",  # no keyword of draft-07, but a place that a pointer can name
}
IN_PLACE = frozenset(
    ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependencies", "dependentSchemas", "$ref")
)
"""Keywords whose schemas apply to the same value as the schema they stand in."""
ANNOTATIONS = frozenset(("$schema", "$comment", "title", "description", "default", "examples", "readOnly", "writeOnly"))
CONTAINERS = frozenset(("definitions", "$defs"))


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """One draft: `keywords` are all it defines, `holders` those that hold schemas, `formats` those it asserts."""

    uri: str
    name: str
    validator: type[jsonschema_rs.Validator]
    keywords: frozenset[str]
    holders: Mapping[str, Holds]
    formats: frozenset[str]

    def subschemas(self, schema: Any) -> Iterator[tuple[str, Pointer, Any]]:
        """Keyword, path from `schema`, and value of each schema directly inside it, whatever its type is."""
        if not isinstance(schema, dict):
            return
        for keyword, value in schema.items():
            holds = self.holders.get(keyword)
            if holds is None:
                continue
            if isinstance(value, dict) and holds in ("map", "map or names"):
                yield from (
                    (keyword, (keyword, key), item)
                    for key, item in value.items()
                    if not (holds == "map or names" and isinstance(item, list))
                )
            elif isinstance(value, list) and holds in ("list", "one or list"):
                yield from ((keyword, (keyword, index), item) for index, item in enumerate(value))
            elif isinstance(value, dict | bool) and holds in ("one", "one or list"):
                yield keyword, (keyword,), value


_FORMATS = """date-time date time email idn-email hostname idn-hostname ipv4 ipv6 uri uri-reference iri iri-reference
uri-template json-pointer relative-json-pointer regex"""
_HOLDERS_07: dict[str, Holds] = {"items": "one or list", "additionalItems": "one", "dependencies": "map or names"}
_HOLDERS_2020: dict[str, Holds] = {
    "items": "one",
    "prefixItems": "list",
    "dependentSchemas": "map",
    "unevaluatedItems": "one",
    "unevaluatedProperties": "one",
    "contentSchema": "one",
}

DRAFT7 = Draft(
    DRAFT_07,
    "draft-07",
    jsonschema_rs.Draft7Validator,
    frozenset(_SHARED.split()) | _SHARED_HOLDERS.keys() | _HOLDERS_07.keys(),
    _SHARED_HOLDERS | _HOLDERS_07,
    frozenset(_FORMATS.split()),
)
DRAFT2020 = Draft(
    DRAFT_2020_12,
    "2020-12",
    jsonschema_rs.Draft202012Validator,
    frozenset((*_SHARED.split(), "deprecated", "dependentRequired", "maxContains", "minContains"))
    | _SHARED_HOLDERS.keys()
    | _HOLDERS_2020.keys(),
    _SHARED_HOLDERS | _HOLDERS_2020,
    frozenset((*_FORMATS.split(), "duration", "uuid")),
)
DRAFTS = (DRAFT7, DRAFT2020)
LEAF = (DRAFT7.keywords | DRAFT2020.keywords) - DRAFT7.holders.keys() - DRAFT2020.holders.keys() - {"$ref"}
"""Keywords that say nothing of values further inside."""


def draft_of(schema: Any) -> Draft | None:
    """The draft a root schema names, draft-07 where it names none, None for any other."""
    named = schema.get("$schema", DRAFT_07) if isinstance(schema, dict) else DRAFT_07
    uri = str(named).removesuffix("#").replace("https://", "http://", 1)
    for draft in DRAFTS:
        if uri == draft.uri.removesuffix("#").replace("https://", "http://", 1):
            return draft
    return None

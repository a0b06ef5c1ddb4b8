"""JSON Schemas of the files of a tracking plan, for editors. `router check` and `router plan lint` say more.

Which keys there are is decided by `router.plan.shape`; a test holds the two against each other.
"""

from __future__ import annotations

from typing import Any, Literal

from router.plan.model import DRAFT_07, DRAFT_2020_12, NAMED
from router.plan.shape import LEVELS, TYPES_OF_EVENTS

PlanFile = Literal["plan", "rule", "common"]
"""plan.yaml; a rule (a file of events/, identify.yaml, group.yaml); common.yaml."""

_OWN = {"^x-": {"description": "Keys of your own"}}
_TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_LABELS = {
    "anyOf": [
        {"type": "array", "items": {"type": "string"}},
        {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
    ]
}


def plan_schema(file: PlanFile) -> dict[str, Any]:
    """The JSON Schema, draft 2020-12, of one kind of file."""
    made = {"plan": _plan, "rule": _rule, "common": _common}[file]()
    return {"$schema": DRAFT_2020_12, **made}


def _mapping(title: str, properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    keys = {"properties": properties, "patternProperties": _OWN, "additionalProperties": False}
    return ({"title": title} if title else {}) | {"type": "object", **keys, **more}


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


def _plan() -> dict[str, Any]:
    return _mapping(
        "plan.yaml of a tracking plan",
        {
            "name": _text("Name of the plan; left out: the folder's", minLength=1),
            "description": _text("What the plan is about"),
            "owners": {**_TEXTS, "description": "Who answers for it: teams or people"},
            "labels": {**_LABELS, "description": "Labels of your own, for searching and for reports"},
            "naming": _naming() | {"description": "Naming conventions, which `router plan lint` applies"},
        },
    )


def _naming() -> dict[str, Any]:
    return _mapping(
        "",
        {
            "events": {
                "enum": ["title", "snake", "camel", "any"],
                "default": "title",
                "description": "Casing of event names: Order Completed, order_completed, orderCompleted",
            },
            "properties": {
                "enum": ["snake", "camel", "any"],
                "default": "snake",
                "description": "Casing of the names of properties and traits",
            },
            "rules": {
                "type": "object",
                "additionalProperties": {"enum": list(LEVELS)},
                "description": "Levels that differ from a lint rule's own, by its name",
            },
            "allow": {**_TEXTS, "description": "Names that the conventions do not apply to"},
            "reserved": {**_TEXTS, "description": "Names that are not to be used"},
            "synonyms": {
                "type": "object",
                "additionalProperties": _TEXTS,
                "description": "A word, and the words to replace by it",
            },
        },
    )


def _sections() -> dict[str, Any]:
    drafts = {"description": "Draft of the file's schemas; left out: draft-07", "examples": [DRAFT_07, DRAFT_2020_12]}
    about = {
        "properties": "JSON Schema of the event's properties (track, page, screen)",
        "traits": "JSON Schema of the traits (identify, group)",
        "context": "JSON Schema of the event's context",
        "message": "JSON Schema of the event as a whole",
    }
    schemas = {name: {"type": ["object", "boolean"], "description": text} for name, text in about.items()}
    return {"$schema": {"type": "string", **drafts}, **schemas}


def _rule() -> dict[str, Any]:
    named: list[dict[str, Any]] = [
        {
            "if": {"properties": {"type": {"const": "track"}}, "required": ["type"]},
            "then": {"required": ["event"], "properties": {"name": False}},
        },
        {
            "if": {"properties": {"type": {"enum": [one for one, key in NAMED.items() if key == "name"]}}},
            "then": {"properties": {"event": False}},
        },
    ]
    return _mapping(
        "A rule of a tracking plan",
        {
            "type": {
                "enum": [*TYPES_OF_EVENTS, "identify", "group"],
                "description": "Call type; needed in events/, given by the file's name in identify.yaml and group.yaml",
            },
            "event": _text("Name of a track event", minLength=1),
            "name": _text("Name of a page or screen; left out: every page or screen", minLength=1),
            "version": {"type": "integer", "minimum": 1, "default": 1, "description": "Version of the rule"},
            "description": _text("What the event says"),
            "why": _text("What it is collected for"),
            "owner": _text("Who answers for it"),
            "labels": {**_LABELS, "description": "Labels of your own"},
            **_sections(),
            "examples": _examples() | {"description": "Values of `properties` (of `traits` in identify and group)"},
        },
        allOf=named,
    )


def _examples() -> dict[str, Any]:
    invalid = _mapping(
        "",
        {
            "value": {"description": "The value"},
            "fails": {**_TEXTS, "description": "JSON pointers, such as /total, to all that is wrong with it"},
            "description": _text("Why it is wrong"),
        },
        required=["value"],
    )
    return _mapping(
        "",
        {
            "valid": {"type": "array", "description": "Values that conform"},
            "invalid": {"type": "array", "items": invalid, "description": "Values that do not"},
        },
    )


def _common() -> dict[str, Any]:
    described = {"description": _text("What holds for every event")}
    return _mapping("common.yaml of a tracking plan", described | _sections())

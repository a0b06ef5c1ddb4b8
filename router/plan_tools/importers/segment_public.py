"""Segment's Public API and Terraform: a plan, its rules, or both, in one file or several.

What names the plan may stand in any wrapper (`data.trackingPlan`, `trackingPlan`, the top), the rules too. Our own
export has this form; what it keeps for us under `x-router` is read back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import orjson

from router.plan.model import NAMED, Plan, Rule, Schema, section_of
from router.plan_tools.importers.assemble import EXTRAS, message_rule, prose, text, unique
from router.plan_tools.importers.extras import with_extras
from router.plan_tools.importers.notes import Notes
from router.plan_tools.importers.segment import common_sections
from router.plan_tools.importers.source import Source

_KINDS = ("TRACK", "IDENTIFY", "GROUP", "PAGE", "SCREEN", "COMMON")
_OF_RULE = frozenset(("$id", "$schema", "description", "eventMetadata", "labels"))
_SECTIONS = frozenset(("properties", "traits", "context"))
_MESSAGE = _SECTIONS | {"type", "event", "name", "userId", "anonymousId", "messageId", "timestamp", "integrations"}
_PLANS = ("LIVE", "PROPERTY_LIBRARY", "RULE_LIBRARY", "TEMPLATE")


def is_public(source: Source) -> bool:
    """A plan, a list of rules, or both."""
    return bool(_public_rules(source.data)) or bool(_public_plan(source.data))


def read_public(sources: Sequence[Source], notes: Notes) -> Plan:
    """The plan of one file, and the rules of all."""
    about = next((found for source in sources if (found := _public_plan(source.data))), {})
    extras = about.get(EXTRAS) if isinstance(about.get(EXTRAS), dict) else {}
    plan = Plan(text(about.get("name")) or sources[0].path.stem, description=prose(about.get("description")))
    rules: list[Rule] = []
    common: dict[str, Schema] = {}
    for source in sources:
        own = notes.of(source.path)
        for number, entry in enumerate(_public_rules(source.data)):
            kind = str(entry.get("type", "")).upper()
            schema = _schema(entry, own.inside(f"rules/{number}"))
            if kind == "COMMON":
                common |= common_sections(schema, own)
            elif (rule := _public_rule(kind, entry, schema, number, own)) is not None:
                rules.append(rule)
        _incomplete(source.data, own)
    return with_extras(replace(plan, rules=unique(rules, notes), common=common), extras, notes)


def _public_rule(kind: str, entry: dict[str, Any], schema: Any, number: int, notes: Notes) -> Rule | None:
    name = text(entry.get("key")) or None
    call_type = kind.lower()
    if kind not in _KINDS or (kind == "TRACK" and name is None):
        expected = f"one of {', '.join(_KINDS)}" if kind not in _KINDS else "a track rule with a key"
        notes.add(f"expected {expected}, got another rule; left out", ("rules", number))
        return None
    schema = _of_message(call_type, schema)
    rule = message_rule(
        call_type, name if call_type in NAMED else None, entry.get("version"), schema, "", notes, closed=True
    )
    deprecated = text(entry.get("deprecatedAt"))
    if deprecated and not deprecated.startswith("0001-"):  # the zero time of the tool that writes it: never
        return replace(rule, labels={**rule.labels, "deprecated": deprecated})
    return rule


def _of_message(call_type: str, schema: Any) -> Any:
    """The schema of the whole message: Typewriter 8 and later keep that of the properties (or traits) alone."""
    if not isinstance(schema, dict):
        return schema
    inside = schema.get("properties")
    names = inside.keys() if isinstance(inside, dict) else set()
    alone = not names <= _SECTIONS if "eventMetadata" in schema else bool(names) and not names & _MESSAGE
    if not alone:
        return schema
    own = {key: value for key, value in schema.items() if key not in _OF_RULE}
    whole = {"type": "object", "properties": {section_of(call_type): own}}
    whole |= {"required": [section_of(call_type)]} if own.get("required") else {}
    return whole | {key: schema[key] for key in ("$schema", "description", "labels") if key in schema}


def _schema(entry: dict[str, Any], notes: Notes) -> Any:
    """The rule's schema; Terraform keeps it as text."""
    schema = entry.get("jsonSchema", entry.get("json_schema"))
    if not isinstance(schema, str):
        return schema
    try:
        return orjson.loads(schema)
    except orjson.JSONDecodeError as error:
        notes.add(f"expected a JSON Schema as JSON text, got an error: {error.msg}; anything is allowed")
        return {}


def _incomplete(data: Any, notes: Notes) -> None:
    inner = data.get("data", data) if isinstance(data, dict) else {}
    pages = inner.get("pagination") if isinstance(inner, dict) else None
    if isinstance(pages, dict) and pages.get("next"):
        notes.add("expected all rules, got a page with more after it; fetch the others and give all files at once")


def plan_resources(data: Any) -> Iterator[dict[str, Any]]:
    """Tracking plans in Terraform's state as JSON, those of modules too."""
    values = data.get("values") if isinstance(data, dict) else None
    modules = [values.get("root_module") if isinstance(values, dict) else None]
    while modules:
        module = modules.pop()
        if not isinstance(module, dict):
            continue
        for resource in _list(module.get("resources")):
            known = isinstance(resource, dict) and resource.get("type") == "segment_tracking_plan"
            if known and isinstance(resource.get("values"), dict):
                yield resource
        modules += _list(module.get("child_modules"))[::-1]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _public_plan(data: Any) -> dict[str, Any]:
    """What names the plan, in any of its wrappers; empty where nothing does."""
    candidates: list[Any] = [resource["values"] for resource in plan_resources(data)]
    if isinstance(data, dict):
        inner = data.get("data")
        candidates += [data.get("trackingPlan"), inner.get("trackingPlan") if isinstance(inner, dict) else None, data]
    for found in candidates:
        known = isinstance(found, dict) and isinstance(found.get("name"), str)
        if known and str(found.get("type", "")).upper() in _PLANS:
            return dict(found)
    return {}


def _public_rules(data: Any) -> list[dict[str, Any]]:
    """The rules in any of their wrappers."""
    candidates = [data, *[resource["values"].get("rules") for resource in plan_resources(data)]]
    for holder in (data, data.get("data") if isinstance(data, dict) else None):
        if isinstance(holder, dict):
            plan = holder.get("trackingPlan")
            candidates += [holder.get("rules"), plan.get("rules") if isinstance(plan, dict) else None]
    for rules in candidates:
        if isinstance(rules, list) and rules and all(_is_rule(rule) for rule in rules):
            return rules
    return []


def _is_rule(rule: Any) -> bool:
    return isinstance(rule, dict) and "type" in rule and ("jsonSchema" in rule or "json_schema" in rule)

"""RudderStack's tracking plans as JSON, the legacy form and the newer one.

There, an object is open unless its schema says `additionalProperties: false`; here, an object that names properties is
closed unless it says `additionalProperties: true`. Both say the same after the import, in the class of unplanned
properties, as there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from router.plan.model import CALL_TYPES, Plan, Rule
from router.plan_tools.importers.assemble import joined, message_rule, text, unique
from router.plan_tools.importers.notes import Notes
from router.plan_tools.importers.source import Source

_TYPES = tuple(call_type for call_type in CALL_TYPES if call_type != "alias")


def is_rudderstack(source: Source) -> bool:
    """A plan with a whole number as version (Segment's have none), or with events that name their type."""
    data = source.data
    if not isinstance(data, dict):
        return False
    rules = data.get("rules")
    wrapped = rules.get("events") if isinstance(rules, dict) else None
    events = data.get("events", wrapped)
    if not isinstance(events, list):
        return False
    named = any(isinstance(event, dict) and "eventType" in event for event in events)
    return named or type(data.get("version")) is int


def read_rudderstack(sources: Sequence[Source], notes: Notes) -> Plan:
    """The rules of several files become one plan, named after the first."""
    plans = []
    for source in sources:
        own = notes.of(source.path)
        name = text(source.data.get("display_name")) or text(source.data.get("name")) or source.path.stem
        found = unique(_rules(source.data, own), own)
        plans.append(Plan(name, found, description=text(source.data.get("description"))))
    return joined(plans, notes)


def _rules(data: dict[str, Any], notes: Notes) -> Iterator[Rule]:
    wrapper = data["rules"] if isinstance(data.get("rules"), dict) else {}
    for index, event in enumerate(data.get("events") or wrapper.get("events") or ()):
        if not isinstance(event, dict):
            notes.add("expected an event, got another value; left out", ("events", index))
            continue
        call_type = text(event.get("eventType")).lower() or "track"
        name = text(event.get("name")) or None
        if call_type not in _TYPES or (call_type == "track" and name is None):
            expected = "a call type that has rules" if call_type not in _TYPES else "a track event with a name"
            notes.add(f"expected {expected}, got another event; left out", ("events", index))
            continue
        schema = event.get("rules", {})
        rule = message_rule(call_type, name, event.get("version"), schema, text(event.get("description")), notes)
        yield named(rule)
    for call_type in _TYPES:
        if wrapper.get(call_type):
            yield named(message_rule(call_type, None, None, wrapper[call_type], "", notes))


def named(rule: Rule) -> Rule:
    """The rule with its own section's objects open or closed in this project's words."""
    if rule.section not in rule.schemas:
        return rule
    return replace(rule, schemas={**rule.schemas, rule.section: _object(rule.schemas[rule.section])})


def _object(schema: Any) -> Any:
    """Along `properties` and `items` only: elsewhere the words of the schema decide which alternative holds."""
    if not isinstance(schema, dict):
        return schema
    changed = dict(schema)
    if isinstance(schema.get("properties"), dict):
        changed["properties"] = {name: _object(inner) for name, inner in schema["properties"].items()}
    for keyword in ("items", "prefixItems"):
        inner = schema.get(keyword)
        if isinstance(inner, list):
            changed[keyword] = [_object(item) for item in inner]
        elif isinstance(inner, dict):
            changed[keyword] = _object(inner)
    if "properties" in changed or "patternProperties" in changed:
        closing = [key for key in ("additionalProperties", "unevaluatedProperties") if changed.get(key, True) is False]
        for keyword in closing:
            del changed[keyword]
        if not closing and not {"additionalProperties", "unevaluatedProperties"} & changed.keys():
            changed["additionalProperties"] = True
    return changed

"""Segment's tracking plans as older tools wrote them: the Config API's export and the typewriter file.

Both keep a schema of the whole message for each event. Segment compares property names by a setting of the source,
so an event that plans no property allows none; that is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from router.plan.model import Plan, Rule, Schema
from router.plan_tools.importers.assemble import joined, labels, message_rule, text, unique
from router.plan_tools.importers.convert import Converter, draft_named
from router.plan_tools.importers.message import sections
from router.plan_tools.importers.notes import Notes
from router.plan_tools.importers.source import Source


def is_legacy(source: Source) -> bool:
    """The Config API's export: rules in a wrapper, events as a list in it."""
    data = _only(source.data, "tracking_plans")
    rules = data.get("rules") if isinstance(data, dict) else None
    return isinstance(rules, dict) and ("events" in rules or "global" in rules)


def is_typewriter(source: Source) -> bool:
    """The older typewriter file: name and events, no wrapper."""
    data = source.data
    return isinstance(data, dict) and isinstance(data.get("events"), list) and isinstance(data.get("name"), str)


def read_legacy(sources: Sequence[Source], notes: Notes) -> Plan:
    """The rules of several files become one plan, named after the first."""
    return joined([_legacy(source, notes.of(source.path)) for source in sources], notes)


def _legacy(source: Source, notes: Notes) -> Plan:
    data = _only(source.data, "tracking_plans")
    rules = data["rules"]
    found = list(_events(rules.get("events"), notes))
    for call_type in ("identify", "group", "page", "screen"):
        if rules.get(call_type):
            found.append(message_rule(call_type, None, None, rules[call_type], "", notes, closed=True))
    for call_type in ("identify", "group"):
        if not rules.get(call_type) and rules.get(f"{call_type}_traits"):
            found.append(_traits(call_type, rules[f"{call_type}_traits"], notes))
    _left(rules, {"events", "global", "identify", "group", "page", "screen", "identify_traits", "group_traits"}, notes)
    name = text(data.get("display_name")) or text(data.get("name")) or source.path.stem
    return Plan(
        name=name,
        description=text(data.get("description")),
        rules=unique(found, notes),
        common=common_sections(rules.get("global"), notes),
    )


def read_typewriter(sources: Sequence[Source], notes: Notes) -> Plan:
    """The same for the older form."""
    plans = []
    for source in sources:
        own = notes.of(source.path)
        rules = unique(_events(source.data["events"], own), own)
        plans.append(Plan(source.data["name"], rules, description=text(source.data.get("description"))))
    return joined(plans, notes)


def _events(events: Any, notes: Notes) -> Iterator[Rule]:
    for index, event in enumerate(events if isinstance(events, list) else ()):
        name = text(event.get("name")) if isinstance(event, dict) else ""
        if not name:
            notes.add("expected an event with a name, got none; left out", ("events", index))
            continue
        schema = event.get("rules", event.get("schema", {}))
        rule = message_rule(
            "track", name, event.get("version"), schema, text(event.get("description")), notes, closed=True
        )
        own = labels(event.get("labels"), notes.inside(name))
        yield replace(rule, labels={**own, **rule.labels}) if own else rule


def _traits(call_type: str, traits: Any, notes: Notes) -> Rule:
    """Older exports: a list of traits, each with its name and its schema."""
    notes = notes.inside(call_type)
    properties: dict[str, Any] = {}
    required = []
    for index, trait in enumerate(traits if isinstance(traits, list) else ()):
        name = (text(trait.get("name")) or text(trait.get("key"))) if isinstance(trait, dict) else ""
        if not name:
            notes.add("expected a trait with a name, got none; left out", (f"{call_type}_traits", index))
            continue
        inner = trait.get("rules", trait.get("schema"))
        inner = inner if isinstance(inner, dict) else {key: trait[key] for key in trait if key not in ("name", "key")}
        properties[name] = {"description": trait["description"], **inner} if trait.get("description") else inner
        if properties[name].pop("required", None) is True:
            required.append(name)
    schema: dict[str, Any] = {"type": "object", "properties": properties} | ({"required": required} if required else {})
    return Rule(call_type, schemas={"traits": Converter(draft_named({}), notes).root(schema)})


def common_sections(schema: Any, notes: Notes) -> dict[str, Schema]:
    """The sections of the schema that every event is held against."""
    found = sections("common", schema, notes.inside("common")) if schema else {}
    return {name: part for name, part in found.items() if not isinstance(part, dict) or part.keys() - {"type"}}


def _left(data: dict[str, Any], known: set[str], notes: Notes) -> None:
    for key in data.keys() - known:
        if data[key]:
            notes.add("expected a part of a tracking plan, got one that has no place here; left out", (key,))


def _only(data: Any, container: str) -> Any:
    """What a list answer holds, if it is one plan."""
    plans = data.get(container) if isinstance(data, dict) else None
    return plans[0] if isinstance(plans, list) and len(plans) == 1 else data

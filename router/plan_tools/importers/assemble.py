"""Rules and a plan from what an importer has read, whatever the format was."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from router.plan.model import NAMED, Example, Plan, Rule, Schema
from router.plan_tools.importers.message import sections
from router.plan_tools.importers.notes import Notes

EXTRAS = "x-router"
"""What our own export keeps of a rule or plan that the other system has no place for."""


def text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def prose(value: Any) -> str:
    return value if isinstance(value, str) else ""


def labels(value: Any, notes: Notes) -> dict[str, str]:
    """Labels as a mapping or as a list of `key:value`."""
    if isinstance(value, Mapping):
        return {str(name): str(item).lower() if isinstance(item, bool) else str(item) for name, item in value.items()}
    if isinstance(value, list):
        pairs = (str(item).partition(":") for item in value)
        return {name.strip(): item.strip() for name, _, item in pairs if name.strip()}
    if value not in (None, ""):
        notes.add("expected labels as a mapping or a list, got another value; left out")
    return {}


def version(value: Any, notes: Notes) -> int:
    """The version of an event: a whole number, or the first of 1-0-0."""
    match = (
        re.match(r"v?([0-9]{1,9})(?![0-9])", str(value)) if value is not None and not isinstance(value, bool) else None
    )
    if match and int(match[1]) > 0:
        return int(match[1])
    if value not in (None, "", 0):
        notes.add("expected a version such as 2, got another value; taken as 1")
    return 1


def message_rule(
    call_type: str, name: str | None, number: Any, schema: Any, description: str, notes: Notes, *, closed: bool = False
) -> Rule:
    """A rule from a schema of the whole message. `closed`: an event that plans no property allows none."""
    notes = notes.inside(name or call_type)
    root = schema if isinstance(schema, Mapping) else {}
    extras = root.get(EXTRAS)
    found = sections(call_type, schema, notes)
    if closed and not isinstance(extras, Mapping) and call_type in ("track", "identify", "group"):
        found = _closed(call_type, found)
    extras = extras if isinstance(extras, Mapping) else {}
    return Rule(
        type=call_type,
        name=name if call_type in NAMED else None,
        version=version(number, notes),
        description=description or prose(root.get("description")),
        why=prose(extras.get("why")),
        owner=prose(extras.get("owner")),
        labels=labels(root.get("labels"), notes),
        schemas=found,
        examples=tuple(examples(extras.get("examples"))),
    )


def _closed(call_type: str, found: dict[str, Schema]) -> dict[str, Schema]:
    section = "properties" if call_type == "track" else "traits"
    schema = found.get(section, {})
    if isinstance(schema, dict) and not schema.keys() - {"type", "description", "$schema"}:
        return {**found, section: {"type": "object", **schema, "properties": {}}}
    return found


def examples(value: Any) -> Iterable[Example]:
    """Examples as our export writes them."""
    for item in value if isinstance(value, list) else ():
        if isinstance(item, Mapping) and "value" in item:
            fails = item.get("fails")
            places = tuple(map(str, fails)) if isinstance(fails, list) else ()
            yield Example(item["value"], bool(item.get("valid", True)), places, prose(item.get("description")))


def unique(rules: Iterable[Rule], notes: Notes) -> tuple[Rule, ...]:
    """The rules, each call type, name and version once; the first stands."""
    kept: dict[tuple[str, str | None, int], Rule] = {}
    for rule in rules:
        key = (rule.type, rule.name, rule.version)
        if key in kept and kept[key] != rule:
            message = f"expected version {rule.version} once, got it again with other content; the first is kept"
            notes.inside(rule.title).add(message)
        kept.setdefault(key, rule)
    return tuple(kept.values())


def joined(plans: Sequence[Plan], notes: Notes) -> Plan:
    """One plan of several files' rules, named after the first."""
    first, *others = plans
    for other in others:
        if other.common and first.common and other.common != first.common:
            notes.inside("common").add(f"expected one common schema, got another in {other.name}; the first is kept")
        first = replace(first, common=first.common or other.common)
    return replace(first, rules=unique((rule for plan in plans for rule in plan.rules), notes))

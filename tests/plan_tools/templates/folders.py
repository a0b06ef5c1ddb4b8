"""Plans of templates as they are on disk, and what their schemas declare."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from router.plan import Plan, load_plan
from router.plan.model import Rule
from router.plan.resources import Place
from router.plan_tools.store import store
from router.plan_tools.templates import compose

WITHIN = ("allOf", "anyOf", "oneOf")


def written(folder: Path, *templates: str) -> Plan:
    """The templates' plan, written and read again."""
    store(compose(templates, "shop"), folder)
    return load_plan(folder)


def rule(plan: Plan, name: str) -> Rule:
    """The rule of an event's name or of a call type."""
    return next(rule for rule in plan.rules if name in (rule.name, rule.type))


def declared(plan: Plan, rule: Rule) -> set[str]:
    """The properties or traits that a rule's schema names at its top, wherever its references lead."""
    root = plan.resources.rules[plan.rules.index(rule)][rule.section]
    return {name for place in _same(plan, (root, ())) for name in _properties(place)}


def _same(plan: Plan, place: Place) -> Iterator[Place]:
    yield place
    for other in plan.resources.same_value(place):
        yield from _same(plan, other)


def _properties(place: Place) -> Iterator[str]:
    resource, path = place
    schema = resource.places[path]
    yield from schema.get("properties", {}) if isinstance(schema, dict) else ()

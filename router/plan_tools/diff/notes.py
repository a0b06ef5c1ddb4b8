"""Changes of what a plan says beside its schemas' rules: descriptions, owners, labels, examples, naming."""

from __future__ import annotations

from collections.abc import Iterator

from router.plan.model import Plan, Rule
from router.plan_tools.diff.canonical import of_place
from router.plan_tools.diff.change import PlanChange

_PLAN = ("name", "description", "owners", "labels", "naming")
_RULE = ("description", "why", "owner", "labels", "examples")


def notes(old: Plan, new: Plan) -> Iterator[PlanChange]:
    """All safe: no event passes or fails for it."""
    changed = [part for part in _PLAN if getattr(old, part) != getattr(new, part)]
    if changed:
        yield PlanChange("safe", (), "", f"of the plan itself, changed: {', '.join(changed)}")
    before = {_key(rule): number for number, rule in enumerate(old.rules)}
    for number, rule in enumerate(new.rules):
        if _key(rule) in before:
            yield from _rule(old, before[_key(rule)], new, number)


def _key(rule: Rule) -> tuple[str, str | None, int]:
    return rule.type, rule.name, rule.version


def _rule(old: Plan, before: int, new: Plan, after: int) -> Iterator[PlanChange]:
    one, other = old.rules[before], new.rules[after]
    changed = [part for part in _RULE if getattr(one, part) != getattr(other, part)]
    if one.schemas != other.schemas and _checks(old, before) == _checks(new, after):
        changed.append("wording of schemas")
    if changed:
        several = len(new.versions(other.type, other.name)) > 1
        title = f"{other.title} (version {other.version})" if several else other.title
        yield PlanChange("safe", (title,), "", f"changed: {', '.join(changed)}")


def _checks(plan: Plan, number: int) -> dict[str, bytes]:
    """The rule's schemas without what checks nothing."""
    resources = plan.resources
    return {section: of_place(resources, resource, ()) for section, resource in resources.rules[number].items()}

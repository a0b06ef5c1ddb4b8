"""Events of a plan to show and to test with: one that conforms, and one that breaks its rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from router.agents.verdict import Enforcement
from router.config.models import Enforce
from router.errors import RouterError
from router.plan import Plan, compile_plan
from router.plan.model import Rule, Schema
from router.plan_tools.examples import event_of
from router.plan_tools.inline import Inliner

USER = "u-1"


class Samples(NamedTuple):
    """Two events of the same rule, with `type`, `event` (of a track), `userId` and what the rule asks for.

    `violations` is how often the second breaks it.
    """

    good: dict[str, Any]
    broken: dict[str, Any]
    violations: int


def samples(plan: Plan) -> Samples:
    """Samples of the first track event that has examples of both kinds, else of the first page or screen.

    Raises RouterError where the plan has none.
    """
    report = Enforcement(compile_plan(plan), Enforce(report_only=True))
    for call_type in ("track", "page", "screen"):
        for number, rule in enumerate(plan.rules):
            if rule.type == call_type:
                found = [(event, _violations(report, event)) for event in _events(plan, number, rule)]
                good = next((event for event, violations in found if not violations), None)
                broken = next(((event, len(all_)) for event, all_ in found if "violation" in all_), None)
                if good and broken:
                    return Samples(good, *broken)
    raise RouterError(f"expected a plan with an event that has examples, got {plan.name} without one")


def _events(plan: Plan, number: int, rule: Rule) -> Iterator[dict[str, Any]]:
    context = _required(_context(plan, number))
    for example in rule.examples:
        event = event_of(rule, example.value)
        head = {key: event[key] for key in ("type", "event", "name") if key in event} | {"userId": USER}
        yield head | ({"context": context} if context else {}) | {rule.section: event[rule.section]}


def _violations(report: Enforcement, event: dict[str, Any]) -> list[str]:
    """The class of each violation."""
    verdict = report.check(event)
    return [violation.klass for violation in verdict.violations] if verdict else []


def _context(plan: Plan, number: int) -> Schema:
    resource = plan.resources.rules[number].get("context")
    return Inliner(plan.resources).schema(resource) if resource else True


def _required(schema: Schema) -> Any:
    """The least value that a schema asks for: its required properties, each with the first of its `examples`."""
    if not isinstance(schema, dict):
        return {}
    if "examples" in schema:
        return schema["examples"][0]
    found: dict[str, Any] = {}
    for part in schema.get("allOf", ()):
        found |= _required(part)
    return found | {name: _required(schema["properties"][name]) for name in schema.get("required", ())}

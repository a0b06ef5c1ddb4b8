"""The lint rules of a plan: each has an id, a level that plan.yaml can change, and a function that finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from router.document import Pointer, nearest
from router.errors import Problem
from router.plan.model import Level, Plan


class Hit(NamedTuple):
    """A place in a file of the plan, and what is wrong there."""

    file: str
    path: Pointer
    message: str
    hint: str = ""
    at_key: bool = False


@dataclass(frozen=True, slots=True)
class LintRule:
    """`level` is the default; `find` yields every place that breaks the rule."""

    name: str
    level: Level
    summary: str
    find: Callable[[Plan], Iterator[Hit]]


@dataclass(frozen=True, slots=True)
class LintFinding:
    """A problem with the rule that it breaks and the level this plan gives it."""

    level: Level
    rule: str
    problem: Problem

    def as_dict(self) -> dict[str, object]:
        return {"level": self.level, "rule": self.rule, **self.problem.as_dict()}


RULES: dict[str, LintRule] = {}


def rule(name: str, level: Level, summary: str) -> Callable[[Callable[[Plan], Iterator[Hit]]], LintRule]:
    """Registers a function as the lint rule of this name."""

    def register(find: Callable[[Plan], Iterator[Hit]]) -> LintRule:
        RULES[name] = LintRule(name, level, summary, find)
        return RULES[name]

    return register


def lint(plan: Plan) -> list[LintFinding]:
    """Everything that the rules find in a plan that was read from files, in the order of files and lines."""
    findings = list(_unknown_rules(plan))
    for each in RULES.values():
        level = plan.naming.rules.get(each.name, each.level)
        if level != "off":
            findings += [LintFinding(level, each.name, _problem(plan, hit)) for hit in each.find(plan)]
    return sorted(findings, key=lambda found: (found.problem.file, found.problem.line, found.problem.column))


def _problem(plan: Plan, hit: Hit) -> Problem:
    return plan.documents[hit.file].problem(hit.path, hit.message, hit.hint, at_key=hit.at_key)


def _unknown_rules(plan: Plan) -> Iterator[LintFinding]:
    for name in plan.naming.rules:
        if name not in RULES:
            hit = Hit(
                "plan.yaml", ("naming", "rules", name), f"expected a lint rule, got {name}", nearest(name, RULES), True
            )
            yield LintFinding("error", "unknown-rule", _problem(plan, hit))

"""What our own export keeps of a plan: the content of plan.yaml, and rules that the other system has no kind for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from router.errors import FileError
from router.plan.load import parse_plan
from router.plan.model import Plan
from router.plan_tools.importers.assemble import EXTRAS
from router.plan_tools.importers.notes import Notes
from router.plan_tools.write import dump


def is_ours(data: Any) -> bool:
    """Whether a file is our own export."""
    about = data.get("trackingPlan") if isinstance(data, Mapping) else None
    return isinstance(about, Mapping) and isinstance(about.get(EXTRAS), Mapping)


def with_extras(plan: Plan, extras: Any, notes: Notes) -> Plan:
    """The plan with `extras`: `plan` is what plan.yaml would hold, `rules` are files of events/."""
    if not isinstance(extras, Mapping):
        return plan
    rules = extras.get("rules")
    files = {
        f"events/{number}.yaml": dump(rule) for number, rule in enumerate(rules if isinstance(rules, list) else ())
    }
    files["plan.yaml"] = dump(extras.get("plan", {"name": plan.name}))
    try:
        read = parse_plan({name: content.encode() for name, content in files.items()}, Path())
    except FileError as error:
        for problem in error.problems:
            notes.inside(EXTRAS).add(f"{problem.message}; left out")
        return plan
    more = tuple(replace(rule, file="") for rule in read.rules)
    return replace(plan, owners=read.owners, labels=read.labels, naming=read.naming, rules=(*plan.rules, *more))

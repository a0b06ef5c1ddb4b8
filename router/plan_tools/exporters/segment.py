"""A plan as Segment's Public API takes it: the plan, and rules with a schema of the whole message each.

What Segment has no place for (why, owner, examples, alias rules, naming) is kept under `x-router`, which validators
ignore and `router plan import` reads: importing the export gives the same plan, references written out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import orjson

from router.errors import Problem
from router.plan.keywords import DRAFT2020
from router.plan.model import DRAFT_07, DRAFT_2020_12, Plan, Rule, Schema
from router.plan.resources import Resource, Resources
from router.plan_tools.exporters.exported import Exported
from router.plan_tools.inline import Inliner
from router.plan_tools.write import contents

EXTRAS = "x-router"
_KINDS = {"track": "TRACK", "identify": "IDENTIFY", "group": "GROUP", "page": "PAGE", "screen": "SCREEN"}


def segment(plan: Plan) -> Exported:
    """The plan as one JSON document: `trackingPlan` and `rules`."""
    warnings: list[Problem] = []
    resources = plan.resources
    rules = []
    for rule, sections in zip(plan.rules, resources.rules, strict=True):
        if rule.type in _KINDS:
            schema = _message(resources, sections, rule)
            rules.append({"type": _KINDS[rule.type], "key": rule.name, "version": rule.version, "jsonSchema": schema})
        warnings += _strange(rule, sections)
    if resources.common:
        schema = _message(resources, resources.common, None)
        rules.append({"type": "COMMON", "key": None, "version": 1, "jsonSchema": schema})
    files = contents(plan)
    others = [files[rule.path] for rule in plan.rules if rule.type not in _KINDS]
    extras = {"plan": files["plan.yaml"]} | ({"rules": others} if others else {})
    about = {"name": plan.name, "description": plan.description, "type": "LIVE", EXTRAS: extras}
    data = {"trackingPlan": about, "rules": rules}
    return Exported(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n", tuple(warnings))


def _message(resources: Resources, sections: Mapping[str, Resource], rule: Rule | None) -> dict[str, Any]:
    """The schema of the whole message; `rule` is None for the common one."""
    inliner = Inliner(resources)
    schemas = {name: inliner.schema(resource) for name, resource in sections.items()}
    message = schemas.pop("message", None)
    modern = any(resource.draft is DRAFT2020 for resource in sections.values())
    root: dict[str, Any] = {"$schema": DRAFT_2020_12 if modern else DRAFT_07, "type": "object"}
    if rule and rule.description:
        root["description"] = rule.description
    if rule and rule.labels:
        root["labels"] = dict(rule.labels)
    root["properties"] = schemas
    required = [name for name, schema in schemas.items() if (rule or name == "context") and _asks(schema, inliner)]
    if required:
        root["required"] = required
    if message is not None:
        root["allOf"] = [message]
    if inliner.definitions:
        root["definitions"] = inliner.definitions
    return root | ({EXTRAS: _extras(rule)} if rule else {})


def _asks(schema: Schema, inliner: Inliner) -> bool:
    """Whether an event without the section fails."""
    if not isinstance(schema, dict):
        return not schema
    return not jsonschema_rs.is_valid({**schema, "definitions": inliner.definitions}, {}, offline=True)


def _extras(rule: Rule) -> dict[str, Any]:
    found: dict[str, Any] = {key: value for key, value in (("why", rule.why), ("owner", rule.owner)) if value}
    examples = [
        {"value": example.value, "valid": example.valid}
        | ({"fails": list(example.fails)} if example.fails else {})
        | ({"description": example.description} if example.description else {})
        for example in rule.examples
    ]
    return found | ({"examples": examples} if examples else {})


def _strange(rule: Rule, sections: Mapping[str, Resource]) -> list[Problem]:
    """What Segment does not hold events against."""
    told = []
    if rule.type not in _KINDS:
        told.append(f"expected a rule that Segment has a kind for, got one of {rule.type} calls; kept as {EXTRAS}")
    if rule.name and rule.type in ("page", "screen"):
        told.append(f"expected a rule for every {rule.type}, got one by name, which Segment does not tell apart")
    if any(resource.draft is DRAFT2020 for resource in sections.values()):
        told.append("expected draft-07, which Segment reads, got 2020-12")
    return [Problem(rule.path, 0, 0, "", message) for message in told]

"""Lint rules for the files of a plan: what rules say about themselves, and what nothing uses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from router.plan.model import Plan
from router.plan_tools.lint.rules import Hit, rule


@rule("rule-undescribed", "info", "Each rule says what it is, why it is there, and who owns it")
def rule_undescribed(plan: Plan) -> Iterator[Hit]:
    for each in plan.rules:
        missing = [key for key in ("description", "why", "owner") if not getattr(each, key)]
        if missing:
            yield Hit(each.file, (), f"expected {', '.join(missing)} of {each.title}, got none")


@rule("rule-examples", "info", "Each rule with a schema has a valid and an invalid example")
def rule_examples(plan: Plan) -> Iterator[Hit]:
    for each in plan.rules:
        kinds = {example.valid for example in each.examples}
        if each.schemas and len(kinds) < 2:
            missing = " and ".join(word for word, kind in (("valid", True), ("invalid", False)) if kind not in kinds)
            yield Hit(each.file, ("examples",), f"expected {missing} examples of {each.title}, got none")


@rule("file-version", "warning", "A file's name tells the version that is in it")
def file_version(plan: Plan) -> Iterator[Hit]:
    for each in plan.rules:
        number = re.search(r"\.([0-9]+)\.yaml\Z", each.file)
        if number and int(number[1]) != each.version:
            yield Hit(
                each.file, ("version",), f"expected version {number[1]}, as the file's name says, got {each.version}"
            )


@rule("unused-definition", "warning", "Every file of definitions is used")
def unused_definition(plan: Plan) -> Iterator[Hit]:
    resources = plan.resources
    used: set[str] = set()
    waiting = list(resources.sections())
    while waiting:
        resource = waiting.pop()
        for path in resource.places:
            for target, _ in resources.same_value((resource, path)):
                if target.file not in used and target is not resource:
                    used.add(target.file)
                    waiting.append(target)
    for name in plan.defs:
        if name not in used:
            yield Hit(name, (), f"expected a rule that refers to {name}, got none")


@rule(
    "names-closed", "info", "Unplanned properties are found by name, so additionalProperties: false says nothing more"
)
def names_closed(plan: Plan) -> Iterator[Hit]:
    for resource in plan.resources:
        for path, schema in resource.places.items():
            if isinstance(schema, dict) and schema.get("additionalProperties") is False and "properties" in schema:
                place = (*resource.path, *path, "additionalProperties")
                message = "expected nothing (unplanned properties are found by name), got additionalProperties: false"
                yield Hit(resource.file, place, message, at_key=True)

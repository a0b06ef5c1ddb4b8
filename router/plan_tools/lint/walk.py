"""Every property that a plan declares, with its place and type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from router.document import Pointer
from router.plan.model import Plan, Rule
from router.plan.resources import ReferenceProblem, Resource, Resources


@dataclass(frozen=True, slots=True)
class Property:
    """A declared property. `where` tells its object apart from others (the names above it, `[]` for items).

    `section` is the part of the event it is declared for, empty for definitions; `rule` is the rule it stands in, None
    for common schemas and definitions. `types` is empty where none are said.
    """

    name: str
    where: tuple[str, ...]
    schema: Any
    file: str
    path: Pointer
    section: str
    rule: Rule | None
    types: frozenset[str]
    resolved: Any

    @property
    def top(self) -> bool:
        return not self.where and self.section != ""


def properties(plan: Plan) -> Iterator[Property]:
    """The properties and traits of all rules, of the common schemas and of the definitions."""
    resources = plan.resources
    for rule, sections in zip(plan.rules, resources.rules, strict=True):
        if rule.section in sections and rule.section != "message":
            yield from _inside(resources, sections[rule.section], rule, rule.section)
    for section in ("properties", "traits"):
        if section in resources.common:
            yield from _inside(resources, resources.common[section], None, section)
    for resource in resources.defs.values():
        yield from _inside(resources, resource, None, "")


def _inside(resources: Resources, resource: Resource, rule: Rule | None, section: str) -> Iterator[Property]:
    for path in resource.places:
        if len(path) < 2 or path[-2] != "properties" or path[:-1] in resource.places:
            continue
        resolved = _resolved(resources, resource, path)
        yield Property(
            str(path[-1]),
            _where(path[:-2]),
            resource.places[path],
            resource.file,
            (*resource.path, *path),
            section,
            rule,
            _types(resolved),
            resolved,
        )


def _where(path: Pointer) -> tuple[str, ...]:
    """The names above a property: those after `properties`, and `[]` after `items`."""
    names = []
    before: str | int = ""
    for part in path:
        if before == "properties":
            names.append(str(part))
            before = ""
            continue
        if part in ("items", "prefixItems", "contains"):
            names.append("[]")
        elif before in ("definitions", "$defs"):
            names = [f"#{part}"]
        before = part
    return tuple(names)


def _resolved(resources: Resources, resource: Resource, path: Pointer) -> Any:
    """The property's schema, its `$ref` followed."""
    for _ in range(20):
        schema = resource.places[path]
        if not isinstance(schema, dict) or "$ref" not in schema:
            return schema
        try:
            resource, path = resources.lookup(resource, schema["$ref"])
        except ReferenceProblem:
            return {}
    return {}


def _types(schema: Any) -> frozenset[str]:
    said = schema.get("type", ()) if isinstance(schema, dict) else ()
    types = {said} if isinstance(said, str) else set(said)
    return frozenset(types - {"null"})

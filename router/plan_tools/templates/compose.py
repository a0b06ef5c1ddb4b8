"""Makes a plan of one or several templates. What two of them have in common stands in it once."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from router.plan.model import CALL_TYPES, Naming, Plan, Rule, Schema
from router.plan_tools.templates.library import Library, library
from router.plan_tools.templates.template import Template


def compose(names: Iterable[str], plan: str) -> Plan:
    """The plan of this name with the rules of all these templates. Raises UsageError for an unknown template."""
    shipped = library()
    chosen = [shipped.template(name) for name in dict.fromkeys(names)]
    keys = dict.fromkeys(key for template in chosen for key in template.rules)
    rules = tuple(_rule(shipped, key, [template for template in chosen if key in template.rules]) for key in keys)
    sections = {section for template in chosen for section in template.common}
    common = {section: schema for section, schema in shipped.common.items() if section in sections}
    schemas = [schema for rule in rules for schema in rule.schemas.values()]
    return Plan(
        plan,
        rules,
        " ".join(dict.fromkeys(template.description for template in chosen)),
        naming=Naming(allow=frozenset(name for template in chosen for name in template.allow)),
        common=common,
        defs=_used(shipped, schemas),
    )


def _rule(shipped: Library, key: str, templates: list[Template]) -> Rule:
    """A rule of the library with what the templates that take it add."""
    rule = shipped.rules[key]
    schemas = dict(rule.schemas)
    contexts = [template.context for template in templates if template.context is not None and key not in CALL_TYPES]
    if contexts:
        schemas["context"] = _all([*([schemas["context"]] if "context" in schemas else []), *contexts])
    needed = {name for template in templates for name in template.needs.get(key, ())}
    extra = {name: schema for name, schema in shipped.extra.get(key, {}).items() if name in needed}
    if extra:
        schemas[rule.section] = _extended(schemas[rule.section], extra)
    needs = dict.fromkeys(filter(None, (_need(template, key) for template in templates)))
    return replace(rule, schemas=schemas, why="; ".join((rule.why, *needs)), file="")


def _need(template: Template, key: str) -> str:
    """What a use case wants of a rule, in words."""
    if key not in template.needs:
        return ""
    names = ", ".join(template.needs[key])
    return f"{template.title} needs it, with {names}" if names else f"{template.title} needs it"


def _all(schemas: Iterable[Schema]) -> Schema:
    """One schema for all of these, each once."""
    distinct: list[Schema] = []
    for schema in schemas:
        if schema not in distinct:
            distinct.append(schema)
    return distinct[0] if len(distinct) == 1 else {"allOf": distinct}


def _extended(schema: Schema, extra: Mapping[str, Schema]) -> Schema:
    """The schema of an object with further properties, beside those it declares itself."""
    if not isinstance(schema, dict):
        return {"properties": dict(extra)}
    if "$ref" in schema:
        return {"allOf": [schema, {"properties": dict(extra)}]}
    if "allOf" in schema:
        *others, last = schema["allOf"]
        own = [_extended(last, extra)] if "$ref" not in last else [last, {"properties": dict(extra)}]
        return {**schema, "allOf": [*others, *own]}
    return {**schema, "properties": {**schema.get("properties", {}), **extra}}


def _used(shipped: Library, schemas: Iterable[Schema]) -> dict[str, Any]:
    """The files of definitions that schemas refer to, or that such files refer to, by their path."""
    waiting = [file for schema in schemas for file in _files(schema)]
    used: set[str] = set()
    while waiting:
        file = f"defs/{posixpath.basename(waiting.pop())}"
        if file not in used:
            used.add(file)
            waiting += _files(shipped.defs[file])
    return {file: data for file, data in shipped.defs.items() if file in used}


def _files(value: Any) -> Iterator[str]:
    """The files that references inside a schema name."""
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            yield reference.partition("#")[0]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inside:
        yield from _files(item)

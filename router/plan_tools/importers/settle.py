"""The last step of an import: what the linter would still refuse in a schema is set aside as `x-…` and noted.

So whatever the file held, the plan that comes out loads. Faults outside schemas have no such way and are raised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from router.errors import FileError, Problem
from router.plan.keywords import draft_of
from router.plan.load import parse_plan
from router.plan.model import Plan, Rule, Schema
from router.plan.pattern import pattern_problem
from router.plan.resources import Resource
from router.plan_tools.importers.notes import Notes
from router.plan_tools.write import contents, filed

_ROUNDS = 20
_UNPRINTED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def settle(plan: Plan, notes: Notes) -> Plan:
    """The plan, read back as if from files, its schemas without faults. Raises FileError where there are others."""
    plan = filed(plan)
    for _ in range(_ROUNDS):
        try:
            read = parse_plan(_files(plan), Path())
        except FileError as error:
            changed = _without(plan, error.problems, notes)
            if changed == plan:
                raise
            plan = changed
        else:
            return replace(read, name=plan.name, revision="")
    raise FileError([Problem(notes.file, 0, 0, "", "expected schemas that can be put right, got too many faults")])


def _files(plan: Plan) -> dict[str, bytes]:
    return {name: _as_yaml(data) for name, data in contents(plan).items()}


def _as_yaml(data: Any) -> bytes:
    """JSON that is YAML too: characters that YAML does not print are escaped."""
    return _UNPRINTED.sub(lambda match: f"\\u{ord(match[0]):04x}", orjson.dumps(data).decode()).encode()


def _without(plan: Plan, problems: tuple[Problem, ...], notes: Notes) -> Plan:
    by_file: dict[str, list[Problem]] = {}
    for problem in problems:
        by_file.setdefault(Path(problem.file).as_posix(), []).append(problem)
    rules = []
    for rule in plan.rules:
        faults = by_file.get(rule.file, [])
        rules.append(_rule(rule, faults, notes) if faults else rule)
    common = plan.common
    if faults := by_file.get("common.yaml", []):
        common = _sections(plan.common, faults, notes.inside("common"))
    defs = {name: _defs(name, data, by_file.get(name, []), notes) for name, data in plan.defs.items()}
    return replace(plan, rules=tuple(rules), common=common, defs=defs)


def _defs(name: str, data: Any, faults: list[Problem], notes: Notes) -> Any:
    """A file of definitions is one schema."""
    changed = _sections({"": data}, [replace(fault, path=f"/{fault.path}") for fault in faults], notes.inside(name))
    return changed[""] if faults else data


def _rule(rule: Rule, faults: list[Problem], notes: Notes) -> Rule:
    return replace(rule, schemas=_sections(rule.schemas, faults, notes.inside(rule.title)))


def _sections(schemas: Mapping[str, Schema], faults: list[Problem], notes: Notes) -> dict[str, Schema]:
    changed = {section: deepcopy(schema) for section, schema in schemas.items()}
    for fault in faults:
        section, *parts = [part.replace("~1", "/").replace("~0", "~") for part in fault.path.split("/")[1:]] or [""]
        if section in changed:
            changed[section] = _aside(changed[section], parts)
            notes.inside(f"{notes.title}{fault.path}").add(f"{fault.message}; set aside as x-…, which checks nothing")
    return changed


def _aside(schema: Schema, parts: list[str]) -> Schema:
    """The schema with the keyword at a place, or the schema there itself, renamed to one that checks nothing."""
    if draft_of(schema) is None and isinstance(schema, dict):
        schema["x-schema"] = schema.pop("$schema")
        return schema
    if parts[-2:-1] == ["patternProperties"] and pattern_problem(parts[-1]):
        parts = parts[:-1]
    best: tuple[int, Any] = (0, schema)
    for path, inner in Resource("", "", (), schema).places.items():
        if len(path) >= best[0] and [str(part) for part in path] == parts[: len(path)]:
            best = (len(path), inner)
    depth, inner = best
    if not isinstance(inner, dict):
        return _replaced(schema, parts[:depth])
    if depth == len(parts):
        for keyword in [keyword for keyword in inner if not keyword.startswith("x-")]:
            inner[f"x-{keyword}"] = inner.pop(keyword)
        return schema
    keyword = parts[depth]
    if keyword in inner:
        inner[f"x-{keyword.lstrip('$')}"] = inner.pop(keyword)
    return schema


def _replaced(schema: Schema, parts: list[str]) -> Schema:
    """The schema with one that allows anything at a place."""
    if not parts:
        return {}
    value: Any = schema
    for part in parts[:-1]:
        value = value[int(part) if isinstance(value, list) else part]
    value[int(parts[-1]) if isinstance(value, list) else parts[-1]] = {}
    return schema

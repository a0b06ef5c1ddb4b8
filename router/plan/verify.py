"""Whether the schemas of a plan say what they seem to: keywords, meta-schema, references, patterns, formats.

A schema that a validator would take and then check nothing with (a misspelt keyword, a property where a keyword should
stand, words beside a draft-07 `$ref`) is as wrong as one it would refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import jsonschema_rs

from router.document import Pointer, nearest
from router.errors import Problem
from router.plan.describe import faults
from router.plan.keywords import ANNOTATIONS, CONTAINERS, DRAFTS, Draft, draft_of
from router.plan.model import Plan
from router.plan.pattern import pattern_problem
from router.plan.resources import Place, ReferenceProblem, Resource, Resources
from router.plan.workload import MAX_LOOKS, Workload

_ELSEWHERE = {
    "$anchor": "put the schema under $defs and point to it, such as #/$defs/item",
    "$dynamicAnchor": "put the schema under $defs and point to it with $ref",
    "$dynamicRef": "use $ref",
    "$recursiveRef": "use $ref",
    "$vocabulary": "leave it out",
    "$id": "leave it out: a file is named by its path",
    "id": "leave it out, or write x-id",
    "dependencies": "write dependentRequired or dependentSchemas",
    "additionalItems": "write items, beside prefixItems",
    "nullable": 'add "null" to type',
    "dependentRequired": "write dependencies, or $schema: https://json-schema.org/draft/2020-12/schema",
    "dependentSchemas": "write dependencies, or $schema: https://json-schema.org/draft/2020-12/schema",
    "prefixItems": "write items as a list, or $schema: https://json-schema.org/draft/2020-12/schema",
}
Report = Callable[..., None]


def verify(plan: Plan) -> Iterator[Problem]:
    """Everything that is wrong with the schemas of a plan that was read from files."""
    resources = plan.resources
    sound: list[Resource] = []
    for resource in resources:
        problems = list(_Verifier(plan, resources, resource).problems())
        yield from problems
        if not problems:
            sound.append(resource)
    if len(sound) == sum(1 for _ in resources):
        circles = list(_circles(plan, resources))
        yield from circles or _costly(plan, resources)


@cache
def _meta_validator(draft: Draft) -> jsonschema_rs.Validator:
    return draft.validator({"$ref": draft.uri})


class _Verifier:
    """Checks one root schema."""

    def __init__(self, plan: Plan, resources: Resources, resource: Resource) -> None:
        self.document = plan.documents[resource.file]
        self.resources = resources
        self.resource = resource
        self.found: list[Problem] = []

    def report(self, path: Pointer, message: str, hint: str = "", *, at_key: bool = False) -> None:
        self.found.append(self.document.problem((*self.resource.path, *path), message, hint, at_key=at_key))

    def problems(self) -> list[Problem]:
        schema = self.resource.schema
        if draft_of(schema) is None:
            named = " or ".join(draft.uri for draft in DRAFTS)
            self.report(("$schema",), f"expected {named}, got {schema['$schema']}")
            return self.found
        if not isinstance(schema, dict | bool):
            self.report((), "expected a JSON Schema (a mapping), got another value")
            return self.found
        for path, inner in self.resource.places.items():
            if isinstance(inner, dict):
                self._keywords(path, inner)
                self._patterns(path, inner)
                self._reference(path, inner)
        unknown = {(problem.line, problem.column) for problem in self.found}
        self._meta(unknown)
        return self.found

    def _keywords(self, path: Pointer, schema: dict[str, Any]) -> None:
        draft = self.resource.draft
        for keyword in schema:
            if keyword.startswith("x-") or (keyword == "$id" and not path):
                continue
            if keyword == "$schema" and path:
                self.report((*path, keyword), "expected $schema at the root of the schema only", at_key=True)
            elif keyword not in draft.keywords:
                self._unknown(path, keyword, schema)
        if "$ref" in schema and draft is DRAFTS[0]:
            for keyword in schema.keys() - ANNOTATIONS - CONTAINERS - {"$ref"}:
                if not keyword.startswith("x-"):
                    message = (
                        "expected $ref alone (draft-07 ignores what stands beside it), got another keyword; use allOf"
                    )
                    self.report((*path, keyword), message, at_key=True)

    def _unknown(self, path: Pointer, keyword: str, schema: dict[str, Any]) -> None:
        draft = self.resource.draft
        message = f"expected a keyword of {draft.name}, got {keyword}"
        if schema[keyword] is None:
            self.report((*path, keyword), f"{message}; put a text that has a comma in quotes", at_key=True)
        elif advice := _ELSEWHERE.get(keyword):
            self.report((*path, keyword), f"{message}; {advice}", at_key=True)
        elif isinstance(schema[keyword], dict | bool) and self.resource.path + path:
            where = (*self.resource.path, *path)[-1]
            advice = f"; if it is a property, write `{where}: {{type: object, properties: {{{keyword}: …}}}}`"
            self.report((*path, keyword), message + advice, nearest(keyword, draft.keywords), at_key=True)
        else:
            advice = "; a note of your own begins with x-"
            self.report((*path, keyword), message + advice, nearest(keyword, draft.keywords), at_key=True)

    def _patterns(self, path: Pointer, schema: dict[str, Any]) -> None:
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and (problem := pattern_problem(pattern)):
            self.report((*path, "pattern"), problem)
        names = schema.get("patternProperties")
        for name in names if isinstance(names, dict) else ():
            if problem := pattern_problem(name):
                self.report((*path, "patternProperties", name), problem, at_key=True)
        known, named = self.resource.draft.formats, schema.get("format")
        if isinstance(named, str) and named not in known:
            other = "; $schema 2020-12 knows it" if named in DRAFTS[1].formats else ""
            expected = f"expected a format that {self.resource.draft.name} defines, got {named}{other}"
            self.report((*path, "format"), expected, nearest(named, known))

    def _reference(self, path: Pointer, schema: dict[str, Any]) -> None:
        if "$ref" in schema:
            try:
                self.resources.lookup(self.resource, schema["$ref"])
            except ReferenceProblem as problem:
                self.report((*path, "$ref"), str(problem), problem.hint)

    def _meta(self, reported: set[tuple[int, int]]) -> None:
        """What the draft's own schema says, but for places that have a better message."""
        roots: list[tuple[Pointer, Any]] = [((), self.resource.schema)]
        for path, inner in self.resource.places.items():
            if isinstance(inner, dict) and isinstance(inner.get("$defs"), dict) and self.resource.draft is DRAFTS[0]:
                roots += [((*path, "$defs", name), item) for name, item in inner["$defs"].items()]
        validator = _meta_validator(self.resource.draft)
        for path, schema in roots:
            for fault in faults(validator.iter_errors(schema), schema, path):
                if fault.type == "Format":  # patterns, formats and $schema have messages of their own
                    continue
                if fault.path[-2:-1] == ("patternProperties",) and "the format regex" in fault.message:
                    continue
                place = self.document.locate((*self.resource.path, *fault.path))
                if place not in reported:
                    self.report(fault.path, fault.message, self._hint(fault.path))

    def _hint(self, path: Pointer) -> str:
        types = ("array", "boolean", "integer", "null", "number", "object", "string")
        if path[-1:] != ("type",):
            return ""
        value: Any = self.resource.schema
        for part in path:
            value = value[part]
        return nearest(value, types) if isinstance(value, str) else ""


def _circles(plan: Plan, resources: Resources) -> Iterator[Problem]:
    """References that lead back to where they stand without going into the value: no event could ever be checked."""
    done: set[tuple[str, Pointer]] = set()
    for resource in resources:
        for path in resource.places:
            yield from _follow(plan, resources, (resource, path), done)


def _follow(plan: Plan, resources: Resources, start: Place, done: set[tuple[str, Pointer]]) -> Iterator[Problem]:
    """Depth first along what applies to the same value; a step back onto the way is a circle."""
    way: dict[tuple[str, Pointer], None] = {}
    stack = [(start, iter(resources.same_value(start)))]
    if _key(start) in done:
        return
    way[_key(start)] = None
    while stack:
        place, rest = stack[-1]
        following = next(rest, None)
        if following is None:
            done.add(_key(place))
            del way[_key(place)]
            stack.pop()
        elif _key(following) in way:
            resource, path = place
            message = "expected a reference that ends, got one that leads back to itself"
            yield plan.documents[resource.file].problem((*resource.path, *path, "$ref"), message)
        elif _key(following) not in done:
            way[_key(following)] = None
            stack.append((following, iter(resources.same_value(following))))


def _costly(plan: Plan, resources: Resources) -> Iterator[Problem]:
    workload = Workload(resources)
    for resource in resources.sections():
        place = workload.excess((resource, ()))
        if place is not None:
            found, path = place
            message = f"expected a schema that looks at a value at most {MAX_LOOKS} times, got references that multiply"
            yield plan.documents[found.file].problem((*found.path, *path), message)


def _key(place: Place) -> tuple[str, Pointer]:
    return place[0].uri, place[1]

"""The schemas of a plan by URI, and what a `$ref` in one of them means.

A reference is a pointer into the same schema (`#/$defs/item`) or a file of definitions, relative to the file it stands
in (`../defs/product.yaml#/$defs/item`). Nothing outside the plan's folder can be named.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote

from router.document import Pointer, nearest
from router.plan.ecma import for_engine
from router.plan.keywords import DRAFT7, IN_PLACE, Draft, draft_of
from router.plan.model import Plan, Schema

_REFERENCE = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/%-]*(#[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?\Z")


Inner = tuple[str, Pointer, Any]


class ReferenceProblem(Exception):
    """Why a reference has no meaning, with the nearest one that has."""

    def __init__(self, message: str, hint: str = "") -> None:
        self.hint = hint
        super().__init__(message)


@dataclass(frozen=True, eq=False)
class Resource:
    """A root schema: `file` is its path in the plan, `path` its place in the file."""

    uri: str
    file: str
    path: Pointer
    schema: Any

    @cached_property
    def draft(self) -> Draft:
        return draft_of(self.schema) or DRAFT7

    @cached_property
    def inside(self) -> dict[Pointer, list[Inner]]:
        """For each place of a schema that holds others: the keyword, the place and the value of each."""
        found: dict[Pointer, list[Inner]] = {}
        waiting: list[tuple[Pointer, Any]] = [((), self.schema)]
        while waiting:
            path, schema = waiting.pop()
            inner = [(keyword, path + below, value) for keyword, below, value in self.draft.subschemas(schema)]
            if inner:
                found[path] = inner
                waiting += [(place, value) for _, place, value in inner]
        return found

    @cached_property
    def places(self) -> dict[Pointer, Any]:
        """Every schema in it by its path, the root first."""
        return {(): self.schema} | {place: value for inner in self.inside.values() for _, place, value in inner}

    def standalone(self) -> Schema:
        """The schema as the engine takes it, with its URI as `$id`, so that its references are relative to that.

        A draft-07 `$ref` makes the engine ignore what stands beside it, `$id` included, so it moves into `allOf`.
        """
        if not isinstance(self.schema, dict):
            return bool(self.schema)
        schema = {**self._with_engine_patterns(), "$schema": self.draft.uri, "$id": self.uri}
        if "$ref" in schema and self.draft is DRAFT7:
            schema["allOf"] = [{"$ref": schema.pop("$ref")}]
        return schema

    def _with_engine_patterns(self) -> dict[str, Any]:
        """The schema with its patterns as the engine takes them."""
        copied: dict[str, Any] = deepcopy(self.schema)
        for inner in Resource("", "", (), copied).places.values():
            if not isinstance(inner, dict):
                continue
            if isinstance(inner.get("pattern"), str):
                inner["pattern"] = for_engine(inner["pattern"])
            if isinstance(named := inner.get("patternProperties"), dict):
                inner["patternProperties"] = {for_engine(name): value for name, value in named.items()}
        return copied


Place = tuple[Resource, Pointer]


def _section(file: str, section: str, schema: Schema, prefix: str = "") -> Resource:
    return Resource(f"plan:/{quote(file)}?{prefix}{section}", file, (section,), schema)


class Resources:
    """All root schemas of a plan: each rule's sections (in the plan's order), the common ones, the definitions."""

    def __init__(self, plan: Plan) -> None:
        self.rules = [
            {section: _section(rule.path, section, schema, f"{number}.") for section, schema in rule.schemas.items()}
            for number, rule in enumerate(plan.rules)
        ]
        self.common = {section: _section("common.yaml", section, schema) for section, schema in plan.common.items()}
        self.defs = {name: Resource(f"plan:/{quote(name)}", name, (), data) for name, data in plan.defs.items()}
        self.by_uri = {resource.uri: resource for resource in self}
        self._found: dict[tuple[str, str], Place] = {}

    def sections(self) -> Iterator[Resource]:
        """The root schemas that events are held against."""
        for sections in (*self.rules, self.common):
            yield from sections.values()

    def __iter__(self) -> Iterator[Resource]:
        yield from self.sections()
        yield from self.defs.values()

    def lookup(self, resource: Resource, reference: Any) -> Place:
        """The schema that a reference in `resource` names. Raises ReferenceProblem."""
        key = (resource.uri, str(reference))
        if key not in self._found:
            self._found[key] = self._look_up(resource, reference)
        return self._found[key]

    def referred(self, uri: str, reference: str) -> tuple[Schema, Schema]:
        """The schema that a reference in the resource of this URI names, and the root it stands in, for the engine.

        Raises ReferenceProblem.
        """
        target, path = self.lookup(self.by_uri[uri], reference)
        root = target.standalone()
        schema: Any = root
        for part in path:
            schema = schema[part]
        return schema, root

    def same_value(self, place: Place) -> list[Place]:
        """The schemas that apply to the same value because this one does. Raises ReferenceProblem."""
        resource, path = place
        schema = resource.places[path]
        found: list[Place] = []
        if isinstance(schema, dict) and "$ref" in schema:
            found.append(self.lookup(resource, schema["$ref"]))
            if resource.draft is DRAFT7:  # it ignores what stands beside
                return found
        found += [(resource, inner) for keyword, inner, _ in resource.inside.get(path, ()) if keyword in IN_PLACE]
        return found

    def _look_up(self, resource: Resource, reference: Any) -> Place:
        if not isinstance(reference, str) or not _REFERENCE.match(reference):
            raise ReferenceProblem("expected a reference such as ../defs/product.yaml#/$defs/item, got something else")
        file, _, fragment = reference.partition("#")
        target = self._file(resource, unquote(file)) if file else resource
        return target, self._pointer(target, unquote(fragment))

    def _file(self, resource: Resource, file: str) -> Resource:
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|//", file):
            raise ReferenceProblem("expected a file of this plan, got a remote reference (nothing is ever fetched)")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(resource.file), file))
        if path.startswith(("../", "/")) or path == "..":
            raise ReferenceProblem("expected a file of this plan, got a path that leads out of its folder")
        if path in self.defs:
            return self.defs[path]
        here = posixpath.dirname(resource.file) or "."
        known = {posixpath.relpath(name, here): name for name in self.defs}
        if path.startswith("defs/"):
            raise ReferenceProblem(f"expected a file of the plan, got {path}, which is not there", nearest(file, known))
        raise ReferenceProblem(f"expected a file in defs/, got {path}", nearest(file, known))

    def _pointer(self, target: Resource, fragment: str) -> Pointer:
        if fragment and not fragment.startswith("/"):
            raise ReferenceProblem("expected a JSON pointer after #, got a name", f"#/$defs/{fragment}")
        parts = [part.replace("~1", "/").replace("~0", "~") for part in fragment.split("/")[1:]]
        path: Pointer = ()
        value = target.schema
        for part in parts:
            if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
                path, value = (*path, int(part)), value[int(part)]
            elif isinstance(value, dict) and part in value:
                path, value = (*path, part), value[part]
            else:
                hint = nearest(part, value) if isinstance(value, dict) else ""
                where = f" in {target.file}" if target.file else ""
                raise ReferenceProblem(f"expected a pointer to a schema{where}, got one to nothing at {part}", hint)
        if path not in target.places:
            raise ReferenceProblem("expected a pointer to a schema, got one to another value")
        return path

"""Lint rules for schemas that nothing satisfies, and for keywords that everything does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from router.plan.keywords import ANNOTATIONS
from router.plan.model import Plan, section_of
from router.plan.resources import Place, Resources
from router.plan_tools.lint.conjunction import TYPES, Conjunction, Contradiction, types_of
from router.plan_tools.lint.rules import Hit, rule

_BRANCHES = ("anyOf", "oneOf", "not", "if", "then", "else")
_OTHERS = (*_BRANCHES, "dependencies", "dependentSchemas")
_OBJECT = frozenset(("object",))


@rule("schema-impossible", "error", "Each schema can be satisfied: no bounds, types or values that contradict")
def schema_impossible(plan: Plan) -> Iterator[Hit]:
    yield from _hits(fault for node, walk in _walks(plan) for fault in _impossible(node, walk))


@rule("keyword-idle", "error", "Each keyword checks something: it is of the type its schema has")
def keyword_idle(plan: Plan) -> Iterator[Hit]:
    yield from _hits(fault for node, _ in _walks(plan) for fault in _idle(node))


def _hits(faults: Iterable[Contradiction]) -> Iterator[Hit]:
    seen = set()
    for resource, path, message in faults:
        if (resource.uri, path) not in seen:
            seen.add((resource.uri, path))
            yield Hit(resource.file, (*resource.path, *path), message)


def _walks(plan: Plan) -> Iterator[tuple[Conjunction, _Walk]]:
    resources = plan.resources
    walk = _Walk(resources)
    for each, sections in zip(plan.rules, resources.rules, strict=True):
        for section, resource in sections.items():
            other = {"properties": "traits", "traits": "properties"}.get(section_of(each.type), "")
            common = resources.common.get(section) if section != other else None
            yield from walk.nodes([(resource, ()), *([(common, ())] if common else [])], _OBJECT)
    for resource in resources.common.values():
        yield from walk.nodes([(resource, ())], _OBJECT)
    for resource in resources.defs.values():
        for path in resource.places:
            yield from walk.nodes([(resource, path)], TYPES)


class _Walk:
    """Goes through the values of a plan's schemas, each with all the schemas that apply to it."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.done: set[tuple[frozenset[tuple[str, tuple[str | int, ...]]], frozenset[str]]] = set()

    def nodes(self, roots: list[Place], types: frozenset[str]) -> Iterator[tuple[Conjunction, _Walk]]:
        waiting = [(roots, types)]
        while waiting:
            starts, inherited = waiting.pop()
            places = [place for place in self.together(starts) if isinstance(place[0].places[place[1]], dict)]
            key = (frozenset((resource.uri, path) for resource, path in places), inherited)
            if not places or key in self.done:
                continue
            self.done.add(key)
            node = Conjunction(places, inherited)
            yield node, self
            waiting += self._below(places, node.types or inherited)

    def together(self, starts: Iterable[Place]) -> list[Place]:
        """The places and those that always apply with them: by `allOf` and `$ref`."""
        found: dict[tuple[str, tuple[str | int, ...]], Place] = {}
        stack = list(starts)
        while stack:
            resource, path = stack.pop()
            if (resource.uri, path) in found:
                continue
            found[resource.uri, path] = resource, path
            stack += [
                place
                for place in self.resources.same_value((resource, path))
                if place[0] is not resource or place[1][len(path) : len(path) + 1] not in [(key,) for key in _OTHERS]
            ]
        return list(found.values())

    def _below(self, places: list[Place], types: frozenset[str]) -> Iterator[tuple[list[Place], frozenset[str]]]:
        properties: dict[str, list[Place]] = {}
        for resource, path in places:
            for keyword, inner, _ in resource.inside.get(path, ()):
                if keyword in _BRANCHES:
                    yield [(resource, inner)], types
                elif keyword == "properties":
                    properties.setdefault(str(inner[-1]), []).append((resource, inner))
                elif keyword not in ("allOf", "dependencies", "dependentSchemas"):
                    yield [(resource, inner)], TYPES
        for together in properties.values():
            yield together, TYPES


def _impossible(node: Conjunction, walk: _Walk) -> Iterator[Contradiction]:
    yield from node.contradictions()
    for resource, path, schema in node.parts:
        for keyword, inner, value in resource.inside.get(path, ()):
            if keyword == "allOf" and value is False:
                yield Contradiction(resource, inner, "expected a schema that something satisfies, got false")
            elif keyword == "not" and _takes_all(value):
                yield Contradiction(
                    resource, inner, "expected a schema that refuses something, got one that takes anything"
                )
            elif keyword == "properties" and value is False and inner[-1] in schema.get("required", ()):
                yield Contradiction(resource, inner, f"expected a schema, got false for {inner[-1]}, which is required")
        for keyword in ("anyOf", "oneOf"):
            branches = [(inner, value) for key, inner, value in resource.inside.get(path, ()) if key == keyword]
            if branches and all(_never(walk, node, (resource, inner)) for inner, _ in branches):
                yield Contradiction(
                    resource, (*path, keyword), f"expected a schema in {keyword} that can be met, got none"
                )
            elif keyword == "oneOf" and sum(_takes_all(value) for _, value in branches) > 1:
                yield Contradiction(
                    resource, (*path, keyword), "expected one schema that applies, got several that always do"
                )


def _never(walk: _Walk, node: Conjunction, branch: Place) -> bool:
    """Whether a branch cannot be met together with the schema it stands in."""
    places = walk.together([branch])
    if any(resource.places[path] is False for resource, path in places):
        return True
    found = [place for place in places if isinstance(place[0].places[place[1]], dict)]
    if not found:
        return False
    both = Conjunction([*found, *((resource, path) for resource, path, _ in node.parts)], node.inherited)
    return not both.types or next(both.contradictions(), None) is not None


def _idle(node: Conjunction) -> Iterator[Contradiction]:
    yield from node.idle()
    for resource, path, _ in node.parts:
        for keyword, inner, value in resource.inside.get(path, ()):
            if keyword == "anyOf" and _takes_all(value):
                yield Contradiction(
                    resource, inner, "expected a schema that refuses something, got one that takes anything"
                )


def _takes_all(schema: object) -> bool:
    if isinstance(schema, dict):
        checks = {key for key in schema if not key.startswith("x-")} - ANNOTATIONS
        return not checks or (checks == {"type"} and types_of(schema) == TYPES)
    return schema is True

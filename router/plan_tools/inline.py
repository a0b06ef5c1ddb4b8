"""Schemas of a plan with every reference written out, for readers that take one schema at a time."""

from __future__ import annotations

from typing import Any

from router.document import Pointer
from router.plan.keywords import ANNOTATIONS, DRAFT7
from router.plan.model import Schema
from router.plan.resources import Place, Resource, Resources

_MOST = 20_000


class Inliner:
    """Writes out the references of schemas; those that lead back to themselves become `definitions` of the result.

    `bare` leaves out what checks nothing: descriptions, examples and other notes.
    """

    def __init__(self, resources: Resources, *, bare: bool = False) -> None:
        self.resources = resources
        self.bare = bare
        self.definitions: dict[str, Any] = {}
        self._names: dict[tuple[str, Pointer], str] = {}
        self._looped: set[tuple[str, Pointer]] = set()
        self._written = 0

    def schema(self, resource: Resource) -> Schema:
        """A root schema; what it needs of `definitions` is kept in that attribute."""
        return self.place((resource, ()))

    def place(self, place: Place) -> Schema:
        """The schema at a place."""
        found: Schema = self._place(place, ())
        return found

    def _place(self, place: Place, way: tuple[tuple[str, Pointer], ...]) -> Any:
        resource, path = place
        key = (resource.uri, path)
        schema = resource.places[path]
        if not isinstance(schema, dict):
            return schema
        if key in way or self._written > _MOST:
            self._looped.add(key)
            return self._definition(place)
        self._written += 1
        return self._inside(resource, path, schema, (*way, key))

    def _definition(self, place: Place) -> dict[str, Any]:
        resource, path = place
        key = (resource.uri, path)
        if key not in self._names:
            self._names[key] = f"{str(path[-1]) if path else 'root'}{len(self._names) or ''}"
            schema = resource.places[path]
            self.definitions[self._names[key]] = self._inside(resource, path, schema, (key,))
        return {"$ref": f"#/definitions/{self._names[key]}"}

    def _inside(
        self, resource: Resource, path: Pointer, schema: dict[str, Any], way: tuple[tuple[str, Pointer], ...]
    ) -> Any:
        """The schema with all schemas in it written out."""
        places = {inner: keyword for keyword, inner, _ in resource.inside.get(path, ())}
        written: dict[str, Any] = {}
        for keyword, value in schema.items():
            if keyword in ("$ref", "$schema", "$id", "definitions", "$defs"):
                continue
            if self.bare and (keyword in ANNOTATIONS or keyword.startswith("x-")):
                continue
            written[keyword] = self._keyword(resource, path, keyword, value, places, way)
        if "$ref" not in schema:
            return written
        target = self._place(self.resources.lookup(resource, schema["$ref"]), way)
        hidden = resource.draft is DRAFT7
        beside = {key: value for key, value in written.items() if key in ANNOTATIONS or not hidden}
        return _joined(target, beside)

    def _keyword(
        self,
        resource: Resource,
        path: Pointer,
        keyword: str,
        value: Any,
        places: dict[Pointer, str],
        way: tuple[tuple[str, Pointer], ...],
    ) -> Any:
        here = (*path, keyword)
        if here in places:
            return self._place((resource, here), way)
        if isinstance(value, dict):
            return {
                key: self._place((resource, (*here, key)), way) if (*here, key) in places else item
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [
                self._place((resource, (*here, index)), way) if (*here, index) in places else item
                for index, item in enumerate(value)
            ]
        return value


def _joined(target: Any, beside: dict[str, Any]) -> Any:
    """What a reference stands for, and the words beside it, which come first."""
    if not beside:
        return target
    if not isinstance(target, dict) or (beside.keys() - ANNOTATIONS) & target.keys() or "$ref" in target:
        return {**beside, "allOf": [*beside.get("allOf", []), target]}
    return {**target, **beside}

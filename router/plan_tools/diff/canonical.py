"""Schemas as bytes that are the same where the schemas say the same in the same words, notes apart."""

from __future__ import annotations

from functools import cache

import orjson

from router.document import Pointer
from router.plan.resources import Resource, Resources
from router.plan_tools.inline import Inliner
from router.plan_tools.value import Value


@cache
def of_place(resources: Resources, resource: Resource, path: Pointer) -> bytes:
    """One schema, references written out."""
    inliner = Inliner(resources, bare=True)
    schema = inliner.place((resource, path))
    return orjson.dumps([schema, inliner.definitions], option=orjson.OPT_SORT_KEYS)


def of_value(value: Value) -> frozenset[bytes]:
    """All schemas that must hold of a value."""
    return frozenset(of_place(value.resources, resource, path) for resource, path in value.places.values())

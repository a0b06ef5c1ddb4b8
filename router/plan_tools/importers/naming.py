"""The casing that an imported plan keeps to, so that its own habits are not warned of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from router.plan.model import Naming, Plan

_TITLE = re.compile(r"[A-Z0-9][A-Za-z0-9]*( [A-Za-z0-9]+)*\Z")
_SNAKE = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*\Z")
_CAMEL = re.compile(r"[a-z]+[0-9]*([A-Z][a-z0-9]*)*\Z")
_SHARE = 0.8


def naming_of(plan: Plan) -> Naming:
    """Title Case, snake_case or camelCase where four of five names keep to it, else any."""
    events = [rule.name for rule in plan.rules if rule.type == "track" and rule.name]
    properties = {
        str(path[-1])
        for resource in plan.resources
        for path in resource.places
        if len(path) > 1 and path[-2] == "properties"
    }
    chosen = _casing(events, (("title", _TITLE), ("snake", _SNAKE), ("camel", _CAMEL)))
    inner = _casing(properties, (("snake", _SNAKE), ("camel", _CAMEL)))
    return Naming(events=chosen, properties=inner)  # type: ignore[arg-type]


def _casing(names: Iterable[str], casings: tuple[tuple[str, re.Pattern[str]], ...]) -> Literal["any"] | str:
    listed = list(names)
    if not listed:
        return casings[0][0]
    counts = {name: sum(bool(pattern.match(item)) for item in listed) for name, pattern in casings}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] >= _SHARE * len(listed) else "any"

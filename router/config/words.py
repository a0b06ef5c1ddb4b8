"""Values and plans of a topology in the words of a change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretStr

if TYPE_CHECKING:
    from router.plan import Plan

_NAMED = 5


def written(value: Any) -> str:
    """As one would write it in the file, units aside; never a secret."""
    if value is None or value == ():
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, SecretStr):
        return "a secret"
    if isinstance(value, BaseModel):
        given = {name: getattr(value, name) for name in type(value).model_fields}
        return "{" + ", ".join(f"{name}: {written(inner)}" for name, inner in given.items()) + "}"
    return str(value)


def plan_words(before: Plan | None, after: Plan | None) -> str:
    """What is new about a source's plan; empty when its content is the same."""
    if before is None or after is None:
        return "" if before is after else f"{before.stamp if before else 'none'} -> {after.stamp if after else 'none'}"
    if before.stamp == after.stamp:
        return ""
    details = list(_differences(before, after))
    more = f" and {len(details) - _NAMED} more" if len(details) > _NAMED else ""
    told = f": {', '.join(details[:_NAMED])}{more}" if details else ""
    return f"{before.stamp} -> {after.stamp}{told}"


def _differences(before: Plan, after: Plan) -> Iterable[str]:
    old = {(rule.type, rule.name, rule.version): rule for rule in before.rules}
    new = {(rule.type, rule.name, rule.version): rule for rule in after.rules}
    for key in (*new, *(key for key in old if key not in new)):
        rule = new.get(key) or old[key]
        title = f"{rule.title} (version {rule.version})" if rule.version != 1 else rule.title
        if key not in old or key not in new:
            yield f"{title} {'removed' if key in old else 'added'}"
        elif old[key] != new[key]:
            yield f"{title} changed"
    if before.common != after.common:
        yield "common schemas changed"
    for name in sorted({*before.defs, *after.defs}):
        if before.defs.get(name) != after.defs.get(name):
            yield f"{name} changed"

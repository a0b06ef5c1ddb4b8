"""Says what to change in an event: the nearest planned name for a typo, and a piece of advice for each violation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from router.document import nearest
from router.events.records import Violation
from router.plan.compile import CompiledPlan
from router.plan.model import NAMED
from router.plan_tools.lint.words import fold


def closest(name: str, known: Iterable[str]) -> str:
    """The known name that is meant: the same in other letters, else the most like it; empty where none is near."""
    names = list(known)
    same = next((other for other in names if fold(other) == fold(name) and other != name), "")
    return same or nearest(name, names)


def hint(compiled: CompiledPlan, body: Mapping[str, Any], violation: Violation) -> str:
    """The planned name that an unplanned one was most likely meant to be."""
    if violation.klass == "unplanned_event":
        call_type, field = str(body.get("type")), violation.pointer[1:]
        planned = {rule.name for rule in compiled.plan.rules if rule.type == call_type and rule.name}
        return closest(str(body.get(field)), planned)
    if violation.klass == "unplanned_property":
        _, *path, name = _parts(violation.pointer)
        return closest(name, planned_names(compiled, body, path))
    return ""


def planned_names(compiled: CompiledPlan, body: Mapping[str, Any], path: Iterable[str]) -> set[str]:
    """The property names that the event's rule plans for the object at a path inside its section."""
    schema = compiled.find(dict(body)).names or {}
    places = list(_resolved(schema, schema))
    for part in path:
        places = [inner for place in places for below in _below(place, part) for inner in _resolved(below, schema)]
    return {name for place in places for name in place.get("properties", {})}


def _resolved(place: Any, root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A place of the schema of planned names with what it refers to."""
    if not isinstance(place, Mapping):
        return
    for inner in place.get("allOf", ()):
        yield from _resolved(inner, root)
    if "$ref" in place:
        yield root["definitions"][place["$ref"].rpartition("/")[2]]
    else:
        yield place


def _below(place: Mapping[str, Any], part: str) -> Iterator[Any]:
    named = place.get("properties", {}).get(part)
    if named is not None:
        yield named
    else:
        yield from place.get("patternProperties", {}).values()
        yield place.get("additionalProperties")
    if part.isdecimal():
        yield place.get("items")


def _parts(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def advice(compiled: CompiledPlan, body: Mapping[str, Any], violation: Violation) -> str:
    """What to do about a violation, in one sentence."""
    name = _parts(violation.pointer)[-1] if violation.pointer else ""
    rule = compiled.find(dict(body)).rule
    file = rule.path if rule else "events/"
    meant = hint(compiled, body, violation)
    if violation.klass == "unplanned_event":
        field = NAMED.get(str(body.get("type")), "event")
        return f"send {field} {meant!r}" if meant else "leave it out, or plan it with a file in events/"
    if violation.klass == "unplanned_property":
        if meant:
            return f"rename {name} to {meant}"
        return f"leave {name} out, or add it to {file}"
    if violation.type == "Required":
        return f"add {name}"
    if violation.type in ("Additional Properties", "Unevaluated Properties", "Forbidden"):
        return f"leave {name} out"
    if violation.type == "Type":
        wanted = violation.message.removeprefix("expected ").split(", got ")[0]
        return f"send {wanted}" + (", without quotes" if _only_quoted(violation) else "")
    return f"change the value, or the rule in {'common.yaml' if violation.klass == 'common' else file}"


def _only_quoted(violation: Violation) -> bool:
    wanted, _, got = violation.message.partition(", got ")
    return got == "a string" and any(word in wanted for word in ("number", "true or false"))

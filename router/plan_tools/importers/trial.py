"""Holds an imported plan against what its source must allow: the examples it gives, and the least event of each rule.

A plan that refuses these was read wrong, or was wrong before. It is reported either way, for enforcing it would refuse
what everybody sends. Only what is certain is reported: where a schema has conditions, nothing is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any

import orjson

from router.document import Pointer, json_pointer
from router.errors import Problem
from router.plan.compile import CompiledPlan, compile_plan
from router.plan.compiled_rule import Finding
from router.plan.model import NAMED, Plan, Rule
from router.plan.resources import Place
from router.plan_tools.examples import run_examples
from router.plan_tools.importers.sheet_values import allowed, not_a_list, typed_value
from router.plan_tools.minimal import Minimal
from router.plan_tools.value import TYPES, Value

_TIME = "2026-01-01T00:00:00.000Z"
_FIELDS: dict[str, Any] = {
    **dict.fromkeys(("messageId", "anonymousId", "userId", "writeKey"), "u-1"),
    **dict.fromkeys(("timestamp", "originalTimestamp", "sentAt", "receivedAt"), _TIME),
    "channel": "server",
    "version": 2,
    "integrations": {},
    "_metadata": {},
}
"""What SDKs and the gateway put into events of every type, whatever a plan says."""
_OF_TYPE = {"group": {"groupId": "g-1"}, "alias": {"previousId": "a-1"}}
_UNPLANNED = ("unplanned_event", "unplanned_property")


def refused(plan: Plan, file: str) -> Iterator[Problem]:
    """What the plan refuses and should not, by rule and place."""
    compiled = compile_plan(plan)
    for result in run_examples(compiled):
        for message in result.wrong:
            yield Problem(file, 0, 0, f"{result.rule.title}{json_pointer(result.path)}", message)
    for number, rule in enumerate(plan.rules):
        trial = _Trial(compiled, number, rule)
        for path, message in (*trial.least(), *trial.examples()):
            yield Problem(file, 0, 0, f"{rule.title}{json_pointer(path)}", message)


class _Trial:
    """One rule, the values its sections hold, and the least event that has all it requires."""

    def __init__(self, compiled: CompiledPlan, number: int, rule: Rule) -> None:
        self.compiled = compiled
        self.values = dict(_values(compiled.plan, number, rule))
        self.minimal = Minimal()
        if message := self.values.get("message"):
            self.minimal.make(message, ())
        self.fixed = {"type": rule.type, **({NAMED[rule.type]: rule.name} if rule.name else {})}
        self.event = {**_FIELDS, **_OF_TYPE.get(rule.type, {}), **self.fixed, "context": {}, rule.section: {}}
        self.event.pop("message", None)
        for section, value in self.values.items():
            if section != "message":
                self.event[section] = self.minimal.make(value, (section,))
        self._claim(self.event, rule.version)

    def _claim(self, event: dict[str, Any], version: int) -> None:
        """The event names its rule's version, where the plan's `context` leaves room for it."""
        if len(self.compiled.plan.versions(event["type"], event.get(NAMED.get(event["type"], "")))) > 1:
            context = event["context"] if isinstance(event["context"], dict) else {}
            event["context"] = {**context, "protocols": {"event_version": version}}

    def least(self) -> Iterator[tuple[Pointer, str]]:
        """What is wrong with the event that has all required properties."""
        for found in self._findings(self.event):
            if self._certain(found):
                what = "expected an event with all required properties to pass"
                yield found.path, f"{what}, got a violation: {found.violation.message}"

    def examples(self) -> Iterator[tuple[Pointer, str]]:
        """What is wrong with the examples that schemas give."""
        for section, value in self.values.items():
            start: Pointer = () if section == "message" else (section,)
            for path, readings in _examples(value, start, frozenset()):
                wrong = [self._wrong(path, reading) for reading in readings]
                if all(wrong):
                    yield path, f"expected the source's own example to pass, got a violation: {wrong[0]}"

    def _wrong(self, path: Pointer, values: Sequence[Any]) -> str:
        """The first violation at or inside a path where one of these values stands."""
        for value in values:
            event = _placed(self.event, path, value) | self.fixed
            for found in self._findings(event):
                if found.path[: len(path)] == path:
                    return found.violation.message
        return ""

    def _findings(self, event: dict[str, Any]) -> list[Finding]:
        rule = self.compiled.find(event)
        return [] if rule.is_valid(event) else rule.findings(event)

    def _certain(self, found: Finding) -> bool:
        violation, path = found
        if violation.klass in _UNPLANNED:
            return True
        if any(path[: len(unsure)] == unsure for unsure in self.minimal.unsure):
            return False
        if path and path[0] in self.values:
            return True
        # Of the other fields only those that every event has are known, and that one which none has is required.
        return len(path) == 1 and (violation.type == "Required" or path[0] in self.fixed)


def _values(plan: Plan, number: int, rule: Rule) -> Iterator[tuple[str, Value]]:
    """The value of each section, by all schemas that hold for it."""
    own, common = plan.resources.rules[number], plan.resources.common
    other = {"properties": "traits", "traits": "properties"}.get(rule.section, "")
    for section in sorted({*own, *common} - {other}):
        places: list[Place] = [(holder[section], ()) for holder in (own, common) if section in holder]
        if section != "message":
            whole = [(holder["message"], ()) for holder in (own, common) if "message" in holder]
            places += Value(plan.resources, whole).child(section).places.values()
        yield section, Value(plan.resources, places)


def _examples(value: Value, path: Pointer, above: frozenset[Any]) -> Iterator[tuple[Pointer, list[list[Any]]]]:
    """Each example with its path, in the readings of which one must pass; a reading may be of several values."""
    if value.key in above:
        return
    above |= {value.key}
    for listed in value.said("examples"):
        for example in listed if isinstance(listed, list) else ():
            yield path, [[example]]
    for example in value.said("x-example"):
        if readings := _readings(example, value):
            yield path, readings
    for name in value.names:
        yield from _examples(value.child(name), (*path, name), above)
    if value.said("items") or value.said("prefixItems"):
        for index in range(value.width + 1):
            yield from _examples(value.item(index), (*path, index), above)


def _readings(example: Any, value: Value) -> list[list[Any]]:
    """A sheet's cell as text, as a value of the property's type, as JSON, as a list; none where it is prose."""
    if not isinstance(example, str):
        return [[example]]
    types = sorted(value.types) if value.types != frozenset(TYPES) else []
    parts = allowed(example)
    if not parts or not_a_list(example) or any(sign in example for sign in "{}<>%"):
        return [] if not example.lstrip().startswith(("{", "[")) else _as_json(example)
    typed = [typed_value(part, [name for name in types if name != "string"] or types) for part in parts]
    readings: list[list[Any]] = [[example], [example.strip("\"'“”")], parts, [parts]]
    return readings + ([typed, [typed]] if None not in typed else []) + _as_json(example)


def _as_json(text: str) -> list[list[Any]]:
    try:
        return [[orjson.loads(text)]]
    except orjson.JSONDecodeError:
        return []


def _placed(event: dict[str, Any], path: Pointer, value: Any) -> dict[str, Any]:
    """A copy of the event with a value at a path; what is on the way there is made."""
    whole: dict[str, Any] = {"": deepcopy(event)}
    holder: Any = whole
    keys: Pointer = ("", *path)
    key: Any
    for key, following in pairwise(keys):
        inner = holder[key] if isinstance(holder, list) else holder.get(key)
        kind: type[Any] = list if isinstance(following, int) else dict
        if not isinstance(inner, kind):
            inner = holder[key] = kind()
        if isinstance(inner, list) and isinstance(following, int):
            inner += [None] * (following + 1 - len(inner))
        holder = inner
    last = keys[-1]
    holder[last] = value
    found: dict[str, Any] = {**event, **whole[""]} if isinstance(whole[""], dict) else event
    return found

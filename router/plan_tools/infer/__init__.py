"""A draft of a plan from events as they are: types, formats, enums, what is always there, counts, masked samples.

It describes, it does not judge: every event that was seen conforms to the draft. Nothing of the events is kept but
names, counts, and texts that an enum names.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, NamedTuple

from router.events.event import CALL_TYPES
from router.plan.compile import compile_plan
from router.plan.model import CALL_TYPES as PLANNED
from router.plan.model import Example, Plan, Rule, section_of
from router.plan_tools.importers.naming import naming_of
from router.plan_tools.importers.notes import Notes
from router.plan_tools.importers.settle import settle
from router.plan_tools.infer.draft import InferenceSettings, sample, schema
from router.plan_tools.infer.seen import SeenValues
from router.plan_tools.lint.words import PERSONAL, made_at_run_time

__all__ = ["Inference", "InferenceSettings", "Inferred"]

MAX_RULES = 1000
_KEPT = 3

Key = tuple[str, str | None, int]


class Inferred(NamedTuple):
    """The draft, how many events it stands on, and why others were left out."""

    plan: Plan
    events: int
    left_out: Counter[str]


class Inference:
    """Takes events one by one; memory is bounded by the number of different events and names."""

    def __init__(self, settings: InferenceSettings | None = None) -> None:
        self.settings = settings or InferenceSettings()
        self.seen: dict[Key, SeenValues] = {}
        self.kept: dict[Key, list[dict[str, Any]]] = {}
        self.events = 0
        self.left_out: Counter[str] = Counter()

    def add(self, body: dict[str, Any] | None) -> None:
        reason = self._refused(body)
        if reason or body is None:
            self.left_out[reason] += 1
            return
        self.events += 1
        if body["type"] == "alias":
            return
        key = self._key(body)
        if key not in self.seen:
            if len(self.seen) >= MAX_RULES:
                self.left_out["more different events than a plan holds"] += 1
                return
            self.seen[key] = SeenValues()
        value = body.get(section_of(body["type"])) or {}
        self.seen[key].add(value)
        kept = self.kept.setdefault(key, [])
        if len(kept) < _KEPT:
            kept.append(value)

    def _refused(self, body: dict[str, Any] | None) -> str:
        if body is None or body.get("type") not in CALL_TYPES:
            return "not an event"
        name = body.get("event")
        if body["type"] == "track" and not (isinstance(name, str) and name.strip()):
            return "a track call without a name"
        if body["type"] == "track" and (what := made_at_run_time(str(name))):
            return f"an event name made at run time ({what})"
        section = body.get(section_of(body["type"])) if body["type"] != "alias" else {}
        return "" if section is None or isinstance(section, dict) else "properties or traits that are no object"

    def _key(self, body: dict[str, Any]) -> Key:
        context = body.get("context")
        protocols = context.get("protocols") if isinstance(context, dict) else None
        version = protocols.get("event_version") if isinstance(protocols, dict) else None
        number = version if type(version) is int and version > 0 and body["type"] == "track" else 1
        return body["type"], body["event"] if body["type"] == "track" else None, number

    def plan(self, name: str) -> Inferred:
        """The draft of all that was taken so far."""
        ordered = sorted(self.seen, key=lambda key: (PLANNED.index(key[0]), key[1] or "", key[2]))
        draft = Plan(name, tuple(self._rule(key) for key in ordered), "A draft from events; say what each one means")
        draft = replace(draft, naming=naming_of(draft))
        return Inferred(_with_samples(settle(draft, Notes(name))), self.events, self.left_out)

    def _rule(self, key: Key) -> Rule:
        seen = self.seen[key]
        samples = [sample(value, seen, "", self.settings) for value in self.kept[key]]
        distinct = [value for number, value in enumerate(samples) if value not in samples[:number]]
        section = section_of(key[0])
        found = {"type": "object", **schema(seen, "", self.settings)}
        if section == "traits":  # libraries send only those that changed
            found.pop("required", None)
        personal = any(PERSONAL.match(name) for name in seen.names)
        return Rule(
            *key,
            description=f"Seen {seen.count} times",
            labels={"personal-data": "yes"} if personal else {},
            schemas={section: found},
            examples=tuple(Example(value) for value in distinct),
        )


def _with_samples(plan: Plan) -> Plan:
    """The plan with the samples that conform; masking may break what a lone event is held to."""
    compiled = compile_plan(plan)
    rules = []
    for rule in plan.rules:
        version = {"protocols": {"event_version": rule.version}}
        body = {"type": rule.type, "event": rule.name, "name": rule.name, "context": version}
        held = compiled.find(body)
        fits = [each for each in rule.examples if held.is_valid({**body, rule.section: each.value})]
        rules.append(replace(rule, examples=tuple(fits)))
    return replace(plan, rules=tuple(rules))

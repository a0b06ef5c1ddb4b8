"""A plan made ready for the hot path: finds the rule of an event. Pure, and total over JSON values."""

from __future__ import annotations

from typing import Any

from router.plan.compiled_rule import CompiledRule, Finding, SchemaCompiler
from router.plan.describe import SchemaFault
from router.plan.model import CALL_TYPES, NAMED, Plan, section_of
from router.plan.resources import Resource, Resources

__all__ = ["CompiledPlan", "CompiledRule", "Finding", "compile_plan"]


class CompiledPlan:
    """The rules of a plan by call type and name. Shared by all sources that use the plan; holds no state."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._tables: dict[Any, tuple[str, dict[Any, CompiledRule], CompiledRule]] = {}
        engine, resources = SchemaCompiler(plan), plan.resources
        common = {call_type: _common(resources, call_type) for call_type in CALL_TYPES}
        rules: dict[str, dict[Any, list[CompiledRule]]] = {call_type: {} for call_type in CALL_TYPES}
        for rule, own in zip(plan.rules, resources.rules, strict=True):
            compiled = CompiledRule(engine, rule.type, rule, own, common[rule.type])
            rules[rule.type].setdefault(rule.name, []).append(compiled)
        for call_type, found in rules.items():
            by_name = {name: _oldest(versions) for name, versions in found.items()}
            otherwise = by_name.pop(None, None)
            if otherwise is None:
                unplanned = _unplanned(call_type, bool(found))
                otherwise = CompiledRule(engine, call_type, common=common[call_type], unplanned=unplanned)
            self._tables[call_type] = (NAMED.get(call_type, ""), by_name, otherwise)
        self._unknown = CompiledRule(engine, "")

    def prepare(self) -> None:
        """Compile every rule now, not with its first event. Raises FileError when a schema does not compile."""
        for _, by_name, otherwise in self._tables.values():
            for rule in (*by_name.values(), otherwise):
                for version in rule.versions.values() or (rule,):
                    version.prepare()

    def find(self, body: dict[str, Any]) -> CompiledRule:
        """The rule of an event: by call type, name and version, the oldest version where it names none or no known."""
        try:
            field, names, rule = self._tables[body["type"]]
            if names:
                rule = names.get(body.get(field), rule)
        except (KeyError, TypeError):
            rule = self._tables[body["type"]][2] if body.get("type") in CALL_TYPES else self._unknown
        return _version(rule, body) if rule.versions else rule

    def sections(self, call_type: str) -> set[str]:
        """The parts of an event that any rule of this type looks at; `message` is the event as a whole."""
        _, names, otherwise = self._tables[call_type]
        rules = [rule for first in (*names.values(), otherwise) for rule in (first.versions.values() or (first,))]
        return {section for rule in rules for section in (*rule.own, *rule.common)}

    def only_rule(self, call_type: str, name: str) -> CompiledRule | None:
        """The rule of every event of this type and, for track, name. None: it takes the event itself to tell."""
        field, names, rule = self._tables[call_type]
        if names:
            if field != "event":
                return None
            rule = names.get(name, rule)
        return None if rule.versions else rule


def _oldest(rules: list[CompiledRule]) -> CompiledRule:
    """The oldest of a rule's versions, knowing the others."""
    oldest = min(rules, key=lambda rule: rule.version)
    if len(rules) > 1:
        oldest.versions = {rule.version: rule for rule in rules}
    return oldest


def _version(rule: CompiledRule, body: dict[str, Any]) -> CompiledRule:
    try:
        return rule.versions.get(body["context"]["protocols"]["event_version"], rule)
    except (KeyError, TypeError, IndexError):
        return rule


def _common(resources: Resources, call_type: str) -> dict[str, Resource]:
    """The common schemas that a call type's events have a section for."""
    other = {"properties": "traits", "traits": "properties"}.get(section_of(call_type), "")
    if call_type == "alias":
        return {name: resource for name, resource in resources.common.items() if name in ("context", "message")}
    return {name: resource for name, resource in resources.common.items() if name != other}


def _unplanned(call_type: str, has_rules: bool) -> SchemaFault | None:
    """A track event needs a rule; a page or screen only where the plan has rules for some of them."""
    if call_type == "track":
        return SchemaFault("Unplanned Event", ("event",), "expected a planned event, got another name")
    if call_type in NAMED and has_rules:
        return SchemaFault("Unplanned Event", (NAMED[call_type],), f"expected a planned {call_type}, got another name")
    return None


def compile_plan(plan: Plan) -> CompiledPlan:
    """A plan to hold events against. Each rule is compiled with its first event, or by `prepare`."""
    return CompiledPlan(plan)

"""A plan made ready for the hot path: one compiled validator for each rule, common schema and planned names included.

Validators run in linear time, fetch nothing, and assert formats. What an event conforms to is one call; what is wrong
with it is found section by section, only when that call says no. Pure, and total over JSON values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import jsonschema_rs

from router.document import Pointer, json_pointer
from router.errors import FileError, Problem
from router.plan.describe import Fault, faults
from router.plan.keywords import ANNOTATIONS, DRAFT7
from router.plan.model import CALL_TYPES, NAMED, Plan, Rule, section_of
from router.plan.names import Names
from router.plan.pattern import REGEX
from router.plan.resources import Resource, Resources
from router.plan.violation import Violation, ViolationClass

_NEVER_REFUSE_NOTHING = ANNOTATIONS | {"type", "properties", "patternProperties", "additionalProperties", "required"}


class Finding(NamedTuple):
    """A violation, and its place in the event in parts."""

    violation: Violation
    path: Pointer


class Engine:
    """Compiles schemas against the definitions of one plan. Compiling takes time in proportion to their number."""

    def __init__(self, resources: Resources) -> None:
        self.registry = jsonschema_rs.Registry([(each.uri, each.standalone()) for each in resources.defs.values()])
        self._empty: dict[str, bool] = {}

    def __call__(self, schema: dict[str, Any]) -> jsonschema_rs.Validator:
        """A validator of a draft-07 schema; those inside it that have an `$id` may be of another draft."""
        return DRAFT7.validator(
            schema,
            registry=self.registry,
            pattern_options=REGEX,
            validate_formats=True,
            ignore_unknown_formats=False,
            offline=True,
        )

    def takes_nothing(self, resource: Resource) -> bool:
        """Whether a section may be left out, told by its keywords where they suffice."""
        schema = resource.schema
        if (
            isinstance(schema, dict)
            and schema.keys() <= _NEVER_REFUSE_NOTHING
            and schema.get("type", "object") == "object"
        ):
            return not schema.get("required")
        if resource.uri not in self._empty:
            self._empty[resource.uri] = self({"allOf": [resource.standalone()]}).is_valid({})
        return self._empty[resource.uri]


class CompiledRule:
    """What events of one rule are held against, or (`rule` is None) events of a call type that have no rule.

    `is_valid(body)` is the hot path; `versions` maps a version to its rule where there are several, on the oldest.
    `names` is the schema of planned names, `unplanned` what is wrong with having no rule.
    """

    def __init__(
        self,
        engine: Engine,
        plan: str,
        call_type: str,
        rule: Rule | None,
        own: Mapping[str, Resource],
        common: Mapping[str, Resource],
        names: Mapping[str, Any] | None = None,
        unplanned: Fault | None = None,
    ) -> None:
        self.engine = engine
        self.plan = plan
        self.call_type = call_type
        self.title = rule.title if rule else call_type
        self.version = rule.version if rule else 0
        self.rule = rule
        self.own = own
        self.common = common
        self.names = names
        self.unplanned = unplanned
        self.versions: dict[Any, CompiledRule] = {}
        self.is_valid: Callable[[Any], bool] = _never if unplanned else self._whole()

    def _whole(self) -> Callable[[Any], bool]:
        """One validator of all the event. A section that is left out counts as empty."""
        parts: list[dict[str, Any]] = []
        for section, resource in (*self.own.items(), *self.common.items()):
            schema = resource.standalone()
            if section == "message":
                parts.append({"allOf": [schema]})
                continue
            parts.append({"properties": {section: schema}})
            if not self.engine.takes_nothing(resource):
                parts.append({"required": [section]})
        if self.names:
            parts.append({"properties": {section_of(self.call_type): self.names}})
        return self.engine({"allOf": parts}).is_valid if parts else _always

    @cached_property
    def _parts(self) -> list[tuple[ViolationClass, str, jsonschema_rs.Validator]]:
        """What `_whole` is made of, section by section."""
        parts: list[tuple[ViolationClass, str, Any]] = []
        parts += [("violation", section, resource.standalone()) for section, resource in self.own.items()]
        parts += [("common", section, resource.standalone()) for section, resource in self.common.items()]
        if self.names:
            parts.append(("unplanned_property", section_of(self.call_type), self.names))
        return [(klass, section, self.engine({"allOf": [schema]})) for klass, section, schema in parts]

    def findings(self, body: dict[str, Any]) -> list[Finding]:
        """Everything that is wrong with an event, the rule's own violations first."""
        found = []
        if self.unplanned:
            found.append(self._finding("unplanned_event", self.unplanned))
        for klass, section, validator in self._parts:
            whole = section == "message"
            value = body if whole else body.get(section, {})
            for fault in faults(validator.iter_errors(value), value, () if whole else (section,)):
                if klass == "unplanned_property":
                    fault = Fault("Unplanned Property", fault.path, "expected a planned property, got another name")
                found.append(self._finding(klass, fault))
        return found

    def _finding(self, klass: ViolationClass, fault: Fault) -> Finding:
        pointer = json_pointer(fault.path)
        violation = Violation(klass, fault.type, pointer, fault.message, self.plan, self.title, self.version)
        return Finding(violation, fault.path)


def _always(body: Any) -> bool:
    return True


def _never(body: Any) -> bool:
    return False


class CompiledPlan:
    """The rules of a plan by call type and name. Shared by all sources that use the plan; holds no state."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        resources = plan.resources
        names = Names(resources)
        engine = Engine(resources)
        self._tables: dict[Any, tuple[str, dict[Any, CompiledRule], CompiledRule]] = {}
        rules: dict[str, dict[str | None, list[CompiledRule]]] = {call_type: {} for call_type in CALL_TYPES}
        for number, rule in enumerate(plan.rules):
            planned = _names(names, resources, number, rule)
            compiled = self._rule(engine, rule, resources.rules[number], _common(resources, rule.type), planned)
            rules[rule.type].setdefault(rule.name, []).append(compiled)
        for call_type, found in rules.items():
            by_name: dict[Any, CompiledRule] = {name: _oldest(versions) for name, versions in found.items()}
            common, unplanned = _common(resources, call_type), _unplanned(call_type, bool(found))
            otherwise = by_name.pop(None, None)
            if otherwise is None:
                otherwise = CompiledRule(engine, plan.name, call_type, None, {}, common, None, unplanned)
            self._tables[call_type] = (NAMED.get(call_type, ""), by_name, otherwise)
        self._unknown = CompiledRule(engine, plan.name, "", None, {}, {})

    def _rule(
        self,
        engine: Engine,
        rule: Rule,
        own: Mapping[str, Resource],
        common: Mapping[str, Resource],
        names: Mapping[str, Any],
    ) -> CompiledRule:
        try:
            return CompiledRule(engine, self.plan.name, rule.type, rule, own, common, names)
        except ValueError as error:
            message = f"expected schemas that compile, got an error: {str(error).splitlines()[0]}"
            raise FileError([Problem(str(self.plan.folder / rule.path), 1, 1, "", message)]) from error

    def find(self, body: dict[str, Any]) -> CompiledRule:
        """The rule of an event: by call type, name and version, the oldest version where it names none or no known."""
        try:
            field, names, rule = self._tables[body["type"]]
            if names:
                rule = names.get(body.get(field), rule)
        except (KeyError, TypeError):
            rule = self._tables[body["type"]][2] if body.get("type") in CALL_TYPES else self._unknown
        return _version(rule, body) if rule.versions else rule


def _names(names: Names, resources: Resources, number: int, rule: Rule) -> dict[str, Any]:
    own = resources.rules[number].get(rule.section)
    if own is None or rule.section == "message":
        return {}
    return names.schema(f"names:/{number}", own, _common(resources, rule.type).get(rule.section))


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


def _unplanned(call_type: str, has_rules: bool) -> Fault | None:
    """A track event needs a rule; a page or screen only where the plan has rules for some of them."""
    if call_type == "track":
        return Fault("Unplanned Event", ("event",), "expected a planned event, got another name")
    if call_type in NAMED and has_rules:
        return Fault("Unplanned Event", (NAMED[call_type],), f"expected a planned {call_type}, got another name")
    return None


def compile_plan(plan: Plan) -> CompiledPlan:
    """Compile a plan. Raises FileError when a schema does not compile (one made in code; load_plan checks files)."""
    return CompiledPlan(plan)

"""One rule made ready for the hot path: a single validator of the whole event, compiled when the first event needs it.

Validators run in linear time, fetch nothing, and assert formats. What an event conforms to is one call; what is wrong
with it is found section by section, only when that call says no.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from threading import RLock
from typing import Any, NamedTuple

import jsonschema_rs

from router.document import Pointer, json_pointer
from router.errors import FileError, Problem
from router.events.records import Violation, ViolationClass
from router.plan.describe import SchemaFault, faults
from router.plan.fingerprint import Fingerprints, Look, Unclear
from router.plan.keywords import ANNOTATIONS, DRAFT7
from router.plan.model import Plan, Rule, section_of
from router.plan.names import Names
from router.plan.pattern import REGEX
from router.plan.resources import Resource

_NEVER_REFUSE_NOTHING = ANNOTATIONS | {"type", "properties", "patternProperties", "additionalProperties", "required"}
_NOTHING: dict[str, Any] = {}


class Finding(NamedTuple):
    """A violation, and its place in the event in parts."""

    violation: Violation
    path: Pointer


class SchemaCompiler:
    """Compiles schemas against the definitions of one plan. Compiling takes time in proportion to their number."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.names = Names(plan.resources)
        self.lock = RLock()
        self._empty: dict[str, bool] = {}

    @cached_property
    def registry(self) -> jsonschema_rs.Registry:
        return jsonschema_rs.Registry([(each.uri, each.standalone()) for each in self.plan.resources.defs.values()])

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
    `unplanned` is what is wrong with having no rule.
    """

    def __init__(
        self,
        engine: SchemaCompiler,
        call_type: str,
        rule: Rule | None = None,
        own: Mapping[str, Resource] | None = None,
        common: Mapping[str, Resource] | None = None,
        unplanned: SchemaFault | None = None,
    ) -> None:
        self.engine = engine
        self.call_type = call_type
        self.title = rule.title if rule else call_type
        self.version = rule.version if rule else 0
        self.rule = rule
        self.own = own or {}
        self.common = common or {}
        self.unplanned = unplanned
        self.versions: dict[Any, CompiledRule] = {}
        self.is_valid: Callable[[Any], bool] = _never if unplanned else self._first

    def _first(self, body: Any) -> bool:
        self.prepare()
        return self.is_valid(body)

    def prepare(self) -> None:
        """Compile now. Raises FileError when a schema does not compile, which load_plan rules out for files."""
        if self.unplanned:
            return
        try:
            with self.engine.lock:
                self.is_valid = self._whole()
        except ValueError as error:
            file = self.rule.path if self.rule else "common.yaml"
            message = f"expected schemas that compile, got an error: {str(error).splitlines()[0]}"
            raise FileError([Problem(str(self.engine.plan.folder / file), 1, 1, "", message)]) from error

    @cached_property
    def names(self) -> Mapping[str, Any]:
        """The schema of planned names; empty where everything is free."""
        section = section_of(self.call_type)
        own = self.own.get(section)
        if own is None or section == "message":
            return {}
        return self.engine.names.schema(own.uri.replace("plan:", "names:", 1), own, self.common.get(section))

    def _whole(self) -> Callable[[Any], bool]:
        """One validator of all the event. A section that is left out counts as empty."""
        held = [*self.own.items(), *self.common.items()]
        sections = {section for section, _ in held}
        if len(sections) == 1 and "message" not in sections:
            return self._alone(sections.pop(), [resource.standalone() for _, resource in held])
        parts: list[dict[str, Any]] = []
        for section, resource in held:
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

    def _alone(self, section: str, schemas: list[Any]) -> Callable[[Any], bool]:
        """Of the one section that the plan speaks of: half the cost of going there through the whole event."""
        if self.names:
            schemas.append(self.names)
        fits = self.engine({"allOf": schemas}).is_valid
        return lambda body: fits(body.get(section, _NOTHING))

    @cached_property
    def _looks(self) -> list[tuple[str, Callable[[Any], bool], Look]]:
        """Section, validator and fingerprint of each part. Made when the first event breaks the rule."""
        fingerprints = Fingerprints(self.engine.plan.resources, self.engine)
        looks = [fingerprints.of_resource(resource) for resource in (*self.own.values(), *self.common.values())]
        if self.names:
            looks.append(fingerprints.of_names(self.names))
        parts = zip(self._parts, looks, strict=True)
        return [(section, validator.is_valid, look) for (_, section, validator), look in parts]

    def fingerprint(self, body: dict[str, Any]) -> Hashable:
        """Equal for events of this rule that have the same findings. None: this event has to be described by itself."""
        found: list[Hashable] = []
        try:
            for section, is_valid, look in self._looks:
                value = body if section == "message" else body.get(section, _NOTHING)
                if is_valid(value):
                    found.append(None)
                    continue
                wrong = look(value)
                if wrong is None:
                    return None
                found.append(wrong)
        except Unclear:
            return None
        return tuple(found)

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
        """Everything that is wrong with an event, the rule's own violations first, then by place.

        The engine's order depends on how many names a value has, so equal fingerprints would not mean the same one.
        """
        found = []
        if self.unplanned:
            found.append(self._finding("unplanned_event", self.unplanned))
        for klass, section, validator in self._parts:
            whole = section == "message"
            value = body if whole else body.get(section, {})
            found_here = faults(validator.iter_errors(value), value, () if whole else (section,))
            for fault in sorted(found_here, key=_place):
                if klass == "unplanned_property":
                    message = "expected a planned property, got another name"
                    fault = SchemaFault("Unplanned Property", fault.path, message)
                found.append(self._finding(klass, fault))
        return found

    def _finding(self, klass: ViolationClass, fault: SchemaFault) -> Finding:
        pointer = json_pointer(fault.path)
        violation = Violation(
            klass, fault.type, pointer, fault.message, self.engine.plan.name, self.title, self.version
        )
        return Finding(violation, fault.path)


def _place(fault: SchemaFault) -> tuple[list[tuple[int, str]], str, str]:
    """By which faults are in order: items by their numbers, names by the alphabet."""
    return [(part, "") if isinstance(part, int) else (-1, part) for part in fault.path], fault.type, fault.message


def _always(body: Any) -> bool:
    return True


def _never(body: Any) -> bool:
    return False

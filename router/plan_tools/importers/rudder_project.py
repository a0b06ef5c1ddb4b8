"""RudderStack's YAML project: tracking plans, and the events, properties and custom types they are made of.

The current spelling (`rudder/v1`, `#event:id`) and the legacy one (`rudder/0.1`, `#/events/group/id`) may be mixed.
Custom types become definitions; a rule's variants become `if` and `then` in `allOf`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from router.document import nearest
from router.errors import FileError
from router.plan.model import NAMED, Plan, Rule, Schema, section_of
from router.plan_tools.importers.assemble import text, unique
from router.plan_tools.importers.notes import Notes
from router.plan_tools.importers.rudder_catalog import Catalog, Entry
from router.plan_tools.importers.rudder_types import Types
from router.plan_tools.importers.source import Source

PLANS = ("tracking-plan", "tp")
_CATALOG = {"events": "events", "properties": "properties", "custom-types": "types", "categories": "categories"}
_SECTIONS = ("properties", "traits", "context.traits")


def is_project_file(source: Source) -> bool:
    """A resource of a project, whatever its kind; other kinds than those of plans are left alone."""
    data = source.data
    return isinstance(data, dict) and str(data.get("version", "")).startswith("rudder/") and "kind" in data


def read_project(sources: Sequence[Source], notes: Notes) -> Plan:
    """The one tracking plan of a project. Raises FileError where there is none."""
    catalog = Catalog()
    plans: list[Source] = []
    for source in sources:
        kind = source.data["kind"]
        if kind in PLANS:
            plans.append(source)
        elif kind in _CATALOG:
            catalog.add(source, kind, _CATALOG[kind], notes.of(source.path))
        else:
            notes.of(source.path).add(f"expected a kind that belongs to tracking plans, got {kind}; left out")
    if not plans:
        message = "expected a tracking plan among the files, got only what plans refer to"
        raise FileError([sources[0].problem(message)])
    source = plans[0]  # the only one: `one_plan` has chosen
    return _Project(catalog, notes.of(source.path)).plan(source.data)


class _Project:
    """Turns one tracking plan's rules into ours, looking up what they refer to."""

    def __init__(self, catalog: Catalog, notes: Notes) -> None:
        self.catalog = catalog
        self.notes = notes
        self.types = Types(catalog, notes)

    def plan(self, data: dict[str, Any]) -> Plan:
        spec, metadata = (data[key] if isinstance(data.get(key), dict) else {} for key in ("spec", "metadata"))
        name = text(spec.get("display_name")) or text(metadata.get("name")) or text(spec.get("id")) or "imported"
        rules = spec.get("rules")
        found = [rule for entry in (rules if isinstance(rules, list) else ()) for rule in self._rule(entry)]
        plan = Plan(name, unique(found, self.notes), description=text(spec.get("description")))
        definitions = self.types.definitions()
        return replace(plan, defs={"defs/custom-types.yaml": {"$defs": definitions}} if definitions else {})

    def _rule(self, entry: Any) -> Iterator[Rule]:
        reference = entry.get("event") if isinstance(entry, dict) else None
        legacy = reference if isinstance(reference, dict) else {}
        event = self.catalog.find("events", legacy.get("$ref", reference))
        if event is None:
            known = self.catalog.names("events")
            hint = nearest(str(legacy.get("$ref", reference)).rsplit("/", 1)[-1].rsplit(":", 1)[-1], known)
            self.notes.add("expected an event of the project, got a reference to none; its rule is left out", (), hint)
            return
        call_type = text(event.data.get("event_type")) or "track"
        name = text(event.data.get("name")) or None
        if call_type not in ("track", "page", "screen", "identify", "group") or (call_type == "track" and not name):
            self.notes.inside(event.id).add("expected a call type that has rules, and a name for track; left out")
            return
        open_flag = entry.get("additional_properties", legacy.get("allow_unplanned", entry.get("allow_unplanned")))
        own = self.notes.inside(name or call_type)
        schema = self.types.of(own).rule(entry, is_open=open_flag is True, prefix=_prefix(call_type))
        section = text(entry.get("identity_section")) or text(legacy.get("identity_section")) or section_of(call_type)
        yield Rule(
            call_type,
            name if call_type in NAMED else None,
            description=text(event.data.get("description")),
            labels=self._labels(event),
            schemas=_placed(call_type, section, schema, own),
        )

    def _labels(self, event: Entry) -> dict[str, str]:
        reference = event.data.get("category")
        reference = reference.get("$ref") if isinstance(reference, dict) else reference
        category = self.catalog.find("categories", reference)
        return {"category": text(category.data.get("name")) or category.id} if category else {}


def _prefix(call_type: str) -> str:
    """From a rule's file to the definitions."""
    return "defs/custom-types.yaml" if call_type in ("identify", "group") else "../defs/custom-types.yaml"


def _placed(call_type: str, section: str, schema: Schema, notes: Notes) -> dict[str, Schema]:
    """The schema in the section of the event that it is of."""
    if section not in _SECTIONS:
        notes.add(f"expected identity_section to be one of {', '.join(_SECTIONS)}, got {section}; taken as the default")
        section = section_of(call_type)
    if section == "context.traits":
        required = {"required": ["traits"]} if isinstance(schema, dict) and schema.get("required") else {}
        return {"context": {"type": "object", **required, "properties": {"traits": schema}}}
    if section != section_of(call_type):
        notes.add(f"expected the rule to be of {section_of(call_type)}, got one of {section}")
    return {section: schema}

"""From the documents of a plan's folder to its model: the shape of each kind of file, schemas taken as they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from router.document import Document, Pointer
from router.errors import Problem
from router.plan.fields import Fields, kind
from router.plan.model import NAMED, SECTIONS, Example, Level, Naming, Plan, Rule, Schema, section_of

TYPES_OF_EVENTS = ("track", "page", "screen", "alias")
TOP_FILES = ("plan.yaml", "identify.yaml", "group.yaml", "common.yaml")
LEVELS: tuple[str, ...] = get_args(Level)


def read_plan_file(document: Document, problems: list[Problem]) -> dict[str, Any]:
    """What plan.yaml says, as arguments of Plan."""
    fields = Fields(document, problems)
    naming = fields.mapping("naming")
    read: dict[str, Any] = {
        "description": fields.text("description"),
        "owners": fields.texts("owners"),
        "labels": fields.labels("labels"),
        "naming": _naming(Fields(document, problems, ("naming",), naming)),
    }
    if name := fields.text("name", required="name" in fields.data):
        read["name"] = name
    fields.finish()
    return read


def _naming(fields: Fields) -> Naming:
    synonyms = {}
    for word, others in fields.mapping("synonyms").items():
        inner = Fields(fields.document, fields.problems, (*fields.path, "synonyms"), {word: others})
        synonyms[word] = inner.texts(word)
    naming = Naming(
        events=fields.choice("events", ("title", "snake", "camel", "any"), "title"),  # type: ignore[arg-type]
        properties=fields.choice("properties", ("snake", "camel", "any"), "snake"),  # type: ignore[arg-type]
        rules={name: level for name, level in fields.mapping("rules").items() if _is_level(fields, name, level)},
        allow=frozenset(fields.texts("allow")),
        reserved=frozenset(fields.texts("reserved")),
        synonyms=synonyms,
    )
    fields.finish()
    return naming


def _is_level(fields: Fields, name: str, level: Any) -> bool:
    return fields.one_of(("rules", name), level, LEVELS)


def read_rule(path: str, document: Document, problems: list[Problem]) -> Rule | None:
    """A rule from a file of events/, identify.yaml or group.yaml; None when its type or name is not known."""
    before = len(problems)
    fields = Fields(document, problems)
    call_type = _call_type(path, fields)
    name = _name(call_type, fields)
    unusable = len(problems) > before
    rule = Rule(
        type=call_type,
        name=name,
        version=fields.count("version", 1),
        description=fields.text("description"),
        why=fields.text("why"),
        owner=fields.text("owner"),
        labels=fields.labels("labels"),
        schemas=read_schemas(fields),
        examples=_examples(call_type, fields),
        file=path,
    )
    fields.finish()
    return None if unusable else rule


def _call_type(path: str, fields: Fields) -> str:
    """The rule's call type; empty, and reported, where the file names none that may stand there."""
    own = path.removesuffix(".yaml")
    options = (own,) if own in ("identify", "group") else TYPES_OF_EVENTS
    if "type" not in fields.data and len(options) > 1:
        fields.known.add("type")
        fields.report((), f"expected `type` (one of {', '.join(options)}), got a mapping without it")
    elif fields.raw("type") in ("identify", "group") and len(options) > 1:
        fields.report(("type",), f"expected {fields.data['type']} in a file of its own, {fields.data['type']}.yaml")
    else:
        return fields.choice("type", options, own if len(options) == 1 else "")
    return ""


def _name(call_type: str, fields: Fields) -> str | None:
    key = NAMED.get(call_type)
    if key is None:
        if not call_type:
            fields.known.update(NAMED.values())
        return None
    name = fields.text(key, required=key == "event" or key in fields.data)
    return name or None


def read_schemas(fields: Fields) -> dict[str, Schema]:
    """The sections' schemas; a `$schema` of the file is handed down to those that name none."""
    draft = fields.text("$schema")
    schemas: dict[str, Schema] = {}
    for section in SECTIONS:
        schema = fields.raw(section)
        if section not in fields.data:
            continue
        if isinstance(schema, dict):
            schemas[section] = {"$schema": draft, **schema} if draft else schema
        elif isinstance(schema, bool):
            schemas[section] = schema
        else:
            fields.report((section,), f"expected a JSON Schema (a mapping), got {kind(schema)}")
    return schemas


def read_common(document: Document, problems: list[Problem]) -> Mapping[str, Schema]:
    """The schemas of common.yaml."""
    fields = Fields(document, problems)
    fields.text("description")
    schemas = read_schemas(fields)
    fields.finish()
    return schemas


def _examples(call_type: str, fields: Fields) -> tuple[Example, ...]:
    inner = Fields(fields.document, fields.problems, ("examples",), fields.mapping("examples"))
    valid = [Example(value) for value in inner.items("valid")]
    invalid = [_invalid(inner, index, item, call_type) for index, item in enumerate(inner.items("invalid"))]
    inner.finish()
    return (*valid, *invalid)


def _invalid(fields: Fields, index: int, item: Any, call_type: str) -> Example:
    path: Pointer = (*fields.path, "invalid", index)
    entry = Fields(fields.document, fields.problems, path, item if item is not None else [])
    if isinstance(item, dict) and "value" not in item:
        entry.report((), f"expected `value` (of {section_of(call_type)}) and `fails`, got a mapping without `value`")
    fails = entry.texts("fails")
    for number, pointer in enumerate(fails):
        if pointer and not pointer.startswith("/"):
            place = ("fails", number) if isinstance(entry.data["fails"], list) else ("fails",)
            entry.report(place, f"expected a JSON pointer such as /total, got {pointer}", "/" + pointer)
    example = Example(entry.raw("value"), valid=False, fails=fails, description=entry.text("description"))
    entry.finish()
    return example


def duplicates(plan: Plan) -> list[Problem]:
    """Rules that stand for the same call type, name and version as an earlier one."""
    seen: dict[tuple[str, str | None, int], Rule] = {}
    problems = []
    for rule in plan.rules:
        first = seen.setdefault((rule.type, rule.name, rule.version), rule)
        if first is not rule:
            key = NAMED.get(rule.type, "type") if rule.name else "type"
            what = f"{rule.type} {rule.name}" if rule.name else rule.type
            message = f"expected {what} version {rule.version} once, got it in {first.file} too"
            problems.append(plan.documents[rule.file].problem((key,), message))
    return problems

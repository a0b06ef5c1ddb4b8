"""Lint rules for properties and traits: their names, types and descriptions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from router.plan.model import Plan
from router.plan_tools.lint import words
from router.plan_tools.lint.rules import Hit, rule
from router.plan_tools.lint.walk import Property, properties

_TYPED = frozenset(("type", "enum", "const", "$ref", "allOf", "anyOf", "oneOf", "not", "if"))
_PRICED: tuple[tuple[str, ...], ...] = ((), ("products", "[]"))
_ALTERNATION = re.compile(r"\^?\(?(\?:)?[A-Za-z0-9_ -]+(\|[A-Za-z0-9_ -]+)+\)?\$?\Z")


def _all(plan: Plan) -> Iterator[Property]:
    return (each for each in properties(plan) if each.name not in plan.naming.allow)


def _name(each: Property, message: str, hint: str = "") -> Hit:
    return Hit(each.file, each.path, message, hint, at_key=True)


def _siblings(plan: Plan) -> Iterator[list[Property]]:
    """The properties of each object, together."""
    groups: defaultdict[tuple[Any, ...], list[Property]] = defaultdict(list)
    for each in properties(plan):
        groups[each.file, each.path[:-1]].append(each)
    yield from groups.values()


@rule("property-case", "warning", "Property names are in the plan's casing")
def property_case(plan: Plan) -> Iterator[Hit]:
    if plan.naming.properties == "any":
        return
    snake = plan.naming.properties == "snake"
    pattern, rewrite = (words.SNAKE, words.in_snake_case) if snake else (words.CAMEL, words.in_camel_case)
    for each in _all(plan):
        if not pattern.match(each.name) and each.name not in words.CAMEL_STANDARD:
            hint = rewrite(each.name)
            shown = "snake_case (order_id)" if snake else "camelCase (orderId)"
            yield _name(each, f"expected {shown}, got {each.name}", hint if hint != each.name else "")


@rule("property-characters", "error", "Property names have no spaces, dots, dollar signs or brackets")
def property_characters(plan: Plan) -> Iterator[Hit]:
    for each in _all(plan):
        if sign := re.search(r"[\s.$\[\](){}]", each.name):
            what = "a space" if sign[0].isspace() else sign[0]
            yield _name(each, f"expected letters, digits and underscores, got {what}", words.in_snake_case(each.name))


@rule("property-dynamic", "error", "Property names are fixed: no dates or ids, no numbered families")
def property_dynamic(plan: Plan) -> Iterator[Hit]:
    for each in _all(plan):
        what = words.made_at_run_time(each.name)
        if what in ("a date", "a UUID", "an id", "an email address"):
            yield _name(each, f"expected a fixed name, got {what} in it; make that a value")
    for group in _siblings(plan):
        numbered: defaultdict[str, list[Property]] = defaultdict(list)
        for each in group:
            if re.search(r"[0-9]+\Z", each.name) and each.name not in plan.naming.allow:
                numbered[re.sub(r"_?[0-9]+\Z", "", each.name)].append(each)
        for stem, members in numbered.items():
            if stem and len(members) > 1:
                yield _name(
                    members[1], f"expected one array {stem}, got {len(members)} properties that differ by number"
                )


@rule("property-collision", "error", "No two properties of an object differ only in case or underscores")
def property_collision(plan: Plan) -> Iterator[Hit]:
    for group in _siblings(plan):
        seen: dict[str, str] = {}
        for each in (each for each in group if each.name not in plan.naming.allow):
            first = seen.setdefault(words.fold(each.name), each.name)
            if first != each.name:
                message = f"expected a name unlike the others, got {each.name}, which is {first} in other letters"
                yield _name(each, message, first)


@rule("property-reserved", "error", "Reserved names have the type the published specs give them")
def property_reserved(plan: Plan) -> Iterator[Hit]:
    for each in _all(plan):
        call_types = (each.rule.type,) if each.rule else ("track",) if each.section == "properties" else ("identify",)
        expected = words.RESERVED.get(call_types[0], {}).get(each.name, ()) if each.top else ()
        wrong = each.types - set(expected)
        if expected and wrong:
            yield Hit(
                each.file, each.path, f"expected {' or '.join(expected)} ({each.name} is reserved), got {_or(wrong)}"
            )
        elif expected == ("array",) and each.name == "products" and _item_types(each) - {"object"}:
            yield Hit(each.file, each.path, "expected an array of objects (products is reserved), got other items")


def _item_types(each: Property) -> set[str]:
    items = each.resolved.get("items") if isinstance(each.resolved, dict) else None
    said = items.get("type", ()) if isinstance(items, dict) else ()
    return {said} if isinstance(said, str) else set(said)


def _or(names: Any) -> str:
    return " or ".join(sorted(names))


@rule("property-column", "error", "No property has the name of a column that every table has")
def property_column(plan: Plan) -> Iterator[Hit]:
    for each in _all(plan):
        if not each.top or (each.section == "traits" and each.name == "id"):
            continue
        if words.in_snake_case(each.name) in words.COLUMNS or each.name.startswith("context_"):
            yield _name(
                each, f"expected another name, got {each.name}, a column of every table: its value would be lost"
            )


@rule("property-types-differ", "warning", "A name has the same type everywhere in the plan")
def property_types_differ(plan: Plan) -> Iterator[Hit]:
    first: dict[tuple[str, tuple[str, ...], str], Property] = {}
    for each in _all(plan):
        if not each.types or not each.section or each.name in words.MANY_TYPES:
            continue
        other = first.setdefault((each.section, each.where, each.name), each)
        if _numeric(other.types) != _numeric(each.types):
            at = f"{other.file}, {_or(other.types)}"
            yield Hit(each.file, each.path, f"expected the type that {each.name} has in {at}, got {_or(each.types)}")


def _numeric(types: frozenset[str]) -> frozenset[str]:
    return frozenset("number" if name == "integer" else name for name in types)


@rule("property-untyped", "warning", "Each property has a type")
def property_untyped(plan: Plan) -> Iterator[Hit]:
    for each in _all(plan):
        if each.schema is True or (isinstance(each.schema, dict) and not _TYPED.intersection(each.schema)):
            yield _name(each, f"expected a type, got none for {each.name}")


@rule("property-undescribed", "info", "Each property says what it means")
def property_undescribed(plan: Plan) -> Iterator[Hit]:
    for each in _all(plan):
        if isinstance(each.resolved, dict) and not (each.resolved.get("description") or each.schema.get("description")):
            yield _name(each, f"expected a description, got none for {each.name}")


@rule("property-context", "warning", "Properties do not repeat what the context holds")
def property_context(plan: Plan) -> Iterator[Hit]:
    for each in _all(plan):
        if each.top and (each.name in words.CONTEXT_NAMES or each.name.startswith("utm_")):
            yield _name(each, f"expected {each.name} in the event's context, got it among the {each.section}")


@rule("property-money", "warning", "Money is a decimal number, with a currency beside it")
def property_money(plan: Plan) -> Iterator[Hit]:
    common = {each.name for each in properties(plan) if each.rule is None and each.section == "properties"}
    for group in _siblings(plan):
        names = {each.name for each in group} | common
        for each in group:
            if each.section != "properties" or each.name in plan.naming.allow or each.where not in _PRICED:
                continue
            reserved = each.top and each.name in words.RESERVED["track"]
            if each.name in words.MONEY and each.types - {"number", "integer"} and not reserved:
                yield Hit(each.file, each.path, f"expected a number (19.99), got {_or(each.types)}")
            elif each.top and each.rule and each.name in words.AMOUNTS and "currency" not in names:
                yield _name(each, f"expected currency beside {each.name}, got none")
                break


@rule("property-nested", "info", "Objects and arrays only where partners know them")
def property_nested(plan: Plan) -> Iterator[Hit]:
    for each in _all(plan):
        if each.top and each.types & {"object", "array"} and each.name not in words.NESTED:
            yield _name(each, f"expected flat properties, got {_or(each.types)}: some destinations drop it")


@rule("property-enum", "warning", "A closed set of words is an enum")
def property_enum(plan: Plan) -> Iterator[Hit]:
    for each in _all(plan):
        pattern = each.schema.get("pattern") if isinstance(each.schema, dict) else None
        if isinstance(pattern, str) and _ALTERNATION.match(pattern):
            yield Hit(each.file, (*each.path, "pattern"), "expected enum for a choice of words, got a pattern")


@rule("property-zone", "warning", "Times carry their zone: format date-time")
def property_zone(plan: Plan) -> Iterator[Hit]:
    for each in _all(plan):
        timely = re.search(r"(_at|_date|[a-z]At)\Z", each.name)
        if timely and each.types == {"string"} and isinstance(each.resolved, dict) and "format" not in each.resolved:
            yield Hit(each.file, each.path, f"expected format: date-time (or date) for {each.name}, got none")


@rule("traits-required", "warning", "Traits are optional: libraries send those that changed")
def traits_required(plan: Plan) -> Iterator[Hit]:
    for each in plan.rules:
        schema = each.schema
        if each.type in ("identify", "group") and isinstance(schema, dict) and schema.get("required"):
            yield Hit(each.file, ("traits", "required"), f"expected optional traits, got required ones in {each.type}")


@rule("personal-data", "warning", "Rules with personal data are labelled")
def personal_data(plan: Plan) -> Iterator[Hit]:
    for each in _all(plan):
        if each.rule and not each.rule.labels and words.PERSONAL.match(each.name):
            yield _name(each, f"expected a label on the rule (labels: {{personal-data: …}}), got none for {each.name}")

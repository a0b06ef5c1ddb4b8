"""On generated schemas and events the compiled plan and the reference implementation find the same faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT7 as SPECIFICATION_7
from referencing.jsonschema import DRAFT202012 as SPECIFICATION_2020

from router.errors import FileError
from router.plan import Plan, compile_plan
from router.plan.load import parse_plan
from router.plan.model import DRAFT_07, DRAFT_2020_12, Rule
from router.plan_tools.write import render

NAMES = st.sampled_from(["a", "b", "c", "ab"])
SCALARS: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([-1.5, 0.5, 1.0, 2.5, 1e10])
    | st.sampled_from(["", "a", "ab", "1", "é", "2026-01-01"])
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
COUNTS = st.integers(0, 3)
NUMBERS = st.sampled_from([-1, 0, 1, 2, 0.5, 1.5])
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
PATTERNS = st.sampled_from(["^a", "b$", "^[a-c]+$", "1|é", "^.?$"])
LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "type": TYPES | st.lists(TYPES, min_size=1, max_size=2, unique=True),
    "enum": st.lists(SCALARS, min_size=1, max_size=3, unique_by=repr),
    "const": VALUES,
    "minimum": NUMBERS,
    "maximum": NUMBERS,
    "exclusiveMinimum": NUMBERS,
    "exclusiveMaximum": NUMBERS,
    "multipleOf": st.sampled_from([1, 2, 0.5]),
    "minLength": COUNTS,
    "maxLength": COUNTS,
    "pattern": PATTERNS,
    "minItems": COUNTS,
    "maxItems": COUNTS,
    "uniqueItems": st.booleans(),
    "minProperties": COUNTS,
    "maxProperties": COUNTS,
    "required": st.lists(NAMES, max_size=2, unique=True),
}
NAME_KEYWORDS = {"Required", "Additional Properties", "Unevaluated Properties", "Additional Items", "Property Names"}
"""Kinds whose faults stand at a name or item inside the value that the reference implementation names."""
REF = {"$ref": "../defs/x.yaml#/$defs/x"}


def schemas(newer: bool) -> st.SearchStrategy[Any]:
    """Schemas of a draft; a `$ref` stands alone."""

    def grow(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        many = st.lists(inner, min_size=1, max_size=2)
        by_name = st.dictionaries(NAMES, inner, max_size=2)
        holders = {
            **LEAVES,
            **dict.fromkeys(("not", "if", "then", "else", "contains", "additionalProperties", "propertyNames"), inner),
            **dict.fromkeys(("allOf", "anyOf", "oneOf"), many),
            "properties": by_name,
            "patternProperties": st.dictionaries(PATTERNS, inner, max_size=1),
        }
        names = st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True), max_size=1)
        if newer:
            holders |= {"items": inner, "prefixItems": many, "dependentSchemas": by_name, "dependentRequired": names}
            holders |= {"minContains": COUNTS, "maxContains": COUNTS}
        else:
            holders |= {"items": inner | many, "additionalItems": inner, "dependencies": by_name | names}
        chosen = st.lists(st.sampled_from(sorted(holders)), min_size=1, max_size=4, unique=True)
        return chosen.flatmap(lambda keys: st.fixed_dictionaries({key: holders[key] for key in keys}))

    leaf: st.SearchStrategy[Any] = (
        st.booleans() | st.just({}) | st.just(REF) | st.fixed_dictionaries({}, optional=LEAVES)
    )
    return st.recursive(leaf, grow, max_leaves=6)


def definitions(newer: bool) -> st.SearchStrategy[Any]:
    return schemas(newer).filter(lambda schema: "$ref" not in repr(schema))


def expected(schema: Any, definition: Any, value: Any, *, newer: bool) -> list[ValidationError]:
    draft = Draft202012Validator if newer else Draft7Validator
    specification = SPECIFICATION_2020 if newer else SPECIFICATION_7
    resource = specification.create_resource({"$defs": {"x": definition}})
    registry = Registry[Any]().with_resources([("http://plan/defs/x.yaml", resource)])
    root = {"$id": "http://plan/events/a.yaml", "allOf": [schema]}
    return list(draft(root, registry=registry).iter_errors(value))


def found(schema: Any, definition: Any, value: Any, *, newer: bool) -> list[tuple[str, tuple[str | int, ...]]]:
    """Kind and place, inside the value, of each violation."""
    named = {"$schema": DRAFT_2020_12 if newer else DRAFT_07}
    if isinstance(schema, dict):
        schema = named | schema
    rule = Rule("track", "A", schemas={"properties": schema}, file="events/a.yaml")
    plan = Plan("p", (rule,), defs={"defs/x.yaml": named | {"$defs": {"x": definition}}})
    compiled = compile_plan(plan)
    body = {"type": "track", "event": "A", "properties": value}
    findings = compiled.find(body).findings(body)
    assert compiled.find(body).is_valid(body) == (not findings)
    return [(each.type, path[1:]) for each, path in findings if each.klass == "violation"]


@pytest.mark.parametrize("newer", [False, True], ids=["draft-07", "2020-12"])
def test_faults_agree_with_the_reference_implementation(newer: bool) -> None:
    @settings(deadline=None, max_examples=300)
    @given(schemas(newer), definitions(newer), VALUES)
    def agree(schema: Any, definition: Any, value: Any) -> None:
        errors = expected(schema, definition, value, newer=newer)
        ours = found(schema, definition, value, newer=newer)

        assert bool(ours) == bool(errors)
        if any(error.validator in (None, "items") for error in errors):  # it places what `false` refuses elsewhere
            return
        places = {path[:-1] if kind in NAME_KEYWORDS else path for kind, path in ours}
        assert places == {tuple(error.absolute_path) for error in errors}

    agree()


@settings(deadline=None, max_examples=150)
@given(schemas(newer=False), definitions(newer=False))
def test_what_the_linter_takes_compiles(schema: Any, definition: Any) -> None:
    """No schema passes the linter and then fails to compile."""
    rule = Rule("track", "A", schemas={"properties": schema})
    files = render(Plan("p", (rule,), defs={"defs/x.yaml": {"$defs": {"x": definition}}}))
    try:
        plan = parse_plan({name: text.encode() for name, text in files.items()}, Path("p"))
    except FileError:
        return
    compile_plan(plan).prepare()

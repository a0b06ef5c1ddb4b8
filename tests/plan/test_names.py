"""A property name is planned when any schema that applies to its object names it, whatever leads there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from router.plan import Plan, compile_plan
from router.plan.model import DRAFT_2020_12, Rule

A: dict[str, Any] = {"properties": {"a": {}}}
B: dict[str, Any] = {"properties": {"b": {}}}
NEWER = {"$schema": DRAFT_2020_12}
TREE = {"properties": {"name": {}, "children": {"items": {"$ref": "#"}}}}


def unplanned(schema: Any, value: Any, common: Any = None, defs: Any = None) -> list[str]:
    """Pointers of unplanned names in a value of `properties`."""
    plan = Plan(
        "p",
        (Rule("track", "A", schemas={"properties": schema}),),
        common={"properties": common} if common else {},
        defs=defs or {},
    )
    compiled = compile_plan(plan)
    body = {"type": "track", "event": "A", "properties": value}
    found = [each for each, _ in compiled.find(body).findings(body) if each.klass == "unplanned_property"]
    if found:
        assert not compiled.find(body).is_valid(body)
    return sorted(each.pointer.removeprefix("/properties") for each in found)


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (A, {"a": 1, "b": 1}, ["/b"]),
        ({"properties": {}}, {"a": 1}, ["/a"]),
        ({"type": "object"}, {"a": 1}, []),
        ({"required": ["a"]}, {"b": 1}, []),
        ({**A, "required": ["c"]}, {"c": 1, "d": 1}, ["/d"]),
        (True, {"a": 1}, []),
        ({"allOf": [A, B]}, {"a": 1, "b": 1, "c": 1}, ["/c"]),
        ({"anyOf": [A, {"allOf": [B]}]}, {"a": 1, "b": 1, "c": 1}, ["/c"]),
        ({"oneOf": [A, B]}, {"c": 1}, ["/c"]),
        ({"if": A, "then": B, "else": {"properties": {"c": {}}}}, {"a": 1, "b": 1, "c": 1, "d": 1}, ["/d"]),
        ({**A, "not": B}, {"b": 1}, ["/b"]),
        ({**A, "dependencies": {"a": B, "c": ["d"]}}, {"a": 1, "b": 1, "d": 1}, ["/d"]),
        ({**NEWER, **A, "dependentSchemas": {"a": B}}, {"a": 1, "b": 1, "c": 1}, ["/c"]),
        ({"$ref": "#/definitions/x", "definitions": {"x": A}}, {"a": 1, "b": 1}, ["/b"]),
        ({**NEWER, **A, "$ref": "#/$defs/x", "$defs": {"x": B}}, {"a": 1, "b": 1, "c": 1}, ["/c"]),
        ({**A, "patternProperties": {"^x_": A}}, {"x_1": {"a": 1, "b": 1}, "y": 1}, ["/x_1/b", "/y"]),
        ({"patternProperties": {"^x": True}}, {"x1": {"any": 1}, "y": 1}, ["/y"]),
        ({**A, "additionalProperties": True}, {"b": 1}, []),
        ({**A, "additionalProperties": {}}, {"b": 1}, []),
        ({**A, "additionalProperties": B}, {"b": {"b": 1, "c": 1}, "a": {"z": 1}}, ["/b/c"]),
        ({**A, "additionalProperties": False}, {"b": 1}, ["/b"]),
        ({**NEWER, **A, "unevaluatedProperties": B}, {"b": {"c": 1}}, ["/b/c"]),
        ({"allOf": [{**A, "additionalProperties": False}, {"additionalProperties": True}]}, {"b": 1}, []),
        ({"properties": {"a": A}}, {"a": {"a": 1, "b": 1}}, ["/a/b"]),
        ({"properties": {"a": {"type": "object"}}}, {"a": {"b": {"c": 1}}}, []),
        ({"properties": {"a": {"items": A}}}, {"a": [{"a": 1}, {"b": 1}, 5, [{"c": 1}]]}, ["/a/1/b"]),
        ({"properties": {"a": {"items": [A, B]}}}, {"a": [{"b": 1}, {"c": 1}]}, ["/a/1/c"]),
        ({**NEWER, "properties": {"a": {"prefixItems": [A], "items": B}}}, {"a": [{"c": 1}, {"b": 1}]}, ["/a/0/c"]),
        ({"properties": {"a": {"contains": A}}}, {"a": [{"b": 1}]}, ["/a/0/b"]),
        ({"properties": {"a": {"items": {"items": A}}}}, {"a": [[{"b": 1}]]}, ["/a/0/0/b"]),
        (TREE, {"children": [{"name": 1, "children": [{"x": 1}]}], "y": 1}, ["/children/0/children/0/x", "/y"]),
        (A, [{"b": 1}], []),
        (A, "text", []),
    ],
)
def test_planned_names(schema: Any, value: Any, expected: list[str]) -> None:
    assert unplanned(schema, value) == expected


def test_the_common_schema_adds_names_but_closes_nothing() -> None:
    assert unplanned(A, {"a": 1, "b": 1, "c": 1}, common=B) == ["/c"]
    assert unplanned({"type": "object"}, {"c": 1}, common=B) == []


def test_definitions_name_properties() -> None:
    defs = {"defs/x.yaml": {"$defs": {"x": {"allOf": [A, {"$ref": "y.yaml"}]}}}, "defs/y.yaml": B}

    assert unplanned({"$ref": "../defs/x.yaml#/$defs/x"}, {"a": 1, "b": 1, "c": 1}, defs=defs) == ["/c"]


def test_a_rule_without_a_schema_is_free() -> None:
    compiled = compile_plan(Plan("p", (Rule("track", "A"),), common={"properties": B}))
    body = {"type": "track", "event": "A", "properties": {"c": 1}}

    assert compiled.find(body).is_valid(body)


NAMES = st.sampled_from("abc")
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    st.just({}),
    lambda inner: st.one_of(
        st.dictionaries(NAMES, inner, min_size=1, max_size=3).map(lambda named: {"properties": named}),
        inner.map(lambda item: {"items": item}),
    ),
    max_leaves=6,
)
VALUES = st.recursive(
    st.integers(0, 2),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=8,
)


@settings(deadline=None)
@given(SCHEMAS, VALUES)
def test_names_alone_agree_with_closing_each_object(schema: Any, value: Any) -> None:
    """Without composition, planned names are what `additionalProperties: false` would allow at each object."""
    errors = Draft7Validator(_closed(schema)).iter_errors(value)
    expected = [
        "".join(f"/{part}" for part in (*error.absolute_path, name))
        for error in errors
        for name in error.instance
        if name not in error.schema["properties"]
    ]

    assert unplanned(schema, value) == sorted(expected)


def _closed(schema: Any) -> Any:
    closed = dict(schema)
    if "properties" in schema:
        named = {name: _closed(inner) for name, inner in schema["properties"].items()}
        closed |= {"properties": named, "additionalProperties": False}
    if "items" in schema:
        closed["items"] = _closed(schema["items"])
    return closed

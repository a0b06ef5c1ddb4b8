"""Each kind of fault says in words what was expected, at the value or name that is wrong, without the value."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema_rs import Draft7Validator, Draft202012Validator

from router.plan.describe import SchemaFault, faults

TEN = " or ".join(map(str, range(10)))
NO_ITEM = "expected an item of the kind that the schema asks for, got none or too many"
NO_JSON = "expected text of the type application/json, got another text"
INNER = {"properties": {"a": {"type": "null"}}}
NEEDS_B = {"required": ["b"]}
NAMED = "additionalProperties"


def fault(schema: dict[str, Any], value: Any, *, newer: bool = False) -> list[SchemaFault]:
    validator = (Draft202012Validator if newer else Draft7Validator)(schema, validate_formats=True)
    return list(faults(validator.iter_errors(value), value))


@pytest.mark.parametrize(
    ("schema", "value", "kind", "message"),
    [
        ({"type": "number"}, "x", "Type", "expected a number, got a string"),
        ({"type": ["string", "null"]}, 1, "Type", "expected a string or null, got a number"),
        ({"type": "integer"}, 1.5, "Type", "expected a whole number, got a number"),
        ({"type": "object"}, [], "Type", "expected an object, got an array"),
        ({"type": "array"}, {}, "Type", "expected an array, got an object"),
        ({"type": "string"}, None, "Type", "expected a string, got null"),
        ({"type": "string"}, True, "Type", "expected a string, got true or false"),
        ({"enum": ["a", 1]}, "x", "Enum", "expected a or 1, got another value"),
        ({"enum": list(range(12))}, "x", "Enum", f"expected {TEN}, or 2 more, got another value"),
        ({"const": "a"}, "x", "Const", "expected a, got another value"),
        ({"pattern": "^a"}, "x", "Pattern", "expected text that matches ^a, got text that does not"),
        ({"format": "date"}, "x", "Format", "expected a date such as 2026-01-31, got another text"),
        ({"format": "ipv4"}, "x", "Format", "expected the format ipv4, got another text"),
        ({"minimum": 2}, 1, "Minimum", "expected at least 2, got less"),
        ({"maximum": 2}, 3, "Maximum", "expected at most 2, got more"),
        ({"exclusiveMinimum": 2}, 2, "Exclusive Minimum", "expected more than 2, got less or the same"),
        ({"exclusiveMaximum": 2}, 2, "Exclusive Maximum", "expected less than 2, got more or the same"),
        ({"multipleOf": 0.5}, 0.7, "Multiple Of", "expected a multiple of 0.5, got another number"),
        ({"minLength": 2}, "", "Min Length", "expected at least 2 characters, got fewer"),
        ({"maxLength": 1}, "ab", "Max Length", "expected at most 1 character, got more"),
        ({"minItems": 1}, [], "Min Items", "expected at least 1 item, got fewer"),
        ({"maxItems": 2}, [1, 2, 3], "Max Items", "expected at most 2 items, got more"),
        ({"minProperties": 2}, {}, "Min Properties", "expected at least 2 properties, got fewer"),
        ({"maxProperties": 1}, {"a": 1, "b": 1}, "Max Properties", "expected at most 1 property, got more"),
        ({"uniqueItems": True}, [1, 1], "Unique Items", "expected different items, got the same one twice"),
        ({"contains": {"const": 1}}, [2], "Contains", NO_ITEM),
        ({"not": {}}, 1, "Not", "expected a value other than what the schema excludes, got such a value"),
        ({"anyOf": [{"type": "null"}, {"format": "date"}, {"required": ["a"]}]}, "x", "Any Of", ""),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, "x", "Any Of", "expected a number or null, got neither"),
        ({"anyOf": [INNER, NEEDS_B]}, {"a": 1}, "Any Of", "expected null at /a or the property b, got neither"),
        ({"oneOf": [{"type": "number"}, {"type": "null"}]}, "x", "One Of", "expected a number or null, got neither"),
        ({"oneOf": [{}, True]}, "x", "One Of", "expected exactly one of the alternatives to fit, got several that do"),
        ({"allOf": [False]}, "x", "Forbidden", "expected no value here, got one"),
        ({"contentEncoding": "base64"}, "#", "Content Encoding", "expected text in base64, got another text"),
        ({"contentMediaType": "application/json"}, "{", "Content Media Type", NO_JSON),
    ],
)  # fmt: skip
def test_a_fault_of_the_value_itself(schema: dict[str, Any], value: Any, kind: str, message: str) -> None:
    found = fault(schema, value)

    if message:
        assert found == [SchemaFault(kind, (), message)]
    else:
        assert found == []


@pytest.mark.parametrize(
    ("schema", "value", "kind", "places"),
    [
        ({"required": ["a", "b"]}, {}, "Required", [("a",), ("b",)]),
        ({"dependencies": {"a": ["b"]}}, {"a": 1}, "Required", [("b",)]),
        ({"properties": {"a": {"items": {"type": "null"}}}}, {"a": [None, 1]}, "Type", [("a", 1)]),
        ({"properties": {"a": False}}, {"a": 1}, "Forbidden", [("a",)]),
        ({"properties": {}, "additionalProperties": False}, {"a": 1}, "Additional Properties", [("a",)]),
        ({"additionalProperties": False}, {"a": 1, "b": 1}, "Additional Properties", [("a",), ("b",)]),
        ({"items": {"additionalProperties": False}}, [{}, {"a": 1}], "Additional Properties", [(1, "a")]),
        ({"properties": {NAMED: False}}, {NAMED: {"x": 1}}, "Forbidden", [(NAMED,)]),
        ({"propertyNames": False}, {"a": 1, "b": 1}, "Additional Properties", [("a",), ("b",)]),
        ({"propertyNames": {"maxLength": 1}}, {"a": 1, "bb": 1}, "Property Names", [("bb",)]),
        ({"items": [{}], "additionalItems": False}, [1, 2, 3], "Additional Items", [(1,), (2,)]),
        ({"items": False}, [1, 2], "Forbidden", [(0,), (1,)]),
    ],
)  # fmt: skip
def test_a_fault_inside_the_value(schema: dict[str, Any], value: Any, kind: str, places: list[tuple[Any, ...]]) -> None:
    found = fault(schema, value)

    assert sorted(each.path for each in found) == places
    assert {each.type for each in found} == {kind}


@pytest.mark.parametrize(
    ("schema", "value", "places"),
    [
        ({"unevaluatedProperties": False}, {"a": 1}, [("a",)]),
        ({"properties": {"a": {}}, "unevaluatedProperties": False}, {"a": 1, "b": 1}, [("b",)]),
        ({"prefixItems": [{}], "unevaluatedItems": False}, [1, 1, "x", {"a": 1.5}], [(1,), (2,), (3,)]),
        ({"contains": {"type": "string"}, "unevaluatedItems": False}, [1, "x", None], [(0,), (2,)]),
    ],
)
def test_what_was_not_evaluated(schema: dict[str, Any], value: Any, places: list[tuple[Any, ...]]) -> None:
    assert sorted(each.path for each in fault(schema, value, newer=True)) == places


def test_a_name_that_does_not_fit_says_why() -> None:
    (found,) = fault({"propertyNames": {"maxLength": 1}}, {"bb": 1})

    assert found.message == "expected another name for this property: expected at most 1 character, got more"

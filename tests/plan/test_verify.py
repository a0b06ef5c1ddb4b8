"""Schemas that would check nothing, could not be checked, or could never end are refused with their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.plan import compile_plan
from tests.plan.folders import FILES, lines, load

EVENT = "type: track\nevent: A B\nproperties:\n"
NEWER = "  $schema: https://json-schema.org/draft/2020-12/schema\n"


def schema(text: str) -> dict[str, str | bytes]:
    """An event whose properties' schema is this YAML."""
    return {"events/a.yaml": EVENT + "".join(f"  {line}\n" for line in text.splitlines())}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "total: {type: number}",
            "events/a.yaml:4:3: /properties/total: expected a keyword of draft-07, got total; if it is a property, "
            "write `properties: {type: object, properties: {total: …}}`",
        ),
        ("type: object\nproperties: {a: {b: {type: string}}}", "write `a: {type: object, properties: {b: …}}`"),
        ("requird: [a]", "4:3: /properties/requird: expected a keyword of draft-07, got requird; a note of your own"),
        ("requird: [a]", "(did you mean required?)"),
        ("propertys: {a: {}}", "(did you mean properties?)"),
        ("properties: {a: {type: string, description: one, two}}", "put a text that has a comma in quotes"),
        ("$id: x\nproperties: {a: {$id: y}}", "/properties/properties/a/$id: expected a keyword of draft-07, got $id;"),
        ("properties: {a: {id: y}}", "got id; leave it out, or write x-id"),
        ("properties: {a: {nullable: true}}", 'got nullable; add "null" to type'),
        ("$anchor: a", "got $anchor; put the schema under $defs"),
        ("prefixItems: [{}]", "got prefixItems; write items as a list, or $schema: https"),
        ("properties: {a: {$schema: x}}", "expected $schema at the root of the schema only"),
        ("type: strng", "4:9: /properties/type: expected"),
        ("type: strng", "(did you mean string?)"),
        ("type: [string, strng]", "/properties/type"),
        ("required: id", "/properties/required: expected an array, got a string"),
        ("required: [1]", "/properties/required/0: expected a string, got a number"),
        ("required: [a, a]", "/properties/required: expected different items"),
        ("minimum: '1'", "/properties/minimum: expected a number, got a string"),
        ("properties: []", "/properties/properties: expected an object, got an array"),
        ("properties: {a: 5}", "/properties/properties/a: expected"),
        ("allOf: []", "/properties/allOf: expected at least 1 item, got fewer"),
        ("allOf: {}", "/properties/allOf: expected an array, got an object"),
        ("enum: x", "/properties/enum: expected an array, got a string"),
        ("$schema: http://json-schema.org/draft-04/schema#", "4:12: /properties/$schema: expected http://json"),
        ("$schema: 7", "/properties/$schema: expected http"),
        ("format: uuid", "expected a format that draft-07 defines, got uuid; $schema 2020-12 knows it"),
        ("format: datetime", "(did you mean date-time?)"),
        ("$ref: '#/$defs/a'\nminimum: 1\n$defs: {a: {}}", "/properties/minimum: expected $ref alone"),
        ("pattern: ^(a+)+$", "4:12: /properties/pattern: expected a pattern that runs in linear time everywhere"),
        ("pattern: ^(?!x)", "/properties/pattern: expected a pattern that runs in linear time, got a look-ahead"),
        ("pattern: (?<=x)y", "got a look-behind"),
        ('pattern: "(a)\\\\1"', "back-references cannot run in linear time"),
        ("pattern: '['", "expected a regular expression, got an error: missing ]"),
        ("pattern: '(\\w{1000}){1000}'", "expected a regular expression, got an error"),
        ("patternProperties: {'^(a|a)*$': {}}", "4:23: /properties/patternProperties/^(a|a)*$: expected a"),
        ("propertyNames: {pattern: '('}", "/properties/propertyNames/pattern: expected a regular expression"),
        ("$ref: http://example.com/a.json", "got a remote reference (nothing is ever fetched)"),
        ("$ref: //example.com/a.json", "got a remote reference"),
        ("$ref: file:///etc/passwd", "got a remote reference"),
        ("$ref: ../../../etc/passwd", "got a path that leads out of its folder"),
        ("$ref: /etc/passwd", "got a path that leads out of its folder"),
        ("$ref: ../defs/%2e%2e/%2e%2e/x.yaml", "got a path that leads out of its folder"),
        ("$ref: ../defs/prodct.yaml", "expected a file of the plan, got defs/prodct.yaml"),
        ("$ref: ../defs/prodct.yaml", "(did you mean ../defs/product.yaml?)"),
        ("$ref: order-completed.yaml", "expected a file in defs/, got events/order-completed.yaml"),
        ("$ref: ../defs/product.yaml#/$defs/itm", "got one to nothing at itm (did you mean item?)"),
        ("$ref: ../defs/product.yaml#/$defs/item/required", "a pointer to a schema, got one to another value"),
        ("$ref: '#item'", "expected a JSON pointer after #, got a name (did you mean #/$defs/item?)"),
        ("$ref: 'a b'", "expected a reference such as"),
        ("$ref: 5", "expected a reference such as"),
        ("$ref: '#'", "4:9: /properties/$ref: expected a reference that ends, got one that leads back to itself"),
        ("allOf: [{$ref: '#'}]", "/properties/allOf/0/$ref: expected a reference that ends"),
        ("$ref: '#/$defs/a'\n$defs: {a: {$ref: '#/$defs/b'}, b: {anyOf: [{$ref: '#/$defs/a'}]}}", "expected a ref"),
    ],
)  # fmt: skip
def test_what_a_draft_07_schema_may_not_say(tmp_path: Path, text: str, expected: str) -> None:
    found = lines(tmp_path, schema(text))

    assert any(expected in line for line in found), found
    assert all(line.startswith("events/a.yaml:") for line in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dependencies: {a: [b]}", "got dependencies; write dependentRequired or dependentSchemas"),
        ("additionalItems: {}", "got additionalItems; write items, beside prefixItems"),
        ("items: [{}]", "/properties/items: expected"),
        ("$dynamicRef: '#a'", "got $dynamicRef; use $ref"),
        ("$anchor: a", "put the schema under $defs"),
        ("$defs: {a: {type: strng}}", "/properties/$defs/a/type: expected"),
        ("format: colour", "expected a format that 2020-12 defines, got colour"),
    ],
)
def test_what_a_2020_12_schema_may_not_say(tmp_path: Path, text: str, expected: str) -> None:
    files = schema(text)
    files["events/a.yaml"] = str(files["events/a.yaml"]) + NEWER

    assert any(expected in line for line in lines(tmp_path, files))


def test_definitions_are_checked_like_rules(tmp_path: Path) -> None:
    found = lines(tmp_path, {"defs/product.yaml": "$defs:\n  item: {type: strng, pattern: '('}\n"})

    assert [line.split(": ")[:2] for line in found] == [
        ["defs/product.yaml:2:16", "/$defs/item/type"],
        ["defs/product.yaml:2:32", "/$defs/item/pattern"],
    ]


def test_a_circle_through_files_is_found_once(tmp_path: Path) -> None:
    found = lines(
        tmp_path,
        {
            "defs/a.yaml": "$ref: b.yaml",
            "defs/b.yaml": "$ref: a.yaml",
            "events/x.yaml": "type: track\nevent: X Y\nproperties: {$ref: ../defs/a.yaml}",
        },
    )

    assert found == ["defs/b.yaml:1:7: /$ref: expected a reference that ends, got one that leads back to itself"]


def test_common_schemas_and_both_sections_are_checked(tmp_path: Path) -> None:
    found = lines(
        tmp_path,
        {
            "common.yaml": "context: {typ: object}",
            "identify.yaml": "traits: {minimum: x}\ncontext: {type: objct}\nmessage: {maximum: x}",
        },
    )

    places = [line.split(": ")[1] for line in found]
    assert places == ["/context/typ", "/traits/minimum", "/context/type", "/message/maximum"]


@pytest.mark.parametrize(
    "text",
    [
        "x-note: free\ntype: object",
        "$id: https://example.com/schema\ntype: object",
        "properties: {left: {$ref: '#'}, right: {$ref: '#'}}",
        "properties: {items: {type: array, items: {$ref: ../defs/product.yaml#/$defs/item}}}",
        "$ref: ../defs/product.yaml#/$defs/item\ndescription: words beside a reference",
        "$schema: https://json-schema.org/draft-07/schema\ntype: object",
        "$schema: https://json-schema.org/draft/2020-12/schema#\nformat: uuid\nunevaluatedProperties: false",
        "enum: [{total: {typ: x}}]\ndefault: {requird: 1}\nexamples: [{requird: 1}]\nconst: {a: 1}",
        "dependencies: {a: [b], c: {properties: {d: {}}}}",
        "pattern: '^[a-z]+(_[a-z0-9]+)*$'",
    ],
)
def test_what_a_schema_may_say(tmp_path: Path, text: str) -> None:
    compile_plan(load(tmp_path, schema(text))).prepare()


def test_booleans_are_schemas(tmp_path: Path) -> None:
    compile_plan(load(tmp_path, {"events/a.yaml": "type: track\nevent: A B\nproperties: false"})).prepare()


def test_a_remote_reference_makes_no_request(tmp_path: Path) -> None:
    """Neither by the linter nor by the engine: the registry is offline."""
    found = lines(tmp_path, {**FILES, **schema("$ref: http://127.0.0.1:9/schema.json")}, alone=True)

    assert len(found) == 1

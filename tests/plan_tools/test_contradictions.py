"""Schemas that nothing satisfies, and keywords that everything does, are errors of the linter."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.plan import load_plan
from router.plan_tools.lint import lint
from tests.plan.folders import make


def errors(folder: Path, properties: str, common: str = "") -> list[tuple[str, str]]:
    """Rule and place (below the properties) of each finding about contradictions in an event's properties."""
    files: dict[str, str | bytes] = {
        "plan.yaml": "name: p\n",
        "events/a.yaml": f"type: track\nevent: Order Completed\nproperties: {properties}\n",
    }
    if common:
        files["common.yaml"] = f"properties: {common}\n"
    found = [each for each in lint(load_plan(make(folder, files))) if each.level == "error"]
    return [(each.rule, each.problem.path.removeprefix("/properties")) for each in found]


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ("{type: string, enum: [1.10, 1.20]}", "/enum"),
        ("{type: integer, const: a}", "/const"),
        ("{type: string, enum: [a, b], pattern: '^[0-9]+$'}", "/enum"),
        ("{type: string, const: abc, maxLength: 2}", "/const"),
        ("{type: string, format: date, enum: [today]}", "/enum"),
        ("{enum: [a], allOf: [{enum: [b]}]}", "/enum"),
        ("{type: string, minLength: 5, maxLength: 3}", "/minLength"),
        ("{type: array, minItems: 2, maxItems: 1}", "/minItems"),
        ("{type: object, minProperties: 2, maxProperties: 1}", "/minProperties"),
        ("{type: object, required: [a, b], properties: {a: true, b: true}, maxProperties: 1}", "/maxProperties"),
        ("{type: object, properties: {a: true}, additionalProperties: false, minProperties: 2}", "/minProperties"),
        ("{type: number, minimum: 2, maximum: 1}", "/minimum"),
        ("{type: number, minimum: 1, exclusiveMaximum: 1}", "/minimum"),
        ("{type: number, exclusiveMinimum: 1, maximum: 1}", "/exclusiveMinimum"),
        ("{type: integer, exclusiveMinimum: 1, exclusiveMaximum: 2}", "/exclusiveMinimum"),
        ("{type: number, multipleOf: 5, minimum: 6, maximum: 9}", "/minimum"),
        ("{allOf: [{minimum: 5}, {maximum: 3}], type: number}", "/allOf/0/minimum"),
        ("{allOf: [{type: string}, {type: integer}]}", "/allOf/0/type"),
        ("{type: string, allOf: [{type: integer}]}", "/allOf/0/type"),
        ("{type: object, required: [b], properties: {a: true}, additionalProperties: false}", "/required/0"),
        ("{type: object, required: [a], properties: {a: false}}", "/properties/a"),
        ("{type: string, pattern: '^[0-9]{5}$', maxLength: 4}", "/pattern"),
        ("{type: string, anyOf: [{type: integer}, {type: boolean}]}", "/anyOf"),
        ("{type: string, oneOf: [{}, {description: any}]}", "/oneOf"),
        ("{type: string, not: {}}", "/not"),
        ("{type: string, allOf: [false]}", "/allOf/0"),
    ],
)
def test_what_nothing_satisfies(tmp_path: Path, schema: str, place: str) -> None:
    found = errors(tmp_path, f"{{properties: {{a: {schema}}}}}")

    assert ("schema-impossible", f"/properties/a{place}") in found


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ("{type: integer, pattern: '^[0-9]{5}$'}", "/pattern"),
        ("{type: string, minimum: 1}", "/minimum"),
        ("{type: number, maxLength: 5}", "/maxLength"),
        ("{type: string, items: {type: string}}", "/items"),
        ("{type: array, properties: {a: {type: string}}}", "/properties"),
        ("{type: [boolean, 'null'], format: date}", "/format"),
        ("{type: integer, anyOf: [{pattern: a}, {pattern: b}]}", "/anyOf/0/pattern"),
        ("{type: string, then: {minLength: 1}}", "/then"),
        ("{type: string, if: {minLength: 1}}", "/if"),
        ("{type: string, anyOf: [{}, {minLength: 1}]}", "/anyOf/0"),
    ],
)
def test_what_everything_satisfies(tmp_path: Path, schema: str, place: str) -> None:
    found = errors(tmp_path, f"{{properties: {{a: {schema}}}}}")

    assert ("keyword-idle", f"/properties/a{place}") in found


@pytest.mark.parametrize(
    "schema",
    [
        "{type: string, enum: [a, b], pattern: '^[a-z]$'}",
        "{type: [string, 'null'], enum: [a, null], maxLength: 1}",
        "{type: number, minimum: 1, maximum: 1}",
        "{type: integer, exclusiveMinimum: 1, exclusiveMaximum: 3}",
        "{type: integer, multipleOf: 5, minimum: 6, maximum: 10}",
        "{type: number, allOf: [{type: integer}]}",
        "{type: [integer, string], pattern: '^[0-9]+$', minimum: 1}",
        "{minLength: 1, minimum: 1}",
        "{type: object, required: [ab], patternProperties: {'^a': true}, additionalProperties: false}",
        "{type: object, properties: {a: false}}",
        "{type: string, oneOf: [{minLength: 3}, {maxLength: 2}]}",
        "{anyOf: [{type: string}, {type: integer, minimum: 1}]}",
        "{type: string, pattern: '^[0-9]{5}$', maxLength: 5}",
        "{type: string, if: {minLength: 1}, then: {maxLength: 3}}",
        "{allOf: [{type: string}, {minLength: 2}]}",
        "true",
    ],
)
def test_what_can_be_met_passes(tmp_path: Path, schema: str) -> None:
    assert errors(tmp_path, f"{{properties: {{a: {schema}}}}}") == []


def test_a_rule_and_the_common_schema_are_read_together(tmp_path: Path) -> None:
    found = errors(tmp_path, "{properties: {a: {type: integer}}}", "{properties: {a: {type: string}}}")

    assert [rule for rule, _ in found] == ["schema-impossible"]


def test_a_section_is_an_object(tmp_path: Path) -> None:
    assert ("schema-impossible", "/type") in errors(tmp_path, "{type: array}")

"""An import whose plan refuses what its source must allow says so, and ends with status 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.plan import load_plan
from router.plan_tools.exporters.segment import segment
from router.plan_tools.importers import Imported, import_plan
from router.plan_tools.importers.trial import refused
from tests.cli.lines import Line
from tests.plan_tools.folders import FILES, compiled, found
from tests.plan_tools.instances import instances
from tests.plan_tools.strategies import SCHEMAS

PLANS = Path(__file__).parents[2] / "schemas"


def typewriter(folder: Path, **schema: Any) -> Imported:
    """A plan of one event, Paid, with a schema of the whole message."""
    file = folder / "plan.json"
    file.write_bytes(orjson.dumps({"name": "web", "events": [{"name": "Paid", "rules": {"type": "object", **schema}}]}))
    return import_plan([file])


def properties(folder: Path, **schema: Any) -> list[str]:
    """Where the plan refuses what it should not, for a schema of the properties."""
    return [each.path for each in typewriter(folder, properties={"properties": schema}).refused]


def sheet(folder: Path, kind: str, example: str, values: str = "") -> list[str]:
    file = folder / "sheet.csv"
    file.write_text(f"Event,Property,Type,Allowed values,Example\nPaid,total,{kind},{values},{example}\n", "utf-8")
    return [each.path for each in import_plan([file]).refused]


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"required": ["b"], "properties": {"a": {}}, "additionalProperties": False}, "b"),
        ({"required": ["a"], "properties": {"a": False}}, "a"),
        ({"required": ["a"], "properties": {"a": {"type": "integer", "minimum": 5, "maximum": 3}}}, "a"),
        ({"required": ["a"], "properties": {"a": {"type": "integer", "enum": ["1", "2"]}}}, "a"),
        ({"required": ["a"], "properties": {"a": {"type": "object", "required": ["c"], "maxProperties": 0}}}, "a"),
    ],
)
def test_an_event_with_all_required_properties_that_is_refused(tmp_path: Path, schema: Any, place: str) -> None:
    assert f"Paid/properties/{place}" in properties(tmp_path, **schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"required": ["a"], "properties": {"a": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]+$", "minLength": 5}}},
        {
            "required": ["a"],
            "properties": {"a": {"type": "string", "pattern": "^(?i)hard[^a-z]{3,}$", "minLength": 40}},
        },
        {"required": ["a"], "properties": {"a": {"type": "string", "format": "date-time"}}},
        {"required": ["a"], "properties": {"a": {"type": "number", "multipleOf": 0.25, "exclusiveMinimum": 3}}},
        {"required": ["a"], "properties": {"a": {"type": "array", "minItems": 2, "items": {"type": "integer"}}}},
        {"required": ["a"], "properties": {"a": {"type": ["null", "string"], "enum": [None, "b"]}}},
        {"required": ["a"], "properties": {"a": {}, "b": {}}, "if": {"required": ["a"]}, "then": {"required": ["b"]}},
        {"required": ["a"], "properties": {"a": {"anyOf": [{"type": "string", "minLength": 9}, {"type": "null"}]}}},
        {"required": ["a"], "properties": {"a": {"$ref": "#/definitions/n"}}, "definitions": {"n": {"minimum": 7}}},
    ],
)
def test_an_event_with_all_required_properties_that_passes(tmp_path: Path, schema: Any) -> None:
    assert properties(tmp_path, **schema) == []


def test_a_required_field_that_no_event_has_at_its_top(tmp_path: Path) -> None:
    (told,) = typewriter(tmp_path, required=["bikeId"], properties={"bikeId": {"type": "string"}}).refused

    assert told.path == "Paid/bikeId"
    assert "expected an event with all required properties to pass" in told.message


def test_a_type_that_is_not_the_rules_own(tmp_path: Path) -> None:
    schema = {"type": {"enum": ["TRACK"]}, "userId": {"type": "string", "pattern": "^[0-9]{9}$"}, "properties": {}}

    assert [each.path for each in typewriter(tmp_path, properties=schema).refused] == ["Paid/type"]


@pytest.mark.parametrize(
    ("examples", "places"),
    [([1, 2], []), ([1, "x"], ["Paid/properties/items/0/n"]), (["x", "y"], ["Paid/properties/items/0/n"] * 2)],
)
def test_the_examples_of_a_schema(tmp_path: Path, examples: list[Any], places: list[str]) -> None:
    item = {
        "type": "object",
        "required": ["id"],
        "properties": {"n": {"type": "integer", "examples": examples}, "id": {}},
    }

    assert properties(tmp_path, properties={"items": {"type": "array", "items": item}}) == places


@pytest.mark.parametrize(
    ("kind", "example"),
    [("integer", "A-17"), ("number", "9.50 EUR"), ("boolean", "Y"), ("datetime", "03/04/2026"), ("email", "nobody")],
)
def test_an_example_in_a_sheet_that_its_type_refuses(tmp_path: Path, kind: str, example: str) -> None:
    assert sheet(tmp_path, kind, example) == ["Paid/properties/total"]


@pytest.mark.parametrize(
    ("kind", "example"),
    [
        ("integer", "17"),
        ("integer", '"1, 2"'),
        ("number", "9.50"),
        ("boolean", "TRUE"),
        ("string", "17"),
        ("array of strings", '"a, b"'),
        ("array of integers", '"[1, 2]"'),
        ("object", '"{""a"": 1}"'),
        ("integer", "{{cart total}}"),
        ("integer", "<the number of items>"),
        ("integer", "e.g. the number of items"),
        ("integer", "n/a"),
        ("date", "2026-01-31"),
    ],
)
def test_an_example_in_a_sheet_that_passes_or_is_none(tmp_path: Path, kind: str, example: str) -> None:
    assert sheet(tmp_path, kind, example) == []


def test_an_example_that_allowed_values_refuse(tmp_path: Path) -> None:
    assert sheet(tmp_path, "string", "EUR", "eur | usd") == ["Paid/properties/total"]


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in PLANS.glob("*/plan.yaml")))
def test_our_own_plans_and_their_exports_pass(tmp_path: Path, folder: str) -> None:
    plan = load_plan(PLANS / folder)
    file = tmp_path / "export.json"
    file.write_text(segment(plan).text, "utf-8")

    assert list(refused(plan, folder)) == []
    assert import_plan([file]).refused == ()


def test_an_example_of_our_own_export_that_no_longer_holds(tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    data = orjson.loads(segment(load_plan(PLANS / "shop")).text)
    rule = next(rule for rule in data["rules"] if rule["jsonSchema"].get("x-router", {}).get("examples"))
    example = next(each for each in rule["jsonSchema"]["x-router"]["examples"] if each.get("valid", True))
    example["value"] = {"nobody_planned_this": 1}
    file.write_bytes(orjson.dumps(data))

    assert any("/examples/valid/0" in each.path for each in import_plan([file]).refused)


def test_the_command_writes_the_plan_says_what_it_refuses_and_ends_with_1(line: Line, tmp_path: Path) -> None:
    file = tmp_path / "sheet.csv"
    file.write_text("Event,Property,Type,Example\nPaid,total,integer,A-17\n", "utf-8")

    ended = line("plan", "import", file, "--to", tmp_path / "plan")
    as_json = line("plan", "import", file, "--to", tmp_path / "plan", "--force", "--json")

    assert (ended.status, as_json.status) == (1, 1)
    assert "Paid/properties/total: expected the source's own example to pass" in ended.err
    assert "A-17" not in ended.err
    assert ended.out.endswith("refuses what it should allow in 1 place\n")
    assert [each["path"] for each in as_json.answer["errors"]] == ["Paid/properties/total"]
    assert [rule.name for rule in load_plan(tmp_path / "plan").rules] == ["Paid"]


def test_the_command_ends_with_0_where_nothing_is_refused(line: Line, tmp_path: Path) -> None:
    ended = line("plan", "import", FILES / "sheets/avo.csv", "--to", tmp_path / "plan", "--json")

    assert (ended.status, ended.answer["errors"]) == (0, [])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_what_something_satisfies_is_not_reported(tmp_path: Path, data: st.DataObject) -> None:
    schema = {"type": "object", "properties": {"a": data.draw(SCHEMAS)}, "required": ["a"]}
    value = data.draw(instances(schema))
    result = typewriter(tmp_path, properties={"properties": schema})

    if found(compiled(result.plan), event="Paid", properties=value) == []:
        assert [each for each in result.refused if "all required" in each.message] == []

"""An import neither closes a plan nor turns it inside out where the file says less than it seems to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from router.plan_tools.importers import import_plan
from tests.plan_tools.folders import compiled, found


def sheet(folder: Path, text: str) -> Any:
    file = folder / "sheet.csv"
    file.write_text(text, "utf-8")
    return compiled(import_plan([file]).plan)


@pytest.mark.parametrize("extra", [{"eventMetadata": {"name": "bike_rented", "type": "TRACK"}}, {}])
def test_a_schema_of_the_properties_alone(tmp_path: Path, extra: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"bikeId": {"type": ["string"]}}, "required": ["bikeId"], **extra}
    rule = {"type": "TRACK", "key": "bike_rented", "jsonSchema": schema, "deprecatedAt": "0001-01-01T00:00:00.000Z"}
    file = tmp_path / "plan.json"
    file.write_bytes(orjson.dumps({"name": "bikes", "type": "LIVE", "rules": [rule]}))

    imported = import_plan([file])
    plan = compiled(imported.plan)

    assert imported.plan.rules[0].labels == {}
    assert found(plan, event="bike_rented", properties={"bikeId": "b-7"}) == []
    assert found(plan, event="bike_rented", properties={}) == [("Required", "/properties/bikeId")]


@pytest.mark.parametrize(
    ("kind", "values", "good"),
    [
        ("integer", '"1, 3, 7, 21+"', 24),
        ("string", "1-5", "4"),
        ("string", "a-z", "q"),
        ("string", '"e.g. ""late"", ""lost"""', "back"),
        ("string", '"red, green, etc."', "blue"),
        ("string", '"red, green, ..."', "blue"),
        ("string", '"S, M, L, null"', None),
    ],
)
def test_allowed_values_that_are_no_full_list(tmp_path: Path, kind: str, values: str, good: Any) -> None:
    plan = sheet(tmp_path, f"Event Name,Property Name,Property Type,Allowed Values\nA,p,{kind},{values}\n")

    assert found(plan, event="A", properties={"p": good}) == []


def test_a_full_list_of_allowed_values_is_kept(tmp_path: Path) -> None:
    plan = sheet(tmp_path, 'Event Name,Property Name,Property Type,Allowed Values\nA,p,string,"S, M, null"\n')

    assert found(plan, event="A", properties={"p": "XL"}) == [("Enum", "/properties/p")]


def test_a_sheet_without_a_column_of_properties_allows_any(tmp_path: Path) -> None:
    plan = sheet(tmp_path, "event_name,param_1,notes\nbike_rented,bike_id,Somebody takes a bike\n")

    assert found(plan, event="bike_rented", properties={"bike_id": "b-7"}) == []
    assert [kind for kind, _ in found(plan, event="bike_lost")] == ["Unplanned Event"]


@pytest.mark.parametrize(
    "text",
    [
        "Event,Description\nbike_rented,Somebody takes a bike\n",
        "Event,Property,Description\nbike_rented,,Somebody takes a bike\n",
        "Event,Property,Type,Description\nbike_rented,n/a,,Somebody takes a bike\nbike_lost,-,,\n",
        "Event,Param 1,Param 2,Description\nbike_rented,,,Somebody takes a bike\n",
    ],
)
def test_a_sheet_that_names_no_property_allows_any_and_says_so(tmp_path: Path, text: str) -> None:
    file = tmp_path / "sheet.csv"
    file.write_text(text, "utf-8")
    imported = import_plan([file])

    assert found(compiled(imported.plan), event="bike_rented", properties={"bike_id": "b-7"}) == []
    assert [each.message.split("; ")[1] for each in imported.warnings] == ["events may have any properties"]


@pytest.mark.parametrize("names", [("events.csv", "properties.csv"), ("z_events.csv", "a_properties.csv")])
def test_a_sheet_of_events_and_a_sheet_of_their_properties(tmp_path: Path, names: tuple[str, str]) -> None:
    texts = (
        "Event,Event description,Owner\nbike_rented,Somebody takes a bike,growth\nbike_lost,Nobody has it,growth\n",
        "Event,Property,Type,Required\nbike_rented,bike_id,string,yes\n",
    )
    for name, text in zip(names, texts, strict=True):
        (tmp_path / name).write_text(text, "utf-8")
    imported = import_plan([tmp_path])
    plan = compiled(imported.plan)

    (rented,) = imported.plan.versions("track", "bike_rented")
    assert (rented.description, rented.owner) == ("Somebody takes a bike", "growth")
    assert found(plan, event="bike_rented", properties={}) == [("Required", "/properties/bike_id")]
    assert found(plan, event="bike_lost", properties={"bike_id": "b-7"}) == []
    assert len(imported.warnings) == 1

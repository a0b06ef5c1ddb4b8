"""Sheets with the headings that GA4's documentation and its users write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from router.plan_tools.importers import Imported, import_plan
from tests.plan_tools.folders import compiled, found


def sheet(folder: Path, text: str) -> Imported:
    file = folder / "sheet.csv"
    file.write_text(text, "utf-8")
    return import_plan([file])


def schema(result: Imported, name: str) -> Any:
    (rule,) = result.plan.versions("track", name)
    return rule.schema


@pytest.mark.parametrize(
    "headings",
    [
        "Event name,Event parameter,Parameter data type,Event parameter description",
        "GA4 event,Event parameters,Parameter type,Parameter description",
        "event_name,event_params.key,Type,Description",
        "Event,Parameter key,Value type,Description",
        "Recommended event,Event param,Param type,Param description",
    ],
)
def test_a_row_for_each_parameter(tmp_path: Path, headings: str) -> None:
    result = sheet(tmp_path, f"{headings}\nbike_rented,bike_id,string,Which one\n,duration,number,In minutes\n")

    assert result.warnings == ()
    assert schema(result, "bike_rented")["properties"] == {
        "bike_id": {"type": "string", "description": "Which one"},
        "duration": {"type": "number", "description": "In minutes"},
    }


@pytest.mark.parametrize(
    ("user", "item"), [("User", "Item"), ("user-scoped", "item-scoped"), ("User scope", "Item scope")]
)
def test_scopes(tmp_path: Path, user: str, item: str) -> None:
    result = sheet(
        tmp_path,
        "Event name,Parameter name,Parameter type,Scope,Required\n"
        f",membership,string,{user},yes\n"
        "purchase,value,number,Event,yes\n"
        f",item_id,string,{item},yes\n"
        f",items[].price,number,{item},no\n",
    )
    plan = compiled(result.plan)

    assert result.warnings == ()
    good = {"value": 9.5, "items": [{"item_id": "1", "price": 9.5}]}
    assert found(plan, event="purchase", properties=good) == []
    assert found(plan, event="purchase", properties={"value": 1, "items": [{}]}) == [
        ("Required", "/properties/items/0/item_id")
    ]
    assert found(plan, type="identify", traits={}) == [("Required", "/traits/membership")]


def test_the_table_of_the_documentation(tmp_path: Path) -> None:
    result = sheet(
        tmp_path,
        "Event,Name,Type,Required,Example value,Description\n"
        "purchase,currency,string,Yes,USD,ISO 4217\n"
        "purchase,value,number,Yes,30.03,\n"
        "purchase,items,Array<Item>,Yes,,\n",
    )

    assert (result.warnings, result.refused) == ((), ())
    assert schema(result, "purchase")["properties"]["items"] == {"type": "array", "items": {"type": "object"}}
    assert schema(result, "purchase")["required"] == ["currency", "value", "items"]


def test_numbered_columns(tmp_path: Path) -> None:
    result = sheet(
        tmp_path,
        "Event name,Parameter 1,Parameter 2,Parameter 3,Notes\n"
        "bike_rented,bike_id,station = 12,,Somebody takes a bike\n"
        "bike_returned,bike_id,-,distance (number),\n",
    )

    assert result.warnings == ()
    assert result.plan.versions("track", "bike_rented")[0].description == "Somebody takes a bike"
    assert schema(result, "bike_rented")["properties"] == {"bike_id": {}, "station": {}}
    assert schema(result, "bike_returned")["properties"] == {"bike_id": {}, "distance": {"type": "number"}}


def test_user_properties_alone(tmp_path: Path) -> None:
    plan = compiled(sheet(tmp_path, "User property name,User property type\nmembership,string\n").plan)

    assert found(plan, type="identify", traits={"membership": 1}) == [("Type", "/traits/membership")]

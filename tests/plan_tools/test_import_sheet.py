"""Sheets as teams keep them become plans, whatever their columns are called."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.errors import FileError
from router.plan_tools.importers import Imported, import_plan
from router.plan_tools.importers.sheet_values import allowed, path_of_property, type_of
from tests.plan_tools.folders import compiled, found, imported, on_disk, warnings

REQUIRED, TYPE, UNPLANNED = "Required", "Type", "Unplanned Property"


def sheet(folder: Path, text: str) -> Imported:
    file = folder / "sheet.csv"
    file.write_text(text, "utf-8")
    return import_plan([file])


def schema(result: Imported) -> dict[str, Any]:
    (rule,) = result.plan.rules
    found = rule.schemas["properties"]
    assert isinstance(found, dict)
    return found


def test_an_export_with_a_row_for_each_property_of_an_event(tmp_path: Path) -> None:
    result = imported("sheets/avo.csv")
    read = on_disk(result.plan, tmp_path / "plan")
    plan = compiled(read)

    (order,) = read.versions("track", "Order Completed")
    assert (order.description, order.labels) == (
        "The customer paid",
        {"category": "Checkout", "revenue": "", "core": ""},
    )
    assert found(plan, event="Order Completed", properties={"order_id": "1", "total": 2, "coupons": ["a"]}) == []
    assert found(plan, event="Order Completed", properties={"order_id": "1", "currency": "GBP", "coupons": "a"}) == [
        ("Enum", "/properties/currency"),
        (REQUIRED, "/properties/total"),
        (TYPE, "/properties/coupons"),
    ]
    assert found(plan, type="identify", traits={}) == [(REQUIRED, "/traits/email")]
    assert found(plan, event="Shop Opened", properties={"a": 1}) == [(UNPLANNED, "/properties/a")]
    assert ["Sources" in line for line in warnings(result)] == [True]


def test_a_sheet_with_a_title_above_and_semicolons(tmp_path: Path) -> None:
    result = imported("sheets/per_property.csv")
    read = on_disk(result.plan, tmp_path / "plan")
    plan = compiled(read)

    assert {(rule.type, rule.name, rule.version) for rule in read.rules} == {
        ("track", "Order Completed", 1),
        ("track", "Order Completed", 2),
        ("identify", None, 1),
        ("page", "Home", 1),
    }
    base = {"order_id": "1", "placed_at": "2026-01-01T00:00:00Z"}
    good = {"quantity": 2, "products": [{"sku": "s", "price": 1}], "address": {"city": "c"}, "rating": "5", "blob": [1]}
    assert found(plan, event="Order Completed", properties={**base, **good}) == []
    bad = {"quantity": 4, "products": [{"price": "1"}], "address": {"street": "s"}, "rating": None}
    assert found(plan, event="Order Completed", properties={**base, **bad}) == [
        ("Enum", "/properties/quantity"),
        (REQUIRED, "/properties/products/0/sku"),
        (TYPE, "/properties/products/0/price"),
        (TYPE, "/properties/rating"),
        (UNPLANNED, "/properties/address/street"),
    ]
    assert found(plan, type="identify", traits={"email": "no"}) == [("Format", "/traits/email")]


def test_what_a_sheet_says_and_we_cannot_take_is_told() -> None:
    told = [line.split(": ", 1)[1] for line in warnings(imported("sheets/per_property.csv"))]

    assert told == [
        "(root): expected columns that say something of events or properties, got also Jira",
        "row 10: expected required or optional, got maybe; taken as optional",
        "row 11: expected a type, got hyperlink; blob may be anything",
        "row 15: expected the name of an event, got none; left out",
    ]


def test_a_sheet_with_a_row_for_each_event(tmp_path: Path) -> None:
    result = imported("sheets/per_event.tsv")
    read = on_disk(result.plan, tmp_path / "plan")
    plan = compiled(read)

    (signed_up,) = read.versions("track", "Signed Up")
    assert (signed_up.why, signed_up.owner) == ("Counting new customers", "growth")
    assert found(plan, event="Signed Up", properties={"type": [1], "referrer": "https://a.example", "age": 3}) == []
    assert found(plan, event="Signed Up", properties={"referrer": "a", "age": 3.5}) == [
        ("Format", "/properties/referrer"),
        (REQUIRED, "/properties/type"),
        (TYPE, "/properties/age"),
    ]


def test_a_table_that_is_no_plan_is_refused() -> None:
    with pytest.raises(FileError, match="spreadsheet"):
        imported("sheets/not_a_plan.csv")


def test_a_sheet_of_headings_only_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="expected rows that name events"):
        sheet(tmp_path, "Event,Property,Type\n")


def test_bounds_patterns_and_lists(tmp_path: Path) -> None:
    result = sheet(
        tmp_path,
        "Event Name,Property Name,Type,Min,Max,Regex,Allowed Values,Array,Example\n"
        "A B,n,integer,1,9,,,,5\n"
        "A B,s,string,2,,^[a-z]+$,,,\n"
        'A B,t,string,,,,"[""a"", ""b""]",yes,\n'
        "A B,bad,number,low,,,,,\n"
        "A B,flag,boolean,,,,true|maybe,,\n",
    )

    assert schema(result)["properties"] == {
        "n": {"type": "integer", "minimum": 1, "maximum": 9, "x-example": "5"},
        "s": {"type": "string", "minLength": 2, "pattern": "^[a-z]+$"},
        "t": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
        "bad": {"type": "number"},
        "flag": {"type": "boolean", "enum": [True]},
    }
    assert [warning.message.split(",")[0] for warning in result.warnings] == [
        "expected a number as minimum",
        "expected allowed values of flag to be of its type",
    ]


def test_a_property_that_stands_twice_is_told(tmp_path: Path) -> None:
    result = sheet(tmp_path, "Event,Property,Type\nA B,x,string\nA B,x,number\n")

    assert schema(result)["properties"] == {"x": {"type": "string"}}
    assert "expected x once in A B" in result.warnings[0].message


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("String", {"type": "string"}),
        ("array of strings", {"type": "array", "items": {"type": "string"}}),
        ("list<int>", {"type": "array", "items": {"type": "integer"}}),
        ("number[]", {"type": "array", "items": {"type": "number"}}),
        ("[object]", {"type": "array", "items": {"type": "object"}}),
        ("Date time (ISO-8601)", {"type": "string", "format": "date-time"}),
        ("string | null", {"type": ["string", "null"]}),
        ("nullable datetime", {"type": ["string", "null"], "format": "date-time"}),
        ("any", {}),
        ("hyperlink", None),
    ],
)
def test_types_in_words(word: str, expected: dict[str, Any] | None) -> None:
    assert type_of(word) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("a | b | c", ["a", "b", "c"]),
        ("a\nb", ["a", "b"]),
        ('"a", "b"', ["a", "b"]),
        ("[1, 2]", ["1", "2"]),
        ("[a, b]", ["a", "b"]),
        ("N/A", []),
        ("one", ["one"]),
    ],
)
def test_allowed_values(cell: str, expected: list[str]) -> None:
    assert allowed(cell) == expected


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("total", ["total"]),
        ("address.city", ["address", "city"]),
        ("products[].price", ["products", "[]", "price"]),
        ("products.$.price", ["products", "[]", "price"]),
        ("products[0].price", ["products", "[]", "price"]),
        (".odd", [".odd"]),
    ],
)
def test_paths_of_properties(name: str, steps: list[str]) -> None:
    assert path_of_property(name) == steps


HEADINGS = ("Event", "Property", "Type", "Required", "Allowed values", "Regex", "Min", "List", "Version", "Example")
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(*[CELLS] * len(HEADINGS)), max_size=5))
def test_any_sheet_with_these_headings_becomes_a_plan_or_a_reason(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    file = tmp_path / "sheet.csv"
    with file.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([HEADINGS, *rows])
    try:
        rules = import_plan([file]).plan.rules
    except FileError as error:
        told = str(error)
    else:
        told = "" if rules else "a plan without rules"

    assert told == "" or "expected rows that name events" in told

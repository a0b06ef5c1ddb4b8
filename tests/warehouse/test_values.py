"""Values: flattened, typed by the first, fitted to their column."""

from __future__ import annotations

from typing import Any

import pytest

from router.warehouse.values import ColumnType, are_canonical, fit, flatten, infer, instant, widens

NESTED = {"a": {"b": {"c": {"d": 1}}}}


@pytest.mark.parametrize(
    ("content", "flat"),
    [
        ({"plan": "pro", "seats": 0, "trial": False}, {"plan": "pro", "seats": 0, "trial": False}),
        ({"address": {"city": "Ulm", "geo": {"lat": 48.4}}}, {"address_city": "Ulm", "address_geo_lat": 48.4}),
        ({"tags": ["a", {"b": 1}], "list": [[1], [2]]}, {"tags": '["a",{"b":1}]', "list": "[[1],[2]]"}),
        ({"none": None, "empty": "", "list": [], "object": {}, "inner": {"none": None}}, {}),
        (NESTED, {"a_b_c_d": 1}),
        ({"huge": 2**64 - 1, "least": -(2**63)}, {"huge": "18446744073709551615", "least": -(2**63)}),
        ({"text": "a\0b"}, {"text": "a\ufffdb"}),  # no database takes NUL
    ],
)
def test_content_becomes_columns(content: dict[str, Any], flat: dict[str, Any]) -> None:
    assert dict(flatten(content)) == flat


def test_what_is_nested_too_deep_becomes_json_text() -> None:
    assert dict(flatten(NESTED, depth=2)) == {"a_b": '{"c":{"d":1}}'}


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("n", 5, "int"), ("n", 5.5, "float"), ("n", True, "boolean"), ("n", "5", "text"), ("n", "2024", "text"),
        ("n", "2024-01", "text"), ("at", "2024-01-05", "datetime"), ("at", "2024-01-05T10:00:00+01:00", "datetime"),
        ("at", "2024-02-30", "text"), ("at", "2024-01-05 at noon", "text"),
        ("total", 5, "float"), ("price", 5, "float"), ("quantity", 1, "float"),  # 9.99 will follow
    ],
)  # fmt: skip
def test_the_first_value_has_a_type(column: str, value: Any, expected: ColumnType) -> None:
    assert infer(column, value) == expected


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-01-05", "2024-01-05T00:00:00.000000Z"),
        ("2024-01-05T10:00:00.000Z", "2024-01-05T10:00:00.000Z"),
        ("2024-01-05T10:00:00.123456789+01:00", "2024-01-05T09:00:00.123456Z"),
        ("2024-01-05 10:00 -0500", "2024-01-05T15:00:00.000000Z"),
        ("0001-01-01T00:00:00+01:00", None), ("10:00", None), ("20240105", None),
    ],
)  # fmt: skip
def test_times_are_in_utc(text: str, utc: str | None) -> None:
    assert instant(text) == utc


@pytest.mark.parametrize(
    "text",
    ["2024-01-05", "2024-02-30T10:00:00.000Z", "2024-01-05T10:00:00,000Z", "2024-01-05T10:00:00.000+", "x" * 24, 5],
)
def test_times_are_looked_at_together(text: Any) -> None:
    """One that is written otherwise, or is none, is seen among the others."""
    good = ["2024-01-05T10:00:00.000Z", "2024-02-29T23:59:59.999Z"]

    assert are_canonical(good)
    assert not are_canonical([*good, text])


@pytest.mark.parametrize(
    ("column_type", "value", "stored"),
    [
        ("text", "abc", "abc"), ("text", 5, "5"), ("text", 9.5, "9.5"), ("text", True, "true"),
        ("float", 5, 5), ("float", 9.5, 9.5), ("float", "9.5", None), ("float", True, None),
        ("int", 5, 5), ("int", 5.0, 5), ("int", "5", None), ("int", False, None),
        ("boolean", True, True), ("boolean", 1, None), ("boolean", "true", None),
        ("datetime", "2024-01-05", "2024-01-05T00:00:00.000000Z"), ("datetime", "soon", None), ("datetime", 5, None),
        ("other", "x", None),
    ],
)  # fmt: skip
def test_a_value_fits_its_column_or_is_discarded(column_type: ColumnType, value: Any, stored: Any) -> None:
    assert fit(column_type, value) == stored
    assert type(fit(column_type, value)) is type(stored)


@pytest.mark.parametrize(
    ("value", "expected"), [(5, False), (5.0, False), (9.99, True), (1e300, True), ("9.99", False)]
)
def test_a_fraction_widens_a_column_of_whole_numbers(value: Any, expected: bool) -> None:
    assert widens("int", value) is expected
    assert not widens("float", value)

"""Names: Segment's snake case, and what each database takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.warehouse.names import LONGEST, column_name, event_table, made_up, schema_name, snake


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Order Completed", "order_completed"), ("productID", "product_id"), ("XMLHttp", "xmlhttp"),
        ("iOSVersion", "i_osversion"), ("CStringRef", "cstring_ref"), ("userIDs", "user_ids"),
        ("CamelCase123Key", "camel_case123_key"), ("a1b2", "a1b2"), ("9mega", "9mega"),
        ("path to $1,00,000", "path_to_1_00_000"), ("_timestamp", "timestamp"), ("Cízǔ", "c_z"), ("日本", ""),
        ("order_completed", "order_completed"), ("a__b", "a_b"), ("123ABC", "123abc"), ("", ""),
    ],
)  # fmt: skip
def test_snake_case_is_segments(name: str, expected: str) -> None:
    """An acronym sticks to the next word; only ASCII counts."""
    assert snake(name) == expected


@pytest.mark.parametrize(
    ("event", "table"),
    [
        ("Order Completed", "order_completed"),
        ("9mega", "_9mega"),  # begins with a digit
        ("Select", "_select"), ("Order", "_order"),  # reserved words
        ("Users", "_users"), ("Tracks", "_tracks"), ("discards", "_discards"),  # tables that are there anyway
        ("日本", "event_cf2abf0c"), ("🛒", "event_00922290"),  # no ASCII: told apart by a hash
    ],
)  # fmt: skip
def test_an_event_has_a_table(event: str, table: str) -> None:
    assert event_table(event) == table


def test_names_of_two_hundred_characters_stay_apart() -> None:
    """Cut to what PostgreSQL takes, with a hash of the whole."""
    first, second = event_table("Order " * 33 + "one"), event_table("Order " * 33 + "two")

    assert len(first) == len(second) == LONGEST
    assert first[:50] == second[:50]
    assert first != second
    assert made_up(first, "Order " * 33 + "one")


@pytest.mark.parametrize(
    ("source", "prefix", "schema"),
    [
        ("web", "", "web"), ("web-app", "", "web_app"), ("web", "cdp_", "cdp_web"), ("pg-catalog", "", "_pg_catalog"),
        ("a--b", "", "a_b_90827a2e"), ("user", "", "_user"), ("日本", "", "source_cf2abf0c"),
    ],
)  # fmt: skip
def test_a_source_has_a_schema(source: str, prefix: str, schema: str) -> None:
    """No two share one, not even where their dashes alone differ."""
    assert schema_name(source, prefix) == schema


@given(st.text(max_size=300))
def test_any_text_has_a_name_that_databases_take(text: str) -> None:
    for name in (event_table(text), column_name(text), schema_name(text)):
        assert 0 < len(name) <= LONGEST
        assert name.isascii()
        assert not name[0].isdigit()
        assert name == name.lower()
        assert name.replace("_", "").isalnum()

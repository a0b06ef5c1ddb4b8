"""Paths, templates, conversions: a table of what each makes of an event, and what is refused where."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.mapping.conversions import CONVERSIONS, EXPECTED_TIME, ConversionError
from router.mapping.expression import compile_expression
from router.mapping.mapping import Mapping
from router.mapping.path import MISSING, MappingError, compile_path, parts_of

EVENT: dict[str, Any] = {
    "event": "Order Completed",
    "userId": "u1",
    "timestamp": "2026-01-02T03:04:05.678Z",
    "properties": {
        "total": "1,234.50",
        "revenue": None,
        "a.b": 7,
        "products": [{"sku": "s1", "price": 2}, {"sku": "s2"}, "odd"],
    },
    "context": {"ip": "203.0.113.7"},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("event", "Order Completed"),
        ("properties.products.1.sku", "s2"),
        (r"properties.a\.b", 7),
        ("properties.nothing.here", MISSING),
        ("properties.revenue", None),
        ("event.length", MISSING),
        ({"value": "gold"}, "gold"),
        ({"value": None}, None),
        ({"template": "{event} by {userId}"}, "Order Completed by u1"),
        ({"template": "{{{userId}}} {properties.a\\.b}"}, "{u1} 7"),
        ({"template": "{traits.name}, {traits.city}"}, MISSING),
        ({"template": "no path"}, "no path"),
        ({"first": ["properties.revenue", "properties.total"]}, "1,234.50"),
        ({"first": ["traits.a", {"value": 1}]}, 1),
        ({"path": "properties.total", "as": "number"}, 1234.5),
        ({"path": "properties.total", "as": ["cents", "string"]}, "123450"),
        ({"path": "timestamp", "as": "unix_seconds"}, 1767323045),
        ({"path": "timestamp", "as": "unix_microseconds"}, 1767323045678000),
        ({"path": "timestamp", "as": "date"}, "2026-01-02"),
        ({"path": "timestamp", "as": "yyyymmdd"}, "20260102"),
        ({"path": "userId", "as": "list"}, ["u1"]),
        ({"value": " A.da+x@Gmail.com", "as": "google_email"}, sha256(b"ada@gmail.com").hexdigest()),
        ({"value": " A.da+x@Gmail.com", "as": "meta_email"}, sha256(b"a.da+x@gmail.com").hexdigest()),
        ({"value": "+49 (151) 1", "as": "meta_phone"}, sha256(b"491511").hexdigest()),
        ({"each": "properties.products", "map": {"id": "sku"}}, [{"id": "s1"}, {"id": "s2"}]),
        ({"each": "context", "map": {"id": "sku"}}, MISSING),
        (
            {"name": "event", "who": {"id": "userId", "mail": "traits.email"}},
            {"name": "Order Completed", "who": {"id": "u1"}},
        ),
        (["userId", "traits.email"], ["u1"]),
    ],
)
def test_an_expression_finds_its_value(expression: Any, value: Any) -> None:
    problems: list[str] = []

    assert compile_expression(expression)(EVENT, problems) == value
    assert problems == []


def test_in_a_literal_body_texts_stand_for_themselves_and_paths_are_marked() -> None:
    body = {
        "key": "secret",
        "level": 3,
        "on": True,
        "who": {"path": "userId"},
        "text": {"first": ["traits.x", "event"]},
    }

    made = compile_expression(body, literal=True)(EVENT, [])

    assert made == {"key": "secret", "level": 3, "on": True, "who": "u1", "text": "Order Completed"}


def test_a_mapping_fills_nested_targets_and_leaves_out_what_is_missing() -> None:
    mapping = Mapping({"attributes.tier": {"value": "gold"}, "attributes.plan": "traits.plan", "name": "event"})

    assert mapping.apply(EVENT).values == {"attributes": {"tier": "gold"}, "name": "Order Completed"}
    onto = {"attributes": {"plan": "free"}, "name": "x"}
    assert mapping.apply(EVENT, onto).values == {
        "attributes": {"plan": "free", "tier": "gold"},
        "name": "Order Completed",
    }


def test_a_conversion_that_fails_leaves_the_target_out_and_names_the_place_but_no_value() -> None:
    mapped = Mapping({"at": {"path": "userId", "as": "unix_seconds"}}, "destinations.cio.map.track").apply(EVENT)

    assert mapped.values == {}
    assert mapped.problems == [f"destinations.cio.map.track.at: {EXPECTED_TIME}"]


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        ({"a..b": "event"}, "m.a..b: expected a path such as properties.total"),
        ({"$": "event"}, "m.$: expected the name of a target, got $"),
        ({"a": 3}, "m.a: expected a path, or {value: 3} for a constant, got 3"),
        ({"a": {"path": "x", "as": "unix_second"}}, "(did you mean unix_seconds?)"),
        ({"a": {"path": "x", "template": "y"}}, "m.a: expected path with nothing but as beside it, got template"),
        ({"a": {"template": "{x"}}, "m.a.template: expected {path}, or {{ for a brace, at character 1"),
        ({"a": {"template": "}"}}, "or }} for a brace, at character 1"),
        ({"a": {"first": []}}, "m.a.first: expected a list of expressions"),
        ({"a": {"each": "x"}}, "m.a: expected map beside each"),
        ({"a": "." * 3}, "m.a: expected a path"),
        ({"a": ".".join("a" * 33)}, "at most 32 names"),
    ],
)
def test_a_faulty_mapping_is_refused_at_its_place(mapping: dict[str, Any], problem: str) -> None:
    with pytest.raises(MappingError) as refused:
        Mapping(mapping, "m")

    assert problem in str(refused.value)


def test_a_mapping_that_is_nested_without_end_is_refused() -> None:
    deep: Any = "event"
    for _ in range(40):
        deep = {"a": deep}

    with pytest.raises(MappingError, match="at most 16 levels"):
        Mapping({"x": deep})


@given(event=JSON, names=st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_a_path_reads_what_plain_look_ups_read(event: Any, names: list[str]) -> None:
    text = ".".join(name.replace("\\", "\\\\").replace(".", "\\.") for name in names)
    if text == "$":
        return
    value = event
    for name in names:
        if isinstance(value, dict):
            value = value.get(name, MISSING)
        elif isinstance(value, list) and name.isascii() and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            value = MISSING

    assert parts_of(text) == tuple(names)
    assert compile_path(text)(event) is value or compile_path(text)(event) == value


@given(value=JSON.filter(lambda value: value is not None), name=st.sampled_from(sorted(CONVERSIONS)))
def test_a_conversion_converts_or_says_what_was_expected(value: Any, name: str) -> None:
    try:
        CONVERSIONS[name](value)
    except ConversionError as error:
        assert str(error).startswith("expected ")  # noqa: PT017  most values are converted


@given(text=st.text())
def test_a_ulid_is_stable_and_well_formed(text: str) -> None:
    made = CONVERSIONS["ulid"](text)

    assert len(made) == 26
    assert made[0] in "01234567"
    assert made == CONVERSIONS["ulid"](text)

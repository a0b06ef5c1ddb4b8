"""A compiled plan finds the rule of an event, and its one quick answer agrees with the findings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import FileError
from router.plan import Plan, compile_plan, load_plan
from router.plan.model import DRAFT_2020_12, Rule

NEWER = {"protocols": {"event_version": 2}}
SHOP = compile_plan(load_plan(Path(__file__).parent.parent.parent / "schemas/shop"))


@pytest.mark.parametrize(
    ("body", "title", "version"),
    [
        ({"type": "track", "event": "Order Completed"}, "Order Completed", 1),
        ({"type": "track", "event": "Order Completed", "context": NEWER}, "Order Completed", 2),
        ({"type": "track", "event": "Nothing"}, "track", 0),
        ({"type": "page", "name": "Home"}, "Home", 1),
        ({"type": "page", "name": "Cart"}, "page", 1),
        ({"type": "page", "name": ["Home"]}, "page", 1),
        ({"type": "page"}, "page", 1),
        ({"type": "screen", "name": "Home"}, "screen", 0),
        ({"type": "identify"}, "identify", 1),
        ({"type": "group"}, "group", 1),
        ({"type": "alias"}, "alias", 0),
        ({"type": "batch"}, "", 0),
        ({"type": ["track"]}, "", 0),
        ({}, "", 0),
    ],
)  # fmt: skip
def test_an_event_finds_its_rule(body: dict[str, Any], title: str, version: int) -> None:
    found = SHOP.find(body)

    assert (found.title, found.version) == (title, version)


def test_the_oldest_version_may_be_any_number() -> None:
    rules = tuple(Rule("track", "A", number) for number in (7, 3, 5))
    compiled = compile_plan(Plan("p", rules))

    versions = {
        asked: compiled.find(
            {"type": "track", "event": "A", "context": {"protocols": {"event_version": asked}}}
        ).version
        for asked in (None, 1, 3, 5, 7, 9)
    }

    assert versions == {None: 3, 1: 3, 3: 3, 5: 5, 7: 7, 9: 3}


def test_rules_and_definitions_may_be_of_different_drafts() -> None:
    newer = {"$schema": DRAFT_2020_12, "properties": {"a": {"prefixItems": [{"type": "string"}], "items": False}}}
    older = {"properties": {"b": {"items": [{"type": "string"}], "additionalItems": False}}}
    rule = {"allOf": [{"$ref": "../defs/newer.yaml"}, {"$ref": "../defs/older.yaml"}]}
    plan = Plan(
        "p",
        (Rule("track", "A", schemas={"properties": rule}), Rule("track", "B", schemas={"properties": newer | rule})),
        common={"context": newer},
        defs={"defs/newer.yaml": newer, "defs/older.yaml": older},
    )
    compiled = compile_plan(plan)

    for event in ("A", "B"):
        for bad in ({"a": [1]}, {"a": ["x", 1]}, {"b": [1]}, {"b": ["x", 1]}):
            body = {"type": "track", "event": event, "properties": bad}
            assert {each.klass for each, _ in compiled.find(body).findings(body)} == {"violation"}
            assert not compiled.find(body).is_valid(body)
        good = {"type": "track", "event": event, "properties": {"a": ["x"], "b": ["x"]}}
        assert compiled.find(good).is_valid(good)
        assert not compiled.find(good).is_valid(good | {"context": {"a": [1]}})


def test_a_plan_made_in_code_that_cannot_compile_is_refused_with_its_rule() -> None:
    plan = Plan("p", (Rule("track", "Order Completed", schemas={"properties": {"type": "strng"}}),))

    with pytest.raises(FileError, match=r"events/order-completed\.yaml:1:1: \(root\): expected schemas that compile"):
        compile_plan(plan).prepare()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["EUR", "p-1", "x", "https://a.example/", 9.5]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["product_id", "price", "quantity", "url", "city", "x"]), inner, max_size=4)
    ),
    max_leaves=6,
)
PROPERTIES = st.dictionaries(
    st.sampled_from(["order_id", "total", "products", "currency", "product_id", "price", "path", "email", "address"]),
    JSON,
    max_size=4,
)


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([("track", "Order Completed"), ("track", "Product Viewed"), ("page", "Home"), ("identify", "")]),
    st.sampled_from([None, 1, 2]),
    PROPERTIES,
    st.dictionaries(st.sampled_from(["locale", "page", "ip"]), JSON, max_size=2),
)
def test_the_quick_answer_agrees_with_the_findings(
    which: tuple[str, str], version: int | None, properties: dict[str, Any], context: dict[str, Any]
) -> None:
    call_type, name = which
    body = {
        "type": call_type,
        "event": name,
        "name": name,
        "context": context | {"protocols": {"event_version": version}},
    }
    body |= {"traits" if call_type == "identify" else "properties": properties}
    rule = SHOP.find(body)

    assert rule.is_valid(body) == (not rule.findings(body))

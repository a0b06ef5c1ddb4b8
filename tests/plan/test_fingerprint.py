"""Events of one fingerprint have the same findings, whatever the schema; and what differs in values alone shares it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.plan import Plan, compile_plan
from router.plan.compiled_rule import CompiledRule
from router.plan.model import DRAFT_07, DRAFT_2020_12, Rule
from tests.plan.test_differential import VALUES, definitions, schemas

REF = {"$ref": "../defs/x.yaml#/$defs/x"}
ITEM = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "n": {"type": "integer"}}}
SHOP = {
    "type": "object",
    "required": ["total", "unplanned"],
    "properties": {
        "total": {"type": "number", "minimum": 0},
        "currency": {"enum": ["EUR", "USD"]},
        "code": {"type": "string", "pattern": "^[A-Z]+$", "maxLength": 3},
        "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "unplanned": {},
        "items": {"type": "array", "items": REF},
    },
}


def rule_of(schema: Any, definition: Any = True, *, newer: bool = False) -> CompiledRule:
    named = {"$schema": DRAFT_2020_12 if newer else DRAFT_07}
    if isinstance(schema, dict):
        schema = named | schema
    rule = Rule("track", "A", schemas={"properties": schema}, file="events/a.yaml")
    plan = Plan("p", (rule,), defs={"defs/x.yaml": named | {"$defs": {"x": definition}}})
    return compile_plan(plan).find({"type": "track", "event": "A"})


def event(properties: Any) -> dict[str, Any]:
    return {"type": "track", "event": "A", "properties": properties}


@pytest.mark.parametrize("newer", [False, True], ids=["draft-07", "2020-12"])
def test_one_fingerprint_means_the_same_findings(newer: bool) -> None:
    @settings(deadline=None, max_examples=60)
    @given(schemas(newer), definitions(newer), st.lists(VALUES, min_size=2, max_size=8))
    def agree(schema: Any, definition: Any, values: list[Any]) -> None:
        rule = rule_of(schema, definition, newer=newer)
        known: dict[Hashable, Any] = {}
        for value in values:
            if (fingerprint := rule.fingerprint(event(value))) is not None:
                found = rule.findings(event(value))
                assert known.setdefault(fingerprint, found) == found

    agree()


SHOP_RULE = rule_of(SHOP, ITEM)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"total": "a", "unplanned": 1}, {"total": "bcd", "unplanned": "x"}),
        ({"total": -1, "unplanned": 1}, {"total": -25, "unplanned": 1}),
        ({"total": 1, "unplanned": 1, "currency": "DEM"}, {"currency": "FRF", "total": 9, "unplanned": 1}),
        ({"total": 1, "unplanned": 1, "code": "a"}, {"total": 1, "unplanned": 1, "code": "é"}),
        ({"unplanned": 1}, {"unplanned": [{"deep": 1}]}),
        ({"total": 1, "unplanned": 1, "more": 1}, {"total": 2, "unplanned": 1, "more": [2]}),
        (
            {"total": 1, "unplanned": 1, "items": [{"id": "a"}, {"id": 1, "n": 5}]},
            {"total": 1, "unplanned": 1, "items": [{"id": "b", "n": 2}, {"id": 22}, {"id": "c"}]},
        ),
        (
            {"total": "x", "unplanned": 1, "either": "any", "items": []},
            {"total": "y", "unplanned": 1, "either": None},
        ),
    ],
)
def test_what_differs_in_values_alone_shares_its_fingerprint(one: Any, other: Any) -> None:
    fingerprint = SHOP_RULE.fingerprint(event(one))

    assert fingerprint is not None
    assert SHOP_RULE.fingerprint(event(other)) == fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"total": "a", "unplanned": 1}, {"total": True, "unplanned": 1}),
        ({"total": 1}, {"total": 1, "missing": "unplanned", "unplanned": 1}),
        ({"total": 1, "unplanned": 1, "more": 1}, {"total": 1, "unplanned": 1, "moer": 1}),
        ({"total": 1, "unplanned": 1, "code": "abcd"}, {"total": 1, "unplanned": 1, "code": "abc"}),
        ({"unplanned": 1, "items": [{}, {"id": "a"}]}, {"unplanned": 1, "items": [{"id": "a"}, {}]}),
        ({"unplanned": 1, "items": [{"id": "a", "n": 1.5}]}, {"unplanned": 1, "items": [{"id": "a", "n": 2.5}]}),
    ],
)
def test_what_is_wrong_in_another_way_has_another(one: Any, other: Any) -> None:
    assert SHOP_RULE.fingerprint(event(one)) != SHOP_RULE.fingerprint(event(other))


def test_the_order_of_findings_does_not_depend_on_what_is_right() -> None:
    numbers: dict[str, Any] = {"b": {"type": "number"}, "a": {"type": "number"}}
    rule = rule_of({"properties": numbers | {"c": {}}, "additionalProperties": True})
    few, many = event({"b": "x", "a": "x"}), event({"b": "x", "a": "x", "d": 1, "e": 1, "f": 1})

    assert rule.fingerprint(few) == rule.fingerprint(many)
    assert [found.path[-1] for found in rule.findings(few)] == ["a", "b"]
    assert rule.findings(few) == rule.findings(many)


def test_a_value_that_is_too_large_to_remember_has_none() -> None:
    few, many = ({"total": 1, "unplanned": 1, "either": ["x" * count]} for count in (10, 10_000))

    assert SHOP_RULE.fingerprint(event(few)) is not None
    assert SHOP_RULE.fingerprint(event(many)) is None
    assert SHOP_RULE.fingerprint(event({f"p{number}": 1 for number in range(1000)})) is None

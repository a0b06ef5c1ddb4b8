"""A violation comes with the planned name that was meant, and with what to do."""

from __future__ import annotations

from typing import Any

import pytest

from router.plan import Plan, compile_plan
from router.plan.model import Rule
from router.plan_tools.explain import advice, closest, hint

ITEM = {"properties": {"product_id": {"type": "string"}, "quantity": {"type": "integer"}}}
SCHEMA = {
    "required": ["total"],
    "properties": {
        "total": {"type": "number"},
        "currency": {"enum": ["EUR"]},
        "products": {"items": {"$ref": "#/$defs/item"}},
        "by_day": {"patternProperties": {"^d": ITEM}},
        "others": {"properties": {"x": {}}, "additionalProperties": ITEM},
    },
    "$defs": {"item": ITEM},
}
COMPILED = compile_plan(
    Plan(
        "p",
        (
            Rule("track", "Order Completed", schemas={"properties": SCHEMA}),
            Rule("track", "Order Completed", 2, schemas={"properties": {"properties": {"revenue": {}}}}),
            Rule("page", "Home", schemas={"properties": {"properties": {"path": {}}}}),
            Rule("identify", schemas={"traits": {"properties": {"email": {}}}}),
        ),
        common={"context": {"properties": {"ip": {"type": "string"}}}},
    )
)


def told(body: dict[str, Any]) -> list[tuple[str, str]]:
    """Hint and advice for each violation."""
    findings = COMPILED.find(body).findings(body)
    return [(hint(COMPILED, body, each), advice(COMPILED, body, each)) for each, _ in findings]


def order(**properties: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Order Completed", "properties": {"total": 1, **properties}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"type": "track", "event": "order completed"}, ("Order Completed", "send event 'Order Completed'")),
        ({"type": "track", "event": "Order Complete"}, ("Order Completed", "send event 'Order Completed'")),
        ({"type": "track", "event": "Ping"}, ("", "leave it out, or plan it with a file in events/")),
        ({"type": "page", "name": "home"}, ("Home", "send name 'Home'")),
        (order(Currency="EUR"), ("currency", "rename Currency to currency")),
        (order(quite_another=1), ("", "leave quite_another out, or add it to events/order-completed.yaml")),
        (order(products=[{"productId": "1"}]), ("product_id", "rename productId to product_id")),
        (order(by_day={"d1": {"qantity": 1}}), ("quantity", "rename qantity to quantity")),
        (order(others={"y": {"qantity": 1}}), ("quantity", "rename qantity to quantity")),
        (order(total="1"), ("", "send a number, without quotes")),
        (order(total=[]), ("", "send a number")),
        (order(currency="DEM"), ("", "change the value, or the rule in events/order-completed.yaml")),
        ({**order(), "context": {"ip": 1}}, ("", "send a string")),
        ({"type": "track", "event": "Order Completed"}, ("", "add total")),
        ({"type": "identify", "traits": {"eMail": 1}}, ("email", "rename eMail to email")),
        (
            {**order(revenu=1), "context": {"protocols": {"event_version": 2}}, "properties": {"revenu": 1}},
            ("revenue", "rename revenu to revenue"),
        ),
    ],
)
def test_a_violation_is_explained(body: dict[str, Any], expected: tuple[str, str]) -> None:
    assert told(body) == [expected]


def test_the_same_letters_are_nearer_than_any_likeness() -> None:
    assert closest("orderId", ["order_ids", "order_id"]) == "order_id"
    assert closest("zzz", ["order_id"]) == ""

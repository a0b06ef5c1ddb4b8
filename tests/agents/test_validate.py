"""An event that conforms costs one call; another is allowed, loses exactly what offends, or is blocked whole."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.agents.verdict import MAX_VIOLATIONS, Enforcement, Verdict, omit
from router.config.models import ClassActions, Enforce
from router.plan import Plan, compile_plan
from router.plan.model import DRAFT_2020_12, Rule

BLOCK = Enforce(unplanned_event="block", unplanned_property="block", violation="block", common="block")
OMIT = Enforce(unplanned_event="omit", unplanned_property="omit", violation="omit", common="omit")
ITEM = {
    "type": "object",
    "required": ["product_id"],
    "properties": {
        "product_id": {"type": "string"},
        "price": {"type": "number"},
        "tags": {"items": {"type": "string"}},
    },
}
PROPERTIES = {
    "order_id": {"type": "string"},
    "total": {"type": "number", "minimum": 0},
    "currency": {"enum": ["EUR", "USD"]},
    "products": {"type": "array", "items": {"$ref": "../defs/product.yaml#/$defs/item"}},
    "address": {"type": "object", "properties": {"city": {"type": "string"}}},
    "free": {"type": "object"},
}
ORDER = {"type": "object", "required": ["order_id", "total"], "properties": PROPERTIES}
TRAITS = {"type": "object", "properties": {"email": {"type": "string", "format": "email"}}}
CONTEXT = {"type": "object", "properties": {"ip": {"type": "string"}, "locale": {"type": "string"}}}
PLAN = Plan(
    name="shop",
    rules=(
        Rule("track", "Order Completed", schemas={"properties": ORDER}),
        Rule("track", "Signed Up", schemas={"properties": {"required": ["old"], "properties": {"old": {}}}}),
        Rule("track", "Signed Up", 3, schemas={"properties": {"required": ["new"], "properties": {"new": {}}}}),
        Rule("track", "Ping"),
        Rule("page", "Home", schemas={"properties": {"properties": {"path": {"type": "string"}}}}),
        Rule("identify", schemas={"traits": TRAITS}),
        Rule("group", schemas={"traits": {"required": ["name"], "properties": {"name": {"type": "string"}}}}),
        Rule("alias", schemas={"message": {"properties": {"previousId": {"pattern": "^anon-"}}}}),
    ),
    common={
        "context": CONTEXT,
        "properties": {"properties": {"revenue": {"type": "number"}}},
        "traits": {"properties": {"plan": {"type": "string"}}},
    },
    defs={"defs/product.yaml": {"$defs": {"item": ITEM}}},
)
COMPILED = compile_plan(PLAN)
UNPLANNED = ("unplanned_property", "Unplanned Property")


def track(event: str = "Order Completed", /, **properties: Any) -> dict[str, Any]:
    return {"type": "track", "event": event, "properties": {"order_id": "1", "total": 1, **properties}}


def check(body: dict[str, Any], enforce: Enforce = BLOCK) -> Verdict | None:
    return Enforcement(COMPILED, enforce).check(body)


def found(body: dict[str, Any], enforce: Enforce = BLOCK) -> list[tuple[str, str, str]]:
    """Class, type and pointer of each violation."""
    verdict = check(body, enforce)
    return [(each.klass, each.type, each.pointer) for each in verdict.violations] if verdict else []


def omitted(body: dict[str, Any]) -> Any:
    return body["context"]["protocols"]["omitted"]


def test_an_event_that_conforms_has_no_verdict_and_is_left_alone() -> None:
    body = track(currency="EUR", products=[{"product_id": "1", "price": 2}], free={"any": [{"thing": 1}]}, revenue=1)
    before = copy.deepcopy(body)

    assert check(body) is None
    assert body == before


@pytest.mark.parametrize("enforce", [BLOCK, OMIT, Enforce(identify=ClassActions(violation="block"))])
def test_report_only_tells_everything_and_changes_nothing(enforce: Enforce) -> None:
    switched = enforce.model_copy(update={"report_only": True})
    for body in (
        track(total="a lot", extra=1),
        track("Nobody Planned This"),
        {"type": "identify", "traits": {"email": 1}},
    ):
        before = copy.deepcopy(body)
        verdict = check(body, switched)

        enforced = check(copy.deepcopy(body), enforce)
        assert verdict is not None
        assert enforced is not None
        assert (verdict.blocked, verdict.violations) == (False, enforced.violations)
        assert body == before


def test_without_a_plan_everything_passes() -> None:
    assert Enforcement(None, BLOCK).check({"type": "track", "event": "?"}) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (track(total="x"), [("violation", "Type", "/properties/total")]),
        (track(total=-1), [("violation", "Minimum", "/properties/total")]),
        (track(currency="DEM"), [("violation", "Enum", "/properties/currency")]),
        (track("Order Completed", totl=1), [(*UNPLANNED, "/properties/totl")]),
        (track(address={"zip": 1}), [(*UNPLANNED, "/properties/address/zip")]),
        (track(products=[{"product_id": "1"}, {}]), [("violation", "Required", "/properties/products/1/product_id")]),
        (track(products=[{"product_id": "1", "x": 1}]), [(*UNPLANNED, "/properties/products/0/x")]),
        (track(**{"a/b~c": 1}), [(*UNPLANNED, "/properties/a~1b~0c")]),
        (track("order completed"), [("unplanned_event", "Unplanned Event", "/event")]),
        ({"type": "track", "event": "Signed Up"}, [("violation", "Required", "/properties/old")]),
        ({"type": "track", "event": "Ping", "properties": {"anything": 1}}, []),
        ({"type": "page", "name": "Home", "properties": {"path": 1}}, [("violation", "Type", "/properties/path")]),
        ({"type": "page", "name": "Cart"}, [("unplanned_event", "Unplanned Event", "/name")]),
        ({"type": "page"}, [("unplanned_event", "Unplanned Event", "/name")]),
        ({"type": "screen", "name": "Cart"}, []),
        ({"type": "identify", "traits": {"email": "x"}}, [("violation", "Format", "/traits/email")]),
        ({"type": "identify", "traits": {"age": 1}}, [(*UNPLANNED, "/traits/age")]),
        ({"type": "identify", "traits": {"plan": 1}}, [("common", "Type", "/traits/plan")]),
        ({"type": "identify"}, []),
        ({"type": "group", "groupId": "g"}, [("violation", "Required", "/traits/name")]),
        ({"type": "alias", "previousId": "u1", "userId": "u2"}, [("violation", "Pattern", "/previousId")]),
        ({"type": "alias", "previousId": "anon-1", "userId": "u2", "properties": {"x": 1}}, []),
        (track(revenue="1"), [("common", "Type", "/properties/revenue")]),
        ({**track(), "context": {"ip": 1}}, [("common", "Type", "/context/ip")]),
        ({**track(), "context": {"more": 1}}, []),
        (
            {**track("X"), "context": {"ip": 1}},
            [("unplanned_event", "Unplanned Event", "/event"), ("common", "Type", "/context/ip")],
        ),
        ({"type": "screen", "properties": {"revenue": "1"}}, [("common", "Type", "/properties/revenue")]),
    ],
)  # fmt: skip
def test_each_kind_of_violation_is_found_at_its_place(
    body: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    assert found(body) == expected


def test_a_violation_names_plan_rule_and_version() -> None:
    verdict = check(track(total="x"))
    unplanned = check(track("X"))

    assert verdict
    assert unplanned
    (violation,) = verdict.violations
    assert (violation.plan, violation.rule, violation.version) == ("shop", "Order Completed", 1)
    assert violation.message == "expected a number, got a string"
    assert (unplanned.violations[0].rule, unplanned.violations[0].version) == ("track", 0)


@pytest.mark.parametrize(
    ("version", "missing"),
    [
        (None, "/properties/old"),
        (1, "/properties/old"),
        (3, "/properties/new"),
        (3.0, "/properties/new"),
        (2, "/properties/old"),
        ("3", "/properties/old"),
        ([3], "/properties/old"),
        ({}, "/properties/old"),
    ],
)
def test_the_version_chooses_the_rule_and_an_unknown_one_the_oldest(version: Any, missing: str) -> None:
    body = {"type": "track", "event": "Signed Up", "context": {"protocols": {"event_version": version}}}

    assert found(body) == [("violation", "Required", missing)]


@pytest.mark.parametrize("context", [{}, {"protocols": {}}, {"protocols": None}, {"protocols": [1]}, None, "x"])
def test_a_strange_context_means_the_oldest_version(context: Any) -> None:
    body = {"type": "track", "event": "Signed Up", "context": context}

    assert ("violation", "Required", "/properties/old") in found(body)


def test_actions_come_from_the_call_type_then_the_source_then_allow() -> None:
    enforce = Enforce(violation="block", identify=ClassActions(violation="omit"), page=ClassActions(violation="allow"))
    rules = Enforcement(COMPILED, enforce)

    assert rules.actions["track"] == {
        "unplanned_event": "allow",
        "unplanned_property": "allow",
        "violation": "block",
        "common": "allow",
    }
    assert rules.actions["identify"]["violation"] == "omit"
    assert rules.actions["page"]["violation"] == "allow"


def test_allow_records_and_passes_the_event_as_it_came() -> None:
    body = track("Order Completed", total="x", more=1)
    before = copy.deepcopy(body)

    verdict = check(body, Enforce())

    assert verdict
    assert not verdict.blocked
    assert len(verdict.violations) == 2
    assert body == before


def test_block_keeps_the_event_whole_though_another_class_would_omit() -> None:
    body = track(total="x", more=1)
    before = copy.deepcopy(body)

    verdict = check(body, Enforce(violation="block", unplanned_property="omit"))

    assert verdict
    assert verdict.blocked
    assert body == before


def test_omit_removes_exactly_what_offends_and_keeps_it() -> None:
    body = track(
        total="x",
        more={"a": 1},
        address={"city": "Rome", "zip": 1},
        products=[
            {"product_id": "1", "price": "2", "tags": ["a", 1, "b", 2, "c"]},
            {"product_id": "2", "x": None},
        ],
    )
    before = copy.deepcopy(body)

    verdict = check(body, OMIT)

    assert verdict
    assert not verdict.blocked
    assert body["properties"] == {
        "order_id": "1",
        "address": {"city": "Rome"},
        "products": [{"product_id": "1", "tags": ["a", "b", "c"]}, {"product_id": "2"}],
    }
    assert omitted(body) == {
        "/properties/total": "x",
        "/properties/more": {"a": 1},
        "/properties/address/zip": 1,
        "/properties/products/0/price": "2",
        "/properties/products/0/tags/1": 1,
        "/properties/products/0/tags/3": 2,
        "/properties/products/1/x": None,
    }
    assert restored(body) == before


def restored(body: dict[str, Any]) -> dict[str, Any]:
    """The event as it came, from what was kept: pointers tell where each value stood."""
    result = copy.deepcopy(body)
    kept = result["context"]["protocols"].pop("omitted")
    if not result["context"]["protocols"]:
        del result["context"]["protocols"]
    if not result["context"]:
        del result["context"]
    for pointer, value in sorted(kept.items(), key=lambda pair: _parts(pair[0])):
        *path, last = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
        place: Any = result
        for part in path:
            place = place[int(part)] if isinstance(place, list) else place[part]
        if isinstance(place, list):
            place.insert(int(last), value)
        else:
            place[last] = value
    return result


def _parts(pointer: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in pointer.split("/")]


@pytest.mark.parametrize(
    "body",
    [
        {"type": "track", "event": "Order Completed", "properties": {"order_id": "1"}},
        {"type": "track", "event": "Order Completed"},
        {"type": "track", "event": "Unknown"},
        {"type": "alias", "previousId": "u1", "userId": "u2"},
        {"type": "group", "groupId": "g", "traits": {}},
    ],
)
def test_what_has_nothing_to_remove_is_recorded_and_passes(body: dict[str, Any]) -> None:
    before = copy.deepcopy(body)

    verdict = check(body, OMIT)

    assert verdict
    assert not verdict.blocked
    assert verdict.violations
    assert body == before


def test_a_section_as_a_whole_is_never_removed() -> None:
    plan = Plan(
        "p", (Rule("track", "A", schemas={"properties": {"maxProperties": 1}, "context": {"minProperties": 1}}),)
    )
    body = {"type": "track", "event": "A", "properties": {"a": 1, "b": 2}, "context": {}}
    before = copy.deepcopy(body)

    verdict = Enforcement(compile_plan(plan), OMIT).check(body)

    assert verdict
    assert [each.pointer for each in verdict.violations] == ["/properties", "/context"]
    assert body == before


def test_a_value_inside_an_omitted_one_goes_with_it() -> None:
    body = track(products=[{"product_id": 1, "x": 1}, "y"], address="Rome")

    check(body, OMIT)

    assert body["properties"]["products"] == [{}]
    assert omitted(body) == {
        "/properties/products/0/product_id": 1,
        "/properties/products/0/x": 1,
        "/properties/products/1": "y",
        "/properties/address": "Rome",
    }


def test_items_leave_an_array_in_the_right_order_beyond_ten() -> None:
    body = track(products=[{"product_id": "1", "tags": [n if n in (2, 10, 11) else str(n) for n in range(12)]}])

    check(body, OMIT)

    assert body["properties"]["products"][0]["tags"] == [str(n) for n in range(10) if n != 2]


def test_what_was_omitted_joins_what_the_sender_keeps_there() -> None:
    earlier = {"/properties/old": 1}
    body = {**track(more=1), "context": {"protocols": {"event_version": 1, "omitted": dict(earlier)}, "ip": "::1"}}

    check(body, OMIT)

    expected = {"event_version": 1, "omitted": {**earlier, "/properties/more": 1}}
    assert body["context"] == {"protocols": expected, "ip": "::1"}


def test_another_shape_where_omitted_values_are_kept_is_kept_too() -> None:
    body = {**track(more=1), "context": {"protocols": "v1"}}

    check(body, OMIT)

    assert body["context"]["protocols"] == {"omitted": {"/properties/more": 1, "/context/protocols": "v1"}}


def test_protocols_are_out_of_reach_of_omit() -> None:
    body: dict[str, Any] = {"context": {"protocols": {"a": 1}}, "userId": "u"}

    omit(body, [("context", "protocols", "a"), ("context", "protocols"), ("userId",), ("integrations", "x"), ()])

    assert body == {"context": {"protocols": {"a": 1}}, "userId": "u"}


@pytest.mark.parametrize(
    ("violation", "unplanned", "klass", "blocked"),
    [
        ("block", "omit", "violation", True),
        ("omit", "block", "unplanned_property", True),
        ("allow", "omit", "unplanned_property", False),
        ("block", "block", "unplanned_property", True),
    ],
)
@pytest.mark.parametrize("keyword", ["additionalProperties", "unevaluatedProperties"])
def test_a_name_refused_twice_counts_once_by_the_stricter_action(
    keyword: str, violation: Any, unplanned: Any, klass: str, blocked: bool
) -> None:
    schema = {"$schema": DRAFT_2020_12, "properties": {"a": {}}, keyword: False}
    rules = Enforcement(
        compile_plan(Plan("p", (Rule("track", "A", schemas={"properties": schema}),))),
        Enforce(violation=violation, unplanned_property=unplanned),
    )

    verdict = rules.check({"type": "track", "event": "A", "properties": {"b": 1}})

    assert verdict
    assert [each.klass for each in verdict.violations] == [klass]
    assert verdict.blocked == blocked


def test_many_violations_are_counted_not_listed_and_all_omitted() -> None:
    body = track(**{f"p{number}": number for number in range(1000)})

    verdict = check(body, OMIT)

    assert verdict
    assert len(verdict.violations) == MAX_VIOLATIONS
    assert verdict.violations[-1].message == "expected fewer violations, got 901 more in this event"
    assert len(omitted(body)) == 1000


def test_text_that_is_not_unicode_is_a_violation() -> None:
    """orjson never gives such text; other readers of JSON do."""
    assert found(track(currency="\ud800")) == [("violation", "Unreadable", "")]


def test_depth_is_no_danger() -> None:
    deep: Any = 1
    for _ in range(1000):
        deep = [deep]

    assert found(track(free={"deep": deep})) == []
    assert found(track(more={"deep": deep})) == [("violation", "Unreadable", "")]


SECRET = "s3cr3t"


@settings(deadline=None)
@given(st.sampled_from(["order_id", "total", "currency", "products", "address"]), st.data())
def test_messages_never_hold_values(name: str, data: st.DataObject) -> None:
    value = data.draw(st.recursive(st.just(SECRET), lambda inner: st.lists(inner, max_size=2), max_leaves=3))
    verdict = check(track(**{name: value, "event": value}))

    assert verdict
    assert not any(SECRET in str(each) for each in verdict.violations)


NAMES = st.sampled_from(["product_id", "price", "tags", "protocols", "event_version", "x", "0"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)  # fmt: skip
FIELDS = {
    "type": st.sampled_from(["track", "page", "screen", "identify", "group", "alias"]) | JSON,
    "event": st.sampled_from(["Order Completed", "Signed Up", "Ping"]) | JSON,
    "name": st.just("Home") | JSON,
    "previousId": JSON,
    "context": JSON,
    "traits": JSON | st.fixed_dictionaries({}, optional={"email": JSON, "plan": JSON}),
    "properties": JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(PROPERTIES, JSON)),
}
REMEMBERING: dict[str, Enforcement] = {}
ENFORCE = st.builds(
    Enforce,
    **{
        name: st.sampled_from(["allow", "omit", "block"])
        for name in ("unplanned_event", "unplanned_property", "violation", "common")
    },
)


@settings(max_examples=300, deadline=None)
@given(st.fixed_dictionaries({}, optional=FIELDS), ENFORCE)
def test_any_value_in_any_place_gives_a_verdict(body: dict[str, Any], enforce: Enforce) -> None:
    """Never an exception; blocked leaves the event whole; what omit took can be put back; the answer repeats itself,
    and is the same from one that has judged such events before."""
    before, again = copy.deepcopy(body), copy.deepcopy(body)
    remembering = REMEMBERING.setdefault(enforce.model_dump_json(), Enforcement(COMPILED, enforce))

    verdict = check(body, enforce)

    assert (remembering.check(again), again) == (verdict, body)

    if verdict is None or verdict.blocked or body == before:
        assert body == before
        assert check(body, enforce) == verdict
    else:
        kept = omitted(body)
        assert set(kept) <= {each.pointer for each in verdict.violations} | {"/context", "/context/protocols"}
        assert len(orjson.dumps(body)) >= len(orjson.dumps(before))

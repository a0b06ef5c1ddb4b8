"""Filters of a destination: what goes on, in which form, and with which reason the rest does not."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.agents.filter import FilterEvents, tree
from router.agents.route import Choice
from router.config.filters import FilterConfig
from tests.agents.messages import event, track

CRM, ADS = "dest.crm", "dest.ads"
USUAL = Choice(("crm", "ads"), ("events.resolved", CRM, ADS), (("old", "type"),))
BODY: dict[str, Any] = {
    "userId": "u1",
    "properties": {"total": 9.5, "name": "Ann", "items": [{"sku": "a", "price": 1}, {"sku": "b"}, 7], "deep": {"a": 1}},
    "context": {"traits": {"email": "ann@example.com"}, "ip": "192.0.2.1"},
}


def agent(*filters: dict[str, Any], **others: list[dict[str, Any]]) -> FilterEvents:
    named = {"crm": list(filters), **others}
    return FilterEvents({name: [FilterConfig.model_validate(each) for each in of] for name, of in named.items()})


def choice(filters: FilterEvents, body: dict[str, Any] = BODY, usual: Choice = USUAL) -> Choice:
    sent = event(track(**body), source="web")
    sent.choice = usual
    prepare = filters.compile(("web", sent.type, sent.name))
    if prepare is not None:
        prepare(sent)
    found: Choice = sent.choice
    return found


def own(*filters: dict[str, Any]) -> Any:
    found = choice(agent(*filters))
    assert found.topics == USUAL.topics
    assert set(found.bodies) == {"crm"}
    return found.bodies["crm"]


def test_without_a_filter_there_is_nothing_to_do() -> None:
    assert agent().compile(("web", "track", "x")) is None


def test_a_filter_that_does_not_hold_changes_nothing() -> None:
    assert choice(agent({"if": "properties.total < 1", "then": "drop"})) is USUAL


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ([{"if": "properties.total > 1", "then": "drop"}], "filter"),
        ([{"if": 'source = "web"', "then": "drop"}], "filter"),
        ([{"if": "properties.name > 1", "then": "drop"}], "filter_error"),
        ([{"if": "properties.name > 1", "then": {"keep": ["properties.name"]}}], "filter_error"),
        ([{"then": {"sample": 0}}], "sample"),
        ([{"then": {"remove": ["properties.total"]}}, {"if": "properties.total = 9.5", "then": "drop"}], "filter"),
        ([{"then": {"sample": 1}}, {"then": "drop"}, {"if": "userId > 1", "then": "drop"}], "filter"),
    ],
)
def test_what_is_dropped_goes_to_the_others_and_counts_with_its_reason(
    filters: list[dict[str, Any]], reason: str
) -> None:
    found = choice(agent(*filters))

    assert found.chosen == ("ads",)
    assert found.topics == ("events.resolved", ADS)
    assert found.refused == (("old", "type"), ("crm", reason))
    assert found.bodies == {}
    assert reason in FilterEvents.reasons


def test_events_dropped_alike_share_one_choice() -> None:
    filters = agent({"then": "drop"})

    assert choice(filters) is choice(filters)
    assert choice(filters, usual=Choice(("crm",), (CRM,), ())).topics == ()


def test_kept_fields_stay_alone_in_their_section_and_other_sections_whole() -> None:
    got = own({"then": {"keep": ["properties.total", "properties.items.sku", "properties.deep", "properties.none.x"]}})

    assert got["properties"] == {"total": 9.5, "items": [{"sku": "a"}, {"sku": "b"}, 7], "deep": {"a": 1}}
    assert got["context"]["ip"] == "192.0.2.1"
    assert got["messageId"] == "m1"


def test_removed_fields_go_in_every_item_of_a_list() -> None:
    got = own({"then": {"remove": ["properties.items.sku", "context.traits.email", "properties.none", "context.ip.x"]}})

    assert got["properties"]["items"] == [{"price": 1}, {}, 7]
    assert got["context"]["traits"] == {}
    assert got["context"]["ip"] == "192.0.2.1"


def test_several_filters_change_one_copy_and_leave_the_event() -> None:
    body = orjson.loads(orjson.dumps(BODY))
    filters = agent(
        {"then": {"keep": ["properties.total", "properties.name"]}}, {"then": {"remove": ["properties.name"]}},
        ads=[{"then": {"remove": ["context.traits"]}}],
    )  # fmt: skip
    sent = event(track(**body), source="web")
    sent.choice = USUAL

    filters.prepare(sent)

    found: Choice = sent.choice
    assert found.bodies["crm"]["properties"] == {"total": 9.5}
    assert "traits" not in found.bodies["ads"]["context"]
    assert sent.body["properties"] == BODY["properties"]
    assert sent.body["context"]["traits"] == BODY["context"]["traits"]


def test_what_an_agent_before_made_of_the_event_is_what_fields_are_taken_from() -> None:
    masked = {"messageId": "m1", "properties": {"total": 9.5, "name": "…"}}
    usual = Choice(USUAL.chosen, USUAL.topics, (), bodies={"crm": masked})

    found = choice(agent({"then": {"keep": ["properties.name"]}}), usual=usual)

    assert found.bodies["crm"] == {"messageId": "m1", "properties": {"name": "…"}}


def test_a_sample_is_of_its_size_and_stable_by_its_path() -> None:
    filters = agent({"then": {"sample": 0.25, "by": "userId"}}, ads=[{"then": {"sample": 0.5, "by": "userId"}}])
    rng = random.Random(7)
    taken = {}
    for user in (f"u{rng.randrange(10**9)}" for _ in range(4_000)):
        first = choice(filters, {"userId": user, "messageId": f"m{rng.random()}"}).chosen
        assert first == choice(filters, {"userId": user, "properties": {"x": 1}}).chosen
        taken[user] = first

    assert 850 < sum("crm" in each for each in taken.values()) < 1150
    assert 1850 < sum("ads" in each for each in taken.values()) < 2150
    assert all("ads" in each for each in taken.values() if "crm" in each)


def test_without_a_value_at_its_path_an_event_is_sampled_by_its_id() -> None:
    by_path, by_id = agent({"then": {"sample": 0.5, "by": "userId"}}), agent({"then": {"sample": 0.5}})
    ids = [f"m{number}" for number in range(200)]

    chosen = [choice(by_path, {"messageId": each}).chosen for each in ids]

    assert chosen == [choice(by_id, {"messageId": each}).chosen for each in ids]
    assert len(set(chosen)) == 2


def test_of_a_field_and_a_field_inside_it_the_outer_counts() -> None:
    assert tree(["properties.a.b", "properties.a", "properties.c.d", "properties.c\\.d"]) == {
        "properties": {"a": None, "c": {"d": None}, "c.d": None}
    }


values = st.recursive(
    st.none() | st.integers(-9, 9) | st.text("ab", max_size=2),
    lambda of: st.lists(of, max_size=3) | st.dictionaries(st.sampled_from("abc"), of, max_size=3),
    max_leaves=12,
)
paths = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join), min_size=1, max_size=4)


@given(st.dictionaries(st.sampled_from("abc"), values, max_size=3), paths)
def test_removing_and_keeping_the_same_fields_leaves_nothing_of_both(
    properties: dict[str, Any], fields: list[str]
) -> None:
    named = [f"properties.{each}" for each in fields]
    removed = choice(agent({"then": {"remove": named}}), {"properties": properties}).bodies["crm"]

    kept = choice(agent({"then": {"keep": named}}), removed).bodies["crm"]

    assert removed["properties"] == without(properties, fields)
    assert not any(leads(kept["properties"], field.split(".")) for field in fields)


def without(value: Any, fields: list[str]) -> Any:
    if isinstance(value, list):
        return [without(each, fields) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: without(inner, [field[2:] for field in fields if field.startswith(f"{name}.")])
        for name, inner in value.items()
        if name not in fields
    }


def leads(value: Any, names: list[str]) -> bool:
    if isinstance(value, list):
        return any(leads(each, names) for each in value)
    if not names:
        return True
    return isinstance(value, dict) and names[0] in value and leads(value[names[0]], names[1:])

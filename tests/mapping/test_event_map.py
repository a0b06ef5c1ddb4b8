"""`map` of a destination: call types, then events over them; what is switched off; what stays as it was."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from router.config.shape import MapConfig
from router.events.event import CALL_TYPES
from router.mapping.event_map import EventMap, Given

BODY: dict[str, Any] = {"event": "Order Completed", "userId": "u1", "traits": {"plan_type": "gold"}}
ITEM: dict[str, Any] = {"name": "Order Completed", "attributes": {"total": 1, "list": [1]}}
RENAME = {"attributes.plan": "traits.plan_type"}


@pytest.mark.parametrize(
    ("calls", "events", "sent"),
    [
        ({}, {}, ITEM),
        ({"track": RENAME}, {}, {**ITEM, "attributes": {"total": 1, "list": [1], "plan": "gold"}}),
        ({"identify": RENAME}, {}, ITEM),
        ({}, {"Order Completed": {"name": {"value": "purchase"}}}, {**ITEM, "name": "purchase"}),
        ({"track": {"name": "userId"}}, {"Order Completed": {"name": {"value": "b"}}}, {**ITEM, "name": "b"}),
        ({"track": {"name": "userId"}}, {"Other": {"name": {"value": "b"}}}, {**ITEM, "name": "u1"}),
        ({"track": {"attributes.total.c": {"value": 1}}}, {}, {**ITEM, "attributes": {"total": {"c": 1}, "list": [1]}}),
    ],
)  # fmt: skip
def test_an_item_is_changed_by_call_type_and_then_by_event(
    calls: dict[str, Given], events: dict[str, Given], sent: dict[str, Any]
) -> None:
    item, event_map = deepcopy(ITEM), EventMap(calls, events)

    assert event_map.apply("track", "Order Completed", BODY, item) == (sent, [])
    assert item == ITEM


def test_an_item_that_nothing_changes_is_the_very_same() -> None:
    assert EventMap({"identify": RENAME}).apply("track", "A", BODY, ITEM).values is ITEM


def test_a_topology_without_a_map_leaves_every_item_the_very_same() -> None:
    """Such as the webhook's, which is then sent with the event's own bytes."""
    event_map = MapConfig().compiled()

    for call in CALL_TYPES:
        assert event_map.apply(call, "Order Completed", BODY, ITEM).values is ITEM


@pytest.mark.parametrize(
    ("call", "event", "sent"),
    [("page", "", False), ("track", "A", False), ("track", "B", True), ("track", "C", False), ("identify", "B", True)],
)
def test_what_is_switched_off(call: str, event: str, sent: bool) -> None:
    """What an event's own entry says goes over that of its call type."""
    event_map = EventMap({"page": False, "track": False}, {"A": False, "B": {}})

    assert event_map.sends(call, event) is sent


def test_names_of_events_are_those_of_track_calls() -> None:
    event_map = EventMap({}, {"Home": False})

    assert event_map.sends("page", "Home")
    assert not event_map.sends("track", "Home")


def test_problems_of_both_are_told() -> None:
    number = {"attributes.n": {"path": "userId", "as": "number"}}
    event_map = EventMap({"track": number}, {"A": {"m": {"path": "userId", "as": "number"}}})

    assert event_map.apply("track", "A", BODY, ITEM) == (
        ITEM, ["attributes.n: expected a number", "m: expected a number"]
    )  # fmt: skip

"""Who enters and leaves a list: an event in, the change out."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from router.destinations.base import Delivery
from router.destinations.http import Skip
from router.destinations.shared import membership, person
from tests.deliveries import delivery

AUDIENCES = TypeAdapter(membership.Audiences).validate_python(
    {"gold": "1", "carts": {"id": "2", "entered": ["Product Added"], "left": ["Order Completed"]}}
)


def event(kind: str = "track", name: str = "Audience Entered", number: int = 1, **fields: Any) -> Delivery:
    made = delivery(number, **({"type": kind, "event": name, "properties": {}} | fields))
    made.type, made.event = kind, name if kind == "track" else ""
    return made


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (event("identify", traits={"gold": True}), {"1": True}),
        (event("identify", traits={"gold": False, "carts": True}), {"1": False, "2": True}),
        (event("identify", traits={"gold": "yes"}), {}),
        (event("identify", traits=None), {}),
        (event(properties={"audience_key": "gold"}), {"1": True}),
        (event(properties={"audience_name": "gold"}), {"1": True}),
        (event(properties={"gold": True}), {"1": True}),
        (event(name="Audience Exited", properties={"audience": "gold"}), {"1": False}),
        (event(name="Audience Exited", properties={"gold": False}), {"1": False}),
        (event(name="Audience Exited", properties={"gold": True}), {}),  # contradicts itself
        (event(properties={"audience_key": "silver"}), {}),
        (event(name="Product Added"), {"2": True}),
        (event(name="Order Completed"), {"2": False}),
        (event(name="Order Refunded"), {}),
    ],
)
def test_an_event_says_who_enters_and_leaves(given: Delivery, expected: dict[str, bool]) -> None:
    assert membership.changed(given, AUDIENCES) == expected


def changes(*events: Delivery) -> list[Any]:
    made = membership.changes(events, AUDIENCES, person.user_id)
    return [one.reason if isinstance(one, Skip) else (one.list_id, one.enters, one.members) for one in made]


def test_people_are_grouped_by_list_and_direction() -> None:
    first, second = event("identify", traits={"gold": True}), event(name="Product Added", number=2)
    third = event("identify", number=3, traits={"gold": True, "carts": False})

    assert changes(first, second, third) == [("1", True, ["u1", "u3"]), ("2", True, ["u2"]), ("2", False, ["u3"])]


def test_of_two_changes_of_one_person_the_last_by_event_time_counts() -> None:
    """Whatever the order in which they came."""
    added = event(name="Product Added", timestamp="2026-01-01T00:00:05Z")
    bought = event(name="Order Completed", timestamp="2026-01-01T00:00:09Z")

    assert changes(added, bought) == ["superseded", ("2", False, ["u1"])]
    assert changes(bought, added) == ["superseded", ("2", False, ["u1"])]


def test_an_event_that_is_superseded_in_one_list_still_counts_in_another() -> None:
    both = event("identify", traits={"gold": True, "carts": True}, timestamp="2026-01-01T00:00:05Z")
    bought = event(name="Order Completed", timestamp="2026-01-01T00:00:09Z")

    assert changes(both, bought) == [("1", True, ["u1"]), ("2", False, ["u1"])]


def test_who_is_not_concerned_and_who_cannot_be_known_is_not_sent() -> None:
    assert changes(event(name="Order Refunded"), event(name="Product Added", userId=None, number=2)) == [
        "no_audience", "no_identifier"
    ]  # fmt: skip


@pytest.mark.parametrize("given", [{}, {"gold": {"entered": []}}, {"gold": ""}, {"gold": True}, {"gold": "a/b"}])
def test_a_list_needs_an_id(given: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(membership.Audiences).validate_python(given)

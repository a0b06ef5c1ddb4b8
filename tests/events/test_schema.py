"""The event schema accepts what the router accepts, and refuses what it refuses."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events.event import CALL_TYPES, Limits, shape_problem
from router.events.parser import Repairs
from router.events.schema import event_schema

LIMITS = Limits(message_id=20)
VALIDATOR = jsonschema.Draft202012Validator(event_schema(LIMITS))

ids = st.one_of(st.none(), st.just(""), st.just("u1"), st.integers(-5, 5), st.booleans(), st.just([]), st.just({}))
objects = st.one_of(st.none(), st.just({}), st.just({"a": 1}), st.just([]), st.just("x"), st.just(1))
events = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from([*CALL_TYPES, "trak", "", None, 1]),
        "userId": ids,
        "anonymousId": ids,
        "groupId": ids,
        "previousId": ids,
        "messageId": st.one_of(ids, st.text("m", min_size=18, max_size=23)),
        "event": st.one_of(st.none(), st.just(""), st.just("Order Completed"), st.integers()),
        "properties": objects,
        "traits": objects,
        "context": objects,
        "integrations": objects,
        "further": st.just(1),
    },
)


@given(events)
def test_schema_and_router_agree(event: dict[str, Any]) -> None:
    valid = VALIDATOR.is_valid(event)

    assert valid == (shape_problem(event, LIMITS, Repairs()) == "")


@pytest.mark.parametrize("value", [None, [], "event", 1])
def test_what_is_no_object_is_no_event(value: object) -> None:
    assert not VALIDATOR.is_valid(value)

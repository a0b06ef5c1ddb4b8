"""No matched value leaves an event at any nesting; an event without matches is the very same object."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.privacy.classes import MASKED, Action, DataClass, DataClasses, Found
from router.privacy.matchers import MATCHERS

CLASSES = DataClasses(
    [
        DataClass("email", "yellow", ("*email*",), (MATCHERS["email"],)),
        DataClass("card", "red", (), (MATCHERS["card"],)),
        DataClass("name", "yellow", ("firstname", "last_name")),
    ]
)
EMAIL, CARD = "Ada@Example.com", "4111111111111111"
PERSONAL = st.sampled_from([EMAIL, CARD, f"call {EMAIL} now", 4111111111111111])
HARMLESS = st.none() | st.booleans() | st.integers(-1000, 1000) | st.sampled_from(["", "red", "Wool hat", "12 EUR"])
KEYS = st.sampled_from(["a", "b", "items", "note", "FirstName", "userEmail"])


def trees(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    inner = st.recursive(leaves, lambda each: st.lists(each, max_size=3) | st.dictionaries(keys, each, max_size=3))
    sections = st.sampled_from(["traits", "properties", "context"])
    return st.dictionaries(sections, st.dictionaries(keys, inner, max_size=4), max_size=3)


@given(body=trees(PERSONAL | HARMLESS, KEYS))
def test_what_is_dropped_masked_or_hashed_is_nowhere_left(body: dict[str, Any]) -> None:
    before = copy.deepcopy(body)
    for action in ("drop", "mask", "hash"):
        treated = CLASSES.treat(body, {"email": action, "card": action, "name": action})

        assert body == before
        assert EMAIL.encode() not in orjson.dumps(treated.body)
        assert CARD.encode() not in orjson.dumps(treated.body)
        assert (treated.body is body) == (not treated.changed)


@given(body=trees(HARMLESS, st.sampled_from(["a", "b", "items"])))
def test_an_event_without_personal_data_is_the_same_object(body: dict[str, Any]) -> None:
    treated = CLASSES.treat(body, {"email": "drop", "card": "mask", "name": "hash"})

    assert treated.body is body
    assert not treated.changed
    assert not list(CLASSES.scan(body))


@given(body=trees(PERSONAL | HARMLESS, KEYS))
def test_what_is_kept_is_kept_whole(body: dict[str, Any]) -> None:
    assert CLASSES.treat(body, {"email": "keep"}).body is body


@pytest.mark.parametrize(
    ("action", "traits"),
    [
        ("drop", {"age": 3, "all": []}),
        ("mask", {"age": 3, "email": MASKED, "all": [MASKED]}),
        (
            "hash",
            {
                "age": 3,
                "email": "b5fc85e55755f9e0d030a10ab4429b6b2944855f9a0d60077fe832becbc41d72",
                "all": ["b5fc85e55755f9e0d030a10ab4429b6b2944855f9a0d60077fe832becbc41d72"],
            },
        ),
    ],
)
def test_each_action_in_one_picture(action: Action, traits: dict[str, Any]) -> None:
    body = {"messageId": "m1", "userId": "u1", "traits": {"age": 3, "email": EMAIL, "all": [EMAIL]}}

    treated = CLASSES.treat(body, {"email": action})

    assert treated.body == {"messageId": "m1", "userId": "u1", "traits": traits}
    assert treated.changed == {"email": 2}


def test_an_id_is_personal_data_too_and_the_message_id_never() -> None:
    body = {"messageId": EMAIL, "event": EMAIL, "userId": EMAIL, "anonymousId": "a1"}

    assert CLASSES.treat(body, {"email": "drop"}).body == {"messageId": EMAIL, "event": EMAIL, "anonymousId": "a1"}


@pytest.mark.parametrize("glob", ["*", "*Id", "m*"])
def test_no_glob_reaches_what_every_event_needs(glob: str) -> None:
    body = {"messageId": "m1", "type": "track", "event": "E", "timestamp": "2026", "userId": "u", "anonymousId": "a"}

    treated = DataClasses([DataClass("all", "red", (glob,))]).treat(body | {"traits": {"x": 1}}, {"all": "drop"}).body

    assert {key: treated[key] for key in ("messageId", "type", "event", "timestamp")} == {
        key: body[key] for key in ("messageId", "type", "event", "timestamp")
    }


def test_the_strictest_class_counts_and_a_name_holds_for_all_below_it() -> None:
    body = {"traits": {"userEmail": {"work": EMAIL, "rank": 1}, "note": f"{EMAIL} {CARD}"}}

    treated = CLASSES.treat(body, {"email": "mask", "card": "drop"})

    assert treated.body == {"traits": {"userEmail": {"work": MASKED, "rank": MASKED}}}
    assert treated.changed == {"email": 2, "card": 1}


def test_a_scan_names_fields_and_classes_and_no_value() -> None:
    body = {"userId": "u", "properties": {"items": [{"email": EMAIL}, {"email": EMAIL}], "note": CARD}}

    assert sorted(set(CLASSES.scan(body))) == [
        Found("properties.items[].email", "email"),
        Found("properties.note", "card"),
    ]

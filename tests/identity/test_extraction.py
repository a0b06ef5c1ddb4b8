"""Which identifiers an event carries: best first, without blocked values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.identity import Extraction, Identifiers, IdentityRules, digest, profile_id

RULES = IdentityRules()
EXTRACTION = Extraction(RULES)
RANK = RULES.ranking()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
IDS = st.sampled_from(["", "u", "0", "null", "x" * 600]) | st.text(max_size=30)
EXTERNAL = st.lists(
    st.fixed_dictionaries({}, optional={"type": st.text(max_size=3) | JSON, "id": IDS | JSON, "collection": JSON})
    | JSON,
    max_size=30,
)
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "traits": st.fixed_dictionaries({}, optional={"email": IDS | JSON, "phone": IDS | JSON}) | JSON,
        "externalIds": EXTERNAL | JSON,
    },
)
BODIES = st.fixed_dictionaries(
    {"type": st.sampled_from(["identify", "track", "group"]), "messageId": st.just("m")},
    optional={
        "userId": IDS,
        "anonymousId": IDS,
        "traits": st.fixed_dictionaries({}, optional={"email": IDS | JSON, "phone": IDS | JSON}),
        "context": CONTEXTS,
    },
)


def call(kind: str = "track", **fields: Any) -> dict[str, Any]:
    return {"type": kind, "messageId": "m", **fields}


def identifiers(body: dict[str, Any]) -> Identifiers:
    return EXTRACTION.identifiers(body)


@given(BODIES)
def test_any_event_gives_usable_identifiers_best_first_each_once_one_user(body: dict[str, Any]) -> None:
    found = identifiers(body)
    assert len(found) == len(set(found)) <= RULES.event_identifiers
    assert [RANK(pair) for pair in found] == sorted(RANK(pair) for pair in found)
    assert sum(kind == "user_id" for kind, _ in found) <= 1
    assert all(type(kind) is str and type(value) is str and not RULES.is_blocked(value) for kind, value in found)


@given(BODIES)
def test_the_short_way_and_the_long_way_agree(body: dict[str, Any]) -> None:
    """An event with nothing but its two ids takes a short cut."""
    bare: dict[str, Any] = {name: body[name] for name in ("type", "messageId", "userId", "anonymousId") if name in body}
    assert identifiers(bare) == identifiers({**bare, "context": {"traits": {}, "externalIds": []}})


@given(BODIES)
def test_the_events_own_user_id_comes_before_those_in_the_context(body: dict[str, Any]) -> None:
    user = body.get("userId")
    if user and not RULES.is_blocked(user):
        assert identifiers(body)[0] == ("user_id", user)


def test_email_and_phone_come_from_the_call_or_its_context() -> None:
    context = {"traits": {"email": " C@Shop.test ", "phone": " +1 "}}
    assert identifiers(call(userId="u", context=context)) == (
        ("user_id", "u"),
        ("email", "c@shop.test"),
        ("phone", "+1"),
    )
    own = call("identify", userId="u", traits={"email": "own@shop.test", "name": "n"}, context=context)
    assert identifiers(own) == (("user_id", "u"), ("email", "own@shop.test"), ("phone", "+1"))


def test_a_groups_traits_say_nothing_about_the_user() -> None:
    assert identifiers(call("group", userId="u", traits={"email": "all@shop.test"})) == (("user_id", "u"),)


def test_external_ids_of_users_count_and_those_of_accounts_do_not() -> None:
    external = [
        {"type": "crm", "id": "7"},
        {"type": "crm", "id": "8", "collection": "accounts"},
        {"type": "user_id", "id": "another"},
        {"type": "user_id", "id": "u"},
    ]
    found = identifiers(call(userId="u", anonymousId="a", context={"externalIds": external}))
    assert found == (("user_id", "u"), ("anonymous_id", "a"), ("crm", "7"))


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "0", "00000000-0000-0000-0000-000000000000", "---", "-1", "anonymous", "GUEST", "null", "NULL"),
        *("None", "NaN", "nan", "undefined", "[object Object]", "true", "False", "id", "distinct_id", "'null'"),
        *('"undefined"', " 'null' ", " " * 40, "\t" * 26 + "null", "x" * (RULES.value_characters + 1), "0" * 400),
    ],
)
def test_placeholders_and_endless_values_are_blocked(value: str) -> None:
    assert RULES.is_blocked(value)


@pytest.mark.parametrize(
    "value",
    ["a", "01", "1-0", "x" * RULES.value_characters, "nullable", "Guest 7", "(null) and void, this one"],
)
def test_other_values_are_not_blocked(value: str) -> None:
    assert not RULES.is_blocked(value)


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), min_size=2, max_size=2, unique=True))
def test_two_identifiers_are_never_spelled_alike(pair: list[tuple[str, str]]) -> None:
    """Not even where the kind, which producers choose, ends as the value begins."""
    assert digest(pair[0]) != digest(pair[1])
    assert profile_id(pair[0]) != profile_id(pair[1])


def test_the_boundary_between_kind_and_value_counts() -> None:
    assert digest(("a\0b", "c")) != digest(("a", "b\0c"))
    assert digest(("1:a", "b")) != digest(("1", ":ab"))

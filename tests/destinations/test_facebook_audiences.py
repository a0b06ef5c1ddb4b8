"""Facebook Custom Audiences: an event in, the row of a member out."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from router import metrics
from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.facebook_audiences import SCHEMA, FacebookAudiences, FacebookAudiencesSettings
from router.destinations.http import HttpRequest, Skip
from router.destinations.response import HttpResponse
from router.destinations.shared.hashing import sha256
from tests.deliveries import delivery
from tests.partners.graph import error


def event(kind: str = "identify", name: str = "", number: int = 1, **fields: Any) -> Delivery:
    made = delivery(number, **({"type": kind, "event": name, "traits": {"gold": True}} | fields))
    made.type, made.event = kind, name
    return made


def connector(**settings: Any) -> FacebookAudiences:
    given = {"access_token": "t", "audiences": {"gold": "23", "carts": {"id": "24", "left": ["Order Completed"]}}}
    return FacebookAudiences("meta", FacebookAudiencesSettings.model_validate(given | settings), 10.0)


def sent(*events: Delivery, **settings: Any) -> list[Any]:
    return [
        one.reason if isinstance(one, Skip) else (one.method, one.url, orjson.loads(one.body)["payload"])
        for one in connector(**settings).mapped(events)
    ]


def member(**fields: Any) -> dict[str, str]:
    """The columns that hold something."""
    ((_, _, payload),) = sent(event(**fields))
    (row,) = payload["data"]
    return {name: value for name, value in zip(payload["schema"], row, strict=True) if value}


@pytest.mark.parametrize(
    ("traits", "column", "expected"),
    [
        ({"email": " Ada@Shop.example"}, "EMAIL", sha256("ada@shop.example")),
        ({"email": sha256("ada@shop.example")}, "EMAIL", sha256("ada@shop.example")),  # hashed already
        ({"email": "nobody"}, "EMAIL", None),
        ({"phone": "+1 (650) 555-1212"}, "PHONE", sha256("16505551212")),
        ({"phone": "0000"}, "PHONE", None),
        ({"gender": "Male"}, "GEN", sha256("m")),
        ({"gender": "unknown"}, "GEN", None),
        ({"birthday": "1980-01-02"}, "DOBY", sha256("1980")),
        ({"birthday": "1980-01-02"}, "DOBM", sha256("01")),
        ({"birthday": "1980-01-02"}, "DOBD", sha256("02")),
        ({"firstName": "Jean-Luc"}, "FN", sha256("jeanluc")),
        ({"firstName": "Zoë"}, "FN", sha256("zoë")),
        ({"lastName": "O'Brien"}, "LN", sha256("obrien")),
        ({"firstName": "Ada"}, "FI", sha256("a")),
        ({"address": {"city": "St. Louis 2"}}, "CT", sha256("stlouis")),
        ({"address": {"state": "New York"}}, "ST", sha256("ny")),
        ({"address": {"state": "CA"}}, "ST", sha256("ca")),
        ({"address": {"postalCode": "94025-1234", "country": "US"}}, "ZIP", sha256("94025")),
        ({"address": {"postalCode": "SW1A 1AA"}}, "ZIP", sha256("sw1a1aa")),
        ({"address": {"country": "DE"}}, "COUNTRY", sha256("de")),
        ({"address": {"country": "Germany"}}, "COUNTRY", None),
    ],
)  # fmt: skip
def test_each_column_is_normalised_by_metas_rules(traits: dict[str, Any], column: str, expected: str | None) -> None:
    assert member(traits={"gold": True} | traits).get(column) == expected


def test_ids_are_not_hashed() -> None:
    device = {"advertisingId": "ABC-1", "adTrackingEnabled": True}

    assert member(context={"device": device}) == {"EXTERN_ID": "u1", "MADID": "abc-1"}
    assert member(context={"device": device | {"adTrackingEnabled": False}}) == {"EXTERN_ID": "u1"}


def test_members_enter_with_post_and_leave_with_delete() -> None:
    stays, goes = event(), event(number=2, traits={"gold": False})

    (added, removed) = sent(stays, goes)

    assert added[:2] == ("POST", "/v25.0/23/users")
    assert removed[:2] == ("DELETE", "/v25.0/23/users")
    assert added[2] == {"schema": list(SCHEMA), "data": [["u1"] + [""] * (len(SCHEMA) - 1)]}
    assert removed[2]["data"] == [["u2"] + [""] * (len(SCHEMA) - 1)]


def test_track_calls_say_it_too() -> None:
    entered = event("track", "Audience Entered", properties={"audience_key": "carts"})
    left = event("track", "Order Completed", number=2)

    assert [one[:2] for one in sent(entered, left)] == [("POST", "/v25.0/24/users"), ("DELETE", "/v25.0/24/users")]


def test_of_entering_and_leaving_in_one_batch_the_last_counts() -> None:
    entered = event("track", "Audience Entered", properties={"audience_key": "carts"})
    left = event("track", "Order Completed", timestamp="2026-01-01T00:00:01Z")

    skipped, removed = sent(left, entered)

    assert skipped == "superseded"
    assert removed[:2] == ("DELETE", "/v25.0/24/users")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (event(traits={"plan": "pro"}), "no_audience"),
        (event("track", "Product Viewed"), "no_audience"),
        (event(userId=None, traits={"gold": True, "firstName": "Ada", "gender": "f"}), "no_identifier"),
        (event("page"), "unsupported_type"),
        (event("screen"), "unsupported_type"),
        (event("group"), "unsupported_type"),
        (event("alias"), "unsupported_type"),
    ],
)
def test_what_is_not_sent_has_a_reason(given: Delivery, reason: str) -> None:
    assert sent(given) == [reason]


def test_value_based_audiences_get_a_number() -> None:
    rows = [
        sent(event(traits={"gold": True, "ltv": value}), value_trait="ltv")[0][2]["data"][0][-1]
        for value in (12.5, "$1,200.00", -3, "much", None)
    ]

    assert rows == [12.5, 1200.0, 0, 0, 0]


def test_ten_thousand_people_are_one_request() -> None:
    people = [event(number=number, profileId=f"p{number}", userId=f"u{number}") for number in range(10_000)]
    sizes = [len(one.events) for one in connector().mapped(people) if isinstance(one, HttpRequest)]

    assert sum(sizes) == 10_000
    assert sizes == [10_000]


def answered(status: int, payload: Any) -> Outcome:
    request = HttpRequest("POST", "/", [event(), event(number=2)])
    first, second = connector().read(request, HttpResponse(status, str(status), orjson.dumps(payload)))
    assert isinstance(first, Outcome)
    assert first == second
    return first


@pytest.mark.parametrize(
    ("code", "subcode", "kind", "words"),
    [
        (100, 1713230, Kind.REFUSED, "appeal"), (1487366, None, Kind.REFUSED, "deleted"),
        (100, 33, Kind.REFUSED, "not there"), (2655, None, Kind.REFUSED, "terms"),
        (2650, None, Kind.REFUSED, "changed"),
        (190, 463, Kind.REFUSED, "expired"), (200, None, Kind.REFUSED, "permission"),
        (100, None, Kind.REJECTED, ""), (105, None, Kind.REJECTED, ""), (294, None, Kind.REJECTED, ""),
        (1487301, None, Kind.REJECTED, ""), (80003, None, Kind.RETRY, ""), (2, None, Kind.RETRY, ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_words(code: int, subcode: int | None, kind: Kind, words: str) -> None:
    outcome = answered(400, error(code, subcode).payload)

    assert outcome.kind is kind
    assert words in outcome.detail


def unusable() -> float:
    labels = {"destination": "meta", "place": "invalid_entries"}
    return metrics.REGISTRY.get_sample_value("router_mapping_problems_total", labels) or 0


def test_rows_that_meta_cannot_use_are_counted() -> None:
    before = unusable()

    assert answered(200, {"num_received": 2, "num_invalid_entries": 1}).kind is Kind.DELIVERED
    assert unusable() - before == 1


@pytest.mark.parametrize(
    ("settings", "problem"),
    [({"audiences": {}}, "audiences"), ({"audiences": {"gold": {"entered": []}}}, "id"), ({"access_token": ""}, "key")],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        connector(**settings)

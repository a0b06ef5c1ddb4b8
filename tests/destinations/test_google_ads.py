"""Google Ads: an event in, the conversion or the member of a list out."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.google_ads import GoogleAds, GoogleAdsSettings
from router.destinations.http import HttpRequest, Skip
from router.destinations.response import HttpResponse
from router.destinations.shared.hashing import sha256
from tests.deliveries import delivery
from tests.partners.google_ads import refused

AT = 1767225600.0  # 2026-01-01T00:00:00Z
ACCOUNT = {"accountType": "GOOGLE_ADS", "accountId": "1234567890"}
ADA = {"userIdentifiers": [{"emailAddress": sha256("ada@shop.example")}]}
LISTS = {"audiences": {"gold": {"id": "888", "left": ["Order Completed"]}}, "terms_accepted": True}
CONVERSIONS = {"conversions": {"Order Completed": 777, "Signed Up": "778"}}


def event(kind: str = "track", name: str = "Order Completed", number: int = 1, **fields: Any) -> Delivery:
    given = {"type": kind, "event": name, "properties": {}, "userId": "ada@shop.example"}
    made = delivery(number, **(given | fields))
    made.type, made.event = kind, name if kind == "track" else ""
    return made


def connector(**settings: Any) -> GoogleAds:
    given = {"client_id": "c", "client_secret": "s", "refresh_token": "r", "account_id": "123-456-7890"}
    targets = settings if "conversions" in settings or "audiences" in settings else CONVERSIONS | settings
    made = GoogleAds("ads", GoogleAdsSettings.model_validate(given | targets), 10.0)
    made.clock = lambda: AT
    return made


def sent(*events: Delivery, **settings: Any) -> list[Any]:
    return [
        one.reason if isinstance(one, Skip) else (one.url, orjson.loads(one.body))
        for one in connector(**settings).mapped(events)
    ]


def conversion(one: Delivery, **settings: Any) -> Any:
    ((url, payload),) = sent(one, **settings)
    assert url == "/v1/events:ingest"
    (item,) = payload["events"]
    return item


def test_a_conversion_whole() -> None:
    order = event(properties={"order_id": "o1", "total": "9,50 €", "currency": "eur", "gclid": "g1"})

    assert sent(order, consent="granted", login_account_id="9876543210") == [
        ("/v1/events:ingest", {
            "destinations": [{"operatingAccount": ACCOUNT, "productDestinationId": "777",
                              "loginAccount": ACCOUNT | {"accountId": "9876543210"}}],
            "encoding": "HEX",
            "consent": {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"},
            "events": [{"eventTimestamp": "2026-01-01T00:00:00.000Z", "eventSource": "WEB", "transactionId": "o1",
                        "adIdentifiers": {"gclid": "g1"}, "userData": ADA, "conversionValue": 9.5, "currency": "EUR"}],
        })
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "settings", "field", "expected"),
    [
        # who it is known by: its order, else its message
        (event(), {}, "transactionId", "m1"),
        # the click, of one kind only
        (event(integrations={"Google Ads Conversions": {"gclid": "g1"}}), {}, "adIdentifiers", {"gclid": "g1"}),
        (event(context={"campaign": {"gclid": "g2"}}), {}, "adIdentifiers", {"gclid": "g2"}),
        (event(context={"page": {"url": "https://shop.example/?gbraid=b1&wbraid=w1"}}), {}, "adIdentifiers",
         {"gbraid": "b1"}),
        (event(properties={"wbraid": "w1"}), {}, "adIdentifiers", {"wbraid": "w1"}),
        # money
        (event(properties={"revenue": 1, "total": 2}), {}, "conversionValue", 1.0),
        (event(properties={"value": "3"}), {"currency": "EUR"}, "currency", "EUR"),
        (event(properties={"value": "much"}), {"currency": "EUR"}, "currency", None),
        # where, and what
        (event(), {"event_source": "IN_STORE"}, "eventSource", "IN_STORE"),
        (event(properties={"products": [{"product_id": "p1", "price": "5", "quantity": 2}]}), {"merchant_id": 5},
         "cartData", {"merchantId": "5", "items": [{"merchantProductId": "p1", "quantity": 2, "unitPrice": 5.0}]}),
        (event(properties={"products": [{"product_id": "p1", "price": "5"}]}), {}, "cartData", None),
    ],
)  # fmt: skip
def test_what_a_conversion_says(given: Delivery, settings: dict[str, Any], field: str, expected: Any) -> None:
    assert conversion(given, **settings).get(field) == expected


HOME = {"country": "us", "postalCode": " 94025 "}


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        ({"email": " Ada.Love+x@Gmail.com "}, [{"emailAddress": sha256("adalove@gmail.com")}]),
        ({"email": "A.b+c@shop.example"}, [{"emailAddress": sha256("a.b+c@shop.example")}]),
        ({"email": sha256("ada@shop.example")}, [{"emailAddress": sha256("ada@shop.example")}]),  # hashed already
        ({"phone": "+1 (650) 555-1212"}, [{"phoneNumber": sha256("+16505551212")}]),
        ({"phone": "650 555-1212"}, None),  # no country code
        ({"firstName": "Mrs. Ada", "lastName": "King Jr.", "address": HOME},
         [{"address": {"givenName": sha256("ada"), "familyName": sha256("king"), "regionCode": "US",
                       "postalCode": "94025"}}]),
        ({"firstName": "Ada", "lastName": "King", "address": {"country": "us"}}, None),  # all four or none
        ({"firstName": "Ada", "lastName": "King", "address": HOME | {"country": "USA"}}, None),
    ],
)  # fmt: skip
def test_people_are_hashed_by_googles_rules(traits: dict[str, Any], expected: Any) -> None:
    one = event(userId="u1", context={"traits": traits}, properties={"gclid": "g1"})

    assert conversion(one).get("userData", {}).get("userIdentifiers") == expected


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        (event("identify", traits={"gold": True}), LISTS, ("ingest", True)),
        (event("identify", traits={"gold": False}), LISTS, ("remove", False)),
        (event(name="Audience Entered", properties={"audience_key": "gold"}), LISTS, ("ingest", True)),
        (event(name="Order Completed"), LISTS, ("remove", False)),
    ],
)
def test_members_enter_and_leave_a_list(given: Delivery, settings: dict[str, Any], expected: tuple[str, bool]) -> None:
    ((url, payload),) = sent(given, **settings, consent="denied")

    assert (url, "termsOfService" in payload) == (f"/v1/audienceMembers:{expected[0]}", expected[1])
    assert payload["audienceMembers"] == [{"userData": ADA}]
    assert payload["destinations"] == [{"operatingAccount": ACCOUNT, "productDestinationId": "888"}]
    assert ("consent" in payload) == expected[1]


def test_an_order_may_be_a_conversion_and_the_end_of_a_membership() -> None:
    assert [url for url, _ in sent(event(), **CONVERSIONS, **LISTS)] == [
        "/v1/events:ingest",
        "/v1/audienceMembers:remove",
    ]


def test_each_conversion_action_has_its_request() -> None:
    targets = [payload["destinations"][0]["productDestinationId"]
               for _, payload in sent(event(), event(name="Signed Up", number=2), event(number=3))]  # fmt: skip

    assert targets == ["777", "778"]


@pytest.mark.parametrize(
    ("given", "settings", "reason"),
    [
        (event(timestamp="2025-10-02T00:00:00Z"), {}, "too_old"),
        (event(timestamp="2025-12-01T00:00:00Z"), {"max_age": "7d"}, "too_old"),
        (event(userId="u1"), {}, "no_identifier"),
        (event("identify", userId="u1", traits={"gold": True}), LISTS, "no_identifier"),
        (event(name="Product Viewed"), {}, "no_conversion"),
        (event(name="Product Viewed"), LISTS, "no_audience"),
        (event("identify", traits={"plan": "pro"}), LISTS, "no_audience"),
        (event("page"), {}, "unsupported_type"),
        (event("screen"), {}, "unsupported_type"),
        (event("group"), {}, "unsupported_type"),
        (event("alias"), {}, "unsupported_type"),
    ],
)
def test_what_is_not_sent_has_a_reason(given: Delivery, settings: dict[str, Any], reason: str) -> None:
    assert sent(given, **settings) == [reason]


def answered(status: int, payload: Any, count: int = 3) -> list[Any]:
    (request,) = connector().mapped([event(number=number, profileId=f"p{number}") for number in range(count)])
    assert isinstance(request, HttpRequest)
    return list(connector().read(request, HttpResponse(status, str(status), orjson.dumps(payload))))


def test_what_google_has_taken_it_has_not_yet_matched() -> None:
    assert answered(200, {"requestId": "r-1"}, 1) == [Outcome(Kind.UNCONFIRMED, "200", "request r-1")]


def test_events_that_are_named_are_kept_and_the_others_go_again() -> None:
    first, bad, last = answered(400, refused("events[1].user_data.user_identifiers[0]").payload)

    assert bad == Outcome(Kind.REJECTED, "400", "invalid: user_data.user_identifiers[0]")
    assert first is last
    assert [one["transactionId"] for one in orjson.loads(first.body)["events"]] == ["m0", "m2"]
    assert [one.body["messageId"] for one in first.events] == ["m0", "m2"]


def test_a_batch_whose_fault_is_not_named_is_to_be_halved() -> None:
    (first, *_) = answered(400, {"error": {"status": "INVALID_ARGUMENT"}})

    assert (first.kind, first.shared) == (Kind.REJECTED, True)


@pytest.mark.parametrize(
    ("status", "payload", "kind", "wait"),
    [
        (400, refused("destinations[0].product_destination_id").payload, Kind.REFUSED, None),
        (401, {}, Kind.REFUSED, None),
        (403, {"error": {"status": "PERMISSION_DENIED"}}, Kind.REFUSED, None),
        (429, {"error": {"status": "RESOURCE_EXHAUSTED"}}, Kind.RETRY, 60.0),
        (503, {}, Kind.RETRY, None),
    ],
)
def test_answers(status: int, payload: Any, kind: Kind, wait: float | None) -> None:
    (outcome,) = answered(status, payload, 1)

    assert (outcome.kind, outcome.retry_after) == (kind, wait)


def test_the_refresh_token_is_exchanged_for_an_access_token() -> None:
    request = connector().token_request()

    assert (request.method, request.url) == ("POST", "https://oauth2.googleapis.com/token")
    assert request.body == b"grant_type=refresh_token&refresh_token=r&client_id=c&client_secret=s"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"conversions": {}}, "conversions, audiences or both"),
        ({"audiences": {"gold": "1"}}, "terms_accepted"),
        ({"account_id": "12"}, "account_id"),
        ({"refresh_token": "a b"}, "a key without blanks"),
        ({"token_url": "oauth2"}, "http or https URL"),
        ({"conversions": {"Order Completed": "AW-1"}}, "conversions"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        connector(**settings)

"""Iterable: an event in, the requests out."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.http import HttpRequest
from router.destinations.iterable import IterableDestination, IterableSettings
from router.destinations.response import HttpResponse
from tests.deliveries import delivery

AT = 1767225600
U1 = {"userId": "u1", "preferUserId": True}
ADA: dict[str, Any] = {"context": {"traits": {"email": "ada@example.com"}}}
MERGE = {"mergeNestedObjects": True}


def event(kind: str = "track", called: str = "Song Played", **fields: Any) -> Delivery:
    made = delivery(1, **({"type": kind, "event": called, "properties": {"length": 3}} | fields))
    made.type, made.event = kind, called if kind == "track" else ""
    return made


def connector(**settings: Any) -> IterableDestination:
    return IterableDestination("iterable", IterableSettings.model_validate({"api_key": "k"} | settings), 10.0)


def sent(*events: Delivery, **settings: Any) -> Any:
    return [
        (f"{one.method} {one.url}", orjson.loads(one.body or b"null")) if isinstance(one, HttpRequest) else one.reason
        for one in connector(**settings).mapped(events)
    ]


def tracked(name: str = "Song Played", who: dict[str, Any] = U1, **more: Any) -> dict[str, Any]:
    return {**who, "eventName": name, "id": "m1", "createdAt": AT, "dataFields": {"length": 3}} | more


def one_event(name: str = "Song Played", who: dict[str, Any] = U1, **more: Any) -> Any:
    return [("POST /api/events/track", tracked(name, who, **more))]


def one_user(**user: Any) -> Any:
    return ("POST /api/users/update", user)


HAT = {"product_id": "p1", "sku": "s1", "name": "Hat", "price": "12.50", "quantity": 2, "category": "Hats",
       "url": "https://shop.example/hat", "image_url": "https://shop.example/hat.png", "size": "L"}  # fmt: skip
ITEM = {"id": "p1", "sku": "s1", "name": "Hat", "price": 12.5, "quantity": 2, "categories": ["Hats"],
        "url": "https://shop.example/hat", "imageUrl": "https://shop.example/hat.png",
        "dataFields": {"size": "L"}}  # fmt: skip
ORDER = {"order_id": "o1", "total": "25.00", "currency": "EUR", "products": [HAT]}
PRICELESS = {"order_id": "o1", "total": 25, "products": [{"name": "Hat"}]}
USER = {"userId": "u1", "preferUserId": True}
PURCHASE = {"id": "o1", "user": USER, "items": [ITEM], "total": 25.0, "createdAt": AT,
            "dataFields": {"order_id": "o1", "total": 25.0, "currency": "EUR"}}  # fmt: skip
PHONE: dict[str, Any] = {"context": {"device": {"token": "t1", "type": "ios"}}}


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        (event(), {}, one_event()),
        (event(**ADA), {}, one_event(who={"email": "ada@example.com"})),
        (event(**ADA), {"identify_by": "user_id"}, one_event()),
        (event(userId=None, properties={"email": "ada@example.com"}), {},
         one_event(who={"email": "ada@example.com"}, dataFields={"email": "ada@example.com"})),
        (event(userId=None, anonymousId="a1"), {}, ["no_identifier"]),
        (event(), {"prefer_user_id": False}, one_event(who={"userId": "u1", "preferUserId": False})),
        (event(properties={"until": "2026-02-03T04:05:06Z", "price": "1,299.00", "campaignId": 7, "templateId": 8}), {},
         one_event(campaignId=7, templateId=8, dataFields={
             "until": "2026-02-03 04:05:06 +00:00", "price": 1299.0, "campaignId": 7, "templateId": 8})),
        (event(called="Order Completed", properties=ORDER), {}, [("POST /api/commerce/trackPurchase", PURCHASE)]),
        (event(called="Order Completed", properties=ORDER), {"commerce": False},
         one_event("Order Completed", dataFields={**ORDER, "total": 25.0})),
        (event(called="Order Completed", properties=PRICELESS), {},
         one_event("Order Completed", dataFields=PRICELESS)),
        (event(called="Cart Updated", properties={"products": [HAT]}), {},
         [("POST /api/commerce/updateCart", {"user": USER, "items": [ITEM]})]),
        (event(called="Product Added", properties={"products": [HAT]}), {},
         [("POST /api/commerce/updateCart", {"user": USER, "items": [ITEM]})]),
        (event(called="Product Removed", properties={"products": []}), {},
         [("POST /api/commerce/updateCart", {"user": USER, "items": []})]),
        (event(called="Product Added", properties={"product_id": "p1", "price": 3}), {},
         one_event("Product Added", dataFields={"product_id": "p1", "price": 3})),
        (event(called="User Deleted", **ADA), {}, [("DELETE /api/users/ada%40example.com", None)]),
        (event(called="User Deleted", userId="u/1"), {}, [("DELETE /api/users/byUserId/u%2F1", None)]),
        (event("page", name="Hats"), {}, ["pages_off"]),
        (event("page", name="Hats"), {"pages": True}, one_event("Viewed Hats Page")),
        (event("screen"), {"pages": True}, one_event("Loaded a Screen")),
        (event("identify", traits={"email": "ada@example.com", "phone": "+441632960000", "plan": "pro", "size": None,
                                   "born": "1815-12-10T00:00:00Z"}), {},
         [one_user(email="ada@example.com", userId="u1", **MERGE, dataFields={
             "plan": "pro", "born": "1815-12-10 00:00:00 +00:00", "phoneNumber": "+441632960000"})]),
        (event("identify", traits={"plan": "pro"}), {"merge_nested_objects": False},
         [one_user(**U1, mergeNestedObjects=False, dataFields={"plan": "pro"})]),
        (event("identify", traits={}, **PHONE), {}, [one_user(**U1, **MERGE)]),
        (event("identify", traits={}, **PHONE), {"mobile_app": "com.shop"},
         [one_user(**U1, **MERGE),
          ("POST /api/users/registerDeviceToken",
           {**U1, "device": {"token": "t1", "platform": "APNS", "applicationName": "com.shop"}})]),
        (event("identify", traits={}, context={"os": {"token": "b1"}}), {},
         [one_user(**U1, **MERGE), ("POST /api/users/registerBrowserToken", {**U1, "browserToken": "b1"})]),
        (event("identify", userId=None, traits={"plan": "pro"}), {}, ["no_identifier"]),
        (event("group", groupId="g1"), {}, ["group_without_list"]),
        (event("group", groupId="g1"), {"lists": {"g1": 42}},
         [("POST /api/lists/subscribe", {"listId": 42, "subscribers": [U1]})]),
        (event("alias", userId="new@example.com", previousId="old@example.com"), {},
         [("POST /api/users/updateEmail", {"currentEmail": "old@example.com", "newEmail": "new@example.com"})]),
        (event("alias", userId="new@example.com", previousId="u0"), {},
         [("POST /api/users/updateEmail", {"currentUserId": "u0", "newEmail": "new@example.com"})]),
        (event("alias", previousId="u0"), {}, ["no_change_of_email"]),
    ],
)  # fmt: skip
def test_each_call_in_iterables_words(given: Delivery, settings: dict[str, Any], expected: Any) -> None:
    assert sent(given, **settings) == expected


def test_several_go_in_bulk() -> None:
    assert sent(event(), event(userId="u2")) == [
        ("POST /api/events/trackBulk", {"events": [tracked(), tracked(who=U1 | {"userId": "u2"})]})
    ]
    assert sent(event("identify", traits={}), event("identify", userId="u2", traits={})) == [
        ("POST /api/users/bulkUpdate", {"users": [U1 | MERGE, U1 | MERGE | {"userId": "u2"}]})
    ]


def test_what_may_share_a_request() -> None:
    key = connector(lists={"g1": 1, "g2": 2}).batch_key
    order = event(called="Order Completed", properties=ORDER)
    other = delivery(2, properties=ORDER)

    assert key(event()) == key(event("page"))
    assert key(event("group", groupId="g1")) != key(event("group", groupId="g2"))
    assert len({key(event()), key(event("identify")), key(order), key(other)}) == 4


def test_a_person_with_3000_traits_is_one_update() -> None:
    traits = {f"t{number}": number for number in range(3_000)}

    ((_, user),) = sent(event("identify", traits=traits))

    assert user["dataFields"] == traits


def test_the_development_builds_of_an_app_have_tokens_of_their_own() -> None:
    _, (_, registered) = sent(event("identify", traits={}, **PHONE), mobile_app="com.shop", apns_sandbox=True)

    assert registered["device"]["platform"] == "APNS_SANDBOX"


@pytest.mark.parametrize(
    "lists",
    [
        {"invalidEmails": ["Ada@example.com"]},
        {"failedUpdates": {"conflictUserIds": ["u1"]}},
        {"disallowedEventNames": ["Song Played"]},
    ],
)
def test_a_200_names_what_was_not_taken(lists: dict[str, Any]) -> None:
    """By e-mail, by user id or by the event's name; the others are delivered."""
    events = [event(**ADA), event(called="Song Skipped", userId="u2")]
    answer = HttpResponse(200, "200", orjson.dumps({"successCount": 1, "failCount": 1, **lists}))

    bad, good = connector().read(HttpRequest("POST", "/api/events/trackBulk", events), answer)

    assert isinstance(bad, Outcome)
    assert bad.kind is Kind.REJECTED
    assert bad.code in ("INVALID_EMAIL", "CONFLICT", "DISALLOWED_EVENT_NAME")
    assert good == Outcome(Kind.DELIVERED, "200")


def test_a_refusal_names_its_code_and_not_its_message() -> None:
    answer = HttpResponse(400, "400", b'{"code": "InvalidEmailAddressError", "msg": "ada@example"}')

    assert connector().read(HttpRequest("POST", "/api/events/track", [event()]), answer) == [
        Outcome(Kind.REJECTED, "400", "InvalidEmailAddressError")
    ]


def test_a_user_who_is_gone_is_deleted() -> None:
    request = HttpRequest("DELETE", "/api/users/byUserId/u1", [event()])

    assert connector().read(request, HttpResponse(404, "404")) == [Outcome(Kind.DELIVERED, "404")]


def test_a_throttled_request_waits_a_second() -> None:
    (outcome,) = connector().read(HttpRequest("POST", "/api/events/track", [event()]), HttpResponse(429, "429"))

    assert outcome == Outcome(Kind.RETRY, "429", retry_after=1.0)


@pytest.mark.parametrize(
    "wrong", [{"api_key": "a b"}, {"region": "ap"}, {"identify_by": "phone"}, {"lists": {"g": "x"}}]
)
def test_settings_that_cannot_be_right_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        connector(**wrong)

"""Braze: an event in, the requests out."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.braze import Braze, BrazeSettings
from router.destinations.http import HttpRequest
from router.destinations.response import HttpResponse
from tests.deliveries import delivery

AT = "2026-01-01T00:00:00.000Z"
WHO = {"external_id": "u1", "_update_existing_only": False}
ANONYMOUS = {"user_alias": {"alias_name": "a1", "alias_label": "anonymous_id"}, "_update_existing_only": False}
PHONE = {"device": {"type": "iOS", "token": "t1", "id": "d1"}}
ORDER = {"order_id": "o1", "currency": "eur", "total": "25.00 €",
         "products": [{"product_id": "p1", "price": "12.50", "quantity": 2, "name": "Hat", "size": "L"}]}  # fmt: skip


def event(kind: str = "track", called: str = "Song Played", **fields: Any) -> Delivery:
    made = delivery(1, **({"type": kind, "event": called, "properties": {"length": 3}} | fields))
    made.type, made.event = kind, called if kind == "track" else ""
    return made


def connector(**settings: Any) -> Braze:
    given = {"instance": "fra-01", "api_key": "k", "apps": {"ios": "app-1"}}
    return Braze("braze", BrazeSettings.model_validate(given | settings), 10.0)


def sent(*events: Delivery, **settings: Any) -> Any:
    made = connector(**settings).mapped(events)
    return [(one.url, orjson.loads(one.body)) if isinstance(one, HttpRequest) else one.reason for one in made]


def track(**arrays: Any) -> Any:
    return ("/users/track", {name: [content] for name, content in arrays.items()})


PLAYED = {**WHO, "name": "Song Played", "time": AT, "properties": {"length": 3}}
HAT = {**WHO, "product_id": "p1", "currency": "EUR", "price": 12.5, "quantity": 2, "time": AT,
       "properties": {"order_id": "o1", "currency": "eur", "total": "25.00 €", "name": "Hat", "size": "L"}}  # fmt: skip
ITEM = {"product_id": "p1", "variant_id": "p1", "product_name": "Hat", "price": 12.5, "quantity": 2}


ANONYMOUSLY = {**ANONYMOUS, "name": "Song Played", "time": AT, "properties": {"length": 3}}
TRAITS = {
    "email": "ada@example.com", "name": "Ada Lovelace", "phone": "+441632960000", "gender": "Female",
    "birthday": "1915-12-10", "address": {"city": "London", "country": "GB"}, "avatar": "https://shop.example/a.png",
    "location": {"longitude": "-0.1", "latitude": 51.5}, "plan": "pro", "referrer": None,
}  # fmt: skip
ADA = {
    **WHO, "email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace", "phone": "+441632960000",
    "gender": "F", "dob": "1915-12-10", "country": "GB", "home_city": "London",
    "image_url": "https://shop.example/a.png", "current_location": {"longitude": -0.1, "latitude": 51.5},
    "plan": "pro", "referrer": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        (event(), {}, [track(events=PLAYED)]),
        (event(context=PHONE), {}, [track(events=PLAYED | {"app_id": "app-1"})]),
        (event(userId=None, anonymousId="a1"), {}, [track(events=ANONYMOUSLY)]),
        (event(userId=None, anonymousId="a1"), {"alias_label": "web"},
         [track(events=ANONYMOUSLY | {"user_alias": {"alias_name": "a1", "alias_label": "web"}})]),
        (event(userId=None, integrations={"Braze": {"alias": {"alias_name": "n", "alias_label": "l"}}}), {},
         [track(events=ANONYMOUSLY | {"user_alias": {"alias_name": "n", "alias_label": "l"}})]),
        (event(userId=None, properties={"email": "ada@example.com"}), {},
         [track(events={"email": "ada@example.com", "_update_existing_only": False, "name": "Song Played", "time": AT,
                        "properties": {"email": "ada@example.com"}})]),
        (event(userId=None), {}, ["no_user_id"]),
        (event(properties={"time": "noon", "event_name": "x", "$id": 1}), {},
         [track(events=PLAYED | {"properties": {"time_": "noon", "event_name_": "x", "id": 1}})]),
        (event(), {"update_existing_only": True}, [track(events=PLAYED | {"_update_existing_only": True})]),
        (event("page", category="Docs", name="Start"), {},
         [track(events=PLAYED | {"name": "Viewed Docs Start Page"})]),
        (event("screen", name="Home"), {}, [track(events=PLAYED | {"name": "Viewed Home Screen"})]),
        (event(called="Order Completed", properties=ORDER), {}, [track(purchases=HAT)]),
        (event(called="Order Completed"), {}, [track(events=PLAYED | {"name": "Order Completed"})]),
        (event(called="Order Completed", properties=ORDER), {"ecommerce": "recommended"},
         [track(events=PLAYED | {"name": "ecommerce.order_placed", "properties": {
             "currency": "EUR", "source": "web", "total_value": 25.0, "order_id": "o1", "products": [ITEM]}})]),
        (event(called="Product Viewed", properties=ORDER["products"][0]), {"ecommerce": "recommended"},
         [track(events=PLAYED | {"name": "ecommerce.product_viewed",
                                 "properties": {**ITEM, "currency": "USD", "source": "web"}})]),
        (event("identify", traits=TRAITS), {}, [track(attributes=ADA)]),
        (event("group", groupId="g1"), {}, [track(attributes={**WHO, "group_g1": True})]),
        (event("group", groupId="g1"), {"groups": "subscription"},
         [track(attributes={**WHO, "subscription_groups": [
             {"subscription_group_id": "g1", "subscription_state": "subscribed"}]})]),
        (event("group"), {}, ["no_group_id"]),
        (event("alias", previousId="u0"), {},
         [("/users/merge", {"merge_updates": [{"identifier_to_merge": {"external_id": "u0"},
                                               "identifier_to_keep": {"external_id": "u1"}}]})]),
        (event("alias", previousId="a1", anonymousId="a1"), {"merge_behavior": "none"},
         [("/users/identify", {"aliases_to_identify": [{"external_id": "u1", "user_alias": ANONYMOUS["user_alias"]}],
                               "merge_behavior": "none"})]),
        (event("alias", previousId="u1"), {}, ["no_previous_id"]),
        (event(called="User Deleted"), {"deletion_event": "User Deleted"},
         [("/users/delete", {"external_ids": ["u1"]})]),
        (event(called="User Deleted", userId=None), {"deletion_event": "User Deleted"}, ["no_user_id"]),
        (event(called="User Deleted"), {}, [track(events=PLAYED | {"name": "User Deleted"})]),
    ],
)  # fmt: skip
def test_each_call_in_brazes_words(given: Delivery, settings: dict[str, Any], expected: Any) -> None:
    assert sent(given, **settings) == expected


def test_an_anonymous_person_is_identified_before_their_attributes_are_set() -> None:
    alias = {"external_id": "u1", "user_alias": ANONYMOUS["user_alias"]}

    assert sent(event("identify", anonymousId="a1", traits={"plan": "pro"})) == [
        ("/users/identify", {"aliases_to_identify": [alias], "merge_behavior": "merge"}),
        track(attributes={**WHO, "plan": "pro"}),
    ]


@pytest.mark.parametrize("name", ["Application Installed", "Application Opened"])
def test_an_application_brings_its_push_token(name: str) -> None:
    tokens = [{"app_id": "app-1", "token": "t1", "device_id": "d1"}]

    assert sent(event(called=name, context=PHONE)) == [
        track(attributes={**WHO, "push_tokens": tokens}, events={**PLAYED, "name": name, "app_id": "app-1"})
    ]
    anonymous = event(called=name, context=PHONE, userId=None, anonymousId="a1")
    assert sent(anonymous)[0][1]["attributes"] == [{**ANONYMOUS, "push_tokens": tokens, "push_token_import": True}]
    assert "attributes" not in sent(event(called=name, context=PHONE), apps={})[0][1]


def test_an_order_of_many_products_is_several_requests_of_75_objects() -> None:
    order = event(called="Order Completed", properties={"products": [{"product_id": f"p{n}"} for n in range(160)]})

    assert [len(content["purchases"]) for _, content in sent(order)] == [75, 75, 10]


def test_an_answer_names_the_objects_that_were_not_taken() -> None:
    braze = connector()
    (request,) = braze.mapped([event(), event("identify"), event(called="Order Completed", properties=ORDER)])
    assert isinstance(request, HttpRequest)
    error = {"type": "'price' is not valid", "input_array": "purchases", "index": 0}
    answer = HttpResponse(201, "201", orjson.dumps({"message": "success", "errors": [error]}))

    read = dict(zip([one.type + one.event for one in request.events], braze.read(request, answer), strict=True))

    assert read == {
        "identify": Outcome(Kind.DELIVERED, "201"), "trackSong Played": Outcome(Kind.DELIVERED, "201"),
        "trackOrder Completed": Outcome(Kind.REJECTED, "400", "'price' is not valid"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("instance", "address"),
    [
        ("fra-02", "https://rest.fra-02.braze.eu"),
        ("iad-05", "https://rest.iad-05.braze.com"),
        ("us-10", "https://rest.us-10.braze.com"),
    ],
)
def test_the_instance_is_in_the_address(instance: str, address: str) -> None:
    assert connector(instance=instance).settings.address == address


@pytest.mark.parametrize("wrong", [{"instance": "https://rest.fra-01.braze.eu"}, {"api_key": "a b"}, {"region": "eu"}])
def test_settings_that_cannot_be_right_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        connector(**wrong)

"""Google Analytics 4: an event in, the request out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from router import metrics
from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.ga4 import Ga4, Ga4Settings
from router.destinations.http import HttpRequest, Skip
from router.destinations.response import HttpResponse
from router.mapping.event_map import EventMap
from tests.deliveries import delivery
from tests.partners.ga4 import NOW, Ga4Partner

AT = 1767225600000000  # 2026-01-01T00:00:00Z
WEB: dict[str, Any] = {"measurement_id": "G-ABC123"}
APP: dict[str, Any] = {"firebase_app_id": "1:2:android:3", "measurement_id": None}
IN_APP: dict[str, Any] = {"integrations": {"GA4": {"appInstanceId": "i1"}}}
HAT = {"product_id": "p1", "name": "Hat", "brand": "B", "category": "Hats", "variant": "red", "price": "19.90",
       "quantity": 2, "coupon": "SPRING", "position": 3}  # fmt: skip
ITEM = {"item_id": "p1", "item_name": "Hat", "item_brand": "B", "item_category": "Hats", "item_variant": "red",
        "price": 19.9, "quantity": 2, "coupon": "SPRING", "index": 3}  # fmt: skip


def event(kind: str = "track", name: str = "Signed Up", **fields: Any) -> Delivery:
    made = delivery(1, **({"type": kind, "event": name, "anonymousId": "a1", "properties": {"plan": "pro"}} | fields))
    made.type, made.event = kind, name if kind == "track" else ""
    if kind != "track":
        made.body["name"] = made.body.pop("event")
    return made


def connector(**settings: Any) -> Ga4:
    one = Ga4("ga", Ga4Settings.model_validate({"api_secret": "s"} | WEB | settings), 10.0)
    one.clock = lambda: NOW
    return one


def sent(*events: Delivery, **settings: Any) -> Any:
    """The request's body, or the reason why there is none."""
    (made,) = connector(**settings).mapped(events)
    return made.reason if isinstance(made, Skip) else orjson.loads(made.body)


def told(one: Delivery, **settings: Any) -> Any:
    """The name and parameters of the event, without those that every event has."""
    body = sent(one, **settings)
    if isinstance(body, str):
        return body
    (made,) = body["events"]
    assert made["params"].pop("engagement_time_msec") == 1
    return made["name"], made["params"]


@pytest.mark.parametrize(
    ("name", "properties", "expected"),
    [
        ("Products Searched", {"query": "hats"}, ("search", {"search_term": "hats"})),
        ("Product List Viewed", {"list_id": "l1", "category": "Hats", "products": [HAT]},
         ("view_item_list", {"item_list_id": "l1", "item_list_name": "Hats", "category": "Hats", "value": 39.8,
                             "currency": "USD", "items": [ITEM]})),
        ("Promotion Viewed", {"promotion_id": "b1", "name": "Spring", "creative": "top", "position": "home"},
         ("view_promotion", {"promotion_id": "b1", "promotion_name": "Spring", "creative_name": "top",
                             "creative_slot": "home"})),
        ("Promotion Clicked", {"promotion_id": "b1"}, ("select_promotion", {"promotion_id": "b1"})),
        ("Product Clicked", HAT, ("select_item", {"value": 39.8, "currency": "USD",
                                                  "items": [ITEM]})),
        ("Product Viewed", {"sku": "s1", "price": 5, "currency": "eur"},
         ("view_item", {"value": 5.0, "currency": "EUR", "items": [{"item_id": "s1", "price": 5.0, "quantity": 1}]})),
        ("Product Added", {"product_id": "p1"}, ("add_to_cart", {"items": [{"item_id": "p1", "quantity": 1}]})),
        ("Product Removed", {"product_id": "p1"}, ("remove_from_cart", {"items": [{"item_id": "p1", "quantity": 1}]})),
        ("Cart Viewed", {"cart_id": "c1"}, ("view_cart", {"cart_id": "c1"})),
        ("Checkout Started", {"value": 9}, ("begin_checkout", {"value": 9.0, "currency": "USD"})),
        ("Checkout Step Completed", {"shipping_method": "post"}, ("add_shipping_info", {"shipping_tier": "post"})),
        ("Payment Info Entered", {"payment_method": "card"}, ("add_payment_info", {"payment_type": "card"})),
        ("Order Completed",
         {"order_id": "o1", "revenue": "12,50 €", "total": 20, "tax": "2", "shipping": 5, "coupon": "SPRING",
          "currency": "EUR", "affiliation": "shop", "products": [HAT, {"price": 1}]},
         ("purchase", {"transaction_id": "o1", "value": 12.5, "currency": "EUR", "tax": 2.0, "shipping": 5.0,
                       "coupon": "SPRING", "affiliation": "shop", "items": [ITEM]})),
        ("Order Refunded", {"order_id": "o1"}, ("refund", {"transaction_id": "o1"})),
        ("Product Added to Wishlist", {"product_id": "p1"},
         ("add_to_wishlist", {"items": [{"item_id": "p1", "quantity": 1}]})),
        ("Product Shared", {"share_via": "mail"}, ("share", {"method": "mail"})),
        ("Cart Shared", {"share_via": "mail"}, ("share", {"method": "mail"})),
    ],
)  # fmt: skip
def test_the_ecommerce_spec_in_googles_words(name: str, properties: dict[str, Any], expected: Any) -> None:
    assert told(event(name=name, properties=properties)) == expected


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        # custom events: names and values in the form that Google takes
        (event(), {}, ("Signed_Up", {"plan": "pro"})),
        (event(), {"lowercase": True}, ("signed_up", {"plan": "pro"})),
        (event(name="1. Größe & Farbe!"), {}, ("Gr_e_Farbe", {"plan": "pro"})),
        (event(name="x" * 80), {}, ("x" * 40, {"plan": "pro"})),
        (event(name="☃"), {}, "no_event_name"),
        (event(name="session_start"), {}, "reserved_event_name"),
        (event(name="Session Start"), {}, "reserved_event_name"),
        (event(name="ga_event"), {}, "reserved_event_name"),
        (event(properties={"value": "$9.50"}), {}, ("Signed_Up", {"value": 9.5, "currency": "USD"})),
        (event(properties={"revenue": 9}), {"currency": "CHF"}, ("Signed_Up", {"value": 9.0, "currency": "CHF"})),
        (event(properties={"a": {"b": 1}, "tags": ["x", 2], "ok": True, "none": None, "long": "x" * 300}), {},
         ("Signed_Up", {"a_b": 1, "tags": "x,2", "ok": "true", "long": "x" * 100})),
        (event(properties={"long": "x" * 600}), {"value_length": 500}, ("Signed_Up", {"long": "x" * 500})),
        (event(properties={"_x": 1, "firebase_x": 1, "ga_x": 1, "google_x": 1, "gtag.x": 1, "☃": 1, "1st": 1}), {},
         ("Signed_Up", {"st": 1})),
        # pages and screens
        (event("page", properties={"url": "https://shop.example/", "title": "Hats", "color": "red"}), {},
         ("page_view", {"page_location": "https://shop.example/", "page_title": "Hats", "color": "red"})),
        (event("page", properties={}, context={"page": {"url": "https://shop.example/", "referrer": "https://a.example"}}),
         {}, ("page_view", {"page_location": "https://shop.example/", "page_referrer": "https://a.example"})),
        (event("page", properties={"url": "https://shop.example/" + "x" * 2_000, "title": "t" * 400}), {},
         ("page_view", {"page_location": "https://shop.example/" + "x" * 979, "page_title": "t" * 300})),
        (event("page"), {}, "no_page_url"),
        (event("page", properties={"url": "https://shop.example/"}, **IN_APP), APP, "other_stream"),
        (event("screen", name="Home"), {}, "other_stream"),
        (event("screen", name="Home", **IN_APP), APP, ("screen_view", {"screen_name": "Home", "plan": "pro"})),
        # groups; identify and alias are filtered by their type
        (event("group", groupId="g1"), {}, ("join_group", {"group_id": "g1"})),
        (event("group"), {}, "no_group_id"),
        (event("identify", traits={"email": "ada@example.com"}), {}, "unsupported_type"),
        (event("alias", previousId="a"), {}, "unsupported_type"),
        # what Google would drop without a word
        (event(timestamp="2025-12-30T00:00:00Z"), {}, ("Signed_Up", {"plan": "pro"})),
        (event(timestamp="2025-12-29T23:59:59Z"), {}, "too_old"),
        (event(anonymousId=None), {}, "no_client_id"),
        (event(), {"anonymous_client": False}, "no_client_id"),
        (event(), APP, "no_app_instance_id"),
    ],
)  # fmt: skip
def test_each_call_in_googles_words(given: Delivery, settings: dict[str, Any], expected: Any) -> None:
    assert told(given, **settings) == expected


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        (event(), {}, {"client_id": "a1"}),
        (event(properties={"client_id": "444.555"}), {}, {"client_id": "444.555"}),
        (event(integrations={"Google Analytics 4": {"clientId": "GA1.1.444.555"}}), {}, {"client_id": "444.555"}),
        (event(**IN_APP), APP, {"app_instance_id": "i1"}),
        (event(properties={"app_instance_id": "i2"}), APP, {"app_instance_id": "i2"}),
        (event(), {"send_user_id": True}, {"client_id": "a1", "user_id": "u1"}),
        (event(userId="ada@example.com"), {"send_user_id": True}, {"client_id": "a1"}),
        (event(context={"ip": "192.0.2.1"}), {}, {"client_id": "a1"}),
        (event(context={"ip": "192.0.2.1"}), {"personal_data": True}, {"client_id": "a1", "ip_override": "192.0.2.1"}),
        (event(context={"traits": {"plan": "p" * 50, "vip": True, "seats": 5, "user_id": "u1", "mail": "a@example.com",
                                   "age": 30}}),
         {"user_properties": ["plan", "vip", "seats", "user_id", "mail", "absent"]},
         {"client_id": "a1", "user_properties": {"plan": {"value": "p" * 36}, "vip": {"value": "true"},
                                                 "seats": {"value": 5}, "mail": {"value": "(redacted)"}}}),
        (event(context={"consent": {"categoryPreferences": {"ads": True, "more": False}}}),
         {"consent": {"ad_user_data": "ads", "ad_personalization": "more"}},
         {"client_id": "a1", "consent": {"ad_user_data": "GRANTED", "ad_personalization": "DENIED"}}),
        (event(), {"consent": {"ad_user_data": "ads"}}, {"client_id": "a1"}),
    ],
)  # fmt: skip
def test_whom_an_event_is_about(given: Delivery, settings: dict[str, Any], expected: Any) -> None:
    body = sent(given, **settings)
    del body["events"]

    assert body == expected


def test_personal_data_is_left_out_unless_asked_for() -> None:
    one = event(
        properties={"email": "ada@example.com", "Phone": "1", "from": "https://a.example/?m=ada%40example.com&x=1"}
    )

    assert told(one) == ("Signed_Up", {"from": "https://a.example/?m=(redacted)&x=1"})
    assert told(one, personal_data=True)[1]["email"] == "ada@example.com"


def test_an_event_has_its_time_its_session_and_its_engagement() -> None:
    one = event(integrations={"GA4": {"sessionId": 1767225000}}, properties={"engagement_time_msec": 1200})

    (made,) = sent(one)["events"]

    assert made == {"name": "Signed_Up", "timestamp_micros": AT,
                    "params": {"session_id": "1767225000", "engagement_time_msec": 1200}}  # fmt: skip


def test_3000_properties_are_25_and_the_rest_is_counted() -> None:
    before = metrics.MAPPING_PROBLEMS.labels("ga", "params")._value.get()

    (made,) = sent(event(properties={f"k{number}": number for number in range(3_000)}))["events"]

    assert len(made["params"]) == 25
    assert metrics.MAPPING_PROBLEMS.labels("ga", "params")._value.get() - before == 2_976


def test_a_request_is_about_one_client() -> None:
    one = connector()

    assert one.batch_key(event()) == one.batch_key(event(name="Signed Out"))
    assert one.batch_key(event()) != one.batch_key(event(anonymousId="a2"))
    assert len(sent(event(), event())["events"]) == 2


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "/mp/collect?measurement_id=G-ABC123&api_secret=s"),
        (APP, "/mp/collect?firebase_app_id=1:2:android:3&api_secret=s"),
        ({"debug": True}, "/debug/mp/collect?measurement_id=G-ABC123&api_secret=s"),
        ({"api_secret": "a+b/c"}, "/mp/collect?measurement_id=G-ABC123&api_secret=a%2Bb%2Fc"),
    ],
)
def test_streams_and_the_validation_server(settings: dict[str, Any], url: str) -> None:
    (made,) = connector(**settings).mapped([event(**IN_APP)])

    assert isinstance(made, HttpRequest)
    assert made.url == url


def test_the_secret_in_the_url_is_not_shown() -> None:
    (made,) = connector(api_secret="hush").mapped([event()])

    assert isinstance(made, HttpRequest)
    assert connector(api_secret="hush").shown(made).url == (
        "https://www.google-analytics.com/mp/collect?measurement_id=G-ABC123&api_secret=***"
    )


def test_delivery_cannot_be_confirmed() -> None:
    request = HttpRequest("POST", "/mp/collect", [event(), event()])
    for status, kind in ((204, Kind.UNCONFIRMED), (503, Kind.RETRY), (0, Kind.RETRY), (413, Kind.REJECTED)):
        read = connector().read(request, HttpResponse(status, str(status)))
        assert [one.kind for one in read if isinstance(one, Outcome)] == [kind] * 2


async def test_the_validation_server_names_what_is_wrong(tmp_path: Path) -> None:
    async with Ga4Partner(tmp_path) as partner:
        one = partner.connector(debug=True)
        await one.open()
        one.map = EventMap(events={"Signed Up": {"name": {"template": "first_open"}}})
        wrong, right = [(await one.send([event(name=name)]))[0] for name in ("Signed Up", "Signed Out")]
        await one.close()

    assert (wrong.kind, wrong.detail) == (Kind.REJECTED, "NAME_RESERVED: events[0].name")
    assert right.kind is Kind.UNCONFIRMED
    assert partner.events == []


async def test_all_that_is_sent_keeps_to_googles_rules(tmp_path: Path) -> None:
    """The double drops what breaks one, as Google does."""
    odd = {f"{'_' * (number % 3)}käy {number}": {"x": [number, None], "y": "y" * 500} for number in range(100)}
    events = [
        event(properties=odd), event(name="Order Completed", properties=odd | {"products": [HAT, odd, None]}),
        event("page", properties=odd | {"url": "https://shop.example/" + "ü" * 5_000}), event("group", groupId="g1"),
    ]  # fmt: skip
    async with Ga4Partner(tmp_path) as partner:
        one = partner.connector(user_properties=["a", "user_id"])
        await one.open()
        outcomes = await one.send(events)
        await one.close()

    assert {outcome.kind for outcome in outcomes} == {Kind.UNCONFIRMED}
    assert [one["name"] for one in partner.events] == ["Signed_Up", "purchase", "page_view", "join_group"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"api_secret": "a key"}, "without blanks"),
        ({"region": "us"}, "expected one of global, eu"),
        ({"measurement_id": None}, "either measurement_id or firebase_app_id"),
        ({"firebase_app_id": "1:2"}, "either measurement_id or firebase_app_id"),
        ({"measurement_id": "UA-1-1"}, "should match pattern"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        connector(**settings)


def test_regions_have_addresses_of_their_own() -> None:
    assert connector().settings.address == "https://www.google-analytics.com"
    assert connector(region="eu").settings.address == "https://region1.google-analytics.com"

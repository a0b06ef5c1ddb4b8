"""Facebook Conversions: an event in, what Meta gets out."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.facebook_conversions import FacebookConversions, FacebookConversionsSettings
from router.destinations.http import HttpRequest, Skip
from router.destinations.response import HttpResponse
from router.destinations.shared.hashing import sha256
from tests.deliveries import delivery
from tests.partners.graph import error

AT = 1767225600  # 2026-01-01T00:00:00Z
DAY = 86_400
ORDER = {"total": "9,50 €", "currency": "eur", "order_id": "o1"}
PHONE = {
    "device": {"type": "ios", "advertisingId": "IDFA-1", "adTrackingEnabled": True, "model": "iPhone17"},
    "os": {"version": "26"},
    "app": {"namespace": "com.shop", "build": "7", "version": "2.1"},
    "locale": "de-DE",
    "timezone": "Europe/Berlin",
    "network": {"carrier": "T"},
    "screen": {"width": 1, "height": 2, "density": 1.5},
}


def event(kind: str = "track", name: str = "Signed Up", **fields: Any) -> Delivery:
    made = delivery(1, **({"type": kind, "event": name, "properties": {}} | fields))
    made.type, made.event = kind, name if kind == "track" else ""
    return made


def connector(now: float = AT, **settings: Any) -> FacebookConversions:
    given = {"access_token": "t", "dataset_id": "1234"} | settings
    made = FacebookConversions("meta", FacebookConversionsSettings.model_validate(given), 10.0)
    made.clock = lambda: now
    return made


def sent(one: Delivery, **settings: Any) -> Any:
    """The one event of the request, or the reason why there is none."""
    (made,) = connector(**settings).mapped([one])
    if isinstance(made, Skip):
        return made.reason
    assert (made.method, made.url) == ("POST", "/v25.0/1234/events")
    (item,) = orjson.loads(made.body)["data"]
    return item


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (event(name="Order Completed", properties=ORDER), "Purchase"),
        (event(name="Product Added"), "AddToCart"),
        (event(name="Product Viewed"), "ViewContent"),
        (event(name="Product List Viewed"), "ViewContent"),
        (event(name="Checkout Started"), "InitiateCheckout"),
        (event(name="Products Searched"), "Search"),
        (event(name="Payment Info Entered"), "AddPaymentInfo"),
        (event("page"), "PageView"),
        (event("screen"), "PageView"),
        (event(name="Hat Tried On"), "Hat Tried On"),
        (event(name="Signed Up"), "CompleteRegistration"),  # by `events`
    ],
)
def test_events_have_metas_names(given: Delivery, name: str) -> None:
    assert sent(given, events={"Signed Up": "CompleteRegistration"})["event_name"] == name


@pytest.mark.parametrize("kind", ["identify", "group", "alias"])
def test_what_is_no_action_is_not_sent(kind: str) -> None:
    assert sent(event(kind)) == "unsupported_type"


def test_an_event_whole() -> None:
    context = {"ip": "192.0.2.1", "userAgent": "Mozilla/5.0", "page": {"url": "https://shop.example/?fbclid=c1"}}

    assert sent(event(name="Order Completed", properties=ORDER, context=context)) == {
        "event_name": "Purchase", "event_time": AT, "event_id": "m1", "action_source": "website",
        "event_source_url": "https://shop.example/?fbclid=c1",
        "user_data": {"external_id": sha256("u1"), "client_ip_address": "192.0.2.1", "client_user_agent": "Mozilla/5.0",
                      "fbc": f"fb.1.{AT}000.c1"},
        "custom_data": {"value": 9.5, "currency": "EUR", "order_id": "o1"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("traits", "field", "expected"),
    [
        ({"email": " John_Smith@gmail.com "}, "em", "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"),
        ({"phone": "+1 (650) 555-1212"}, "ph", "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"),
        ({"phone": "000"}, "ph", None),
        ({"firstName": "Mary"}, "fn", "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec"),
        ({"lastName": "Valéry"}, "ln", "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"),
        ({"gender": "Female"}, "ge", sha256("f")),
        ({"gender": "x"}, "ge", None),
        ({"birthday": "1980-01-31"}, "db", sha256("19800131")),
        ({"address": {"city": "São Paulo"}}, "ct", sha256("sãopaulo")),
        ({"address": {"state": "New York"}}, "st", sha256("ny")),
        ({"address": {"postalCode": "94025-1234", "country": "US"}}, "zp", sha256("94025")),
        ({"address": {"country": "DE"}}, "country", sha256("de")),
        ({"email": sha256("a@b.c")}, "em", sha256("a@b.c")),  # hashed already
        ({"email": "nobody"}, "em", None),
    ],
)  # fmt: skip
def test_the_person_is_hashed_by_metas_rules(traits: dict[str, Any], field: str, expected: str | None) -> None:
    assert sent(event(context={"traits": traits}))["user_data"].get(field) == expected


def test_the_user_id_may_have_the_form_that_the_pixel_sends() -> None:
    assert sent(event(), hash_external_id=False)["user_data"] == {"external_id": "u1"}
    assert sent(event(userId=None, anonymousId="a1"), hash_external_id=False)["user_data"] == {"external_id": "a1"}


def test_integrations_add_what_only_the_browser_knows() -> None:
    given = {"fbc": "fb.1.1.x", "fbp": "fb.1.2.y", "lead_id": 7, "event_id": "e1", "action_source": "chat"}
    item = sent(event(integrations={"Facebook Conversions API": given}), hash_external_id=False)

    assert (item["event_id"], item["action_source"]) == ("e1", "chat")
    assert item["user_data"] == {"external_id": "u1", "fbc": "fb.1.1.x", "fbp": "fb.1.2.y", "lead_id": "7"}


def test_a_correction_names_its_first_event() -> None:
    first = {"event_name": "Purchase", "order_id": "o1"}
    options = {"Facebook Conversions API (Actions)": {"original_event_data": first}}

    assert sent(event(integrations=options))["original_event_data"] == first


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        (event(), {}, "other"),
        (event(context={"userAgent": "Mozilla/5.0"}), {}, "website"),
        (event(context=PHONE), {}, "app"),
        (event("screen"), {}, "app"),
        (event(), {"action_source": "physical_store"}, "physical_store"),
    ],
)
def test_where_an_event_comes_from(given: Delivery, settings: dict[str, Any], expected: str) -> None:
    assert sent(given, **settings)["action_source"] == expected


def test_an_application_says_what_it_runs_on() -> None:
    item = sent(event(context=PHONE))

    assert item["user_data"]["madid"] == "IDFA-1"
    assert item["app_data"] == {
        "advertiser_tracking_enabled": 1, "application_tracking_enabled": 1,
        "extinfo": ["i2", "com.shop", "7", "2.1", "26", "iPhone17", "de-DE", "Europe/Berlin", "T", "1", "2", "1.5",
                    "", "", "", "Europe/Berlin"],
    }  # fmt: skip


def test_the_advertising_id_of_who_does_not_want_it_stays() -> None:
    device = PHONE["device"] | {"adTrackingEnabled": False}  # type: ignore[operator]
    item = sent(event(context=PHONE | {"device": device}))

    assert "madid" not in item["user_data"]
    assert item["app_data"]["advertiser_tracking_enabled"] == 0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (event(name="Product Added", properties={"product_id": "p1", "name": "Hat", "price": "19.90", "quantity": 2}),
         {"value": 39.8, "content_ids": ["p1"], "content_type": "product", "content_name": "Hat", "num_items": 2,
          "contents": [{"id": "p1", "quantity": 2, "item_price": 19.9}]}),
        (event(name="Checkout Started", properties={"value": 5, "currency": "USD", "products": [
            {"sku": "s1", "price": 5, "delivery_category": "curbside"}, {"sku": "s2", "delivery_category": "by air"}]}),
         {"value": 5.0, "currency": "USD", "content_ids": ["s1", "s2"], "content_type": "product", "num_items": 2,
          "contents": [{"id": "s1", "quantity": 1, "item_price": 5.0, "delivery_category": "curbside"},
                       {"id": "s2", "quantity": 1}]}),
        (event(name="Product List Viewed", properties={"category": "Hats"}),
         {"content_ids": ["Hats"], "content_type": "product_group", "content_category": "Hats"}),
        (event(name="Products Searched", properties={"query": "hat"}), {"search_string": "hat"}),
        (event(name="Signed Up", properties={"plan": "pro", "email": "ada@example.com"}), None),  # nothing unasked
    ],
)  # fmt: skip
def test_what_was_bought(given: Delivery, expected: Any) -> None:
    assert sent(given).get("custom_data") == expected


@pytest.mark.parametrize(
    ("given", "settings", "reason"),
    [
        (event(timestamp="2025-12-24T23:59:59Z"), {}, "too_old"),
        (event("page"), {"pages": False}, "pages_off"),
        (event(userId=None), {}, "no_user_data"),
        (event(userId=None, context={"userAgent": "Mozilla/5.0"}), {}, "no_user_data"),
        (event(userId=None, context={"traits": {"address": {"city": "Berlin", "state": "BE"}}}), {}, "weak_user_data"),
        (event(userId=None, context={"traits": {"firstName": "Ada", "gender": "f"}}), {}, "weak_user_data"),
        (event(), {"action_source": "website"}, "no_user_agent"),
        (event(name="Order Completed"), {}, "no_value"),
        (event(name="Order Completed", properties={"total": 1}), {}, "no_currency"),
    ],
)
def test_what_would_refuse_the_whole_request_is_not_sent(
    given: Delivery, settings: dict[str, Any], reason: str
) -> None:
    assert sent(given, **settings) == reason


def test_a_purchase_that_lacks_its_amount_is_kept() -> None:
    (skip,) = connector().mapped([event(name="Order Completed")])

    assert isinstance(skip, Skip)
    assert skip.outcome.kind is Kind.REJECTED
    assert sent(event(name="Order Completed", properties={"total": 0}), currency="EUR")["custom_data"] == {
        "value": 0.0, "currency": "EUR"
    }  # fmt: skip


def test_one_old_event_does_not_spoil_its_neighbours() -> None:
    old, new = event(timestamp="2025-12-24T00:00:00Z"), event()

    skip, request = connector().mapped([old, new])

    assert isinstance(skip, Skip)
    assert (skip.event, skip.reason) == (old, "too_old")
    assert list(request.events) == [new]  # type: ignore[union-attr]


def test_how_old_an_event_may_be_is_a_setting() -> None:
    old = event(timestamp="2025-12-01T00:00:00Z")

    assert sent(old) == "too_old"
    assert sent(old, max_age="62d")["event_name"] == "Signed Up"
    assert sent(event(), now=AT + 8 * DAY) == "too_old"


def test_limited_use_tags_and_tests() -> None:
    (made,) = connector(limited_data_use=True, upload_tag="store 1", test_event_code="TEST1").mapped([event()])
    payload = orjson.loads(made.body)  # type: ignore[union-attr]

    assert (payload["upload_tag"], payload["test_event_code"]) == ("store 1", "TEST1")
    assert payload["data"][0]["data_processing_options"] == ["LDU"]
    assert payload["data"][0]["data_processing_options_country"] == 0


def answered(response: Any, count: int = 1, headers: dict[str, str] | None = None) -> Any:
    request = HttpRequest("POST", "/", [event() for _ in range(count)])
    body = orjson.dumps(response.payload)
    (first, *_) = connector().read(request, HttpResponse(response.status, str(response.status), body, headers or {}))
    assert isinstance(first, Outcome)
    return first


@pytest.mark.parametrize(
    ("code", "subcode", "kind", "named"),
    [
        (1, None, Kind.RETRY, "GRAPH_1"), (2, None, Kind.RETRY, "GRAPH_2"), (341, None, Kind.RETRY, "GRAPH_341"),
        (368, None, Kind.RETRY, "GRAPH_368"), (5000, None, Kind.RETRY, "GRAPH_5000"),
        (21009, None, Kind.RETRY, "GRAPH_21009"), (4, None, Kind.RETRY, "429"), (17, None, Kind.RETRY, "429"),
        (613, None, Kind.RETRY, "429"), (80003, None, Kind.RETRY, "429"), (999, None, Kind.RETRY, "GRAPH_999"),
        (100, None, Kind.REJECTED, "GRAPH_100"), (100, 2804019, Kind.REJECTED, "GRAPH_100_2804019"),
        (105, None, Kind.REJECTED, "GRAPH_105"), (100, 33, Kind.REFUSED, "GRAPH_100_33"),
        (190, 460, Kind.REFUSED, "GRAPH_190_460"), (190, 463, Kind.REFUSED, "GRAPH_190_463"),
        (190, None, Kind.REFUSED, "GRAPH_190"), (200, None, Kind.REFUSED, "GRAPH_200"),
        (3, None, Kind.REFUSED, "GRAPH_3"),
        (100, 2804003, Kind.FILTERED, "too_old"),
    ],
)  # fmt: skip
def test_errors_are_known_by_their_code(code: int, subcode: int | None, kind: Kind, named: str) -> None:
    outcome = answered(error(code, subcode))

    assert (outcome.kind, outcome.code) == (kind, named)


def test_a_refused_batch_is_to_be_halved_and_a_throttled_one_waits() -> None:
    usage = {"x-business-use-case-usage": '{"1": [{"estimated_time_to_regain_access": 2}]}'}

    assert answered(error(100, 2804003), count=2).shared
    assert answered(error(80003), headers=usage).retry_after == 120.0
    assert answered(error(80003), headers={"x-business-use-case-usage": "?"}).retry_after == 60.0
    assert answered(error(368)).retry_after == 3_600.0


def test_the_secret_proves_the_token() -> None:
    (made,) = connector(app_secret="s").mapped([event()])

    assert made.url == (  # type: ignore[union-attr]
        "/v25.0/1234/events?appsecret_proof=61f074c3fcd0a129debe8f2b1c6f66d8824d615cf8397cc192eb58a8b0367889"
    )


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"access_token": "t t"}, "a key without blanks"),
        ({"dataset_id": "act_1"}, "dataset_id"),
        ({"action_source": "web"}, "action_source"),
        ({"currency": "euro"}, "currency"),
        ({"region": "eu"}, "expected one of global"),
        ({"max_age": "7"}, "max_age"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        connector(**settings)

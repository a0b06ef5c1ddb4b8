"""Klaviyo: an event in, the requests out."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.http import HttpRequest
from router.destinations.klaviyo import Klaviyo, KlaviyoSettings
from router.destinations.response import HttpResponse
from tests.deliveries import delivery

AT = "2026-01-01T00:00:00.000Z"
U1 = {"external_id": "u1"}


def event(kind: str = "track", called: str = "Song Played", **fields: Any) -> Delivery:
    made = delivery(1, **({"type": kind, "event": called, "properties": {"length": 3}} | fields))
    made.type, made.event = kind, called if kind == "track" else ""
    return made


def connector(**settings: Any) -> Klaviyo:
    return Klaviyo("klaviyo", KlaviyoSettings.model_validate({"api_key": "k"} | settings), 10.0)


def sent(*events: Delivery, **settings: Any) -> Any:
    made = connector(**settings).mapped(events)
    return [
        (one.url, orjson.loads(one.body)["data"]) if isinstance(one, HttpRequest) else (one.reason, one.keep)
        for one in made
    ]


def metric(name: str = "Song Played", unique: str = "m1", **more: Any) -> dict[str, Any]:
    named = {"data": {"type": "metric", "attributes": {"name": name}}}
    return {"metric": named, "properties": {"length": 3}, "time": AT, "unique_id": unique} | more


def person(**attributes: Any) -> dict[str, Any]:
    return {"type": "profile", "attributes": attributes}


def one_event(who: dict[str, Any] = U1, **fields: Any) -> Any:
    return [("/api/events", {"type": "event", "attributes": {**metric(**fields), "profile": {"data": person(**who)}}})]


def item(*metrics: dict[str, Any], **who: Any) -> dict[str, Any]:
    events = [{"type": "event", "attributes": one} for one in metrics]
    return {"type": "event-bulk-create",
            "attributes": {"profile": {"data": person(**(who or U1))}, "events": {"data": events}}}  # fmt: skip


def job(*items: dict[str, Any]) -> Any:
    content = {"events-bulk-create": {"data": list(items)}}
    return [("/api/event-bulk-create-jobs", {"type": "event-bulk-create-job", "attributes": content})]


def skipped(reason: str, *, keep: bool = False) -> Any:
    return [(reason, keep)]


TRAITS = {
    "email": "ada@example.com", "name": "Ada Lovelace", "phone": "+44 1632 960000", "title": "Countess",
    "company": {"name": "Engines"}, "avatar": "https://shop.example/a.png", "plan": "pro", "$source": "web",
    "address": {"street": "1 Mill", "city": "London", "state": "LDN", "postalCode": "N1", "country": "GB"},
}  # fmt: skip
ADA = {
    "email": "ada@example.com", "phone_number": "+441632960000", "external_id": "u1", "first_name": "Ada",
    "last_name": "Lovelace", "title": "Countess", "organization": "Engines", "image": "https://shop.example/a.png",
    "location": {"address1": "1 Mill", "city": "London", "region": "LDN", "zip": "N1", "country": "GB"},
    "properties": {"plan": "pro", "source": "web"},
}  # fmt: skip
HAT = {"ProductID": "p1", "ProductName": "Hat", "Quantity": 2, "ItemPrice": 12.5, "order_id": "o1", "size": "L"}
ORDER = {"order_id": "o1", "total": "25.00 €", "currency": "eur",
         "products": [{"product_id": "p1", "name": "Hat", "price": "12.50", "quantity": 2, "size": "L"}]}  # fmt: skip
MAIL: dict[str, Any] = {"context": {"traits": {"email": "ada@example.com", "phone": "+441632960000"}}}


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        (event(), {}, one_event()),
        (event(userId=None, anonymousId="a1"), {}, one_event({"anonymous_id": "a1"})),
        (event(context={"traits": {"email": "ada@example.com"}}), {},
         one_event({"email": "ada@example.com", "external_id": "u1"})),
        (event(userId=None), {}, skipped("no_identifier")),
        (event(properties={"value": "12,50 €", "currency": "EUR"}), {},
         one_event(properties={"value": "12,50 €", "currency": "EUR"}, value=12.5, value_currency="EUR")),
        (event(called="Order Completed", properties=ORDER), {},
         job(item(metric("Order Completed", properties=ORDER, value=25.0, value_currency="EUR"),
                  metric("Ordered Product", "m1-0", properties=HAT, value=25.0, value_currency="EUR")))),
        (event(called="Product Viewed"), {}, one_event(name="Product Viewed")),
        (event(called="Product Viewed"), {"klaviyo_names": True}, one_event(name="Viewed Product")),
        (event(called="Product Added"), {"klaviyo_names": True}, one_event(name="Added to Cart")),
        (event(called="Checkout Started"), {"klaviyo_names": True}, one_event(name="Started Checkout")),
        (event("page", name="Hats"), {}, skipped("pages_off")),
        (event("page", name="Hats"), {"pages": True}, one_event(name="Viewed Hats Page")),
        (event("screen", name="Home"), {"pages": True}, one_event(name="Viewed Home Screen")),
        (event(timestamp="1999-12-31T23:59:59Z"), {}, skipped("too_old")),
        (event(timestamp="2027-06-01T00:00:00Z"), {}, skipped("too_far_ahead")),
        (event(properties={f"p{n}": n for n in range(401)}), {}, skipped("too_many_properties", keep=True)),
        (event("identify", traits=TRAITS), {}, [("/api/profile-import", person(**ADA))]),
        (event("identify", traits={"phone": "01632 960000"}), {},
         [("/api/profile-import", person(external_id="u1", properties={"phone": "01632 960000"}))]),
        (event("identify", userId=None, traits={"plan": "pro"}), {}, skipped("no_identifier")),
        (event("group", groupId="L1"), {},
         [("/api/profile-bulk-import-jobs",
           {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": [person(**U1)]}},
            "relationships": {"lists": {"data": [{"type": "list", "id": "L1"}]}}})]),
        (event("group", groupId="L1", traits={"subscribe": True, "consent": ["email", "sms"]}, **MAIL), {},
         [("/api/profile-subscription-bulk-create-jobs",
           {"type": "profile-subscription-bulk-create-job",
            "attributes": {"profiles": {"data": [person(
                email="ada@example.com", phone_number="+441632960000",
                subscriptions={"email": {"marketing": {"consent": "SUBSCRIBED"}},
                               "sms": {"marketing": {"consent": "SUBSCRIBED"}}})]}},
            "relationships": {"list": {"data": {"type": "list", "id": "L1"}}}})]),
        (event("group", groupId="L1", traits={"subscribe": True}), {}, skipped("no_consent")),
        (event("group"), {}, skipped("no_group_id")),
        (event("alias", previousId="u0"), {}, skipped("unsupported_type")),
    ],
)  # fmt: skip
def test_each_call_in_klaviyos_words(given: Delivery, settings: dict[str, Any], expected: Any) -> None:
    assert sent(given, **settings) == expected


def test_several_go_by_a_job() -> None:
    assert sent(event(), event(userId="u2")) == job(item(metric()), item(metric(), external_id="u2"))
    (made,) = sent(event("identify", traits={"plan": "pro"}), event("identify", userId="u2", traits={}))
    assert made[0] == "/api/profile-bulk-import-jobs"
    assert made[1]["attributes"]["profiles"]["data"] == [
        person(external_id="u1", properties={"plan": "pro"}),
        person(external_id="u2"),
    ]


def test_what_may_share_a_request() -> None:
    key = connector().batch_key

    assert key(event()) == key(event("page"))
    assert len({key(event()), key(event("identify")), key(event("group", groupId="L1"))}) == 3
    assert key(event("group", groupId="L1")) != key(event("group", groupId="L2"))
    assert key(event("group", groupId="L1")) != key(event("group", groupId="L1", traits={"subscribe": True}))


def test_subscriptions_go_by_the_hundred() -> None:
    given = [event("group", groupId="L1", traits={"subscribe": True}, **MAIL) for _ in range(150)]

    assert [len(content["attributes"]["profiles"]["data"]) for _, content in sent(*given)] == [100, 50]


def test_items_that_a_refused_job_points_at_are_dead_and_the_others_go_again() -> None:
    klaviyo, events = connector(), [event(userId=f"u{number}") for number in range(3)]
    (request,) = klaviyo.mapped(events)
    assert isinstance(request, HttpRequest)
    error = {"code": "invalid", "source": {"pointer": "/data/attributes/events-bulk-create/data/1/attributes/time"}}

    first, bad, last = klaviyo.read(request, HttpResponse(400, "400", orjson.dumps({"errors": [error]})))

    assert bad == Outcome(Kind.REJECTED, "400", "invalid: time")
    assert first is last
    assert isinstance(first, HttpRequest)
    assert first.events == [events[0], events[2]]
    plain = klaviyo.read(request, HttpResponse(400, "400", b'{"errors": [{"code": "invalid"}]}'))
    assert {(one.kind, one.shared) for one in plain if isinstance(one, Outcome)} == {(Kind.REJECTED, True)}


def test_what_is_looked_at_later_is_not_confirmed() -> None:
    request = HttpRequest("POST", "/api/events", [event()])

    assert connector().read(request, HttpResponse(202, "202")) == [Outcome(Kind.UNCONFIRMED, "202")]
    assert connector().read(request, HttpResponse(201, "201")) == [Outcome(Kind.DELIVERED, "201")]


def test_a_key_without_the_right_to_read_the_account_is_a_good_key() -> None:
    assert connector().read_probe(HttpResponse(403, "403")).kind is Kind.DELIVERED
    assert connector().read_probe(HttpResponse(401, "401")).kind is Kind.REFUSED


@pytest.mark.parametrize("wrong", [{"revision": "latest"}, {"api_key": "a b"}, {"region": "eu"}])
def test_settings_that_cannot_be_right_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        connector(**wrong)

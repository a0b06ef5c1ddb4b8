"""Mixpanel: an event in, the items of each request out."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.http import HttpRequest, Skip
from router.destinations.mixpanel import Mixpanel, MixpanelSettings
from router.destinations.response import HttpResponse
from tests.deliveries import delivery
from tests.partners.mixpanel import MixpanelPartner

AT = 1767225600000  # 2026-01-01T00:00:00Z
IMPORT, TRACK, PEOPLE, GROUPS = "/import?strict=1", "/track?verbose=1", "/engage?verbose=1", "/groups?verbose=1"
ORIGINAL = {"identity": "original"}


def event(kind: str = "track", name: str = "Signed Up", **fields: Any) -> Delivery:
    made = delivery(1, **({"type": kind, "event": name, "properties": {"plan": "pro"}} | fields))
    made.type, made.event = kind, name if kind == "track" else ""
    return made


def connector(**settings: Any) -> Mixpanel:
    return Mixpanel("mp", MixpanelSettings.model_validate({"token": "tok"} | settings), 10.0)


def sent(one: Delivery, **settings: Any) -> Any:
    """The items by path, or the reason why there are none."""
    made = connector(**settings).mapped([one])
    if isinstance(made[0], Skip):
        return made[0].reason
    return {request.url: orjson.loads(request.body) for request in made if isinstance(request, HttpRequest)}


def imported(name: Any = "Signed Up", **properties: Any) -> dict[str, Any]:
    known = {"plan": "pro", "$user_id": "u1", "distinct_id": "u1", "time": AT, "$insert_id": "m1"}
    return {"event": name, "properties": {key: one for key, one in (known | properties).items() if one is not None}}


def person(**update: Any) -> dict[str, Any]:
    return {"$token": "tok", "$distinct_id": "u1", "$ip": "0"} | update


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        # events, simplified identity
        (event(), {}, {IMPORT: [imported()]}),
        (event(anonymousId="a1"), {}, {IMPORT: [imported(**{"$device_id": "a1"})]}),
        (event(userId=None, anonymousId="a1"), {},
         {IMPORT: [imported(**{"$user_id": None, "$device_id": "a1", "distinct_id": "$device:a1"})]}),
        (event(userId="undefined"), {}, {IMPORT: [imported(**{"$user_id": None, "distinct_id": ""})]}),
        (event(messageId="node-0123456789-0123456789-0123456789-0123456789"), {},
         {IMPORT: [imported(**{"$insert_id": "789-0123456789-0123456789-0123456789"})]}),
        (event(messageId="m/1"), {}, {IMPORT: [imported(**{"$insert_id": f"{1:032x}"})]}),
        (event(properties={"time": 1, "distinct_id": "x", "$insert_id": "x", "token": "x", "plan": "pro"}), {},
         {IMPORT: [imported()]}),
        (event(context={"ip": "192.0.2.1", "os": {"name": "iOS"}, "page": {"url": "https://shop.example/"},
                        "campaign": {"source": "mail"}, "groupId": "g1"}), {},
         {IMPORT: [imported(**{"ip": "192.0.2.1", "$os": "iOS", "$current_url": "https://shop.example/",
                               "utm_source": "mail", "$group_id": "g1"})]}),
        (event(timestamp="1970-06-01T00:00:00Z"), {}, "too_old"),
        (event(name=""), {}, "no_event_name"),
        # events, original identity
        (event(anonymousId="a1"), ORIGINAL,
         {IMPORT: [imported(**{"$user_id": None, "$identified_id": "u1", "$anon_id": "a1"})]}),
        # pages and screens
        (event("page", name="", category="Docs"), {}, {IMPORT: [imported("Viewed Docs Page")]}),
        (event("screen", category=None), {}, {IMPORT: [imported("Loaded a Screen")]}),
        (event("page", category="Docs"), {"pages": "single"}, {IMPORT: [imported("Loaded a Page")]}),
        (event("page"), {"pages": "off"}, "pages_off"),
        # people
        (event("identify", traits={"email": "ada@example.com", "firstName": "Ada", "lastName": "L", "phone": "1",
                                   "createdAt": "2025-01-01", "username": "ada", "plan": "pro"}), {},
         {PEOPLE: [person(**{"$set": {"$email": "ada@example.com", "$first_name": "Ada", "$last_name": "L",
                                      "$name": "Ada L", "$phone": "1", "$created": "2025-01-01", "$username": "ada",
                                      "plan": "pro"}})]}),
        (event("identify", userId=None, anonymousId="a1", traits={"plan": "pro"}), {},
         {PEOPLE: [person(**{"$distinct_id": "$device:a1", "$set": {"plan": "pro"}})]}),
        (event("identify", anonymousId="a1", traits={"plan": "pro"}, context={"ip": "192.0.2.1"}), ORIGINAL,
         {TRACK: [{"event": "$identify", "properties": {"$identified_id": "u1", "$anon_id": "a1", "distinct_id": "u1",
                                                        "token": "tok"}}],
          PEOPLE: [person(**{"$ip": "192.0.2.1", "$set": {"plan": "pro"}})]}),
        (event("identify"), {}, "no_traits"),
        (event("identify", traits={"plan": "pro"}), {"people": False}, "people_off"),
        (event("identify", userId=None), {}, "no_user_id"),
        # groups
        (event("group", groupId="g1", traits={"name": "Acme", "seats": 5}), {"group_key": "company"},
         {GROUPS: [{"$token": "tok", "$group_key": "company", "$group_id": "g1",
                     "$set": {"$name": "Acme", "seats": 5}}],
          PEOPLE: [person(**{"$union": {"company": ["g1"]}})]}),
        (event("group"), {}, "no_group_id"),
        # alias
        (event("alias", previousId="old"), ORIGINAL,
         {TRACK: [{"event": "$create_alias", "properties": {"distinct_id": "old", "alias": "u1", "token": "tok"}}]}),
        (event("alias"), ORIGINAL, "no_previous_id"),
        (event("alias", previousId="old"), {}, "simplified_identity"),
        # what counts up
        (event(), {"increment_events": ["Signed Up"]},
         {IMPORT: [imported()],
          PEOPLE: [person(**{"$set": {"Last Signed Up": "2026-01-01T00:00:00.000Z"}}),
                   person(**{"$add": {"Signed Up": 1}})]}),
        (event("page", name="", category="Signup"), {"increment_events": ["Viewed Signup Page"]},
         {IMPORT: [imported("Viewed Signup Page")],
          PEOPLE: [person(**{"$set": {"Last Viewed Signup Page": "2026-01-01T00:00:00.000Z"}}),
                   person(**{"$add": {"Viewed Signup Page": 1}})]}),
        (event(properties={"seats": "3", "plan": "pro"}), {"increment_properties": ["seats", "plan"]},
         {IMPORT: [imported(seats="3")], PEOPLE: [person(**{"$add": {"seats": 3.0}})]}),
        (event(userId=None, anonymousId="a1"), {"increment_events": ["Signed Up"]},
         {IMPORT: [imported(**{"$user_id": None, "$device_id": "a1", "distinct_id": "$device:a1"})]}),
        # revenue
        (event(name="Order Completed", properties={"total": "12,50 €"}), {"transactions": True},
         {IMPORT: [imported("Order Completed", plan=None, total=12.5, revenue=12.5)],
          PEOPLE: [person(**{"$append": {"$transactions": {"$time": "2026-01-01T00:00:00.000Z", "$amount": 12.5}}})]}),
    ],
)  # fmt: skip
def test_each_call_in_mixpanels_words(given: Delivery, settings: dict[str, Any], expected: Any) -> None:
    assert sent(given, **settings) == expected


def test_products_of_an_order_are_events_of_their_own_when_asked() -> None:
    """Each has its own `$insert_id` and time: Mixpanel would take them for one otherwise."""
    products = [{"product_id": "p1", "price": "5.00", "quantity": 2}, {"product_id": "p2", "price": 3, "size": "XL"}]
    order = event(name="Order Completed", properties={"order_id": "o1", "products": products})

    first, *others = sent(order, product_events=True)[IMPORT]

    assert first["properties"]["revenue"] == 13
    assert others == [
        imported("Product Purchased", plan=None, product_id="p1", price=5.0, quantity=2, time=AT - 1,
                 **{"$insert_id": "0-m1"}),
        imported("Product Purchased", plan=None, product_id="p2", price=3.0, quantity=1, size="XL", time=AT - 2,
                 **{"$insert_id": "1-m1"}),
    ]  # fmt: skip


def test_a_second_attempt_is_the_same_to_the_byte() -> None:
    first, second = event(anonymousId="a1"), event(anonymousId="a1")
    second.attempt = 2

    bodies = [
        one.body for again in (first, second) for one in connector().mapped([again]) if isinstance(one, HttpRequest)
    ]

    assert bodies[0] == bodies[1]


def test_a_refused_import_names_the_records_that_failed_and_the_others_are_there() -> None:
    body = orjson.dumps({"failed_records": [{"index": 1, "field": "properties.time", "message": "Ada"}]})

    read = connector().read(HttpRequest("POST", IMPORT, [event()] * 3), HttpResponse(400, "400", body))

    assert [(one.kind, one.detail) for one in read if isinstance(one, Outcome)] == [
        (Kind.DELIVERED, ""), (Kind.REJECTED, "not valid: properties.time"), (Kind.DELIVERED, ""),
    ]  # fmt: skip


@pytest.mark.parametrize(("body", "kind"), [(b'{"status":0,"error":"x"}', Kind.REJECTED), (b"0", Kind.REJECTED),
                                            (b'{"status":1,"error":null}', Kind.DELIVERED)])  # fmt: skip
def test_an_update_is_refused_with_200(body: bytes, kind: Kind) -> None:
    """Mixpanel does not say which one: they are sent again in halves."""
    read = connector().read(HttpRequest("POST", PEOPLE, [event()] * 2), HttpResponse(200, "200", body))

    assert [one.kind for one in read if isinstance(one, Outcome)] == [kind] * 2
    assert [one.shared for one in read if isinstance(one, Outcome)] == [kind is Kind.REJECTED] * 2


def test_mixpanel_is_given_two_seconds_to_a_minute_when_it_is_asked_too_much() -> None:
    waits = []
    for attempt in (1, 2, 9):
        one = event()
        one.attempt = attempt
        (outcome,) = connector().read(HttpRequest("POST", IMPORT, [one]), HttpResponse(429, "429"))
        waits.append(outcome.retry_after if isinstance(outcome, Outcome) else None)

    assert waits == [2.0, 4.0, 60.0]


async def test_a_person_with_3000_traits_and_an_event_with_as_many_properties(tmp_path: Path) -> None:
    """Mixpanel takes the person; of the event it says what is wrong, and its neighbour arrives."""
    many = {f"k{number}": number for number in range(3_000)}
    async with MixpanelPartner(tmp_path) as partner:
        one = partner.connector()
        await one.open()
        outcomes = await one.send([event("identify", traits=many), event(properties=many), event()])
        await one.close()

    assert [(outcome.kind, outcome.detail) for outcome in outcomes] == [
        (Kind.DELIVERED, ""), (Kind.REJECTED, "not valid: properties"), (Kind.DELIVERED, ""),
    ]  # fmt: skip


async def test_an_event_from_the_future_is_named(tmp_path: Path) -> None:
    async with MixpanelPartner(tmp_path) as partner:
        one = partner.connector()
        await one.open()
        (outcome,) = await one.send([event(timestamp="2999-01-01T00:00:00Z")])
        await one.close()

    assert (outcome.kind, outcome.detail) == (Kind.REJECTED, "not valid: properties.time")


async def test_a_service_account_imports_where_the_token_does_not(tmp_path: Path) -> None:
    async with MixpanelPartner(tmp_path) as partner:
        account = {"token": "t", "service_account": "robot", "service_secret": partner.secret, "project_id": "42"}
        for settings, kind in ((account, Kind.DELIVERED), ({"token": "other"}, Kind.REFUSED)):
            one = partner.connector(**settings)
            await one.open()
            (outcome,) = await one.send([event()])
            await one.close()
            assert outcome.kind is kind


def test_the_token_is_the_user_name() -> None:
    (name,) = connector().authenticate(HttpRequest("POST", IMPORT, ()), 0.0).values()

    assert b64decode(name.removeprefix("Basic ")) == b"tok:"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"token": " tok"}, "without blanks"),
        ({"region": "ch"}, "expected one of us, eu, in"),
        ({"service_account": "robot"}, "together"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        connector(**settings)


def test_regions_have_addresses_of_their_own() -> None:
    assert [connector(region=region).settings.address for region in ("us", "eu", "in")] == [
        "https://api.mixpanel.com", "https://api-eu.mixpanel.com", "https://api-in.mixpanel.com",
    ]  # fmt: skip

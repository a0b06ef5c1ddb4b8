"""Amplitude: an event in, the items of the request out."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest
from pydantic import ValidationError

from router.destinations.amplitude import Amplitude, AmplitudeSettings
from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.http import HttpRequest, Skip
from router.destinations.response import HttpResponse
from tests.deliveries import call
from tests.partners.amplitude import AmplitudePartner

AT = 1767225600000  # 2026-01-01T00:00:00Z
PHONE = {"id": "d-1", "type": "iOS", "model": "iPhone17", "advertisingId": "ad-1"}


def event(kind: str = "track", name: str = "Signed Up", number: int = 1, **fields: Any) -> Delivery:
    return call(kind, name, number, **({"userId": "u1"} | fields))


def connector(**settings: Any) -> Amplitude:
    return Amplitude("amp", AmplitudeSettings.model_validate({"api_key": "k"} | settings), 10.0)


def sent(one: Delivery, **settings: Any) -> Any:
    """The items, or the reason why there are none."""
    (made,) = connector(**settings).mapped([one])
    return made.reason if isinstance(made, Skip) else orjson.loads(made.body)["events"]


def item(name: str = "Signed Up", **more: Any) -> dict[str, Any]:
    known = {"event_type": name, "time": AT, "insert_id": "m1", "user_id": "u1", "event_properties": {"plan": "pro"}}
    return {key: one for key, one in (known | more).items() if one is not None}


def update(name: str = "$identify", **more: Any) -> dict[str, Any]:
    return item(name, event_properties=None, **more)


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        # events, and whose they are
        (event(), {}, [item()]),
        (event(anonymousId="a1"), {}, [item(device_id="a1")]),
        (event(userId=None, anonymousId="a1"), {}, [item(user_id=None, device_id="a1")]),
        (event(anonymousId="a1", context={"device": {"id": "d1"}}), {}, [item(device_id="d1")]),
        (event(anonymousId="a1", context={"device": {"id": "d1"}}), {"device_id": "anonymous"}, [item(device_id="a1")]),
        (event(context={"device": {"id": "d1"}}), {"device_id": "anonymous"}, [item(device_id="d1")]),
        (event(context={"device": PHONE | {"adTrackingEnabled": True}}), {"device_id": "advertising"},
         [item(device_id="ad-1", platform="iOS", device_model="iPhone17", idfa="ad-1", idfv="d-1")]),
        (event(context={"device": PHONE | {"adTrackingEnabled": False}}), {"device_id": "advertising"},
         [item(device_id="d-1", platform="iOS", device_model="iPhone17", idfv="d-1")]),
        (event(context={"device": {"type": "android", "advertisingId": "ad-1", "adTrackingEnabled": True}}), {},
         [item(platform="Android", adid="ad-1")]),
        (event(userId="undefined"), {}, "no_user_id"),
        (event(userId="u1", anonymousId="long-enough"), {"min_id_length": 5},
         [item(user_id=None, device_id="long-enough")]),
        (event(), {"min_id_length": 5}, "short_id"),
        (event(name=""), {}, "no_event_name"),
        (event(messageId=None), {}, [item(insert_id=f"{1:032x}")]),
        # where it happened
        (event(context={"ip": "192.0.2.1", "locale": "de-DE", "os": {"name": "Android", "version": "16"},
                        "app": {"version": "2.1"}, "network": {"carrier": "T"}, "library": {"name": "analytics.js"},
                        "location": {"country": "Germany", "latitude": 52.5, "longitude": 13.4}}), {},
         [item(ip="192.0.2.1", language="de-DE", os_name="Android", os_version="16", app_version="2.1", carrier="T",
               library="analytics.js", country="Germany", location_lat=52.5, location_lng=13.4, platform="Android")]),
        (event(context={"userAgent": "Mozilla/5.0 (X11) Firefox/140.0"}), {},
         [item(platform="Web", os_name="Firefox")]),
        (event(context={"campaign": {"source": "mail", "name": "spring"}}), {},
         [item(user_properties={"$set": {"utm_source": "mail", "utm_campaign": "spring"},
                                "$setOnce": {"initial_utm_source": "mail", "initial_utm_campaign": "spring"}})]),
        (event(context={"campaign": {"source": "mail"}}), {"campaign": False}, [item()]),
        (event(context={"groupId": "g1"}), {}, [item(groups={"company": "g1"})]),
        (event(integrations={"Amplitude": {"session_id": AT, "groups": {"team": "t1"}}}), {},
         [item(session_id=AT, groups={"team": "t1"})]),
        # pages and screens: only when switched on
        (event("page", category="Docs"), {}, "pages_off"),
        (event("screen", category="Docs"), {}, "pages_off"),
        (event("page", category="Docs", name="Setup"), {"pages": "all"}, [item("Loaded a Page")]),
        (event("page", category="Docs", name="Setup"), {"pages": "categorized"}, [item("Viewed Docs Page")]),
        (event("page", category="Docs", name="Setup"), {"pages": "named"}, [item("Viewed Docs Setup Page")]),
        (event("screen", name="Home"), {"pages": "named"}, [item("Viewed Home Screen")]),
        (event("page"), {"pages": "categorized"}, "no_category"),
        (event("screen", "", category="Docs"), {"pages": "named"}, "no_page_name"),
        # people
        (event("identify", traits={"plan": "pro", "seats": None}), {},
         [update(user_properties={"$set": {"plan": "pro"}, "$unset": {"seats": "-"}})]),
        (event("identify", anonymousId="a1"), {}, [update(device_id="a1")]),
        (event("identify"), {}, "no_traits"),
        # groups
        (event("group", groupId="g1", traits={"name": "Acme"}), {"group_type": "team"},
         [update(user_properties={"$set": {"team": "g1"}}, groups={"team": "g1"}),
          update("$groupidentify", insert_id="m1-group-0", groups={"team": "g1"},
                 group_properties={"$set": {"name": "Acme"}})]),
        (event("group"), {}, "no_group_id"),
        # revenue
        (event(properties={"revenue": "12,50 €", "product_id": "p1", "revenueType": "gift"}), {},
         [item(event_properties={"revenue": 12.5, "product_id": "p1", "revenueType": "gift"}, revenue=12.5,
               productId="p1", revenueType="gift")]),
        (event(name="Order Completed", properties={"total": "9.50"}), {},
         [item("Order Completed", event_properties={"total": 9.5}, revenue=9.5)]),
        (event(name="Order Refunded", properties={"revenue": 9.5}), {},
         [item("Order Refunded", event_properties={"revenue": 9.5})]),
    ],
)  # fmt: skip
def test_each_call_in_amplitudes_words(given: Delivery, settings: dict[str, Any], expected: Any) -> None:
    assert sent(given, **settings) == expected


PRODUCTS = [{"product_id": "p1", "price": "5.00", "quantity": 2}, {"sku": "s2", "price": 3, "size": "XL"}]
ORDER = {"order_id": "o1", "revenue": 12, "products": PRODUCTS}


def test_the_revenue_of_an_order_is_in_an_event_for_each_product() -> None:
    """Each has its own `insert_id`: Amplitude would drop all but one otherwise."""
    order, *products = sent(event(name="Order Completed", properties=ORDER))

    assert order == item("Order Completed", event_properties=ORDER)
    assert products == [
        item("Product Purchased", insert_id="m1-0", productId="p1", price=5.0, quantity=2,
             event_properties={"product_id": "p1", "price": 5.0, "quantity": 2, "order_id": "o1"}),
        item("Product Purchased", insert_id="m1-1", productId="s2", price=3.0, quantity=1,
             event_properties={"sku": "s2", "price": 3.0, "quantity": 1, "size": "XL", "order_id": "o1"}),
    ]  # fmt: skip


def test_or_it_is_in_the_order_itself() -> None:
    (order,) = sent(event(name="Order Completed", properties=ORDER), revenue="order")

    assert order["revenue"] == 12


def test_an_alias_maps_the_previous_id_in_a_form() -> None:
    made = connector().mapped([event("alias", previousId="old"), event("alias")])
    skipped, request = sorted(made, key=lambda one: isinstance(one, HttpRequest))

    assert isinstance(skipped, Skip)
    assert skipped.reason == "no_previous_id"
    assert isinstance(request, HttpRequest)
    assert request.url == "https://api.amplitude.com/usermap"
    assert parse_qs(request.body.decode()) == {
        "api_key": ["k"],
        "mapping": ['[{"user_id":"old","global_user_id":"u1"}]'],
    }


def test_a_second_attempt_is_the_same_to_the_byte() -> None:
    first, second = event(anonymousId="a1"), event(anonymousId="a1")
    second.attempt = 2

    bodies = [one.body for again in (first, second) for one in connector().mapped([again]) if not isinstance(one, Skip)]

    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    ("settings", "url"), [({}, "/2/httpapi"), ({"endpoint": "batch"}, "/batch"), ({"region": "eu"}, "/2/httpapi")]
)
def test_endpoints(settings: dict[str, Any], url: str) -> None:
    (request,) = connector(**settings).mapped([event()])

    assert isinstance(request, HttpRequest)
    assert request.url == url
    assert orjson.loads(request.body)["options"] == {"min_id_length": 1}


def test_regions_have_addresses_of_their_own() -> None:
    assert connector().settings.address == "https://api2.amplitude.com"
    assert connector(region="eu").settings.address == "https://api.eu.amplitude.com"
    (alias,) = connector(region="eu").mapped([event("alias", previousId="old")])
    assert isinstance(alias, HttpRequest)
    assert alias.url == "/usermap"


async def deliver(partner: AmplitudePartner, *events: Delivery, **settings: Any) -> list[Outcome]:
    one = partner.connector(**settings)
    await one.open()
    try:
        return list(await one.send(events))
    finally:
        await one.close()


async def test_a_refused_request_names_what_is_wrong_and_the_others_are_sent_at_once(tmp_path: Path) -> None:
    """All of an event that has a wrong item is kept back, so that it can be sent again whole."""
    async with AmplitudePartner(tmp_path) as partner:
        wrong = event(number=2, userId="u2", timestamp="9999-01-01T00:00:00Z")
        outcomes = await deliver(partner, event(), wrong, event(number=3))

    assert [(one.kind, one.detail) for one in outcomes] == [
        (Kind.DELIVERED, ""), (Kind.REJECTED, "not valid: time"), (Kind.DELIVERED, ""),
    ]  # fmt: skip
    assert partner.accepted() == ["m1", "m3"]
    assert len(partner.calls) == 2


async def test_only_people_who_send_too_much_wait(tmp_path: Path) -> None:
    async with AmplitudePartner(tmp_path) as partner:
        partner.busy, partner.spent = {"busy"}, {"spent"}
        outcomes = await deliver(
            partner, event(), event(number=2, userId="busy"), event(number=3, userId="spent"), event(number=4)
        )

    assert [(one.kind, one.code, one.retry_after) for one in outcomes] == [
        (Kind.DELIVERED, "200", None), (Kind.RETRY, "THROTTLED", 30.0),
        (Kind.RETRY, "THROTTLED", 3600.0), (Kind.DELIVERED, "200", None),
    ]  # fmt: skip
    assert partner.accepted() == ["m1", "m4"]


async def test_a_person_with_3000_traits_is_several_updates(tmp_path: Path) -> None:
    async with AmplitudePartner(tmp_path) as partner:
        traits = {f"k{number}": number for number in range(3_000)}
        (outcome,) = await deliver(partner, event("identify", traits=traits))

    assert outcome.kind is Kind.DELIVERED
    assert partner.accepted() == ["m1", "m1-1", "m1-2"]


async def test_a_user_map_reaches_the_partner(tmp_path: Path) -> None:
    async with AmplitudePartner(tmp_path) as partner:
        (outcome,) = await deliver(partner, event("alias", previousId="old"))

    assert outcome.kind is Kind.DELIVERED
    assert partner.joined == {"old": "u1"}


@pytest.mark.parametrize("kind", ["track", "alias"])
async def test_a_key_that_is_not_taken_pauses_and_is_never_shown(tmp_path: Path, kind: str) -> None:
    async with AmplitudePartner(tmp_path) as partner:
        (outcome,) = await deliver(partner, event(kind, previousId="old"), api_key="other-key")

    assert (outcome.kind, outcome.detail) == (Kind.REFUSED, "the API key is not valid")
    assert outcome.exchange is not None
    assert "other-key" not in outcome.exchange.request + outcome.exchange.response


def test_a_silenced_device_is_named() -> None:
    body = orjson.dumps({"code": 400, "error": "silenced", "silenced_events": [0]})
    first, second = event(), event(number=2)

    read = connector().read(HttpRequest("POST", "/2/httpapi", [first, second]), HttpResponse(400, "400", body))

    assert isinstance(read[0], Outcome)
    assert (read[0].kind, read[0].detail) == (Kind.REJECTED, "the device is silenced")
    assert isinstance(read[1], HttpRequest)
    assert list(read[1].events) == [second]


@pytest.mark.parametrize(
    ("settings", "words"), [({"api_key": "a key"}, "without blanks"), ({"region": "ch"}, "expected one of us, eu")]
)
def test_wrong_settings_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        connector(**settings)

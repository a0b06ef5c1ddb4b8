"""Mailchimp: an event in, the requests out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from router import metrics
from router.destinations.base import Connector, Delivery, Kind, Outcome
from router.destinations.http import HttpRequest
from router.destinations.mailchimp import Mailchimp, MailchimpSettings
from router.destinations.response import HttpResponse
from tests.deliveries import delivery
from tests.partners.mailchimp import MailchimpPartner

AT = "2026-01-01T00:00:00.000Z"
EMAIL = "ada@example.com"
ADA: dict[str, Any] = {"context": {"traits": {"email": EMAIL}}}
MEMBER = "/3.0/lists/a1/members/3e3417d7ef77d5932a6734b916515ed5"  # the MD5 of ada@example.com
PUT = f"PUT {MEMBER}?skip_merge_validation=true"


def event(kind: str = "track", called: str = "Song Played", **fields: Any) -> Delivery:
    made = delivery(1, **({"type": kind, "event": called, "properties": {"length": 3}} | ADA | fields))
    made.type, made.event = kind, called if kind == "track" else ""
    return made


def connector(**settings: Any) -> Mailchimp:
    return Mailchimp(
        "mailchimp", MailchimpSettings.model_validate({"api_key": "k-us21", "list_id": "a1"} | settings), 10
    )


def sent(given: Delivery, **settings: Any) -> Any:
    return [
        (f"{one.method} {one.url}", orjson.loads(one.body or b"null")) if isinstance(one, HttpRequest) else one.reason
        for one in connector(**settings).mapped([given])
    ]


def one_event(name: str = "Song_Played", **more: Any) -> Any:
    item = {"name": name, "occurred_at": AT, "is_syncing": False, "properties": {"length": "3"}}
    return [(f"POST {MEMBER}/events", item | more)]


def member(email: str = EMAIL, **more: Any) -> Any:
    return (PUT, {"email_address": email, "status_if_new": "subscribed"} | more)


def fields(**values: Any) -> Any:
    return [member(merge_fields=values)]


def tags(**names: str) -> Any:
    listed = [{"name": name, "status": status} for name, status in names.items()]
    return (f"POST {MEMBER}/tags", {"tags": listed, "is_syncing": False})


HOME = {"street": "1 Mill", "city": "London", "state": "LDN", "postalCode": "N1", "country": "GB"}
PLACE = {"addr1": "1 Mill", "city": "London", "state": "LDN", "zip": "N1", "country": "GB"}
OTHER_LIST: dict[str, Any] = {"integrations": {"MailChimp": {"listId": "b2"}}}
UNSUBSCRIBED: dict[str, Any] = {"integrations": {"MailChimp": {"subscriptionStatus": "unsubscribed"}}}
NONSENSE: dict[str, Any] = {"integrations": {"MailChimp": {"subscriptionStatus": "vip"}}}


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        (event("identify"), {}, [member()]),
        (event("identify", traits={"email": "ADA@Example.com"}), {}, [member("ADA@Example.com")]),
        (event("identify"), {"status_if_new": "pending"}, [member(status_if_new="pending")]),
        (event("identify", **UNSUBSCRIBED), {}, [member(status="unsubscribed")]),
        (event("identify", **NONSENSE), {}, [member()]),
        (event("identify", traits={"name": "Ada Lovelace", "phone": "+441632960000", "birthday": "1815-12-10"}), {},
         fields(FNAME="Ada", LNAME="Lovelace", PHONE="+441632960000", BIRTHDAY="12/10")),
        (event("identify", traits={"birthday": "12/10", "address": HOME}), {}, fields(BIRTHDAY="12/10", ADDRESS=PLACE)),
        (event("identify", traits={"birthday": "soon", "address": HOME | {"state": None}}), {}, [member()]),
        (event("identify", traits={"favourite colour": "red", "vip": True, "gone": None, "list": [1], "age": 36}), {},
         fields(FAVOURITEC="red", VIP="true", LIST="[1]", AGE=36)),
        (event("identify", traits={"favourite colour": "red"}), {"merge_fields": {"favourite colour": "COLOUR"}},
         fields(COLOUR="red")),
        (event("identify", traits={"language": "de-AT"}), {}, [member(language="de")]),
        (event("identify", context={"traits": {"email": EMAIL}, "locale": "en-GB",
                                    "location": {"latitude": 51.5, "longitude": -0.1}}), {},
         [member(language="en", location={"latitude": 51.5, "longitude": -0.1})]),
        (event("identify", traits={"tags": ["vip", "", 7]}), {"tags": ["shop"]},
         [member(), tags(shop="active", vip="active", **{"7": "active"})]),
        (event("identify", traits={"tags": {"vip": True, "trial": False}}), {},
         [member(), tags(vip="active", trial="inactive")]),
        (event("identify", context={}), {}, ["no_email"]),
        (event(), {}, one_event()),
        (event(**OTHER_LIST), {}, [(f"POST {MEMBER}/events".replace("a1", "b2", 1), one_event()[0][1])]),
        (event(called="Order  Completed: 2"), {}, one_event("Order_Completed_2")),
        (event(called="a" * 40), {}, one_event("a" * 30)),
        (event(called="x"), {}, ["event_name_too_short"]),
        (event(properties={"total": 9.5, "paid": True, "lines": [{"sku": "s1"}], "note": "hi", "none": None}), {},
         one_event(properties={"total": "9.5", "paid": "true", "lines": '[{"sku":"s1"}]', "note": "hi"})),
        (event(), {"syncing": True}, one_event(is_syncing=True)),
        (event("page", name="Hats"), {}, ["pages_off"]),
        (event("page", name="Hats"), {"pages": True}, one_event("Viewed_Hats_Page")),
        (event("screen"), {"pages": True}, one_event("Loaded_a_Screen")),
        (event(called="User Deleted"), {}, [(f"DELETE {MEMBER}", None)]),
        (event(called="User Deleted"), {"delete": "permanent"}, [(f"POST {MEMBER}/actions/delete-permanent", None)]),
        (event("group", groupId="g1"), {}, ["unsupported_type"]),
        (event("alias", previousId="u0"), {}, ["unsupported_type"]),
    ],
)  # fmt: skip
def test_each_call_in_mailchimps_words(given: Delivery, settings: dict[str, Any], expected: Any) -> None:
    assert sent(given, **settings) == expected


def test_two_traits_with_one_tag_are_counted() -> None:
    counted = metrics.MAPPING_PROBLEMS.labels("mailchimp", "merge_fields")
    before = counted._value.get()

    assert sent(event("identify", traits={"favourite colour": "red", "favouriteCars": "blue"})) == fields(
        FAVOURITEC="red"
    )
    assert counted._value.get() - before == 1


@pytest.fixture
async def partner(tmp_path: Path) -> AsyncIterator[MailchimpPartner]:
    async with MailchimpPartner(tmp_path) as one:
        yield one


async def outcome(partner: MailchimpPartner, given: Delivery, **settings: Any) -> tuple[Kind, str, str]:
    mailchimp: Connector = partner.connector(**settings)
    await mailchimp.open()
    (one,) = await mailchimp.send([given])
    await mailchimp.close()
    return one.kind, one.code, one.detail


async def test_somebody_who_has_unsubscribed_stays_so(partner: MailchimpPartner) -> None:
    """Whatever capitals their address has; and no event brings them back."""
    partner.add(EMAIL, "unsubscribed")

    assert await outcome(partner, event("identify", traits={"email": "Ada@Example.com"})) == (Kind.DELIVERED, "200", "")
    assert [one["status"] for one in partner.members.values()] == ["unsubscribed"]
    back = event("identify", integrations={"MailChimp": {"subscriptionStatus": "subscribed"}})
    assert await outcome(partner, back) == (Kind.REJECTED, "400", "Member In Compliance State")


async def test_an_event_of_somebody_unknown_is_tried_again_once(partner: MailchimpPartner) -> None:
    """Their identify may be on the way; after that it is a dead letter."""
    given = event()

    assert await outcome(partner, given) == (Kind.RETRY, "404", "the person is no member")
    given.attempt = 2
    assert await outcome(partner, given) == (Kind.REJECTED, "404", "the person is no member")
    assert partner.members == {}


async def test_an_event_may_add_its_person(partner: MailchimpPartner) -> None:
    kind, *_ = await outcome(partner, event(), create_members=True, status_if_new="transactional")

    assert kind is Kind.DELIVERED
    assert [one["status"] for one in partner.members.values()] == ["transactional"]
    assert partner.accepted() == [AT]


async def test_a_member_who_is_gone_is_deleted(partner: MailchimpPartner) -> None:
    partner.add(EMAIL)

    for _ in range(2):
        kind, *_ = await outcome(partner, event(called="User Deleted"), delete="permanent")
        assert kind is Kind.DELIVERED
    assert await outcome(partner, event("identify")) == (Kind.REJECTED, "400", "Forgotten Email Not Subscribed")


async def test_an_audience_that_is_gone_is_a_mistake_in_the_settings(partner: MailchimpPartner) -> None:
    """But not if the event names it."""
    gone = "there is no such audience"

    assert await outcome(partner, event("identify"), list_id="b2") == (Kind.REFUSED, "404", gone)
    assert await outcome(partner, event("identify", **OTHER_LIST)) == (Kind.REJECTED, "404", gone)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (HttpResponse(429, "429"), Outcome(Kind.RETRY, "429", retry_after=5.0)),
        (HttpResponse(403, "403", b"<html>"), Outcome(Kind.RETRY, "403", "too many requests", retry_after=5.0)),
        (HttpResponse(403, "403", b'{"title": "Forbidden"}'), Outcome(Kind.REFUSED, "403")),
        (HttpResponse(400, "400", b'{"title": "ada@example.com looks fake"}'), Outcome(Kind.REJECTED, "400")),
    ],
)
def test_answers(answer: HttpResponse, expected: Outcome) -> None:
    """429 does not say how long to wait. A bare 403 is the same from a firewall."""
    assert connector().read(HttpRequest("POST", f"{MEMBER}/events", [event()]), answer) == [expected]


def test_the_region_stands_in_the_key() -> None:
    assert connector().settings.address == "https://us21.api.mailchimp.com"
    with pytest.raises(ValidationError, match="ends in its data centre, such as -us21"):
        connector(api_key="0123456789")


@pytest.mark.parametrize("wrong", [{"api_key": "a b-us21"}, {"region": "us"}, {"list_id": "a/b"}, {"delete": "maybe"}])
def test_settings_that_cannot_be_right_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        connector(**wrong)

"""Intercom: an event in, the requests out."""

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
from router.destinations.intercom import Intercom, IntercomSettings
from router.destinations.response import HttpResponse
from tests.deliveries import delivery
from tests.partners.intercom import IntercomPartner

AT = 1767225600
MAIL = "ada@example.com"
ADA: dict[str, Any] = {"context": {"traits": {"email": MAIL}}}


def event(kind: str = "track", called: str = "Song Played", **fields: Any) -> Delivery:
    made = delivery(1, **({"type": kind, "event": called, "properties": {"length": 3}} | fields))
    made.type, made.event = kind, called if kind == "track" else ""
    return made


def connector(**settings: Any) -> Intercom:
    return Intercom("intercom", IntercomSettings.model_validate({"access_token": "k"} | settings), 10.0)


def sent(given: Delivery, **settings: Any) -> Any:
    return [
        (f"{one.method} {one.url}", orjson.loads(one.body)) if isinstance(one, HttpRequest) else one.reason
        for one in connector(**settings).mapped([given])
    ]


def one_event(**more: Any) -> Any:
    item = {"user_id": "u1", "event_name": "Song Played", "created_at": AT, "metadata": {"length": 3}}
    return [("POST /events", item | more)]


def metadata(**values: Any) -> Any:
    return one_event(metadata=values)


def search(query: dict[str, Any]) -> Any:
    return [("POST /contacts/search", {"query": query})]


def company(**more: Any) -> Any:
    return ("POST /companies", {"company_id": "g1"} | more)


BY_ID = {"field": "external_id", "operator": "=", "value": "u1"}
BY_MAIL = {"field": "email", "operator": "=", "value": MAIL}


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        (event(), {}, one_event()),
        (event(userId=None, **ADA), {},
         [("POST /events", {"email": MAIL, "event_name": "Song Played", "created_at": AT, "metadata": {"length": 3}})]),
        (event(userId=None, anonymousId="a1"), {}, ["no_identifier"]),
        (event(properties={"email": MAIL, "plan": "pro"}), {}, metadata(plan="pro")),
        (event(properties={"revenue": "12,50 €", "currency": "eur", "plan": "pro"}), {},
         metadata(price={"amount": 1250, "currency": "EUR"}, plan="pro")),
        (event(properties={"revenue": 9.99}), {"currency": "GBP"}, metadata(price={"amount": 999, "currency": "GBP"})),
        (event(properties={"card": {"brand": "v", "x": {"y": 1}}, "tags": ["a"]}), {},
         metadata(card_brand="v", card_x_y=1, tags='["a"]')),
        (event(properties={"fee": {"amount": 5, "currency": "usd"}, "see": {"url": "https://x.example", "value": "x"}}),
         {}, metadata(fee={"amount": 5, "currency": "usd"}, see={"url": "https://x.example", "value": "x"})),
        (event(properties={"due_date": "2026-01-01T00:00:00Z", "due": "2026-01-01T00:00:00Z", "no_date": "soon"}), {},
         metadata(due_date=AT, due="2026-01-01T00:00:00Z", no_date="soon")),
        (event(called="User Deleted", properties={}), {}, search(BY_ID)),
        (event("identify"), {}, search(BY_ID)),
        (event("identify", traits={"email": "ADA@example.com"}), {},
         search({"operator": "OR", "value": [BY_ID, BY_MAIL]})),
        (event("identify", userId=None, traits={"email": MAIL}), {}, search(BY_MAIL)),
        (event("identify", userId=None, traits={"plan": "pro"}), {}, ["no_identifier"]),
        (event("group"), {}, ["no_group_id"]),
        (event("group", groupId="g1", traits={
            "name": "Engines", "plan": "pro", "employees": "12", "website": "https://e.example", "industry": "steam",
            "monthlySpend": 9.5, "createdAt": "2026-01-01T00:00:00Z", "size": None, "team": {"lead": "Ada"},
            "id": "x", "remove": False}), {},
         [company(name="Engines", plan="pro", size=12, website="https://e.example", industry="steam",
                  monthly_spend=9.5, remote_created_at=AT, custom_attributes={"team_lead": "Ada"})]),
        (event("group", groupId="g1", traits={"tags": ["vip", 7, None]}), {},
         [company(), ("POST /tags", {"name": "vip", "companies": [{"company_id": "g1"}]}),
          ("POST /tags", {"name": "7", "companies": [{"company_id": "g1"}]})]),
        (event("group", groupId="g1", traits={"team": "x", "floor": 3}), {"attributes": ["floor"]},
         [company(custom_attributes={"floor": 3})]),
        (event("page", name="Hats"), {}, ["unsupported_type"]),
        (event("screen", name="Hats"), {}, ["unsupported_type"]),
        (event("alias", previousId="u0"), {}, ["unsupported_type"]),
    ],
)  # fmt: skip
def test_each_call_in_intercoms_words(given: Delivery, settings: dict[str, Any], expected: Any) -> None:
    assert sent(given, **settings) == expected


def test_metadata_beyond_ten_is_left_out_and_counted() -> None:
    counted = metrics.MAPPING_PROBLEMS.labels("intercom", "metadata")
    before = counted._value.get()

    ((_, item),) = sent(event(properties={f"p{number}": number for number in range(12)}))

    assert list(item["metadata"]) == [f"p{number}" for number in range(10)]
    assert counted._value.get() - before == 2


@pytest.fixture
async def partner(tmp_path: Path) -> AsyncIterator[IntercomPartner]:
    async with IntercomPartner(tmp_path) as one:
        yield one


@pytest.fixture
async def intercom(partner: IntercomPartner) -> AsyncIterator[Connector]:
    one = partner.connector()
    await one.open()
    yield one
    await one.close()


async def outcome(intercom: Connector, given: Delivery) -> tuple[Kind, str]:
    (one,) = await intercom.send([given])
    return one.kind, one.code


TRAITS = {
    "email": MAIL, "name": "Ada Lovelace", "phone": "+441632960000", "avatar": "https://e.example/a.png",
    "createdAt": "2026-01-01T00:00:00Z", "lastSeenAt": "2026-01-01T00:00:01Z", "unsubscribedFromEmails": True,
    "plan": "pro", "home": {"city": "London"}, "tags": ["a", "b"],
}  # fmt: skip
SAVED = {
    "external_id": "u1", "email": MAIL, "name": "Ada Lovelace", "phone": "+441632960000",
    "avatar": "https://e.example/a.png", "signed_up_at": AT, "last_seen_at": AT + 1, "unsubscribed_from_emails": True,
    "custom_attributes": {"plan": "pro", "home_city": "London", "tags": '["a","b"]'},
}  # fmt: skip


async def test_a_contact_that_is_not_there_is_created(intercom: Connector, partner: IntercomPartner) -> None:
    assert await outcome(intercom, event("identify", traits=TRAITS)) == (Kind.DELIVERED, "200")

    assert list(partner.contacts.values()) == [{"id": "100", "role": "user", **SAVED}]


@pytest.mark.parametrize("known", [{"external_id": "u1"}, {"email": MAIL}])
async def test_a_contact_is_found_and_updated(
    intercom: Connector, partner: IntercomPartner, known: dict[str, str]
) -> None:
    partner.contacts = {"7": {"id": "7", "role": "user", **known}}

    assert await outcome(intercom, event("identify", traits=TRAITS)) == (Kind.DELIVERED, "200")

    assert partner.contacts == {"7": {"id": "7", "role": "user", **SAVED}}


@pytest.mark.parametrize("others", [[{"external_id": "u2"}], [{}, {}]], ids=["somebody else", "two of them"])
async def test_an_address_that_does_not_say_who_is_no_match(
    intercom: Connector, partner: IntercomPartner, others: list[dict[str, str]]
) -> None:
    partner.contacts = {str(n): {"id": str(n), "role": "user", "email": MAIL, **one} for n, one in enumerate(others)}
    before = dict(partner.contacts)

    assert await outcome(intercom, event("identify", traits={"email": MAIL})) == (Kind.DELIVERED, "200")

    added = [one for key, one in partner.contacts.items() if key not in before]
    assert [one["external_id"] for one in added] == ["u1"]


async def test_people_without_a_user_id_are_leads_until_they_have_one(
    intercom: Connector, partner: IntercomPartner
) -> None:
    """The same lead is updated, and merged into the user."""
    await outcome(intercom, event("identify", userId=None, traits={"email": MAIL, "plan": "free"}))
    await outcome(intercom, event("identify", userId=None, traits={"email": MAIL, "plan": "pro"}))
    leads = [(one["role"], one["custom_attributes"]) for one in partner.contacts.values()]
    assert leads == [("lead", {"plan": "pro"})]

    assert await outcome(intercom, event("identify", traits={"email": MAIL})) == (Kind.DELIVERED, "200")

    assert [(one["role"], one["external_id"]) for one in partner.contacts.values()] == [("user", "u1")]


async def test_a_group_is_a_company_with_its_contact(intercom: Connector, partner: IntercomPartner) -> None:
    await outcome(intercom, event("identify", traits={}))
    joined = event("group", groupId="g1", traits={"name": "Engines", "tags": ["vip"]})
    left = event("group", groupId="g1", traits={"remove": True})

    assert await outcome(intercom, joined) == (Kind.DELIVERED, "200")
    assert partner.members == {("100", partner.companies["g1"]["id"])}
    assert partner.tags == [("vip", "g1")]
    assert await outcome(intercom, left) == (Kind.DELIVERED, "200")
    assert partner.members == set()


async def test_a_company_of_nobody_is_saved(intercom: Connector, partner: IntercomPartner) -> None:
    assert await outcome(intercom, event("group", userId=None, groupId="g1")) == (Kind.DELIVERED, "200")
    assert list(partner.companies) == ["g1"]


async def test_a_deleted_user_is_deleted_once(intercom: Connector, partner: IntercomPartner) -> None:
    await outcome(intercom, event("identify", traits={}))
    deleted = event(called="User Deleted", properties={})

    assert await outcome(intercom, deleted) == (Kind.DELIVERED, "200")
    assert partner.contacts == {}
    assert await outcome(intercom, deleted) == (Kind.DELIVERED, "200")


@pytest.mark.parametrize("kind", ["track", "group"])
async def test_a_contact_that_is_not_known_is_tried_again_once(
    intercom: Connector, partner: IntercomPartner, kind: str
) -> None:
    """Its identify may be on the way; after that it is a dead letter."""
    partner.unknown = {"u1"}
    given = event(kind, groupId="g1", traits={})

    assert await outcome(intercom, given) == (Kind.RETRY, "404")
    given.attempt = 2
    assert await outcome(intercom, given) == (Kind.REJECTED, "404")


def read(status: int, body: bytes = b"", **headers: str) -> Any:
    answer = HttpResponse(status, str(status), body, {name.replace("_", "-"): value for name, value in headers.items()})
    return connector().read(HttpRequest("POST", "/events", [event()]), answer)


def test_answers() -> None:
    """A conflict passes: the search lags behind. A refusal names its code, not its message."""
    assert read(202) == [Outcome(Kind.DELIVERED, "202")]
    assert read(409) == [Outcome(Kind.RETRY, "409", "conflict")]
    assert read(422, b'{"errors": [{"code": "parameter_invalid", "message": "ada"}]}') == [
        Outcome(Kind.REJECTED, "422", "parameter_invalid")
    ]
    assert read(429)[0].retry_after == 10.0
    assert read(401)[0].kind is Kind.REFUSED


@pytest.mark.parametrize(
    "wrong", [{"access_token": "a b"}, {"region": "ap"}, {"version": "latest"}, {"currency": "dollars"}]
)
def test_settings_that_cannot_be_right_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        connector(**wrong)

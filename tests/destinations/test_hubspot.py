"""HubSpot: an event in, the requests out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.http import HttpRequest
from router.destinations.hubspot import Hubspot, HubspotSettings
from router.destinations.response import HttpResponse
from tests.deliveries import delivery
from tests.partners.hubspot import HubspotPartner

AT = "2026-01-01T00:00:00.000Z"
KEY, UUID = f"{1:032x}", "00000000-0000-8000-8000-000000000001"
MAIL = "ada@example.com"
CONTACTS = "POST /crm/v3/objects/contacts/batch/upsert"
COMPANIES = "POST /crm/v3/objects/companies/batch/upsert"
EVENTS = "POST /events/v3/send/batch"


def event(kind: str = "track", called: str = "Song Played", number: int = 1, **fields: Any) -> Delivery:
    known = {"type": kind, "event": called, "properties": {"length": 3}, "context": {"traits": {"email": MAIL}}}
    made = delivery(number, **(known | fields))
    made.type, made.event = kind, called if kind == "track" else ""
    return made


def connector(**settings: Any) -> Hubspot:
    return Hubspot("hubspot", HubspotSettings.model_validate({"access_token": "k"} | settings), 10.0)


def sent(*events: Delivery, **settings: Any) -> Any:
    return [
        (f"{one.method} {one.url}", orjson.loads(one.body)["inputs"]) if isinstance(one, HttpRequest) else one.reason
        for one in connector(**settings).mapped(events)
    ]


def contact(email: str = MAIL, key: str = KEY, **properties: Any) -> dict[str, Any]:
    return {"id": email, "idProperty": "email", "objectWriteTraceId": key, "properties": {"email": email} | properties}


def one_contact(**properties: Any) -> Any:
    return [(CONTACTS, [contact(**properties)])]


def one_event(name: str = "pe42_song_played", **more: Any) -> Any:
    item = {"email": MAIL, "eventName": name, "occurredAt": AT, "uuid": UUID, "properties": {"length": 3}}
    return [(EVENTS, [item | more])]


TRAITS = {
    "firstName": "Ada", "lastName": "Lovelace", "phone": "+441632960000", "website": "https://shop.example",
    "company": {"name": "Engines"}, "favouriteColours": ["red", 7], "billing": {"vat": 1}, "vip": True, "blank": " ",
    "address": {"street": "1 Mill", "city": "London", "state": "LDN", "postalCode": "N1", "country": "GB"}, "age": 36,
}  # fmt: skip
ADA = {
    "firstname": "Ada", "lastname": "Lovelace", "phone": "+441632960000", "website": "https://shop.example",
    "company": "Engines", "favourite_colours": "red;7", "billing": '{"vat":1}', "vip": "true", "address": "1 Mill",
    "city": "London", "state": "LDN", "zip": "N1", "country": "GB", "age": 36,
}  # fmt: skip
HUB = {"hub_id": 42}
GROUPS = {"company_property": "group_id"}


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        (event("identify", traits=TRAITS), {}, one_contact(**ADA)),
        (event("identify", traits={"email": "Ada@Example.com", "name": "Ada King"}), {},
         one_contact(firstname="Ada", lastname="King")),
        (event("identify", traits=TRAITS), {"properties": ["age", "zip"]}, one_contact(age=36, zip="N1")),
        (event("identify", traits={"born": "1970-01-02T10:00:00Z", "seen": "1970-01-02"}),
         {"date_properties": ["born"]},
         one_contact(born=86_400_000, seen="1970-01-02")),
        (event("identify", traits={"lifecyclestage": "lead"}), {}, one_contact(lifecyclestage="lead")),
        (event("identify", traits={"lifecyclestage": "lead"}), {"reset_lifecycle_stage": True},
         [(CONTACTS, [{"id": MAIL, "idProperty": "email", "properties": {"lifecyclestage": ""}}]),
          *one_contact(lifecyclestage="lead")]),
        (event("identify", traits={"plan": "pro"}), {"reset_lifecycle_stage": True}, one_contact(plan="pro")),
        (event("identify", context={}, traits={"plan": "pro"}), {}, ["no_email"]),
        (event(), {}, ["event_without_definition"]),
        (event(), HUB, one_event()),
        (event(), {"events": {"Song Played": "pe7_old_name"}}, one_event("pe7_old_name")),
        (event(called="☃"), HUB, ["event_without_definition"]),
        (event(context={}), HUB, ["no_email"]),
        (event(properties={"Order Total": "12,50", "tags": ["a", "b"]}), HUB,
         one_event(properties={"order_total": "12,50", "tags": "a;b"})),
        (event("page", name="Hats"), HUB, ["pages_off"]),
        (event("page", name="Hats"), {**HUB, "pages": True},
         one_event("pe42_loaded_a_page", properties={"name": "Hats", "length": 3})),
        (event("screen"), {"events": {"Loaded a Screen": "pe7_screen"}, "pages": True}, one_event("pe7_screen")),
        (event("group", groupId="g1"), {}, ["groups_off"]),
        (event("group"), GROUPS, ["no_group_id"]),
        (event("group", groupId="g1", traits={"name": "Engines", "numberOfEmployees": 2}), GROUPS,
         [(COMPANIES, [{"id": "g1", "idProperty": "group_id", "objectWriteTraceId": KEY,
                        "properties": {"name": "Engines", "number_of_employees": 2, "group_id": "g1"}}])]),
        (event("alias", previousId="u0"), {}, ["unsupported_type"]),
    ],
)  # fmt: skip
def test_each_call_in_hubspots_words(given: Delivery, settings: dict[str, Any], expected: Any) -> None:
    assert sent(given, **settings) == expected


def test_integrations_may_name_the_visitor_or_the_record() -> None:
    ((_, (item,)),) = sent(event(context={}, integrations={"HubSpot": {"utk": "v1", "objectId": 51}}), **HUB)

    assert (item["utk"], item["objectId"]) == ("v1", "51")
    assert "email" not in item


def test_what_is_said_of_one_address_is_one_update() -> None:
    """HubSpot refuses a request that names a contact twice. The newest value wins."""
    events = [
        event("identify", number=1, traits={"plan": "free", "age": 36}),
        event("identify", number=2, traits={"email": "bob@example.com"}),
        event("identify", number=3, traits={"email": "ADA@example.com", "plan": "pro"}),
    ]

    assert sent(*events) == [(CONTACTS, [contact(plan="pro", age=36), contact("bob@example.com", f"{2:032x}")])]


def refused(*events: Delivery, **error: Any) -> list[Any]:
    """What is read of an answer with this error."""
    hubspot = connector()
    (request,) = hubspot.mapped(events)
    assert isinstance(request, HttpRequest)
    answer = {"status": "COMPLETE", "results": [], "errors": [{"category": "VALIDATION_ERROR"} | error]}
    return list(hubspot.read(request, HttpResponse(207, "207", orjson.dumps(answer))))


def test_a_207_names_the_contacts_that_were_not_taken() -> None:
    """Several events behind one contact are told apart by smaller requests."""
    named = {"context": {"objectWriteTraceId": [KEY]}}
    first, same = (event("identify", number=number) for number in (1, 3))
    other = event("identify", number=2, traits={"email": "bob@example.com"})
    dead, delivered = Outcome(Kind.REJECTED, "207", "validation_error"), Outcome(Kind.DELIVERED, "207")
    smaller = Outcome(Kind.REJECTED, "207", "validation_error", shared=True)

    assert refused(first, other, **named) == [dead, delivered]
    assert refused(first, other, same, **named) == [smaller, delivered, smaller]
    assert refused(first, other) == [Outcome(Kind.REJECTED, "207", "not taken", shared=True)] * 2


def test_a_400_is_for_the_whole_request() -> None:
    request = HttpRequest("POST", "/events/v3/send/batch", [event(), event()])

    assert {one.shared for one in connector().read(request, HttpResponse(400, "400")) if isinstance(one, Outcome)} == {
        True
    }


async def test_a_group_is_a_company_with_its_contact(tmp_path: Path) -> None:
    async with HubspotPartner(tmp_path) as partner:
        hubspot = partner.connector()
        await hubspot.open()
        group = event("group", groupId="g1", traits={"name": "Engines"})
        nobody = event("group", groupId="g2", context={})

        outcomes = [*await hubspot.send([group]), *await hubspot.send([nobody])]
        await hubspot.close()

    assert outcomes == [Outcome(Kind.DELIVERED, "200")] * 2
    records = partner.records
    assert records["company", "g1"]["name"] == "Engines"
    assert partner.associations == {(records["contact", MAIL]["id"], records["company", "g1"]["id"])}
    assert ("company", "g2") in records


async def test_a_contact_that_is_not_valid_costs_no_other(tmp_path: Path) -> None:
    async with HubspotPartner(tmp_path) as partner:
        hubspot = partner.connector()
        await hubspot.open()
        mails = [MAIL, "ada@example.invalid", MAIL]
        outcomes = await hubspot.send([event("identify", number=n, traits={"email": m}) for n, m in enumerate(mails)])
        await hubspot.close()

    assert [one.kind for one in outcomes] == [Kind.DELIVERED, Kind.REJECTED, Kind.DELIVERED]
    assert list(partner.records) == [("contact", MAIL)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (HttpResponse(409, "409"), Outcome(Kind.RETRY, "409", "conflict")),
        (HttpResponse(429, "429"), Outcome(Kind.RETRY, "429", retry_after=10.0)),
        (HttpResponse(429, "429", b'{"policyName": "DAILY"}'), Outcome(Kind.RETRY, "429", retry_after=900.0)),
        (HttpResponse(401, "401"), Outcome(Kind.REFUSED, "401")),
    ],
)
def test_what_passes_is_tried_again(answer: HttpResponse, expected: Outcome) -> None:
    assert connector().read(HttpRequest("POST", "/events/v3/send/batch", [event()]), answer) == [expected]


@pytest.mark.parametrize("wrong", [{"access_token": "a b"}, {"region": "eu"}, {"hub_id": "mine"}])
def test_settings_that_cannot_be_right_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        connector(**wrong)

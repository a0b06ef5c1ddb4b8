"""SendGrid: an event in, the request out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.http import HttpRequest
from router.destinations.response import HttpResponse
from router.destinations.sendgrid import Sendgrid, SendgridSettings
from tests.deliveries import delivery
from tests.partners.sendgrid import SendgridPartner

EMAIL = "ada@example.com"
ADA: dict[str, Any] = {"context": {"traits": {"email": EMAIL, "name": "Ada Lovelace"}}}
MAILS: dict[str, Any] = {"mails": {"Song Played": "d-42"}, "sender": "shop@example.com"}
CONTACTS, MAIL = "PUT /v3/marketing/contacts", "POST /v3/mail/send"


def event(kind: str = "track", called: str = "Song Played", number: int = 1, **fields: Any) -> Delivery:
    made = delivery(number, **({"type": kind, "event": called, "properties": {"length": 3}} | ADA | fields))
    made.type, made.event = kind, called if kind == "track" else ""
    return made


def connector(**settings: Any) -> Sendgrid:
    return Sendgrid("sendgrid", SendgridSettings.model_validate({"api_key": "k"} | settings), 10.0)


def sent(*events: Delivery, **settings: Any) -> Any:
    return [
        (f"{one.method} {one.url}", orjson.loads(one.body)) if isinstance(one, HttpRequest) else one.reason
        for one in connector(**settings).mapped(events)
    ]


def one_contact(**fields: Any) -> Any:
    return [(CONTACTS, {"contacts": [{"email": EMAIL, "first_name": "Ada", "last_name": "Lovelace"} | fields]})]


def mail(*people: dict[str, Any], **more: Any) -> Any:
    content = {"from": {"email": "shop@example.com"}, "template_id": "d-42", "personalizations": list(people)}
    return (MAIL, content | more)


def to(email: str = EMAIL, number: int = 1, name: str = "Ada Lovelace", **data: Any) -> dict[str, Any]:
    seen = {"length": 3, "traits": {"email": email, "name": name}} | data
    return {"to": [{"email": email, "name": name}], "custom_args": {"message_id": f"m{number}"},
            "dynamic_template_data": seen}  # fmt: skip


HOME = {"street": "1 Mill", "city": "London", "state": "LDN", "postalCode": "N1", "country": "GB"}
PLACE = {"address_line_1": "1 Mill", "city": "London", "state_province_region": "LDN", "postal_code": "N1",
         "country": "GB"}  # fmt: skip
LOOK = {"categories": ["shop"], "unsubscribe_group": 7, "ip_pool": "shop", "sender_name": "The Shop"}
LATER: dict[str, Any] = {"integrations": {"SendGrid": {"sendAt": "2026-01-02T00:00:00Z"}}}
TOO_LATE: dict[str, Any] = {"integrations": {"SendGrid": {"sendAt": "2026-01-05T00:00:00Z"}}}


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        (event("identify", traits={"phone": "+441632960000", "address": HOME, "plan": "pro"}), {},
         one_contact(phone_number="+441632960000", **PLACE)),
        (event("identify", traits={"email": "ADA@example.com"}), {}, one_contact()),
        (event("identify", traits={}), {"lists": ["l1"]},
         [(CONTACTS, {"list_ids": ["l1"], **one_contact()[0][1]})]),
        (event("identify", traits={"plan": "pro", "age": 36, "vip": True, "home": {"a": 1}, "other": 1}),
         {"custom_fields": {"plan": "e1_T", "age": "e2_N", "vip": "e3_T", "home": "e4_T", "lost": "e5_T"}},
         one_contact(custom_fields={"e1_T": "pro", "e2_N": 36, "e3_T": "true", "e4_T": '{"a":1}'})),
        (event("identify", traits={}), {"external_id": True}, one_contact(external_id="u1")),
        (event("identify", context={}, traits={}), {"external_id": True},
         [(CONTACTS, {"contacts": [{"external_id": "u1"}]})]),
        (event("identify", context={}, traits={}), {}, ["no_email"]),
        (event(), {}, ["event_without_mail"]),
        (event(), MAILS, [mail(to())]),
        (event(properties={"total": "12,50 €"}), MAILS,
         [mail({**to(), "dynamic_template_data": {"total": "12,50 €", "traits": ADA["context"]["traits"]}})]),
        (event(called="Song Skipped"), MAILS, ["event_without_mail"]),
        (event(context={}), MAILS, ["no_email"]),
        (event(), {**MAILS, **LOOK},
         [mail(to(), **{"from": {"email": "shop@example.com", "name": "The Shop"}}, categories=["shop"],
               asm={"group_id": 7}, ip_pool_name="shop")]),
        (event(**LATER), MAILS, [mail(to(), send_at=1767312000)]),
        (event(**TOO_LATE), MAILS, ["too_far_ahead"]),
        (event(called="User Deleted"), {}, [("POST /v3/marketing/contacts/search/emails", {"emails": [EMAIL]})]),
        (event(called="User Deleted", context={}), {}, ["no_email"]),
        (event("page"), {}, ["unsupported_type"]),
        (event("screen"), {}, ["unsupported_type"]),
        (event("group", groupId="g1"), {}, ["unsupported_type"]),
        (event("alias", previousId="u0"), {}, ["unsupported_type"]),
    ],
)  # fmt: skip
def test_each_call_in_sendgrids_words(given: Delivery, settings: dict[str, Any], expected: Any) -> None:
    assert sent(given, **settings) == expected


def test_what_is_said_of_one_contact_is_one_update() -> None:
    fields = {"custom_fields": {"plan": "e1_T", "age": "e2_N"}}
    events = [
        event("identify", number=1, traits={"plan": "free", "age": 36, "phone": "1"}),
        event("identify", number=2, traits={"plan": "pro"}),
    ]

    assert sent(*events, **fields) == one_contact(phone_number="1", custom_fields={"e1_T": "pro", "e2_N": 36})


def test_mails_share_a_request_but_no_two_to_one_address() -> None:
    bob: dict[str, Any] = {"context": {"traits": {"email": "bob@example.com", "name": "Bob"}}}
    events = [event(number=1), event(number=2), event(number=3, **bob)]

    assert sent(*events, **MAILS) == [
        mail(to(), to("bob@example.com", 3, "Bob")),
        mail(to(number=2)),
    ]


def test_what_may_share_a_request() -> None:
    key = connector(mails={"Song Played": "d-42", "Song Skipped": "d-43"}, sender="shop@example.com").batch_key
    others = [event(**LATER), event(called="Song Skipped"), event("identify"), event(called="User Deleted")]

    assert key(event()) == key(event(number=2))
    assert len({key(one) for one in [event(), *others]}) == 5


def read(request: HttpRequest, status: int, body: bytes = b"") -> Any:
    return connector().read(request, HttpResponse(status, str(status), body))


def test_contacts_are_looked_at_later_and_mail_is_on_its_way() -> None:
    assert read(HttpRequest("PUT", "/v3/marketing/contacts", [event()]), 202) == [Outcome(Kind.UNCONFIRMED, "202")]
    assert read(HttpRequest("POST", "/v3/mail/send", [event()]), 202) == [Outcome(Kind.DELIVERED, "202")]


def test_a_refusal_names_the_field_and_is_for_the_whole_request() -> None:
    body = b'{"errors": [{"message": "ada@example is not valid", "field": "personalizations.0.to.0.email"}]}'
    detail = "not valid: personalizations.0.to.0.email"
    one, two = (HttpRequest("POST", "/v3/mail/send", [event()] * count) for count in (1, 2))

    assert read(one, 400, body) == [Outcome(Kind.REJECTED, "400", detail)]
    assert read(two, 400, body) == [Outcome(Kind.REJECTED, "400", detail, shared=True)] * 2
    assert read(one, 429)[0].retry_after == 2.0
    assert read(one, 401)[0].kind is Kind.REFUSED


async def test_a_deleted_user_is_looked_up_and_deleted(tmp_path: Path) -> None:
    async with SendgridPartner(tmp_path) as partner:
        sendgrid = partner.connector()
        await sendgrid.open()
        await sendgrid.send([event("identify", traits={})])
        assert list(partner.contacts) == [EMAIL]

        outcomes = [*await sendgrid.send([event(called="User Deleted")])]
        outcomes += await sendgrid.send([event(called="User Deleted")])
        await sendgrid.close()

    assert partner.contacts == {}
    assert [one.kind for one in outcomes] == [Kind.UNCONFIRMED, Kind.DELIVERED]


def test_each_region_has_its_host() -> None:
    assert connector(region="eu").settings.address == "https://api.eu.sendgrid.com"


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"api_key": "a b"}, "api_key"), ({"region": "ap"}, "region"), ({"mails": {"Song Played": "42"}}, "mails"),
        ({"mails": {"Song Played": "d-42"}}, "expected an e-mail address as sender"),
        ({**MAILS, "sender": "the shop"}, "expected an e-mail address as sender"), ({"ip_pool": "x"}, "ip_pool"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_right_are_refused(wrong: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        connector(**wrong)

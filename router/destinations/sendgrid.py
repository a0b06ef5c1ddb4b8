"""SendGrid: marketing contacts, and mail by template for the events of a list.

identify creates or updates the contact, by e-mail address; what several events of a request say of one is one update.
track sends the mail of the template that `mails` names for the event, to the person, and nothing else; its template
sees the properties, and the person's traits as `traits`. `User Deleted` deletes the contact. page, screen, group and
alias have no counterpart. SendGrid looks at contacts later: they are unconfirmed. A refused request is sent again in
halves. kill -9 or a timeout repeats contacts, which changes nothing, and mail: it may reach a person twice. The
messageId in `custom_args` shows which, in SendGrid's event webhook. Everything goes to the host of `region`.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import quote

from pydantic import Field, StringConstraints, model_validator

from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings, Skip, fitting
from router.destinations.registry import destination
from router.destinations.response import HttpResponse
from router.destinations.shared import dates, keys, person, shape

CONTACTS, SEARCH, MAIL = "/v3/marketing/contacts", "/v3/marketing/contacts/search/emails", "/v3/mail/send"
_AHEAD = timedelta(hours=72)
_FIELD = re.compile(r"[\w.\[\]]{1,100}\Z")
Template = Annotated[str, StringConstraints(pattern=r"^d-\w+$")]
Item = dict[str, Any]


class SendgridSettings(PartnerSettings):
    regions: ClassVar = {"global": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"}

    api_key: ApiKey = Field(
        examples=["${SENDGRID_API_KEY}"], description="A key that may write marketing contacts and send mail"
    )
    lists: list[str] = Field([], description="The ids of the lists that contacts are added to")
    custom_fields: dict[str, str] = Field({}, description="The ids of custom fields, such as e1_T, by names of traits")
    external_id: bool = Field(False, description="Send the user id as a contact's external_id")
    mails: dict[str, Template] = Field({}, description="The id of the template that is sent, by names of track calls")
    sender: str | None = Field(None, description="The address that mail comes from; needed with mails")
    sender_name: str | None = Field(None, description="The name beside it")
    categories: list[str] = Field([], description="Of every mail, for SendGrid's statistics")
    unsubscribe_group: int | None = Field(None, description="The id of the group that a recipient unsubscribes from")
    ip_pool: str | None = Field(None, min_length=2, max_length=64, description="The pool of addresses to send from")

    @model_validator(mode="after")
    def _check_sender(self) -> Self:
        if self.mails and not (self.sender and person.is_email(self.sender)):
            raise ValueError("expected an e-mail address as sender, which mails needs, got none")
        return self


@destination("sendgrid")
class Sendgrid(HttpDestination):
    summary = "Marketing contacts and mail by template for SendGrid"
    integrations = ("SendGrid", "SendGrid Marketing Campaigns")
    types = ("identify", "track")
    limits = RequestLimits(count=1_000, batch=100, request_bytes=6_000_000, rate=100.0)
    order = "profile"
    maps = "items"
    wait_headers = ("retry-after", "x-ratelimit-reset")
    default_wait = 2.0
    Settings = SendgridSettings
    settings: SendgridSettings

    def batch_key(self, event: Delivery) -> Hashable:
        """Mail shares a request if template and time of sending are the same."""
        if event.type == "identify":
            return "contacts"
        if event.event == "User Deleted":
            return ("delete", event.idempotency_key)
        return ("mail", self.settings.mails.get(event.event), self._send_at(event))

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        fit, skips = fitting(events, self._unfit)
        yield from skips
        if not fit:
            return
        if fit[0].type == "identify":
            yield self._contacts(fit)
        elif fit[0].event == "User Deleted":
            yield HttpRequest.of_json("POST", SEARCH, fit, {"emails": [person.email(fit[0]).lower()]})
        else:
            yield from map(self._mail, _once_each(fit))

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        if request.url == SEARCH and response.status in (200, 404):
            return [self._removal(request.events[0], response)]
        if request.url.startswith(CONTACTS) and response.status == 202:
            return [Outcome(Kind.UNCONFIRMED, "202")] * len(request.events)
        outcome = self.by_status(request, response)
        if outcome.kind is Kind.REJECTED:
            outcome = Outcome(Kind.REJECTED, outcome.code, _field(response), shared=outcome.shared)
        return [outcome] * len(request.events)

    def authenticate(self, request: HttpRequest, now: float) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.settings.api_key.get_secret_value()}"}

    def probe(self) -> HttpRequest:
        return HttpRequest("GET", "/v3/scopes", ())

    def _unfit(self, event: Delivery) -> str | None:
        """Why the event is not sent."""
        if event.type == "identify" and self.settings.external_id and person.user_id(event):
            return None
        if event.type == "track" and event.event not in ("User Deleted", *self.settings.mails):
            return "event_without_mail"
        if not person.email(event):
            return "no_email"
        sending, received = self._send_at(event), dates.parsed(event.body.get("receivedAt"))
        if sending is not None and received is not None and sending > dates.unix_seconds(received + _AHEAD):
            return "too_far_ahead"
        return None

    def _contacts(self, events: Sequence[Delivery]) -> HttpRequest:
        contacts: dict[str, Item] = {}
        for event in events:
            item = shape.present(self.shaped(event, self._contact(event)))
            known = contacts.setdefault(item.get("email") or item["external_id"], {})
            fields = {**known.get("custom_fields", {}), **item.get("custom_fields", {})}
            known |= {**item, "custom_fields": fields} if fields else item
        content: Item = {"list_ids": self.settings.lists} if self.settings.lists else {}
        return HttpRequest.of_json("PUT", CONTACTS, events, {**content, "contacts": list(contacts.values())})

    def _contact(self, event: Delivery) -> Item:
        home, traits = person.address(event), person.traits(event)
        return {
            "email": person.email(event).lower(), "first_name": person.first_name(event),
            "external_id": person.user_id(event) if self.settings.external_id else "",
            "last_name": person.last_name(event), "phone_number": person.phone(event), "address_line_1": home.street,
            "city": home.city, "state_province_region": home.region, "postal_code": home.postal_code,
            "country": home.country,
            "custom_fields": {field: _value(traits.get(name)) for name, field in self.settings.custom_fields.items()},
        }  # fmt: skip

    def _mail(self, events: Sequence[Delivery]) -> HttpRequest:
        settings = self.settings
        content = {
            "from": {"email": settings.sender, "name": settings.sender_name},
            "template_id": settings.mails[events[0].event], "send_at": self._send_at(events[0]),
            "asm": {"group_id": settings.unsubscribe_group}, "ip_pool_name": settings.ip_pool,
            "categories": settings.categories or None,
        }  # fmt: skip
        people = [shape.present(self.shaped(event, _personalization(event))) for event in events]
        return HttpRequest.of_json("POST", MAIL, events, {**shape.present(content), "personalizations": people})

    def _send_at(self, event: Delivery) -> int | None:
        at = dates.parsed(self.options(event).get("sendAt"))
        return None if at is None else dates.unix_seconds(at)

    def _removal(self, event: Delivery, response: HttpResponse) -> Outcome | HttpRequest:
        answer = response.json
        found = answer.get("result") if isinstance(answer, dict) else None
        ids = [str(one["contact"]["id"]) for one in found.values() if one.get("contact")] if found else []
        if not ids:
            return Outcome(Kind.DELIVERED, response.code, "there is no such contact")
        return HttpRequest("DELETE", f"{CONTACTS}?ids={quote(','.join(ids))}", [event])


def _personalization(event: Delivery) -> Item:
    to = {"email": person.email(event), "name": person.full_name(event)}
    return {
        "to": [shape.present(to)], "custom_args": {"message_id": person.message_id(event) or keys.as_hex(event)},
        "dynamic_template_data": {**person.properties(event), "traits": person.traits(event)},
    }  # fmt: skip


def _once_each(events: Sequence[Delivery]) -> list[list[Delivery]]:
    """SendGrid takes an address once in a request: the events in order, in as few requests as that allows."""
    requests: list[list[Delivery]] = []
    sent: dict[str, int] = {}
    for event in events:
        email = person.email(event).lower()
        number = sent[email] = sent.get(email, -1) + 1
        if number == len(requests):
            requests.append([])
        requests[number].append(event)
    return requests


def _value(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else shape.scalar(value)


def _field(response: HttpResponse) -> str:
    """The field that the first error of the answer names: its message may hold values."""
    answer = response.json
    errors = answer.get("errors") if isinstance(answer, dict) else None
    field = errors[0].get("field") if isinstance(errors, list) and errors and isinstance(errors[0], dict) else None
    return f"not valid: {field}" if isinstance(field, str) and _FIELD.match(field) else response.detail

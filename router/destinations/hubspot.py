"""HubSpot: contacts by e-mail address, companies, custom events.

identify creates or updates the contact; what several events of a request say of one address is one update, the newest
last. track is a custom event if `hub_id` or `events` give it a name, page and screen with `pages` (HubSpot must know
event and properties, an Enterprise feature). group is a company, to which the contact is added, if `company_property`
is set. alias has no counterpart; events without an e-mail address are filtered. 207 names the contacts that were not
taken: dead letters. 400 refuses a whole request, which is sent again in halves. kill -9 or a timeout repeats contacts
and companies, which changes nothing, and events: they carry a UUID, but HubSpot does not promise to recognise it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson
from pydantic import Field

from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings, Skip, fitting
from router.destinations.registry import destination
from router.destinations.response import HttpResponse
from router.destinations.shared import context, dates, keys, person, shape

CONTACTS, COMPANIES = "/crm/v3/objects/contacts/batch/upsert", "/crm/v3/objects/companies/batch/upsert"
EVENTS = "/events/v3/send/batch"
_JSON = {"Content-Type": "application/json"}
_DAILY_WAIT = 900.0  # the quota of a day is used up: seconds until it is worth another try
_NAMES = frozenset(("email", "name", "firstName", "first_name", "lastName", "last_name")) | {"address", "company"}
Item = dict[str, Any]


class HubspotSettings(PartnerSettings):
    regions: ClassVar = {"us": "https://api.hubapi.com"}

    access_token: ApiKey = Field(
        examples=["${HUBSPOT_ACCESS_TOKEN}"], description="Of a private app that may write what is sent"
    )
    properties: list[str] | None = Field(
        None, description="Only these properties of contacts are sent; HubSpot refuses those that it does not know"
    )
    date_properties: list[str] = Field([], description="Properties of HubSpot's type date, sent as midnight in UTC")
    reset_lifecycle_stage: bool = Field(
        False, description="Empty lifecyclestage before it is set, as HubSpot only moves it forward otherwise"
    )
    hub_id: int | None = Field(None, description="The account's id; with it, every track call is a custom event")
    events: dict[str, str] = Field({}, description="HubSpot's full names of custom events, by the names of track calls")
    pages: bool = Field(False, description="Send page and screen calls, as the events Loaded a Page, Loaded a Screen")
    company_property: str | None = Field(
        None, description="A unique property of companies, which holds the groupId; with it, groups are companies"
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Upsert(HttpRequest):
    """`traces`: by which id an answer names each event's input. `company`: to which its contact is added."""

    traces: Sequence[str] = ()
    company: str = ""


@destination("hubspot")
class Hubspot(HttpDestination):
    summary = "Contacts, companies and custom events for HubSpot"
    integrations = ("HubSpot", "HubSpot Cloud Mode (Actions)")
    types = ("identify", "track", "page", "screen", "group")
    limits = RequestLimits(count=100, batch=100, request_bytes=1_000_000, rate=100.0)
    order = "profile"
    maps = "items"
    default_wait = 10.0  # its limits are by ten seconds
    Settings = HubspotSettings
    settings: HubspotSettings

    def batch_key(self, event: Delivery) -> Hashable:
        if event.type == "group":
            return ("company", event.idempotency_key)
        return "contacts" if event.type == "identify" else "events"

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        fit, skips = fitting(events, self._unfit)
        yield from skips
        if not fit:
            return
        if fit[0].type == "identify":
            yield from self._contacts(fit)
        elif fit[0].type == "group":
            yield self._company(fit[0])
        else:
            items = [shape.present(self.shaped(event, self._event(event))) for event in fit]
            yield HttpRequest.of_json("POST", EVENTS, fit, {"inputs": items})

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        if response.status == 409:  # somebody else writes the same record
            return [Outcome(Kind.RETRY, "409", "conflict")] * len(request.events)
        answer = response.json
        if not isinstance(request, _Upsert) or response.status not in (200, 201, 207) or not isinstance(answer, dict):
            return super().read(request, response)
        if errors := answer.get("errors"):
            return self._failed(request, response, errors)
        return self._next(request, answer) or super().read(request, response)

    def wait(self, response: HttpResponse) -> float | None:
        answer = response.json
        daily = isinstance(answer, dict) and answer.get("policyName") == "DAILY"
        return _DAILY_WAIT if response.status == 429 and daily else super().wait(response)

    def authenticate(self, request: HttpRequest, now: float) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.settings.access_token.get_secret_value()}"}

    def probe(self) -> HttpRequest:
        return HttpRequest("GET", "/crm/v3/objects/contacts?limit=1", ())

    def _unfit(self, event: Delivery) -> str | None:
        """Why the event is not sent."""
        if event.type == "group":
            if self.settings.company_property is None:
                return "groups_off"
            return None if person.group_id(event) else "no_group_id"
        if event.type in ("page", "screen") and not self.settings.pages:
            return "pages_off"
        if event.type != "identify" and not self._event_name(event):
            return "event_without_definition"
        return None if self._who(event).get("email") or self._visitor(event) else "no_email"

    def _who(self, event: Delivery) -> Item:
        return {"email": person.email(event).lower()}

    def _visitor(self, event: Delivery) -> Item:
        """Of an event: the record or the visitor that `integrations` names."""
        given = {} if event.type == "identify" else self.options(event)
        return shape.present({name: person.text(given.get(name)) for name in ("objectId", "utk")})

    def _contacts(self, events: Sequence[Delivery]) -> Iterator[HttpRequest]:
        """HubSpot refuses a request that names a contact twice: events of one address are merged."""
        inputs: dict[str, Item] = {}
        traces = []
        for event in events:
            item = shape.present(self.shaped(event, self._contact(event)))
            first = inputs.setdefault(item["id"], {**item, "properties": {}})
            first["properties"] |= item.get("properties", {})
            traces.append(first["objectWriteTraceId"])
        staged = [event for event in events if "lifecyclestage" in self._properties(event)]
        if staged and self.settings.reset_lifecycle_stage:
            emails = dict.fromkeys(person.email(event).lower() for event in staged)
            empty = [{"id": email, "idProperty": "email", "properties": {"lifecyclestage": ""}} for email in emails]
            yield HttpRequest.of_json("POST", CONTACTS, staged, {"inputs": empty})
        yield _upsert(CONTACTS, events, list(inputs.values()), traces)

    def _contact(self, event: Delivery) -> Item:
        email = person.email(event).lower()
        return {
            "id": email, "idProperty": "email", "objectWriteTraceId": keys.as_hex(event),
            "properties": {**self._properties(event), "email": email},
        }  # fmt: skip

    def _properties(self, event: Delivery) -> Item:
        """A contact's, in HubSpot's names: nothing empty."""
        traits = person.traits(event)
        home, company = person.address(event), traits.get("company")
        own = {shape.snake(name): value for name, value in traits.items() if name not in _NAMES}
        known = {
            **own, "firstname": person.first_name(event), "lastname": person.last_name(event),
            "company": company.get("name") if isinstance(company, dict) else company, "address": home.street,
            "city": home.city, "state": home.region, "zip": home.postal_code, "country": home.country,
        }  # fmt: skip
        wanted = self.settings.properties
        return self._values({name: one for name, one in known.items() if wanted is None or name in wanted})

    def _values(self, given: Mapping[str, Any]) -> Item:
        """As HubSpot writes them: lists with semicolons, objects as JSON, dates of its type date at midnight."""
        made = {name: _value(value) for name, value in given.items()}
        for name in self.settings.date_properties:
            if (at := dates.parsed(made.get(name))) is not None:
                made[name] = dates.midnight_ms(at)
        return shape.present(made)

    def _event_name(self, event: Delivery) -> str:
        called = event.event if event.type == "track" else context.page_event(event)
        hub, name = self.settings.hub_id, shape.snake(called)
        return self.settings.events.get(called) or (f"pe{hub}_{name}" if hub is not None and name else "")

    def _event(self, event: Delivery) -> Item:
        given = dict(person.properties(event))
        if event.type != "track":
            given = {"name": event.body.get("name"), "category": event.body.get("category"), **given}
        return {
            **(self._visitor(event) or self._who(event)), "eventName": self._event_name(event),
            "occurredAt": dates.iso(dates.event_time(event)), "uuid": keys.as_uuid(event),
            "properties": self._values({shape.snake(name): value for name, value in given.items()}),
        }  # fmt: skip

    def _company(self, event: Delivery) -> HttpRequest:
        group = person.group_id(event)
        traits = self._values({shape.snake(name): value for name, value in person.group_traits(event).items()})
        key = str(self.settings.company_property)
        item = {
            "id": group, "idProperty": key, "objectWriteTraceId": keys.as_hex(event),
            "properties": {**traits, key: group},
        }  # fmt: skip
        return _upsert(COMPANIES, [event], [shape.present(self.shaped(event, item))], [keys.as_hex(event)])

    def _next(self, request: _Upsert, answer: Mapping[str, Any]) -> Sequence[HttpRequest]:
        """Of a group: the company, then its contact, then that they belong together."""
        event = request.events[0]
        if event.type != "group":
            return []
        record = str(answer["results"][0]["id"])
        if request.company:
            path = f"/crm/v4/objects/contacts/{record}/associations/default/companies/{request.company}"
            return [HttpRequest("PUT", path, [event])]
        email = person.email(event).lower()
        contact = {"id": email, "idProperty": "email", "properties": {"email": email}}
        return [_upsert(CONTACTS, [event], [contact], [keys.as_hex(event)], record)] if email else []

    def _failed(self, request: _Upsert, response: HttpResponse, errors: Sequence[Any]) -> Sequence[Outcome]:
        """Events whose contact was refused; those that share it are told apart by a smaller request."""
        words: dict[str, str] = {}
        for error in errors:
            named = (error.get("context") or {}).get("objectWriteTraceId") or ()
            words |= dict.fromkeys(map(str, named), str(error.get("category", "")).lower())
        if not words:  # it does not say whose
            shared = len(request.events) > 1
            return [Outcome(Kind.REJECTED, "207", "not taken", shared=shared)] * len(request.events)
        failed = {
            place: Outcome(Kind.REJECTED, "207", words[trace], shared=request.traces.count(trace) > 1)
            for place, trace in enumerate(request.traces)
            if trace in words
        }
        return self.all_but(request, response, failed)


def _upsert(
    path: str, events: Sequence[Delivery], inputs: Sequence[Item], traces: Sequence[str], company: str = ""
) -> _Upsert:
    body = orjson.dumps({"inputs": inputs}, option=orjson.OPT_NON_STR_KEYS)
    return _Upsert("POST", path, events, body, _JSON, traces=traces, company=company)


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return ";".join(str(shape.scalar(one)) for one in value if one is not None)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.strip() if isinstance(value, str) else shape.scalar(value)
